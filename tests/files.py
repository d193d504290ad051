"""Builders of small files, and of runs of the command line on them."""

from __future__ import annotations

import json
import sysconfig
from pathlib import Path
from typing import Any

import numpy as np
import SimpleITK as sitk  # noqa: N813
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.uid import (
    UID,
    ComputedRadiographyImageStorage,
    CTImageStorage,
    ExplicitVRLittleEndian,
    generate_uid,
)
from typer.testing import CliRunner, Result

from cxr_sr.cli.main import app


def a_dicom(
    path: Path,
    seed: int = 0,
    sop_class: UID = ComputedRadiographyImageStorage,
    **more: Any,
) -> Path:
    """A CR of 20 x 16 px and 12 bits with patient, study and series."""
    meta = FileMetaDataset()
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    meta.MediaStorageSOPClassUID = sop_class
    meta.MediaStorageSOPInstanceUID = generate_uid(entropy_srcs=[path.name, str(seed)])
    path.parent.mkdir(parents=True, exist_ok=True)
    header = FileDataset(str(path), {}, file_meta=meta, preamble=bytes(128))
    header.SOPClassUID = sop_class
    header.SOPInstanceUID = meta.MediaStorageSOPInstanceUID
    header.StudyInstanceUID, header.SeriesInstanceUID = "1.2.3", "1.2.3.4"
    header.Modality = "CT" if sop_class == CTImageStorage else "CR"
    header.PatientName, header.PatientID = "Secret^Person", "SECRET-17"
    header.PixelSpacing = [0.2, 0.2]
    header.Rows, header.Columns, header.SamplesPerPixel = 20, 16, 1
    header.BitsAllocated, header.BitsStored, header.HighBit = 16, 12, 11
    header.PixelRepresentation, header.PhotometricInterpretation = 0, "MONOCHROME2"
    pixels = np.random.default_rng(seed).integers(0, 4096, (20, 16), np.uint16)
    header.PixelData = pixels.tobytes()
    for keyword, value in more.items():
        setattr(header, keyword, value)
    header.save_as(path)
    return path


def a_png(path: Path, seed: int = 0, shape: tuple[int, int] = (20, 16)) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(seed).integers(0, 256, shape, np.uint8)
    sitk.WriteImage(sitk.GetImageFromArray(pixels), str(path))
    return path


COMMAND = Path(sysconfig.get_path("scripts")) / "cxr-sr"
NOTICE = "cxr-sr is for research only; it is not a medical device.\n"
EVERY = ["a/IM0001", "a/chest.dcm", "b/IM0001", "b/picture.png"]

Entry = dict[str, Any]


def an_export(folder: Path) -> Path:
    """Two studies, a file without an ending, a picture: the files of EVERY."""
    a_dicom(folder / "a" / "IM0001", seed=1)
    a_dicom(folder / "a" / "chest.dcm", seed=2)
    a_dicom(folder / "b" / "IM0001", seed=3)
    a_png(folder / "b" / "picture.png")
    return folder


def damage(path: Path) -> None:
    """Cut off the end of a file."""
    path.write_bytes(path.read_bytes()[:-100])


def upscale(*arguments: object, stdin: str | None = None) -> Result:
    """Run in this process, by an interpolator, which needs no weights."""
    words = [str(a) for a in arguments]
    model = [] if "--model" in words else ["--model", "bicubic"]
    return CliRunner().invoke(app, ["upscale", *words, *model], input=stdin)


def json_lines(text: str) -> list[Entry]:
    return [json.loads(line) for line in text.splitlines()]


def report_of(folder: str = "out") -> list[Entry]:
    return json_lines((Path(folder) / "cxr-sr-report.jsonl").read_text())


def tree(folder: str | Path) -> dict[str, bytes]:
    """Every file below a folder, by its path there."""
    paths = [path for path in Path(folder).rglob("*") if path.is_file()]
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in sorted(paths)}
