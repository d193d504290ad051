"""Define a radiograph, independent of file formats."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal, Protocol, Self

import numpy as np
from numpy.typing import DTypeLike, NDArray

from cxr_sr.names import Consistency, ValueRange

Photometric = Literal["MONOCHROME1", "MONOCHROME2", "RGB"]


@dataclass(frozen=True)
class PixelFormat:
    """The coding of one stored sample.

    References
    ----------
    DICOM PS3.3 C.7.6.3.1, PS3.5 8.1.1
    """

    bits_allocated: int
    """8 or 16: the width of one sample in the file."""
    bits_stored: int
    """1 to `bits_allocated`: the bits that carry the value."""
    signed: bool
    """True if values are two's complement (PixelRepresentation 1)."""
    photometric: Photometric
    """MONOCHROME1: the smallest value is white. Stored values are never inverted."""

    @property
    def minimum(self) -> int:
        """The lowest value that can be stored."""
        return -(1 << (self.bits_stored - 1)) if self.signed else 0

    @property
    def maximum(self) -> int:
        """The highest value that can be stored."""
        bits = self.bits_stored - 1 if self.signed else self.bits_stored
        return (1 << bits) - 1

    @property
    def dtype(self) -> np.dtype[Any]:
        """The numpy type that holds one sample: (u)int8 or (u)int16."""
        return np.dtype(f"{'i' if self.signed else 'u'}{self.bits_allocated // 8}")


@dataclass(frozen=True)
class Geometry:
    """The position of the pixels in millimetres; all pairs are (row, column)."""

    spacing_mm: tuple[float, float] | None = None
    """Distance between pixel centres; None if the source states none."""
    origin_mm: tuple[float, float] = (0.0, 0.0)
    """Centre of the first pixel; only raster formats such as MHA state it."""

    def upscaled(self, factors: tuple[float, float]) -> Geometry:
        """Return the geometry of a grid that is `factors` times finer.

        The upper and the left edge of the image do not move. So the centre of the first
        pixel moves outward by half the difference of the two pixel sizes.
        """
        if self.spacing_mm is None:
            return self
        spacing = [mm / f for mm, f in zip(self.spacing_mm, factors, strict=True)]
        shift = [(n - o) / 2 for n, o in zip(spacing, self.spacing_mm, strict=True)]
        origin = [o + d for o, d in zip(self.origin_mm, shift, strict=True)]
        return Geometry((spacing[0], spacing[1]), (origin[0], origin[1]))


@dataclass(frozen=True)
class Derivation:
    """The facts about an upscaling, for headers and reports."""

    factors: tuple[float, float]
    """Output pixels for each input pixel, along columns and along rows."""
    model: str
    """Name of the model, as in `cxr-sr models`."""
    weights_sha256: str
    """SHA-256 of the weights file in hexadecimal; "" for an interpolator."""
    engine: str
    """The engine that ran the network, "numpy" for an interpolator."""
    precision: str
    """fp32 or int8."""
    consistency: Consistency
    """The projection that was applied."""
    consistency_max: float
    """Largest |downsampled output - input| of the stored values, in stored codes, over
    all pixels without padding."""
    consistency_rms: float
    """Root mean square of the same differences."""
    minimum: int
    """Smallest stored value of the output, without padding."""
    maximum: int
    """Largest stored value of the output, without padding."""
    noise_sigma: float = 0.0
    """Standard deviation of the input's own noise, in stored codes: the median over the
    gray levels. 0 without noise, or if the noise was not estimated."""
    noise_correlation: float = 0.0
    """Correlation of the noise of neighbouring pixels."""
    coding_error: float = 0.0
    """`Radiograph.coding_error` of the input, if the network used it; else 0."""
    noise_explained: float = 1.0
    """Share of the squared disagreement between the network and the input that this
    noise explains."""
    grain: float = 1.0
    """Share of the measured grain that stays: the mean over the image."""
    grain_asked: float | None = None
    """The requested share; None: the usual share of each level."""
    value_range: ValueRange = "stored"
    """The allowed values of the output."""
    padding_kept: bool = True
    """True if padding pixels are still padding, and no other pixel has their value."""
    overhang_px: tuple[float, float] = (0.0, 0.0)
    """Distance of the last row and the last column beyond the edge of the input, in
    output pixels; negative inside the edge. It is 0 except for an exact spacing."""
    pixels_sha256: str = ""
    """`Radiograph.pixels_sha256` of the source; "" if it was not computed."""

    @property
    def learned(self) -> bool:
        """True if a trained network contributed to the pixels."""
        return bool(self.weights_sha256)


class Header(Protocol):
    """The facts of a file besides its pixels; only `cxr_sr.formats` looks inside."""

    def derived(
        self, derivation: Derivation, shape: tuple[int, ...], now: datetime
    ) -> Header:
        """Return the header of the upscaled image of `shape`, made at `now`."""
        ...


@dataclass(frozen=True, eq=False)
class Radiograph:
    """One radiograph as it is stored: before any LUT, window or inversion.

    Every step returns a new object. The array is read-only.
    """

    pixels: NDArray[np.integer[Any]]
    """(H, W), or (H, W, 3) for RGB; stored values in `format.dtype`."""
    format: PixelFormat
    geometry: Geometry
    header: Header
    window: tuple[float, float] | None = None
    """(low, high) stored values of the first display window, for scaling and for
    pictures; None if there is none, or if stored values cannot express it."""
    padding: tuple[int, int] | None = None
    """(low, high) stored values, inclusive, that mean "no image here"
    (PixelPaddingValue, PS3.3 C.7.5.1.1.2); None if the source declares none."""
    coding_error: float = 0.0
    """Standard deviation, in stored codes, of the error of lossy JPEG, from the tables
    in the file; 0 for other codings."""
    derivation: Derivation | None = None
    """The facts about the upscaling; None for an image that `upscale` did not make."""

    def __post_init__(self) -> None:
        view = self.pixels.view()
        view.flags.writeable = False
        object.__setattr__(self, "pixels", view)

    def __array__(
        self,
        dtype: DTypeLike | None = None,
        copy: bool | None = None,  # noqa: FBT001 - numpy's
    ) -> NDArray[Any]:
        """Return the stored values, for `numpy.asarray`; read-only unless copied.

        Raises
        ------
        ValueError
            If `copy` is False, but `dtype` needs one.
        """
        return np.array(self.pixels, dtype, copy=copy)

    @property
    def shape(self) -> tuple[int, int]:
        """(rows, columns)."""
        return self.pixels.shape[0], self.pixels.shape[1]

    @property
    def pixels_sha256(self) -> str:
        """SHA-256 of shape and stored values, in hexadecimal.

        It does not depend on the coding of the file.
        """
        pixels = np.ascontiguousarray(self.pixels, self.pixels.dtype.newbyteorder("<"))
        digest = hashlib.sha256(f"{pixels.shape} {pixels.dtype.str}".encode())
        digest.update(pixels.data)
        return digest.hexdigest()

    def replace(self, **changes: Any) -> Self:  # noqa: ANN401 - dataclass fields
        """Return a copy with some fields changed."""
        return dataclasses.replace(self, **changes)


@dataclass(frozen=True, eq=False)
class Region:
    """The region of interest in a radiograph."""

    mask: NDArray[np.bool_]
    """(rows, columns), True inside."""
    doubts: tuple[str, ...] = ()
    """Reasons why the mask may be wrong, for the user."""


RegionFinder = Callable[[Radiograph], Region]
"""Finds the region of interest in a radiograph."""
