"""DICOM files: their parts, read and written."""
