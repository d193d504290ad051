"""Count the images of an index, for a user who wants to train with them."""

from __future__ import annotations

import dataclasses
import math
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from cxr_sr.formats.discover import cause
from cxr_sr.index.build import Index, IndexRow
from cxr_sr.index.facts import Finding
from cxr_sr.index.split import SPLITS

NOT_STATED = "not stated"
SIDES_PX = (512, 1024, 2048, 3072, 4096)
"""Upper limits of the classes of image size: the longer side, in px."""
SPACING_STEP_MM = 0.05
"""Width of a class of pixel spacing in mm; detectors have 0.1 to 0.2 mm."""

Counts = dict[str, Counter[str]]
"""For each value, the number of images in each split."""


@dataclass(frozen=True)
class IndexSummary:
    """Counts of an index; attributes are counted in images, not in patients."""

    images: int
    patients: int
    unnamed: int
    """Number of images without a named patient."""
    splits: dict[str, dict[str, int]]
    """Number of images and patients in each split."""
    counts: dict[str, Counts]
    """Images by attribute and value: frequent values first; sizes and spacings
    ascending."""
    left_out: dict[str, int]
    """Number of files of each kind."""
    reasons: dict[str, int]
    """Number of files for each reason, without numbers and file names."""

    @classmethod
    def of(cls, index: Index) -> IndexSummary:
        """Count everything."""
        left_out = index.left_out
        return cls(
            images=len(index.rows),
            patients=_patients(index.rows),
            unnamed=index.unnamed,
            splits={name: _side(index.rows, name) for name in _sides(index.rows)},
            counts={
                name: _counts(index.rows, value) for name, value in ATTRIBUTES.items()
            },
            left_out=dict(Counter(left.kind for left in left_out).most_common()),
            reasons=dict(Counter(map(cause_of_finding, left_out)).most_common()),
        )

    def as_json(self) -> dict[str, Any]:
        """Return the counts as objects that JSON can hold."""
        plain = {
            attribute: {value: dict(count) for value, count in counts.items()}
            for attribute, counts in self.counts.items()
        }
        # dataclasses.asdict cannot copy a Counter.
        return dataclasses.asdict(dataclasses.replace(self, counts={})) | {
            "counts": plain
        }


def cause_of_finding(left: Finding) -> str:
    """Return a reason without numbers and file names."""
    if left.kind == "duplicate":
        return "the same pixels as another file"
    return cause(left.reason)


def shortened(counts: Counts, most: int) -> Counts:
    """Return at most `most` values; the last value adds up the rest."""
    names = list(counts)
    if len(names) <= most:
        return counts
    rest = names[most - 1 :]
    others = sum((counts[name] for name in rest), Counter[str]())
    return {n: counts[n] for n in names[: most - 1]} | {f"{len(rest)} others": others}


def _patients(rows: Sequence[IndexRow]) -> int:
    return len({row.patient for row in rows})


def _sides(rows: Sequence[IndexRow]) -> list[str]:
    present = {row.split for row in rows}
    return [name for name in SPLITS if name in present]


def _side(rows: Sequence[IndexRow], name: str) -> dict[str, int]:
    here = [row for row in rows if row.split == name]
    return {"images": len(here), "patients": _patients(here)}


def _counts(
    rows: Sequence[IndexRow], value: Callable[[IndexRow], tuple[float, str]]
) -> Counts:
    found: dict[tuple[float, str], Counter[str]] = {}
    for row in rows:
        found.setdefault(value(row), Counter())[row.split] += 1
    # Sort by number if there is one, then by frequency, then by name.
    ordered = sorted(found, key=lambda v: (v[0], -found[v].total(), v[1]))
    return {text or NOT_STATED: found[number, text] for number, text in ordered}


def _size(row: IndexRow) -> tuple[float, str]:
    side = max(row.rows, row.columns)
    for low, high in zip((0, *SIDES_PX), SIDES_PX, strict=False):
        if side <= high:
            return high, f"{low + 1}-{high} px"
    return math.inf, f"over {SIDES_PX[-1]} px"


def _spacing(row: IndexRow) -> tuple[float, str]:
    if row.row_spacing_mm is None:
        return 0, ""
    # Add 1e-9, so that 0.15 begins a class in spite of rounding.
    step = int(row.row_spacing_mm / SPACING_STEP_MM + 1e-9)
    low, high = step * SPACING_STEP_MM, (step + 1) * SPACING_STEP_MM
    return high, f"{low:.2f}-{high:.2f} mm"


ATTRIBUTES: dict[str, Callable[[IndexRow], tuple[float, str]]] = {
    "view": lambda row: (0, row.view),
    "body part": lambda row: (0, row.body_part),
    "modality": lambda row: (0, row.modality),
    "manufacturer": lambda row: (0, row.manufacturer),
    "bits": lambda row: (row.bits, str(row.bits)),
    "photometric": lambda row: (0, row.photometric),
    "lossy": lambda row: (0, row.lossy),
    "longer side": _size,
    "spacing": _spacing,
}
"""The counted attributes; each function returns a number to sort by, and a text."""
