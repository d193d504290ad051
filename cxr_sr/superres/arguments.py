"""Check the arguments of `upscale`, so that a wrong one gets a clear message."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

import numpy as np

from cxr_sr.errors import SettingsError
from cxr_sr.radiograph import Radiograph
from cxr_sr.superres.models.zoo import MODELS, Model, load_model
from cxr_sr.superres.target import LongSide, Scale, Spacing, Target

_REMEDIES = {
    "ndarray": "cxr_sr.from_array(pixels) makes one of an array",
    "Dataset": "cxr_sr.from_dataset(dataset) makes one of a pydicom Dataset",
    "FileDataset": "cxr_sr.from_dataset(dataset) makes one of a pydicom Dataset",
}
_READ = "cxr_sr.read(path) makes one of a file"


def check_radiograph(given: object) -> Radiograph:
    """Return the radiograph.

    Raises
    ------
    SettingsError
        If the argument is anything else.
    """
    if isinstance(given, Radiograph):
        return given
    found = type(given).__name__
    raise SettingsError(
        f"upscale was given {found} as the image; expected a Radiograph: "
        f"{_REMEDIES.get(found, _READ)}"
    )


def model_of(given: Model | str | Path) -> Model:
    """Return the model; load it if the argument is a name or a file.

    Raises
    ------
    SettingsError
        If the argument is neither a model nor a name nor a path.
    ModelError
        For the same reasons as `load_model`.
    """
    if isinstance(given, Model):
        return given
    if not isinstance(given, str | Path):
        raise SettingsError(
            f"upscale was given {type(given).__name__} as the model; expected a name "
            f"({', '.join(MODELS)}), a weights file, or what load_model returned"
        )
    # A file may change between two calls; the weights of the package do not.
    return _shipped(str(given)) if str(given) in MODELS else load_model(given)


@lru_cache(maxsize=len(MODELS))
def _shipped(name: str) -> Model:
    """Load a model once: its weights are hashed to verify them."""
    return load_model(name)


def target_of(given: object) -> Target:
    """Return the target; a whole number is a scale.

    Raises
    ------
    SettingsError
        If the argument is neither a target nor a whole number.
    """
    if isinstance(given, Scale | Spacing | LongSide):
        return given
    if isinstance(given, int | np.integer) and not isinstance(given, bool):
        return Scale(int(given))
    raise SettingsError(
        f"upscale was given {given!r} as the target; expected a whole factor such as "
        "2, or Scale(2), Spacing(0.1) in mm, or LongSide(4096) in pixels"
    )
