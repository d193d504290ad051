"""Do the work of `cxr-sr upscale` on one file, and collect facts for the report."""

from __future__ import annotations

import dataclasses
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, cast

from cxr_sr.batch.identities import uid_facts
from cxr_sr.batch.pipeline import Stage
from cxr_sr.batch.tags import TagTable
from cxr_sr.errors import SettingsError
from cxr_sr.files import sha256_of
from cxr_sr.formats import (
    is_lossy,
    read_original,
    uids_of,
    write,
)
from cxr_sr.formats.dicom.header import DicomHeader, Uids
from cxr_sr.formats.header.derive import HeaderOptions
from cxr_sr.formats.kind import Kind
from cxr_sr.formats.raster.files import RasterHeader, polarity_warning
from cxr_sr.formats.registry import format_named
from cxr_sr.names import Compression
from cxr_sr.radiograph import Header, Radiograph
from cxr_sr.report.earlier import fingerprint
from cxr_sr.report.entries import FileFacts, RunEntry
from cxr_sr.report.outcome import Job
from cxr_sr.superres.maps import Maps
from cxr_sr.superres.models.zoo import Model
from cxr_sr.superres.settings import Settings
from cxr_sr.superres.target import Target
from cxr_sr.superres.upscale import upscale


@dataclass(frozen=True)
class UpscalingRecipe:
    """All settings that decide an output's bytes, except its input and the time."""

    model: Model
    target: Target
    settings: Settings
    header: HeaderOptions
    compression: Compression
    """Lossless compression of the pixels in DICOM files."""
    format: str
    version: str
    """Version of cxr-sr; another version may compute other pixels."""
    again: bool = False
    """Accept results of cxr-sr as input, too."""
    tags: TagTable | None = None
    """Tags for pictures that become DICOM files."""

    def describe(self) -> dict[str, Any]:
        """Return the settings for the report."""
        settings = dataclasses.asdict(self.settings)
        # Another time or another number of threads is no reason to do a file again.
        del settings["now"], settings["threads"]
        header = dataclasses.asdict(self.header)
        del header["tags"]  # the values identify the patient
        return {
            "model": self.model.spec.name,
            "weights_sha256": self._hash_of(self.model),
            "clean_weights_sha256": self._hash_of(self.model.clean),
            "target": {type(self.target).__name__: dataclasses.astuple(self.target)[0]},
            "header": header,
            "tags_sha256": self.tags and self.tags.sha256,
            "compression": self.compression,
            "format": self.format,
            "version": self.version,
            **settings,
        }

    def _hash_of(self, model: Model) -> str:
        settings = self.settings
        return model.spec.weights_sha256(settings.engine, settings.precision)

    def header_of(self, job: Job) -> HeaderOptions:
        """Return the header options for one result."""
        stated = self.tags and self.tags.of(job)
        return dataclasses.replace(self.header, tags=stated) if stated else self.header

    def announce(self) -> RunEntry:
        """Return the first line of a run's report; `at` must have set the time."""
        now = self.settings.now
        return {
            "cxr_sr": self.version,
            "clock": now.isoformat() if now else None,
            "settings_sha256": self.sha256,
            "settings": self.describe(),
        }

    @property
    def sha256(self) -> str:
        """SHA-256 of the settings; a resumed run with the same hash keeps outputs."""
        return fingerprint(self.describe())

    def at(self, now: datetime) -> UpscalingRecipe:
        """Return the recipe with the time for the headers of the results."""
        settings = dataclasses.replace(self.settings, now=now)
        return dataclasses.replace(self, settings=settings)


def clock(resumed: datetime | None) -> datetime:
    """Return the time that a run writes into all of its files.

    The time is SOURCE_DATE_EPOCH (seconds since 1970, UTC) if the variable is set, else
    the time of the resumed run, so that all files agree, else now.

    Raises
    ------
    SettingsError
        If SOURCE_DATE_EPOCH is no number of seconds.
    """
    epoch = os.environ.get("SOURCE_DATE_EPOCH")
    if epoch is None:
        return resumed or datetime.now(UTC).replace(microsecond=0)
    try:
        return datetime.fromtimestamp(int(epoch), UTC)
    except (ValueError, OverflowError, OSError) as error:
        raise SettingsError(
            f"SOURCE_DATE_EPOCH is {epoch!r}; expected whole seconds since 1970"
        ) from error


@dataclass(frozen=True)
class _Read:
    radiograph: Radiograph
    sha256: str
    seconds: dict[str, float]
    maps: Maps | None = None
    """Receive the feature maps of super-resolution, for a head."""


@dataclass(frozen=True)
class _Upscaled:
    """The radiograph of a file, and its result."""

    before: _Read
    finer: Radiograph


