"""Make an index of an export: each image once, all images of a patient in one split.

::

    survey(data)        find the files                         formats.discover
    examine(path)       facts about each, in parallel, kept    facts, journal
    assemble(...)       drop duplicates, split the patients    here
    write_index(...)    write the images                       here
    write_skipped(...)  write the other files                  here

An index has the fields of `IndexRow` and no others. It names patients by salted hashes;
it has no names, numbers, dates or UIDs of the export. Only `file` is copied from the
export: the image's path relative to the index, because training must find the image.
"""

from __future__ import annotations

import dataclasses
import math
import posixpath
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from cxr_sr.files import replacing
from cxr_sr.formats import OWN_RESULT
from cxr_sr.formats.dicom.subject import code, sex
from cxr_sr.formats.discover import Candidate, discover
from cxr_sr.index.facts import Facts, Finding, ImageFacts, LeftOutKind, age
from cxr_sr.index.given import Manifest
from cxr_sr.index.split import Salt, Shares
from cxr_sr.index.wanted import Wanted
from cxr_sr.texts import is_unicode, write_rows


@dataclass(frozen=True, slots=True, kw_only=True)
class IndexRow(ImageFacts):
    """One image of an index."""

    file: str
    """Path relative to the index."""
    split: str
    source: str
    """Data set and its licence, from a manifest; trained weights repeat both."""
    licence: str


ROW_COLUMNS = (
    *("file", "split"),
    *(field.name for field in dataclasses.fields(ImageFacts)),
    *("source", "licence"),
)


@dataclass(frozen=True)
class Index:
    """The index of an export, and the files that were left out."""

    rows: Sequence[IndexRow]
    left_out: Sequence[Finding]
    unnamed: int = 0
    """Number of images without a named patient."""


@dataclass(frozen=True)
class IndexSettings:
    """The settings of an index."""

    salt: Salt
    shares: Shares
    manifest: Manifest
    folder: str = ""
    """Path from the index's folder to the data's folder, with forward slashes."""
    again: bool = False
    """Put results of this package into the index, too."""
    wanted: Wanted = field(default_factory=Wanted)
    """The index has only images of these views and body parts."""

    def place(self, name: str) -> str:
        """Return a file's path relative to the index."""
        return posixpath.normpath(posixpath.join(self.folder, name))


def survey(
    data: Path, is_ours: Callable[[Path], bool]
) -> tuple[list[Candidate], list[Finding]]:
    """Return the files that may be images, and a finding about each other file.

    Parameters
    ----------
    data : a folder, a DICOMDIR, or one file
    is_ours : returns True for files that `cxr-sr index` itself wrote
    """
    candidates: list[Candidate] = []
    others: list[Finding] = []
    for found in discover([data]):
        name = found.relative.as_posix()
        if is_ours(found.path):
            continue
        if not is_unicode(name):
            reason = "its name is not UTF-8, which an index cannot hold; rename it"
            legible = name.encode(errors="backslashreplace").decode()
            others.append(Finding(legible, None, "unreadable", reason))
        elif isinstance(found, Candidate):
            candidates.append(found)
        else:
            kind: LeftOutKind = "unreadable" if found.asked else "no image"
            others.append(Finding(name, None, kind, found.reason))
    return candidates, others


def assemble(examined: Iterable[Finding], rules: IndexSettings) -> Index:
    """Make an index from the findings; the order of the findings does not matter."""
    ordered = [_judged(e, rules) for e in sorted(examined, key=lambda e: e.file)]
    images = {e.file: e.facts for e in ordered if e.facts}
    firsts = _firsts(images, rules)
    duplicates = [
        Finding(name, None, "duplicate", _sameness(name, first, images, rules))
        for name, first in firsts.items()
        if name != first
    ]
    refused = [e for e in ordered if e.kind]
    unique = [name for name, first in firsts.items() if name == first]
    return Index(
        rows=[_row(name, images[name], rules) for name in unique],
        left_out=sorted([*refused, *duplicates], key=lambda left: left.file),
        unnamed=sum(not _named(name, images[name], rules) for name in unique),
    )


