"""A trunk that is trained for int8: activations and weights are rounded in training.

Only the convolutions of the pairs and the one at their end are quantised. The first
convolution sees the full depth of the image, and the tails make the residual: both
stay in float32, as do all sums. Rounding the features before a pair divides would
save 20 to 40 % of the time in OpenVINO, and lose twice as many dB.

A range is fixed in units, so that a code has the same value in a faint image as in a
strong one. Therefore each image is multiplied by a gain that gives it the usual
contrast, and the residual is divided by it (see `superres.int8.gain`), in training and
in inference.

References
----------
Straight-through rounding: B. Jacob et al., "Quantization and training of neural
networks for efficient integer-arithmetic-only inference", CVPR 2018.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from cxr_sr.errors import SettingsError
from cxr_sr.superres.int8.gain import gain_of
from cxr_sr.superres.int8.saturation import LESS
from cxr_sr.superres.models.networks import Network, Trunk

SIGNED, UNSIGNED = (-127, 127), (0, 255)
"""Least and largest code of features and weights, and of the output of a ReLU."""
EMA = 0.99
"""Decay of an activation's range in each step after the first."""
HEADROOM = 1.5
"""Range divided by the largest activation of an average step. With 1, the edges of
markers saturate, which costs 1 to 1.7 dB at x2 on images with markers. With 4, all
images lose 0.3 dB: a usual activation is already less than one code."""
STRONG_EDGE = 1.2
"""Difference of neighbours, in units times gain; a crop with more gets less gain."""


class Rounding(nn.Module):
    """Rounds an activation to 8 bits of a range that it learns in training mode."""

    largest: Tensor

    def __init__(self, codes: tuple[int, int]) -> None:
        super().__init__()
        self.codes = codes
        self.register_buffer("largest", torch.zeros(()))

    @property
    def step(self) -> Tensor:
        """The value of one code."""
        return self.largest.clamp_min(1e-6) / self.codes[1]

    def forward(self, values: Tensor) -> Tensor:
        """Return `values` rounded; beyond the range they saturate, without gradient."""
        if self.training:
            seen = values.detach().abs().amax()
            weight = 1 - EMA if self.largest > 0 else 1.0
            self.largest.lerp_(seen * HEADROOM, weight)
        zero = torch.zeros((), dtype=torch.int32)
        return torch.fake_quantize_per_tensor_affine(
            values, self.step, zero, *self.codes
        )


class QuantisedTrunk(Trunk):
    """A `Trunk` that rounds like int8, in float32; it shares the trunk's weights."""

    def __init__(self, trunk: Trunk) -> None:
        # Trunk's own would make weights of its own.
        Network.__init__(self, trunk.channels, trunk.scales)
        self.radius_px, self.noise_planes = trunk.radius_px, trunk.noise_planes
        self.border, self.first = trunk.border, trunk.first
        self.pairs, self.end, self.tails = trunk.pairs, trunk.end, trunk.tails
        pairs = range(len(trunk.pairs))
        self.into = nn.ModuleList(Rounding(SIGNED) for _ in pairs)
        self.between = nn.ModuleList(Rounding(UNSIGNED) for _ in pairs)
        self.before_end = Rounding(SIGNED)

    def features(self, image: Tensor) -> Tensor:
        """Return the feature map (N, width, H, W) of `image` (N, C, H, W)."""
        start: Tensor = self.first(self.border(image))
        features = start
        for pair, into, between in zip(
            self.pairs, self.into, self.between, strict=True
        ):
            inner = _convolve(into(features), pair.get_submodule("first"))
            hidden = between(torch.relu(inner))
            features = features + _convolve(hidden, pair.get_submodule("second"))
        return start + _convolve(self.before_end(features), self.end)

    @property
    def roundings(self) -> dict[str, Rounding]:
        """By the name of the weights that the rounded activation meets."""
        found = {"network.end.weight": self.before_end}
        for k, (into, between) in enumerate(zip(self.into, self.between, strict=True)):
            found[f"network.pairs.{k}.first.weight"] = into  # type: ignore[assignment]
            found[f"network.pairs.{k}.second.weight"] = between  # type: ignore[assignment]
        return found


def steps_of(weights: Tensor) -> Tensor:
    """Return the value of one code for each output channel (O,) of (O, I, 3, 3)."""
    largest = weights.detach().abs().amax((1, 2, 3))
    return largest.clamp_min(1e-12) / SIGNED[1]


def _convolve(values: Tensor, layer: nn.Module) -> Tensor:
    weights = layer.get_parameter("weight")
    zeros = torch.zeros(len(weights), dtype=torch.int32)
    rounded = torch.fake_quantize_per_channel_affine(
        weights, steps_of(weights), zeros, 0, *SIGNED
    )
    return functional.conv2d(values, rounded, padding=1)


def gains(contrast: Tensor, fine: Tensor, coarse: Tensor) -> Tensor:
    """Return the gain (N, 1, 1, 1) of the coarse images that crops were taken from.

    A coarse image has the contrast of its fine one times the square root of the scale,
    as the training data show within a tenth from 2 to 8; noise adds to that, and is
    what a coarse crop has beyond it. A crop with an edge that would saturate is seen
    with the gain that inference computes such parts with.

    Parameters
    ----------
    contrast : (N,) of the whole fine images, in units
    fine, coarse : crops (N, C, s h, s w) and (N, C, h, w), in units
    """
    scale = fine.shape[-1] // coarse.shape[-1]
    mean, largest = _steps(coarse)
    noise = (mean.square() - scale * _steps(fine)[0].square()).clamp_min(0)
    whole = (scale * contrast.square() + noise).sqrt()
    found = [gain_of(each) for each in whole.tolist()]
    gain = torch.tensor(found, device=largest.device)
    gain = torch.where(gain * largest > STRONG_EDGE, gain * LESS, gain)
    return gain.view(-1, 1, 1, 1)


def _steps(crops: Tensor) -> tuple[Tensor, Tensor]:
    """Return the mean and the largest difference of neighbours in each crop."""
    both = torch.cat([crops.diff(dim=dim).abs().flatten(1) for dim in (2, 3)], 1)
    return both.mean(1), both.amax(1)


def quantised(network: Network) -> QuantisedTrunk:
    """Return `network` with its rounding.

    Raises
    ------
    SettingsError
        If it is no trunk.
    """
    if isinstance(network, Trunk):
        return QuantisedTrunk(network)
    raise SettingsError(
        f"a {type(network).__name__.lower()} cannot be quantised: it works at output "
        "size, where its residual is no smaller than its rounding; give --model trunk"
    )


def without_rounding(trunk: QuantisedTrunk, plain: Network) -> Network:
    """Give `plain`, of the same shape, the weights of a quantised trunk."""
    names = plain.state_dict().keys()
    state = {name: value for name, value in trunk.state_dict().items() if name in names}
    plain.load_state_dict(state)
    return plain
