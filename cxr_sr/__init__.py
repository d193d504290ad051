"""Super-resolution of chest radiographs: DICOM in, DICOM out.

::

    import cxr_sr

    radiograph = cxr_sr.read("chest.dcm")
    finer = cxr_sr.upscale(radiograph, cxr_sr.load_model("fine"), 2)
    cxr_sr.write(finer, "chest_x2.dcm")

Importing this package loads nothing else; a name is loaded when it is first used.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cxr_sr.errors import (
        CxrSrError,
        EngineError,
        InputError,
        ModelError,
        NotARadiographError,
        OutputError,
        OwnResultError,
        ReportError,
        SettingsError,
        TrainingError,
        UnreadableError,
    )
    from cxr_sr.formats import read, write
    from cxr_sr.radiograph import Radiograph
    from cxr_sr.superres.models.zoo import load_model
    from cxr_sr.superres.settings import Settings
    from cxr_sr.superres.target import LongSide, Scale, Spacing
    from cxr_sr.superres.upscale import upscale

    __version__: str

_HOMES = {
    "read": "formats",
    "write": "formats",
    "Radiograph": "radiograph",
    "load_model": "superres.models.zoo",
    "upscale": "superres.upscale",
    "Settings": "superres.settings",
    "Scale": "superres.target",
    "Spacing": "superres.target",
    "LongSide": "superres.target",
}

__all__ = [
    "CxrSrError",
    "EngineError",
    "InputError",
    "LongSide",
    "ModelError",
    "NotARadiographError",
    "OutputError",
    "OwnResultError",
    "Radiograph",
    "ReportError",
    "Scale",
    "Settings",
    "SettingsError",
    "Spacing",
    "TrainingError",
    "UnreadableError",
    "__version__",
    "load_model",
    "read",
    "upscale",
    "write",
]


if not TYPE_CHECKING:  # else a checker would believe in every misspelt name

    def __getattr__(name: str) -> object:
        if name == "__version__":
            from importlib.metadata import version

            return version("cxr-sr")
        if name not in __all__:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        home = importlib.import_module(f"cxr_sr.{_HOMES.get(name, 'errors')}")
        return getattr(home, name)


def __dir__() -> list[str]:
    return __all__
