"""Edit and damage reports; the same random numbers give the same change."""

from __future__ import annotations

import json
from typing import Any

import numpy as np

from cxr_sr.report.entries import (
    DeliveryEntry,
    FileEntry,
    RunEntry,
    SummaryEntry,
)

Random = np.random.Generator
Line = dict[str, Any]

HASH = "0" * 64
LINES: list[Line] = [
    {
        "type": "run",
        "version": 1,
        "cxr_sr": "0.1.0",
        "clock": "2026-01-01T00:00:00+00:00",
        "settings_sha256": HASH,
        "settings": {"scale": 2},
    },
    {
        "type": "file",
        "file": "a.dcm",
        "status": "done",
        "output": "a.dcm",
        "input_sha256": HASH,
        "output_sha256": HASH,
        "settings_sha256": HASH,
        "input_size": [20, 16],
        "output_size": [40, 32],
        "input_spacing_mm": [0.2, 0.2],
        "seconds": {"total": 0.1},
        "warnings": ["a warning"],
        "factors": [2.0, 2.0],
        "consistency_max": 0.5,
    },
    {"type": "file", "file": "b.dcm", "status": "failed", "reason": "truncated"},
    {"type": "delivery", "file": "a.dcm", "to": "PACS@h:104", "status": "sent"},
    {"type": "summary", "finished": True, "done": 1, "kept": 0, "skipped": 0},
]
VALUES: list[Any] = [
    *(None, True, False, 0, -1, 2**63, 9**400, 1.5, float("nan"), float("inf"), ""),
    *("\0", "\ud800", "\x1b[31m\n", "../x", "/etc/passwd", "a" * 10_000, "done", "run"),
    *([], {}, [[]], [None], {"a": {}}, ["x"] * 99, "0001-01-01T00:00:00+00:00"),
    *("9999-12-31T23:59:59-14:00", "2026-01-01", HASH, HASH.upper(), [1, 2], [0, 0]),
]
_KEYS = sorted(
    {
        key
        for kind in (RunEntry, FileEntry, DeliveryEntry, SummaryEntry)
        for key in kind.__annotations__
    }
)


def _edited(line: Line, random: Random) -> Line:
    """Change values, remove keys, or add keys of other lines."""
    changed = dict(line)
    for _ in range(int(random.integers(1, 4))):
        known = list(changed) or _KEYS
        keys = [known, _KEYS][int(random.integers(4) == 0)]
        key = keys[int(random.integers(len(keys)))]
        if random.integers(4):
            changed[key] = VALUES[int(random.integers(len(VALUES)))]
        else:
            changed.pop(key, None)
    return changed


def _damaged(text: bytes, random: Random) -> bytes:
    """Flip bits, cut, or lose the ends of lines."""
    match random.integers(4):
        case 0:
            changed = bytearray(text)
            for at in random.integers(len(text), size=int(random.integers(1, 9))):
                changed[at] ^= 1 << int(random.integers(8))
            return bytes(changed)
        case 1:
            return text[: int(random.integers(len(text)))]
        case 2:
            return text.replace(
                b"\n", [b"", b"\r", b"\0\n", b"\n\n"][random.integers(4)]
            )
        case _:
            at = int(random.integers(len(text)))
            return text[:at] + random.bytes(9) + text[at:]


def mutant(seed: int, number: int) -> tuple[str, bytes]:
    """Return the name of the change, and the changed report."""
    random = np.random.default_rng([seed, number, 2])
    lines = [LINES[n] for n in random.permutation(len(LINES))] if number % 3 else LINES
    lines = [_edited(line, random) if random.integers(2) else line for line in lines]
    text = "".join(json.dumps(line) + "\n" for line in lines).encode()
    if number % 2:
        return "edited", text
    return "edited, damaged", _damaged(text, random)
