"""Facts about images that nobody has to read, each with defaults."""

from __future__ import annotations

from typing import Any

from cxr_sr.index.facts import Facts, Finding


def some_facts(**changes: Any) -> Facts:
    """A 12-bit PA of Anna's, with pixels like no other's unless told."""
    defaults: dict[str, Any] = {
        "patient": "anna",
        "study": "",
        "view": "PA",
        "age": "88",
        "sex": "F",
        "modality": "DX",
        "body_part": "CHEST",
        "manufacturer": "Maker",
        "bits": 12,
        "photometric": "MONOCHROME2",
        "rows": 2500,
        "columns": 2048,
        "row_spacing_mm": 0.143,
        "column_spacing_mm": 0.143,
        "pixel_hash": "pixels",
    }
    return Facts(**(defaults | changes))


def some_image(name: str, **changes: Any) -> Finding:
    """Return a file whose pixels no other file has, unless `changes` say so."""
    return Finding(name, some_facts(**({"pixel_hash": name} | changes)))
