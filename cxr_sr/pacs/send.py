"""Send the results of a batch run to one receiver, and record them in the report."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePath

from cxr_sr.files import sha256_of
from cxr_sr.formats.discover import Candidate, discover
from cxr_sr.formats.registry import kind_of_file
from cxr_sr.pacs.network.store_scu import AwayError, RefusedError, Sender
from cxr_sr.report.entries import DeliveryFacts, FileEntry, read_deliveries
from cxr_sr.report.outcome import Job, Outcome
from cxr_sr.report.results import Results, below

REPORT_SUFFIX = ".jsonl"
CHANGED = (
    "it differs from the file in the report, because somebody changed or replaced it; "
    "name the file itself to send it, or make it again"
)
MISSING = "the report lists it as written, but the file is missing; make it again"
NOT_TRIED = "not sent: the receiver could not be reached for earlier files"
TRIES = 2
NO_DICOM = "it is no DICOM file"
NO_DICOM_MASK = "it is no DICOM file, and not sent"
KNOWN = "the receiver has it, as the report says"


@dataclass(frozen=True)
class Parcel:
    """One file to send."""

    job: Job
    """The job; its source is the file to send."""
    sha256: str
    """SHA-256 of the file in the report; "" without a report."""
    problem: str = ""
    """The reason why the file cannot be sent."""
    known: bool = False
    """True if the receiver has the file already."""
    of: str = ""
    """Name of the source in the report, if the file is the mask of a result."""

    @property
    def file(self) -> str:
        """Name of the source in the report."""
        return self.of or self.job.name

    @property
    def facts(self) -> DeliveryFacts:
        """The facts about the file for the report."""
        facts: DeliveryFacts = {}
        if self.sha256:
            facts["output_sha256"] = self.sha256
        if self.of:
            facts["mask"] = self.job.name
        return facts


def parcels_of_report(report: Path, receiver: str) -> list[Parcel]:
    """Return the results in a report, and their masks.

    Each parcel says whether the receiver has it already.

    Parameters
    ----------
    receiver : name of the receiver, from `Peer.name`

    Raises
    ------
    SettingsError
        If the file cannot be read, or is no report.
    """
    results = Results.read(report)
    had = {
        (line["file"], line.get("output_sha256"))
        for line in read_deliveries(report)
        if line["to"] == receiver and line["status"] == "sent"
    }
    return [
        dataclasses.replace(parcel, known=(parcel.file, parcel.sha256) in had)
        for entry in results.written
        for parcel in _parcels(report.parent, entry)
    ]


def _parcels(folder: Path, entry: FileEntry) -> Iterator[Parcel]:
    """Yield a result, and its mask if it has one."""
    name, output = entry["file"], entry.get("output", "")
    path = below(folder, output)
    yield _parcel(Job(name, path or folder, output), entry.get("output_sha256", ""))
    mask = entry.get("mask", "")
    if mask:
        path = below(folder, mask)
        job = Job(mask, path or folder, mask)
        yield dataclasses.replace(_parcel(job, entry.get("mask_sha256", "")), of=name)


def _parcel(job: Job, sha256: str) -> Parcel:
    if not job.source.is_file():
        return Parcel(job, sha256, MISSING)
    if sha256_of(job.source) != sha256:
        return Parcel(job, sha256, CHANGED)
    kind = kind_of_file(job.source)
    if kind is None or not kind.is_dicom:
        return Parcel(job, sha256, NO_DICOM)
    return Parcel(job, sha256)


def parcels_of_files(paths: Sequence[Path]) -> Iterator[Parcel]:
    """Yield the DICOM files in folders, and all files that the user named.

    A named file that is not DICOM has a problem. In folders, such files are ignored.
    """
    for found in discover(paths):
        job = Job(PurePath(found.relative).as_posix(), found.path)
        if isinstance(found, Candidate) and found.kind.is_dicom:
            yield Parcel(job, "")
        elif found.asked:
            reason = getattr(found, "reason", "")
            yield Parcel(job, "", reason or NO_DICOM)


def deliver(
    parcels: Iterable[Parcel],
    sender: Sender,
    answered: Callable[[Parcel, str | None], None],
) -> Generator[Outcome]:
    """Send each file; yield the receiver's answer.

    If the receiver cannot be reached for two files in a row, no more files are tried.

    Parameters
    ----------
    answered : called with each answer: None if the receiver has the file, else the
        reason of the refusal
    """
    away = 0
    for parcel in parcels:
        if parcel.of and parcel.problem == NO_DICOM:
            yield Outcome(parcel.job, "skipped", reason=NO_DICOM_MASK)
            continue
        if parcel.known and not parcel.problem:
            yield Outcome(parcel.job, "kept", reason=KNOWN)
            continue
        problem = parcel.problem or (NOT_TRIED if away >= TRIES else "")
        try:
            if not problem:
                sender.send(parcel.job.source)
                answered(parcel, None)
                away = 0
        except RefusedError as error:
            answered(parcel, str(error))
            problem, away = f"the receiver refused it: {error}", 0
        except AwayError as error:
            problem, away = f"not sent: {error}", away + 1
        yield Outcome(parcel.job, "failed" if problem else "done", reason=problem)
