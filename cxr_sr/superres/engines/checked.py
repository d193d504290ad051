"""Define the protocol of engines, and an engine that checks its results."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol, TypeVar, cast

import numpy as np
from numpy.typing import NDArray

from cxr_sr.errors import EngineError
from cxr_sr.superres.models.graph import Footprint
from cxr_sr.superres.models.zoo import Model

Array = NDArray[np.floating[Any]]
Result = TypeVar("Result")

LARGEST = 1e6
"""Largest allowed residual, in units. Images lie between 0 and 1, so a larger value is
an error; later steps could make it infinite."""


class Engine(Protocol):
    """A network ready to run at one scale."""

    name: str
    precision: str
    """fp32 or int8."""
    weights_sha256: str
    """SHA-256 of the bytes of the weights file."""
    footprint: Footprint

    def __call__(self, image: Array) -> Array:
        """Return the residual of an image.

        Parameters
        ----------
        image : (N, C, h, w) float32 units, positive contrast, at the size of the
            model's grid. If the network is told the noise, its planes come last

        Returns
        -------
        (N, C, H, W) float32 units at output size, to be added to the bicubic image

        Raises
        ------
        EngineError
            If the result has another size, or values that are not finite.
        """
        ...

    def release(self) -> None:
        """Free the working memory of earlier calls; the next call takes it again."""
        ...


class Runtime(Engine, Protocol):
    """An engine that can return all outputs of its graph."""

    def outputs(self, image: Array) -> Sequence[Array]:
        """Return the residual, then the feature maps if it was opened with them."""
        ...


class Checked:
    """An engine that refuses results of a wrong size and values that are not finite."""

    def __init__(self, engine: Engine, model: Model, scale: int) -> None:
        self.engine = engine
        """The engine that computes."""
        self.name = engine.name
        self.precision = engine.precision
        self.weights_sha256 = engine.weights_sha256
        self.footprint = engine.footprint
        self._model = model.spec.name
        self._channels = model.spec.channels
        self._factor = factor_of(model, scale)

    def __call__(self, image: Array) -> Array:
        """Return the residual of an image; see `Engine`."""
        residual = self._run(self.engine, image)
        self._check(residual, image)
        return residual

    def both(self, image: Array) -> tuple[Array, Array]:
        """Return the residual of an image, and its feature maps (N, width, h, w).

        The engine must have been opened with its maps.
        """
        residual, maps = self._run(cast("Runtime", self.engine).outputs, image)
        self._check(residual, image)
        if maps.shape != (image.shape[0], self.footprint.maps, *image.shape[-2:]):
            raise self._unfit("feature maps of another size than the image")
        return residual, maps

    def _run(self, run: Callable[[Array], Result], image: Array) -> Result:
        try:
            return run(image)
        except Exception as error:
            raise EngineError(
                f"the engine {self.name} cannot run the network of model "
                f"{self._model!r} ({type(error).__name__}); use other weights or "
                "another --engine"
            ) from error

    def release(self) -> None:
        """Free the working memory of earlier calls."""
        self.engine.release()

    def _check(self, residual: Array, image: Array) -> None:
        sides = (side * self._factor for side in image.shape[-2:])
        expected = (image.shape[0], self._channels, *sides)
        # With a NaN, minimum and maximum are NaN, and each comparison is False.
        low, high = residual.min(initial=0), residual.max(initial=0)
        if residual.shape == expected and low >= -LARGEST and high <= LARGEST:
            return
        found = (
            "a result of another size than the image"
            if residual.shape != expected
            else "values that are not finite (NaN or infinity)"
        )
        raise self._unfit(found)

    def _unfit(self, found: str) -> EngineError:
        return EngineError(
            f"the network of model {self._model!r} gave {found}; expected numbers for "
            "every pixel: its weights are damaged or unfit, use others"
        )


def factor_of(model: Model, scale: int) -> int:
    """Return the factor between the sizes of a network's result and its input."""
    return scale if model.spec.grid == "input" else 1
