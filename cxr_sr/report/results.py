"""Read a report: its runs, and the last entry of each file."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Self

from cxr_sr.errors import SettingsError
from cxr_sr.report.entries import VERSION, WRITTEN, FileEntry, RunEntry, read_entries


@dataclass(frozen=True)
class Results:
    """A report of one run of `cxr-sr upscale`, or of several runs with --resume.

    Of several lines about a file, the last line counts.
    """

    runs: list[RunEntry] = field(default_factory=list)
    files: list[FileEntry] = field(default_factory=list)
    """The last entry of each file, in the order of the first entries."""

    @classmethod
    def read(cls, report: Path) -> Self:
        """Read a report; skip incomplete lines, which a killed run may leave.

        Raises
        ------
        SettingsError
            If the file cannot be read, is no report, or has a later version.
        """
        runs: list[RunEntry] = []
        files: dict[str, FileEntry] = {}
        if report.exists() and not report.is_file():
            raise SettingsError(f"the report {report.name} is no regular file")
        try:
            for line in read_entries(report):
                if line["type"] == "run":
                    runs.append(line)
                else:
                    files[line["file"]] = line
        except OSError as error:
            raise SettingsError(
                f"the report {report.name} cannot be read: {error.strerror}"
            ) from error
        _check(report.name, runs, files)
        return cls(runs, list(files.values()))

    @property
    def run(self) -> RunEntry:
        """The first line of the last run."""
        return self.runs[-1] if self.runs else {}

    @property
    def written(self) -> list[FileEntry]:
        """The entries of all files with an output."""
        return [entry for entry in self.files if entry["status"] in WRITTEN]

    @property
    def missing(self) -> list[FileEntry]:
        """The entries of files without an output: first failed, then skipped files."""
        others = [entry for entry in self.files if entry["status"] not in WRITTEN]
        return sorted(others, key=lambda entry: entry["status"] != "failed")


def below(folder: Path, name: object) -> Path | None:
    """Return the path of a report's file below `folder`; None for a path outside.

    A report may come from anyone. It must not make us open files outside the user's
    folder.
    """
    if not isinstance(name, str) or "\0" in name:
        return None
    path = PurePosixPath(name)
    plain = not path.is_absolute() and ".." not in path.parts
    return folder / path if plain and path.parts else None


def _check(name: str, runs: list[RunEntry], files: dict[str, FileEntry]) -> None:
    """Refuse a file that is no report, or a report of a later version."""
    if not runs and not files:
        raise SettingsError(
            f"{name} is no report of cxr-sr: expected JSON lines as `cxr-sr upscale` "
            "writes them to cxr-sr-report.jsonl"
        )
    version = max((run.get("version", VERSION) for run in runs), default=VERSION)
    if version > VERSION:
        raise SettingsError(
            f"{name} is a report of version {version}; expected at most {VERSION}: "
            "update cxr-sr"
        )
