"""Describe the origin of weights: data, terms, hash and versions."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from cxr_sr.errors import TrainingError
from cxr_sr.files import write_texts
from cxr_sr.training.data.images import TrainingImage

PACKAGES = ("torch", "lightning", "numpy")


def provenance(splits: dict[str, list[TrainingImage]]) -> dict[str, Any]:
    """Return the sets, licences, number and hash of the training data.

    Parameters
    ----------
    splits : the images of each used split, including "train"
    """
    images = splits["train"]
    sets = Counter((i.entry.source, i.entry.licence) for i in images)
    return {
        "data": [
            {"source": source or "unnamed", "licence": licence or "unstated", "n": n}
            for (source, licence), n in sorted(sets.items())
        ],
        "data_sha256": data_hash(images),
        "splits": {split: len(used) for split, used in splits.items()},
        "patients": len({i.entry.patient for i in images}),
    }


def data_hash(images: Sequence[TrainingImage]) -> str:
    """Return the SHA-256 of the decoded pixels, in order; file names do not count."""
    digest = hashlib.sha256()
    for image in images:
        digest.update(repr((image.stored.shape, image.stored.dtype.str)).encode())
        digest.update(np.ascontiguousarray(image.stored).tobytes())
    return digest.hexdigest()


def versions() -> dict[str, str]:
    """Return the versions of the packages that compute."""
    from cxr_sr import __version__

    return {"cxr-sr": __version__} | {name: version(name) for name in PACKAGES}


def write_settings(folder: Path, training: dict[str, Any]) -> None:
    """Write settings.json into a run's folder; `check_same` reads this file."""
    text = json.dumps(training, indent=2, sort_keys=True)
    write_texts(folder, {"settings.json": text + "\n"})


def check_same(
    folder: Path, training: dict[str, Any], keys: Sequence[str] = ("model", "network")
) -> None:
    """Refuse to resume with other data or another network; other settings may change.

    Parameters
    ----------
    folder : the folder of the run, which holds its settings.json
    training : the contents of a settings.json now
    keys : the settings that must not change

    Raises
    ------
    TrainingError
        If data or network differ.
    """
    began = json.loads((folder / "settings.json").read_text(encoding="utf-8"))
    if began["data_sha256"] != training["data_sha256"]:
        raise TrainingError(
            f"the data differs from that of {folder.name} ({began['splits']} images "
            f"then, {training['splits']} now, or other pixels); give the same, or "
            "start a new run in another folder"
        )
    settings = json.loads(json.dumps(training["settings"]))  # lists for tuples
    for key in keys:
        was, now = began["settings"][key], settings[key]
        if was != now:
            raise TrainingError(
                f"{folder.name} has the {key} {was}, not {now}; give the same, or "
                "another folder"
            )
