"""Code streams of DICOM pixel data become samples."""
