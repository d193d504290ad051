"""Super-resolution of chest radiographs: DICOM in, DICOM out."""
