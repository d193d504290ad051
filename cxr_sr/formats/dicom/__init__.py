"""Read and write DICOM files."""
