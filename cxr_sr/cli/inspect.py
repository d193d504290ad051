"""`cxr-sr inspect`: describe files from their headers."""

import dataclasses
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

from typer import Option

from cxr_sr.batch.runner import explain
from cxr_sr.cli import output
from cxr_sr.cli.batch import tell_left_out
from cxr_sr.cli.errors import exit_code
from cxr_sr.cli.options import Inputs, Json, paths
from cxr_sr.errors import CxrSrError

if TYPE_CHECKING:
    from cxr_sr.formats.discover import Found
    from cxr_sr.formats.inspection import Inspection

_COLUMNS = ["file", "kind", "size", "bits", "photometric", "spacing mm", "pixels"]
UNKNOWN = "-"
SHOWN = 5
"""Largest number of named files if several have the same remark."""


@dataclass(frozen=True, kw_only=True)
class Options:
    """The options of `cxr-sr inspect`."""

    inputs: Inputs
    as_json: Json = False
    noise: Annotated[
        bool,
        Option(
            "--noise",
            help="Read the pixels and estimate their noise: its standard deviation in "
            "stored codes, and the correlation of neighbouring pixels.",
        ),
    ] = False


@dataclass(frozen=True)
class Description:
    """The description of one file."""

    name: str
    about: "Inspection | None" = None
    problem: str = ""
    """The reason why the file cannot be described."""
    asked: bool = True
    """True if the user named the file itself."""
    noise: "dict[str, float] | None" = None
    """Standard deviation (codes), correlation, share of the image that is all noise,
    and share of the noise that `upscale` takes into account; None without --noise."""


def inspect(options: Options) -> int:
    """Describe files from their headers, without decoding pixels.

    The command also prints the reason why `upscale` would refuse a file, and a sentence
    for each unusual property. Damaged pixels are found only by --noise, which decodes
    them.
    """
    described = []
    for description in _describe(options.inputs, noise=options.noise):
        described.append(description)
        if options.as_json:
            output.record(_record(description))
    if not options.as_json:
        _show(described)
        tell_left_out(d.problem for d in described if d.problem and not d.asked)
    missed = [d for d in described if d.problem and d.asked]
    for each in missed:
        output.complain(f"{each.name}: {each.problem}")
    return exit_code(
        len(described) - sum(bool(d.problem) for d in described), len(missed)
    )


def _describe(inputs: list[str], *, noise: bool) -> Iterator[Description]:
    from cxr_sr.batch.plan import find_files

    for found in find_files(paths(inputs)):
        description = _description(found)
        yield _with_noise(description, found) if noise else description


def _with_noise(description: Description, found: "Found") -> Description:
    """Return the description with the noise of the pixels, if they can be read."""
    from cxr_sr.formats import read
    from cxr_sr.formats.discover import Candidate
    from cxr_sr.superres.noise import noise_of

    about = description.about
    if not isinstance(found, Candidate) or about is None or about.refusal:
        return description
    try:
        noise = noise_of(read(found.path))
    except CxrSrError as error:
        return dataclasses.replace(description, problem=explain(error))
    return dataclasses.replace(description, noise=noise)


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
    noise = {} if described.noise is None else {"noise": described.noise}
    return {"file": described.name} | about | noise | problem


def _show(described: list[Description]) -> None:
    """Print a table, and below it remarks on single files."""
    rows = [[d.name, *_cells(d.about), *_noise(d)] for d in described if d.about]
    if rows:
        noise = ["noise"] if any(d.noise is not None for d in described) else []
        columns = _COLUMNS + noise
        output.table(columns, [row[: len(columns)] for row in rows], keys=1)
    for remark, names in _grouped(described).items():
        for line in _lines(remark, names):
            output.paragraph(line)
    output.data(_totals(described))


def _grouped(described: list[Description]) -> dict[str, list[str]]:
    """Return the names of the files by remark."""
    grouped: dict[str, list[str]] = {}
    for name, about in ((d.name, d.about) for d in described if d.about):
        refused = [f"refused: {about.refusal}"] if about.refusal else []
        for remark in [*refused, *about.findings]:
            grouped.setdefault(remark, []).append(name)
    return grouped


def _lines(remark: str, names: list[str]) -> list[str]:
    """Return one line for one file, and two lines for several files."""
    if len(names) == 1:
        return [f"{names[0]}: {remark}"]
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return [f"{len(names)} files: {remark}", f"  {', '.join(names[:SHOWN])}{more}"]


def _totals(described: list[Description]) -> str:
    """Return the number of files that can be upscaled, and of others, in words."""
    seen = [d.about for d in described if d.about]
    refused = sum(bool(about.refusal) for about in seen)
    results = sum(about.own_result and not about.refusal for about in seen)
    ends = {
        "can be upscaled": len(seen) - refused - results,
        "results of cxr-sr": results,
        "refused": refused,
        "unreadable": sum(d.asked for d in described if d.about is None),
        "no image": sum(not d.asked for d in described if d.about is None),
    }
    told = ", ".join(f"{count} {end}" for end, count in ends.items() if count)
    files = "1 file" if len(described) == 1 else f"{len(described)} files"
    return f"Total: {files}{': ' if told else ''}{told}"


def _cells(about: "Inspection") -> list[str]:
    size = f"{about.columns} x {about.rows}" if about.rows else UNKNOWN
    spacing = about.spacing_mm
    return [
        " ".join(filter(None, [about.kind, about.modality])),
        size if about.frames == 1 else f"{size} x {about.frames}",
        f"{about.bits_stored or UNKNOWN}{' signed' if about.signed else ''}",
        about.photometric or UNKNOWN,
        " x ".join(f"{mm:.4g}" for mm in spacing) if spacing else UNKNOWN,
        _short(about.transfer_syntax or UNKNOWN),
    ]


def _short(transfer_syntax: str) -> str:
    """Return the name of a transfer syntax without its details, such as "JPEG-LS"."""
    head = re.split(r",| \(| Image Compression", transfer_syntax)[0]
    return f"{head} Lossless" if "(Lossless Only)" in transfer_syntax else head


def _noise(described: Description) -> list[str]:
    """Return the cell about the noise: its standard deviation and correlation."""
    found = described.noise
    if not found:
        return ["none" if found is not None else UNKNOWN]
    said = [f"{found['sigma']:.3g} ({found['correlation']:.2f})"]
    if "coding" in found:
        said = [*said * (found["sigma"] > 0), f"JPEG {found['coding']:.3g}"]
    return [", ".join(said)]
