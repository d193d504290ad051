"""Drawn chests with masks of their lungs, and short trainings on them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cxr_sr.tasks.heads import Head
from cxr_sr.tasks.labels import Labels
from cxr_sr.tasks.training.fit import fit_head
from cxr_sr.tasks.training.run import TaskRun
from tests.builders import write_png

SHAPE = (80, 96)


def lungs(seed: int, shape: tuple[int, int] = SHAPE) -> NDArray[np.bool_]:
    """Two ellipses, somewhere."""
    random = np.random.default_rng(seed)
    rows, columns = np.indices(shape)
    found = np.zeros(shape, bool)
    for side in (0.3, 0.7):
        row, column = np.multiply(shape, (0.5, side)) + random.uniform(-4, 4, 2)
        away = ((rows - row) / (0.3 * shape[0])) ** 2
        found |= away + ((columns - column) / (0.14 * shape[1])) ** 2 < 1
    return found


def chest(seed: int, shape: tuple[int, int] = SHAPE) -> NDArray[np.uint8]:
    """Return a chest with the lungs of `lungs`: they are dark, and there is noise."""
    random = np.random.default_rng(seed)
    gray = np.where(lungs(seed, shape), 70.0, 170.0) + random.normal(0, 8, shape)
    return np.rint(gray).clip(0, 255).astype(np.uint8)


def write_data(folder: Path, count: int = 6) -> Path:
    """Write images and masks, two of a patient; return the table."""
    folder.mkdir(parents=True, exist_ok=True)
    rows = ["image,mask,patient,finding,image_licence"]
    for number in range(count):
        write_png(folder / f"{number}.png", chest(number))
        mask = lungs(number).astype(np.uint8) * 255
        write_png(folder / f"{number}_mask.png", mask)
        finding = ("No Finding", "Mass", "Mass|Edema")[number % 3]
        rows.append(
            f"{number}.png,{number}_mask.png,p{number // 2},{finding},CC BY 4.0"
        )
    table = folder / "labels.csv"
    table.write_text("\n".join(rows) + "\n")
    return table


def task_run(**changes: Any) -> TaskRun:
    """Four steps of two images of 32 px."""
    given: dict[str, Any] = {
        "kind": "segmentation",
        "name": "tiny",
        "trunk": "fast",
        "size_px": 32,
        "batch": 2,
        "epoch_steps": 2,
        "max_steps": 4,
        "threads": 1,
    }
    return TaskRun(**given | changes)


def trained_full(folder: Path, trunk: Path | str, **changes: Any) -> Path:
    """Train on the features of a trunk that sees whole images; return the run."""
    given = {"trunk": str(trunk), "trunk_input": "full", "max_steps": 40, "lr": 5e-3}
    trained(folder, **given | changes)
    return folder / "run"


def trained(folder: Path, **changes: Any) -> Head:
    """Train on drawn chests, in a folder of its own."""
    run = task_run(**changes)
    table = write_data(folder / "data")
    chosen = "lungs=mask" if run.kind == "segmentation" else None
    labels = Labels.read(table, run.kind, chosen, "1/3")
    return fit_head(labels, folder / "run", run, quiet=True)
