"""PNG, JPEG, TIFF, MetaImage, NRRD and NIfTI files, and NPY arrays."""
