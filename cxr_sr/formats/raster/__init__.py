"""PNG, TIFF, MetaImage and NRRD files, read and written by SimpleITK."""
