"""The names of the file formats that are read; `registry` describes them."""

from __future__ import annotations

import enum


class Kind(enum.Enum):
    """The formats that are recognised by content; the value is the name to print."""

    DICOM = "DICOM"
    BARE_DICOM = "DICOM without preamble"
    PNG = "PNG"
    JPEG = "JPEG"
    TIFF = "TIFF"
    META_IMAGE = "MetaImage"
    NRRD = "NRRD"
    NIFTI = "NIfTI"

    @property
    def is_dicom(self) -> bool:
        """Whether the file is a DICOM data set."""
        return self in {Kind.DICOM, Kind.BARE_DICOM}
