"""Train a trunk for int8: round its activations and weights in training.

The convolutions of the pairs, and the convolution after them, are quantised, and so are
the features that pass around a pair. The first convolution reads the full depth of the
image, and the tails make the residual: both stay in float32, like the sum before the
tails. With features in float32, each pair would write and read them four times as
large, and OpenVINO would need a quarter more time.

The range of the codes is fixed in units. So each image is multiplied by a gain that
brings it to the usual contrast, and the residual is divided by the gain (see
`superres.int8.gain`), in training and in inference.

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
from cxr_sr.superres.int8.saturation import LESS, STRONG_STEP
from cxr_sr.superres.models.networks import Network, Trunk

SIGNED, UNSIGNED = (-127, 127), (0, 255)
"""Least and largest code. SIGNED: of features and weights; UNSIGNED: of the output of a
ReLU."""
EMA = 0.99
"""Decay of the range of an activation in each step after the first."""
HEADROOM = 2.0
"""Range divided by the largest activation of a usual crop. Larger ones saturate; see
`superres.int8.saturation`."""


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
        """Return rounded values; outside the range they saturate, without gradient."""
        if self.training:
            # The median: a crop with a marker has activations ten times as large.
            seen = values.detach().abs().amax((1, 2, 3)).median()
            weight = 1 - EMA if self.largest > 0 else 1.0
            self.largest.lerp_(seen * HEADROOM, weight)
        zero = torch.zeros((), dtype=torch.int32)
        return torch.fake_quantize_per_tensor_affine(
            values, self.step, zero, *self.codes
        )


class QuantisedTrunk(Trunk):
    """A `Trunk` that rounds like int8, in float32; it shares the trunk's weights."""

    def __init__(self, trunk: Trunk) -> None:
        # `Trunk.__init__` would make new weights.
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
            rounded = into(features)
            inner = _convolve(rounded, pair.get_submodule("first"))
            hidden = between(torch.relu(inner))
            features = rounded + _convolve(hidden, pair.get_submodule("second"))
        return start + _convolve(self.before_end(features), self.end)

    @property
    def roundings(self) -> dict[str, Rounding]:
        """The rounding of each convolution's input, by the name of its weights."""
        found = {"network.end.weight": self.before_end}
        for k, (into, between) in enumerate(zip(self.into, self.between, strict=True)):
            found[f"network.pairs.{k}.first.weight"] = into  # type: ignore[assignment]
            found[f"network.pairs.{k}.second.weight"] = between  # type: ignore[assignment]
        return found


def steps_of(weights: Tensor) -> Tensor:
    """Return the value of one code for each output channel: (O,) for (O, I, 3, 3)."""
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
    """Return the gain (N, 1, 1, 1) of the coarse images to which crops belong.

    The contrast of a coarse image is the contrast of its fine image times the square
    root of the scale, within a tenth for the scales 2 to 8 of the training data. A
    coarse crop with more contrast has noise, and the noise is added. A crop with an
    edge that would saturate gets the smaller gain that inference uses for such parts.

    Parameters
    ----------
    contrast : (N,) contrast of the whole fine images, in units
    fine, coarse : crops (N, C, s h, s w) and (N, C, h, w), in units
    """
    scale = fine.shape[-1] // coarse.shape[-1]
    mean, largest = _steps(coarse)
    noise = (mean.square() - scale * _steps(fine)[0].square()).clamp_min(0)
    whole = (scale * contrast.square() + noise).sqrt()
    found = [gain_of(each) for each in whole.tolist()]
    gain = torch.tensor(found, device=largest.device)
    gain = torch.where(gain * largest > STRONG_STEP, gain * LESS, gain)
    return gain.view(-1, 1, 1, 1)


def _steps(crops: Tensor) -> tuple[Tensor, Tensor]:
    """Return the mean and the largest difference of neighbours in each crop."""
    both = torch.cat([crops.diff(dim=dim).abs().flatten(1) for dim in (2, 3)], 1)
    return both.mean(1), both.amax(1)


def quantised(network: Network) -> QuantisedTrunk:
    """Return a trunk that rounds like int8 and has the weights of `network`.

    Raises
    ------
    SettingsError
        If the network is no trunk.
    """
    if isinstance(network, Trunk):
        return QuantisedTrunk(network)
    raise SettingsError(
        f"a {type(network).__name__.lower()} cannot be quantised: it works at output "
        "size, where its residual is no smaller than its rounding; give --model trunk"
    )


def without_rounding(trunk: QuantisedTrunk, plain: Network) -> Network:
    """Copy the weights of a quantised trunk into `plain`, a trunk of the same shape."""
    names = plain.state_dict().keys()
    state = {name: value for name, value in trunk.state_dict().items() if name in names}
    plain.load_state_dict(state)
    return plain
