"""Make a small export with the usual faults of exports, and list its patients."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from zlib import crc32

from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.uid import (
    UID,
    CTImageStorage,
    ExplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGLSLossless,
    MediaStorageDirectoryStorage,
    RLELossless,
)

from tests.builders import noise, pixel_format, write_png
from tests.dicom_files import dicom_file
from tests.header_builders import make_item

ANNA: dict[str, Any] = {
    "PatientName": "Annakovic^Anna",
    "PatientID": "ID-4711-ANNA",
    "IssuerOfPatientID": "HOSPITAL-NORTH",
    "PatientBirthDate": "19310412",
    "PatientAge": "088Y",
    "PatientSex": "F",
    "ViewPosition": "PA",
    "StudyInstanceUID": "1.2.826.0.1.4711.1",
    "AccessionNumber": "ACC-4711",
    "InstitutionName": "Northern Infirmary",
    "StudyDate": "20200319",
    "OperatorsName": "Operator^Olga",
    "Manufacturer": "Maker",
}
BERT: dict[str, Any] = ANNA | {
    "PatientName": "Bertelsmann^Bert",
    "PatientID": "ID-0815-BERT",
    "PatientBirthDate": "19200101",
    "PatientAge": "100Y",
    "PatientSex": "M",
    "ViewPosition": "AP",
    "StudyInstanceUID": "1.2.826.0.1.815.1",
    "AccessionNumber": "ACC-0815",
}
NOBODY: dict[str, Any] = ANNA | {
    "PatientName": "",
    "PatientID": "",
    "PatientAge": None,
    "PatientBirthDate": "",
}
TELLING = (
    "PatientName",
    "PatientID",
    "IssuerOfPatientID",
    "PatientBirthDate",
    "StudyInstanceUID",
    "AccessionNumber",
    "InstitutionName",
    "StudyDate",
    "OperatorsName",
)
SECRETS = {
    part
    for person in (ANNA, BERT)
    for keyword in TELLING
    for part in (person[keyword], *person[keyword].split("^"))
}
"""Values that no file written about the export may contain."""

KEPT = [
    "a/s1/IM0001",
    "a/s1/IM0002",
    "a/s2/IM0001",
    "lost/IM0001",
    "lost/IM0002",
    "pictures/scan.png",
    "s3/IM0001",
]
LEFT_OUT = {
    "DICOMDIR": "no image",
    "Thumbs.db": "no image",
    "a/s1/IM0003": "duplicate",
    "a/s2/IM0002": "duplicate",
    "broken/IM0001": "unreadable",
    "broken/IM0002": "no image",
    "ct/IM0001": "no radiograph",
    "notes.txt": "no image",
}


def image(
    path: Path, seed: int = 0, person: dict[str, Any] = ANNA, **more: Any
) -> Path:
    """A DX of 33 x 34 px and 12 bits; `seed` decides its pixels, its path the UIDs."""
    path.parent.mkdir(parents=True, exist_ok=True)
    uid = f"1.2.826.0.9.{crc32(path.as_posix().encode())}"
    pixels = more.pop("pixels", noise((33, 34), pixel_format(), seed))
    syntax = more.pop("syntax", ExplicitVRLittleEndian)
    return dicom_file(
        path, pixels, None, syntax, **(person | {"SOPInstanceUID": uid} | more)
    )


def dicomdir(folder: Path, files: list[str]) -> Path:
    """A DICOMDIR that lists these files of its folder as images."""
    records = [
        make_item(DirectoryRecordType="IMAGE", ReferencedFileID=name.split("/"))
        for name in files
    ]
    content = make_item(FileSetID="EXPORT", DirectoryRecordSequence=records)
    meta = FileMetaDataset()
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    meta.MediaStorageSOPClassUID = MediaStorageDirectoryStorage
    meta.MediaStorageSOPInstanceUID = UID("1.2.826.0.9.0")
    path = folder / "DICOMDIR"
    FileDataset(path, content, file_meta=meta, preamble=bytes(128)).save_as(path)
    return path


def messy_export(root: Path) -> Path:
    """Two patients in several folders, one folder with both, and other files."""
    image(root / "a/s1/IM0001", 1)
    image(root / "a/s1/IM0002", 2, syntax=JPEGLSLossless)
    image(root / "a/s1/IM0003", 1, syntax=JPEG2000Lossless)
    image(root / "a/s2/IM0001", 3, StudyInstanceUID="1.2.826.0.1.4711.2")
    image(root / "a/s2/IM0002", 1, BERT, syntax=RLELossless)
    image(root / "s3/IM0001", 4, BERT)
    image(root / "lost/IM0001", 5, NOBODY, StudyInstanceUID=None)
    image(root / "lost/IM0002", 6, NOBODY, StudyInstanceUID=None)
    image(root / "ct/IM0001", 7, SOPClassUID=CTImageStorage, Modality="CT")
    cut = image(root / "broken/IM0001", 8)
    cut.write_bytes(cut.read_bytes()[:-1000])
    (root / "broken/IM0002").write_bytes(b"")
    (root / "notes.txt").write_text("Annakovic^Anna came on 20200319")
    (root / "Thumbs.db").write_bytes(b"x")
    (root / "DICOMDIR").write_bytes(b"x")
    (root / "pictures").mkdir()
    write_png(root / "pictures/scan.png")
    return root
