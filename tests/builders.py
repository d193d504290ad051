"""Images, headers and models for the tests, each with defaults."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from hypothesis import strategies as st
from numpy.typing import NDArray

from cxr_sr.radiograph import Derivation, Geometry, PixelFormat, Radiograph
from cxr_sr.superres.models.spec import ModelSpec
from cxr_sr.superres.models.zoo import Model

if TYPE_CHECKING:
    from cxr_sr.superres.models.networks import Network

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


@dataclass(frozen=True)
class FakeHeader:
    """A header that keeps the arguments of `derived`; arrays need no more."""

    derivation: Derivation | None = None
    shape: tuple[int, ...] = ()
    now: datetime | None = None

    def derived(
        self, derivation: Derivation, shape: tuple[int, ...], now: datetime
    ) -> FakeHeader:
        return FakeHeader(derivation, shape, now)


def pixel_format(bits_stored: int = 12, **changes: Any) -> PixelFormat:
    """Unsigned MONOCHROME2 in as few bytes as hold the bits, unless told otherwise."""
    defaults = {"bits_allocated": 8 if bits_stored <= 8 else 16, "signed": False}
    fields = {**defaults, "photometric": "MONOCHROME2", **changes}
    return PixelFormat(bits_stored=bits_stored, **fields)


def noise(
    shape: tuple[int, ...] = (16, 14), fmt: PixelFormat | None = None, seed: int = 0
) -> NDArray[np.integer[Any]]:
    """Stored values over the whole range of a format."""
    fmt = fmt or pixel_format()
    random = np.random.default_rng(seed)
    return random.integers(fmt.minimum, fmt.maximum, shape, fmt.dtype, endpoint=True)


def structure(shape: tuple[int, ...] = (40, 36), seed: int = 0) -> NDArray[np.float64]:
    """Units between 0.1 and 0.9: soft shading, one edge, a little grain."""
    random = np.random.default_rng(seed)
    rows, columns = np.mgrid[: shape[-2], : shape[-1]]
    shading = 0.45 + 0.2 * np.sin(rows / 5) * np.cos(columns / 7)
    edge = 0.2 * (rows + 2 * columns > 50)
    image: NDArray[np.float64] = shading + edge + random.normal(0, 0.01, shape)
    return image.clip(0.1, 0.9)


def radiograph(
    pixels: NDArray[np.integer[Any]] | None = None,
    fmt: PixelFormat | None = None,
    **changes: Any,
) -> Radiograph:
    """A 12-bit image of `structure` at 0.2 mm by 0.2 mm, without window or padding."""
    fmt = fmt or pixel_format()
    if pixels is None:
        span = fmt.maximum - fmt.minimum
        pixels = np.rint(fmt.minimum + span * structure()).astype(fmt.dtype)
    fields = {"geometry": Geometry((0.2, 0.2)), "header": FakeHeader(), **changes}
    return Radiograph(pixels, fmt, **fields)


FORMATS = st.builds(
    pixel_format,
    bits_stored=st.integers(1, 16),
    signed=st.booleans(),
    photometric=st.sampled_from(["MONOCHROME1", "MONOCHROME2"]),
)
"""Every BitsStored x sign x polarity."""


def tiny_network(name: str = "trunk", channels: int = 1, seed: int = 0) -> Network:
    """A network of a kind, as narrow as the kind allows, with lively weights.

    Random residuals are as large as the image, so that a wrong pixel shows.
    """
    import torch  # noqa: PLC0415 - most tests need none

    from cxr_sr.superres.models.networks import build  # noqa: PLC0415

    torch.manual_seed(seed)
    network = build(tiny_spec(name, channels)).eval()
    for weights in network.parameters():
        if weights.dim() == 4:
            torch.nn.init.kaiming_normal_(weights)
        elif weights.dim() == 2:  # by which a trunk is told the noise
            torch.nn.init.normal_(weights)
    return network


def tiny_spec(name: str = "trunk", channels: int = 1) -> ModelSpec:
    """Return the spec of a `tiny_network`; "told" is a trunk that gets the noise."""
    settings = {"width": 4, "depth": 2} if name in ("trunk", "told") else {}
    if name == "told":
        name, settings["noise"] = "trunk", 2
    return ModelSpec(
        "tiny", "Untrained.", network=name, settings=settings, channels=channels
    )


def tiny_model(folder: Path, name: str = "trunk", channels: int = 1) -> Model:
    """The files of a `tiny_network` in `folder`, as a training leaves them."""
    from cxr_sr.training.weights import write_weights  # noqa: PLC0415 - loads torch

    network = tiny_network(name, channels)
    return write_weights(network, tiny_spec(name, channels), folder)


def build_model(folder: Path, **settings: int) -> Model:
    """The files of an untrained trunk of any size; its name is the folder's."""
    from cxr_sr.superres.models.networks import build  # noqa: PLC0415 - loads torch
    from cxr_sr.training.weights import write_weights  # noqa: PLC0415

    spec = ModelSpec(folder.name, "Untrained.", network="trunk", settings=settings)
    folder.mkdir(parents=True, exist_ok=True)
    return write_weights(build(spec).eval(), spec, folder)


def write_png(path: Path, pixels: NDArray[np.integer[Any]] | None = None) -> Path:
    """A gray (H, W) or RGB (H, W, 3) PNG of 8 or 16 bits."""
    import SimpleITK as sitk  # noqa: N813, PLC0415 - most tests need none

    if pixels is None:
        pixels = noise((50, 60), pixel_format(8))
    sitk.WriteImage(sitk.GetImageFromArray(pixels, isVector=pixels.ndim == 3), path)
    return path