class Upscaling:
    """Reads a file, upscales it and writes the result."""

    def __init__(self, recipe: UpscalingRecipe) -> None:
        self._recipe = recipe
        self._settings_sha256 = fingerprint(recipe.describe())

    def __call__(self, job: Job) -> FileFacts:
        """Make one output; return the facts for the report.

        Raises
        ------
        CxrSrError
            If the file cannot be read, is no radiograph, or cannot be written.
        """
        return self._write(job, self._upscale(job, self._read(job)))

    @property
    def stages(self) -> tuple[Stage, ...]:
        """The work in three stages, for three jobs at a time."""
        return (lambda job, _: self._read(job), self._upscale, self._write)

    def _read(self, job: Job) -> _Read:
        seconds: dict[str, float] = {}
        with _timed(seconds, "read"):
            radiograph = read_original(
                job.source, again=self._recipe.again, header=self._recipe.header_of(job)
            )
        with _timed(seconds, "hash"):
            sha256 = sha256_of(job.source)
        return _Read(radiograph, sha256, seconds)

    def _upscale(self, _job: Job, before: _Read) -> _Upscaled:
        recipe = self._recipe
        with _timed(before.seconds, "upscale"):
            finer = upscale(
                before.radiograph,
                recipe.model,
                recipe.target,
                recipe.settings,
                before.maps,
            )
        return _Upscaled(before, finer)

    def _write(self, job: Job, made: _Upscaled) -> FileFacts:
        before, finer, seconds = made.before, made.finer, made.before.seconds
        with _timed(seconds, "write"):
            job.target.parent.mkdir(parents=True, exist_ok=True)
            write(finer, job.target, compression=self._coding(job), overwrite=True)
        with _timed(seconds, "hash"):
            output_sha256 = sha256_of(job.target)
        return {
            "output": job.output,
            "input_sha256": before.sha256,
            "output_sha256": output_sha256,
            "input_size": before.radiograph.shape,
            "output_size": finer.shape,
            "input_spacing_mm": before.radiograph.geometry.spacing_mm,
            "input_lossy": is_lossy(before.radiograph),
            "output_spacing_mm": finer.geometry.spacing_mm,
            **_derivation(finer),
            **_said(job, before.radiograph, self._recipe.tags),
            "settings_sha256": self._settings_sha256,
            "seconds": seconds,
        }

    def _coding(self, job: Job) -> Compression:
        return self._recipe.compression if _is_dicom(job) else "none"


def _is_dicom(job: Job) -> bool:
    form = format_named(job.target.suffix)
    return form is None or form.kind is Kind.DICOM


def _said(job: Job, radiograph: Radiograph, table: TagTable | None) -> FileFacts:
    """Return the warnings about a result's header."""
    source = radiograph.header
    if not _is_dicom(job):
        doubt = polarity_warning(radiograph, job.target.suffix)
        return {"warnings": [doubt]} if doubt else {}
    if not isinstance(source, DicomHeader | RasterHeader):
        return {}
    facts = uid_facts(Uids.of(source), uids_of(job.target))
    dates = {"dates": source.dates.which, "dates_because": source.dates.because}
    told: dict[str, Any] = facts | {k: v for k, v in dates.items() if v}
    doubts = [_untold(job, source, table) if table else "", _unnamed(source)]
    if any(doubts):
        told["warnings"] = [doubt for doubt in doubts if doubt]
    return cast("FileFacts", told)


def _unnamed(source: Header) -> str:
    """Return a warning if a DICOM file has no valid UID; "" if it has one."""
    if not isinstance(source, DicomHeader) or Uids.of(source).is_valid:
        return ""
    return (
        "it has no valid SOP Instance UID; the result gets a UID that is made from the "
        "header and the pixels"
    )


def _untold(job: Job, source: Header, table: TagTable) -> str:
    """Return a warning if an image and its row do not fit together; "" if they do."""
    stated = table.of(job)
    if isinstance(source, DicomHeader):
        return (
            f"its row in {table.name} is not used, because the file has a header"
            if stated
            else ""
        )
    return (
        ""
        if stated
        else f"{table.name} has no row for it, so its result names no patient"
    )


@contextmanager
def _timed(seconds: dict[str, float], stage: str) -> Iterator[None]:
    begun = time.perf_counter()
    yield
    spent = time.perf_counter() - begun
    seconds[stage] = round(seconds.get(stage, 0.0) + spent, 3)


def _derivation(finer: Radiograph) -> FileFacts:
    facts = dataclasses.asdict(finer.derivation) if finer.derivation else {}
    return cast("FileFacts", facts)
