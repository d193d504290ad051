"""A few radiographs to train on."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.builders import (
    structure,
    write_png,
)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A folder with an index of three radiographs, one of them for validation."""
    folder = tmp_path / "data"
    folder.mkdir()
    rows = ["file,split,patient"]
    for number, split in enumerate(["train", "train", "val"]):
        pixels = np.rint(255 * structure((48, 56), number)).astype(np.uint8)
        write_png(folder / f"{number}.png", pixels)
        rows.append(f"{number}.png,{split},p{number}")
    (folder / "index.csv").write_text("\n".join(rows) + "\n")
    return folder