def _judged(examined: Finding, rules: IndexSettings) -> Finding:
    """Mark results of this package and unwanted images as left out."""
    name, facts = examined.file, examined.facts
    if facts is None:
        return examined
    if facts.result_of and not rules.again:
        return Finding(name, None, "own result", OWN_RESULT)
    refusal = rules.wanted.refusal(_completed(name, facts, rules.manifest))
    return Finding(name, None, "not wanted", refusal) if refusal else examined


def write_index(index: Index, path: Path) -> None:
    """Write the table of images, completely or not at all.

    Raises
    ------
    OutputError
        If the table cannot be written.
    """
    _write(path, ROW_COLUMNS, map(dataclasses.asdict, index.rows))


def write_skipped(index: Index, path: Path) -> None:
    """Write the table of the files that were left out, completely or not at all.

    Raises
    ------
    OutputError
        If the table cannot be written.
    """
    columns = ("file", "kind", "reason")
    rows = ({name: getattr(left, name) for name in columns} for left in index.left_out)
    _write(path, columns, rows)


def _write(
    path: Path, columns: Sequence[str], rows: Iterable[Mapping[str, object]]
) -> None:
    with (
        replacing(path, overwrite=True) as temporary,
        temporary.open("w", newline="", encoding="utf-8") as file,
    ):
        write_rows(file, columns, rows)


def _firsts(images: Mapping[str, Facts], rules: IndexSettings) -> dict[str, str]:
    """Return for each image the name of the first image with the same pixels.

    Images in a manifest come first, so that an image keeps the split in the manifest.
    """
    kept: dict[str, str] = {}
    for name in sorted(images, key=lambda n: (n not in rules.manifest.rows, n)):
        kept.setdefault(images[name].pixel_hash, name)
    return {name: kept[facts.pixel_hash] for name, facts in images.items()}


def _sameness(
    name: str, first: str, images: Mapping[str, Facts], rules: IndexSettings
) -> str:
    reason = f"the same pixels as {first}"
    if _named(name, images[name], rules) != _named(first, images[first], rules):
        reason += ", under another patient or none"
    return reason


def _named(name: str, facts: Facts, rules: IndexSettings) -> str:
    """Return the hash of the patient; "" if manifest and header name no patient."""
    return rules.manifest.patients.get(name, facts.patient)


def _group(name: str, facts: Facts, salt: Salt) -> str:
    """Return a hash in place of the patient, for an image without one.

    All images of a study count as one patient. Without a study, all images of a
    subfolder count as one patient, as exports usually have a folder for each patient.
    In the top folder, each image counts as its own patient.
    """
    folder = posixpath.dirname(name)
    kind, group = ("folder", folder) if folder else ("file", name)
    return facts.study or salt.name(kind, group)


def _row(name: str, facts: Facts, rules: IndexSettings) -> IndexRow:
    patient = _named(name, facts, rules) or _group(name, facts, rules.salt)
    known = dataclasses.asdict(_completed(name, facts, rules.manifest))
    del known["study"], known["result_of"]
    ours = {
        "file": rules.place(name),
        "split": rules.manifest.sides.get(patient) or rules.shares.side(patient),
        "patient": patient,
        "source": rules.manifest.tells(name, "source"),
        "licence": rules.manifest.tells(name, "licence"),
    }
    return IndexRow(**known | ours)


def _completed(name: str, facts: Facts, manifest: Manifest) -> Facts:
    """Return the facts; the manifest adds the facts that the file does not state."""
    spacing = facts.row_spacing_mm, facts.column_spacing_mm
    if spacing == (None, None):
        spacing = (_positive(manifest.tells(name, "pixel_spacing_mm")),) * 2
    return dataclasses.replace(
        facts,
        view=facts.view or code(manifest.tells(name, "view")),
        body_part=facts.body_part or code(manifest.tells(name, "body_part")),
        age=facts.age or age(manifest.tells(name, "age")),
        sex=facts.sex or sex(manifest.tells(name, "sex")),
        row_spacing_mm=spacing[0],
        column_spacing_mm=spacing[1],
    )


def _positive(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if 0 < value < math.inf else None
