"""Super-resolution of chest radiographs: DICOM in, DICOM out.

::

    import cxr_sr

    radiograph = cxr_sr.read("chest.dcm")       # from_array, from_dataset: from memory
    finer = cxr_sr.upscale(radiograph, "fine", 2)
    cxr_sr.write(finer, "chest_x2.dcm")         # to_dataset, numpy.asarray: to memory

Importing this package loads nothing else; a name is loaded when it is first used.
"""

from __future__ import annotations

import importlib
import importlib.util
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cxr_sr.display.render import render
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
        StreamError,
        TrainingError,
        UnreadableError,
    )
    from cxr_sr.formats import (
        HeaderOptions,
        Inspection,
        from_array,
        from_dataset,
        inspect,
        read,
        to_dataset,
        write,
    )
    from cxr_sr.radiograph import Derivation, Geometry, PixelFormat, Radiograph
    from cxr_sr.superres.features import features
    from cxr_sr.superres.models.networks import load_network
    from cxr_sr.superres.models.zoo import Model, load_model
    from cxr_sr.superres.settings import Settings
    from cxr_sr.superres.target import LongSide, Scale, Spacing
    from cxr_sr.superres.upscale import upscale
    from cxr_sr.torch_data import (
        IMAGENET,
        UNIT,
        XRAYVISION,
        Normalisation,
        RadiographDataset,
    )

    __version__: str

_NAMES = {
    "errors": (
        "CxrSrError",
        "EngineError",
        "InputError",
        "ModelError",
        "NotARadiographError",
        "OutputError",
        "OwnResultError",
        "ReportError",
        "SettingsError",
        "StreamError",
        "TrainingError",
        "UnreadableError",
    ),
    "display.render": ("render",),
    "formats": (
        "HeaderOptions",
        "Inspection",
        "from_array",
        "from_dataset",
        "inspect",
        "read",
        "to_dataset",
        "write",
    ),
    "radiograph": ("Derivation", "Geometry", "PixelFormat", "Radiograph"),
    "superres.models.zoo": ("Model", "load_model"),
    "superres.settings": ("Settings",),
    "superres.target": ("LongSide", "Scale", "Spacing"),
    "superres.upscale": ("upscale",),
}
_TORCH_NAMES = {
    "superres.features": ("features",),
    "superres.models.networks": ("load_network",),
    "torch_data": (
        "IMAGENET",
        "UNIT",
        "XRAYVISION",
        "Normalisation",
        "RadiographDataset",
    ),
}
"""These names need torch; `from cxr_sr import *` has them only if torch is
installed."""
_HOMES = {
    name: home for home, names in (_NAMES | _TORCH_NAMES).items() for name in names
}

__all__ = [
    "CxrSrError",
    "Derivation",
    "EngineError",
    "Geometry",
    "HeaderOptions",
    "InputError",
    "Inspection",
    "LongSide",
    "Model",
    "ModelError",
    "NotARadiographError",
    "OutputError",
    "OwnResultError",
    "PixelFormat",
    "Radiograph",
    "ReportError",
    "Scale",
    "Settings",
    "SettingsError",
    "Spacing",
    "StreamError",
    "TrainingError",
    "UnreadableError",
    "__version__",
    "from_array",
    "from_dataset",
    "inspect",
    "load_model",
    "read",
    "render",
    "to_dataset",
    "upscale",
    "write",
]
if importlib.util.find_spec("torch"):
    __all__ += [
        "IMAGENET",
        "UNIT",
        "XRAYVISION",
        "Normalisation",
        "RadiographDataset",
        "features",
        "load_network",
    ]
    __all__.sort()


if not TYPE_CHECKING:  # a type checker would otherwise accept misspelt names

    def __getattr__(name: str) -> object:
        if name == "__version__":
            from importlib.metadata import version

            return version("cxr-sr")
        if name not in _HOMES:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        try:
            home = importlib.import_module(f"cxr_sr.{_HOMES[name]}")
        except ModuleNotFoundError as error:
            if error.name != "torch":
                raise
            raise ImportError(
                f"cxr_sr.{name} needs torch, which is not installed; run: "
                "pip install 'cxr-sr[train]'",
                name="torch",
            ) from error
        return getattr(home, name)


def __dir__() -> list[str]:
    return __all__
