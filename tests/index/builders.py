"""Make facts about images without reading a file; all facts have defaults."""

from __future__ import annotations

from typing import Any

from cxr_sr.index.facts import Facts, Finding


def some_facts(**changes: Any) -> Facts:
    """Facts of a 12-bit PA image of Anna; by default, its pixels are unique."""
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
    """Return a file with pixels that no other file has, except by `changes`."""
    return Finding(name, some_facts(**({"pixel_hash": name} | changes)))
