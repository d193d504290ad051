"""`cxr-sr inspect`: describe files from their headers."""

import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cxr_sr.batch.runner import explain
from cxr_sr.cli import output
from cxr_sr.cli.errors import exit_code
from cxr_sr.cli.options import Inputs, Json, paths
from cxr_sr.errors import CxrSrError

if TYPE_CHECKING:
    from cxr_sr.formats.discover import Found
    from cxr_sr.formats.inspection import Inspection

COLUMNS = ["file", "kind", "size", "bits", "photometric", "spacing mm", "pixels"]
UNKNOWN = "-"


@dataclass(frozen=True, kw_only=True)
class Options:
    """The options of `cxr-sr inspect`."""

    inputs: Inputs
    as_json: Json = False


@dataclass(frozen=True)
class Description:
    """The description of one file."""

    name: str
    about: "Inspection | None" = None
    problem: str = ""
    """Why it cannot be described."""
    asked: bool = True
    """The user named this very file."""


def inspect(options: Options) -> int:
    """Describe files from their headers, without decoding pixels.

    Says why `upscale` would refuse a file, and lists what is unusual about it.
    """
    described = []
    for description in _describe(options.inputs):
        described.append(description)
        if options.as_json:
            output.record(_record(description))
    if not options.as_json:
        _show(described)
    missed = [d for d in described if d.problem and d.asked]
    for each in missed:
        output.complain(f"{each.name}: {each.problem}")
    return exit_code(
        len(described) - sum(bool(d.problem) for d in described), len(missed)
    )


def _describe(inputs: list[str]) -> Iterator[Description]:
    from cxr_sr.batch.plan import find

    for found in find(paths(inputs)):
        yield _description(found)


def _description(found: "Found") -> Description:
    from cxr_sr.formats import inspect as look_at
    from cxr_sr.formats.discover import Candidate

    name = found.relative.as_posix()
    if not isinstance(found, Candidate):
        return Description(name, problem=found.reason, asked=found.asked)
    try:
        return Description(name, look_at(found.path))
    except CxrSrError as error:
        return Description(name, problem=explain(error))


def _record(described: Description) -> dict[str, object]:
    about = dataclasses.asdict(described.about) if described.about else {}
    problem = {"problem": described.problem} if described.problem else {}
    return {"file": described.name} | about | problem


def _show(described: list[Description]) -> None:
    """Print a table, and below it remarks on single files."""
    rows = [[d.name, *_cells(d.about)] for d in described if d.about]
    if rows:
        output.table(COLUMNS, rows)
    for name, about in ((d.name, d.about) for d in described if d.about):
        refused = [f"refused: {about.refusal}"] if about.refusal else []
        for remark in [*refused, *about.findings]:
            output.data(f"{name}: {remark}")


def _cells(about: "Inspection") -> list[str]:
    size = f"{about.columns} x {about.rows}" if about.rows else UNKNOWN
    spacing = about.spacing_mm
    return [
        " ".join(filter(None, [about.kind, about.modality])),
        size if about.frames == 1 else f"{size} x {about.frames}",
        f"{about.bits_stored or UNKNOWN}{' signed' if about.signed else ''}",
        about.photometric or UNKNOWN,
        " x ".join(f"{mm:.4g}" for mm in spacing) if spacing else UNKNOWN,
        about.transfer_syntax or UNKNOWN,
    ]
