"""Name the file formats that can be read; `registry` describes them."""

from __future__ import annotations

import enum


class Kind(enum.Enum):
    """Formats that are recognised by content; the value is the name for messages."""

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
        """True for a DICOM data set."""
        return self in {Kind.DICOM, Kind.BARE_DICOM}
