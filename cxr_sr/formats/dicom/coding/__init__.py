"""Decode code streams of DICOM pixel data to samples."""
