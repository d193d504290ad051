"""The layers of the networks, and their initial weights."""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional

DETAIL_GAIN = 8.0
"""Factor for the first layer: neighbouring pixels of a radiograph differ by about an
eighth of its contrast."""
PAIR_GAIN = 0.3
"""Factor for the second convolution of a pair. With small pairs, a trunk trains like a
shallow network at first."""
TAIL_GAIN = 0.1
"""Factor for the convolution of a tail."""
LAST_LAYER_GAIN = 0.01
"""Factor for the last layer. Residuals are some hundredths of a unit; with this factor
the first result is near the bicubic image."""
PASSED_ON_GAIN = 0.1
"""Share of the usual random weights that is added to the identity."""


class FullPrecision(nn.Conv2d):
    """A convolution in float32, also if the next layers train in another precision.

    It reads the image itself. bfloat16 would round away the faintest detail.
    """

    def forward(self, image: Tensor) -> Tensor:
        """Return the convolution of `image` (N, C, H, W)."""
        with torch.autocast(image.device.type, enabled=False):
            return super().forward(image)


class ZeroSumConvolution(FullPrecision):
    """A 3 x 3 convolution of differences of pixels; the level of the image is ignored.

    It also adds `told` planes of noise, each pixel with one weight; there the level
    counts. These weights are 0 at first.
    """

    def __init__(self, into: int, out: int, told: int = 0) -> None:
        super().__init__(into, out, 3, bias=False)
        self.told = nn.Parameter(torch.zeros(out, told)) if told else None

    @property
    def kernel(self) -> Tensor:
        """The effective kernels (out, into + told, 3, 3).

        A kernel for the image is `weight` minus its mean. A kernel for a noise plane
        is 0 except in the centre.
        """
        kernel = self.weight - self.weight.mean((1, 2, 3), keepdim=True)
        if self.told is None:
            return kernel
        centres = functional.pad(self.told[:, :, None, None], (1, 1, 1, 1))
        return torch.cat([kernel, centres], 1)

    def forward(self, image: Tensor) -> Tensor:
        """Return (N, out, H - 2, W - 2) of `image` (N, into + told, H, W)."""
        with torch.autocast(image.device.type, enabled=False):
            return functional.conv2d(image, self.kernel)


class Pair(nn.Module):
    """Two convolutions around which the features pass unchanged."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.first = unbiased(width, width)
        self.second = unbiased(width, width, PAIR_GAIN)

    def forward(self, features: Tensor) -> Tensor:
        """Return `features` (N, width, H, W) with the pair's correction added."""
        changed: Tensor = features + self.second(torch.relu(self.first(features)))
        return changed


class FixedBatchNorm(nn.BatchNorm2d):
    """Batch normalisation by the statistics of the whole data set, in training too.

    The residual is proportional to the contrast of a crop. The statistics of a few
    small crops would remove this contrast. The batches of the paper are whole images,
    whose statistics hardly differ from the data set. Gain and offset are trained.
    """

    def settle(self, mean: float, variance: float) -> None:
        """Set the statistics, in units, for every channel."""
        nn.init.constant_(self.get_buffer("running_mean"), mean)
        nn.init.constant_(self.get_buffer("running_var"), variance)

    def forward(self, image: Tensor) -> Tensor:
        """Return `image` (N, C, H, W) normalised."""
        return functional.batch_norm(
            image,
            self.running_mean,
            self.running_var,
            self.weight,
            self.bias,
            eps=self.eps,
        )


def convolution(
    into: int, out: int, dilation: int = 1, kind: type[nn.Conv2d] = nn.Conv2d
) -> nn.Conv2d:
    """Return a 3 x 3 convolution that keeps the size of the image."""
    layer = kind(into, out, 3, padding=dilation, dilation=dilation)
    # He et al., ICCV 2015: the signal keeps its strength through the ReLUs.
    nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
    if layer.bias is not None:
        nn.init.zeros_(layer.bias)
    return layer


def convolutions(
    widths: list[int], dilation: int = 1, first: type[nn.Conv2d] = nn.Conv2d
) -> list[nn.Module]:
    """Return convolutions between these `widths`, each with a ReLU after it."""
    kinds = [first] + [nn.Conv2d] * (len(widths) - 2)
    return [
        layer
        for (into, out), kind in zip(pairwise(widths), kinds, strict=True)
        for layer in (convolution(into, out, dilation, kind), nn.ReLU())
    ]


def last_layer(into: int, out: int) -> nn.Conv2d:
    """Return the convolution that makes the residual, with small weights at first."""
    layer = convolution(into, out)
    with torch.no_grad():
        layer.weight.mul_(LAST_LAYER_GAIN)
    return layer


def look_at_detail(layer: nn.Module) -> None:
    """Start a first layer with filters that see differences, not brightness.

    A residual depends on detail, which is faint compared with the shading of a chest.
    A network with random filters must first learn to ignore the shading.
    """
    weights = layer.get_parameter("weight")
    with torch.no_grad():
        weights.sub_(weights.mean(dim=(2, 3), keepdim=True)).mul_(DETAIL_GAIN)


def pass_on(layer: nn.Module) -> None:
    """Start a layer of a deep chain as the identity, with a little noise added.

    At first, the chain then trains like its two end layers alone. Without this start,
    twenty layers were no better than bicubic after half an hour.

    References
    ----------
    L. Xiao et al., ICML 2018: chains of thousands of layers that start with orthogonal
    kernels of one pixel; the identity is such a kernel.
    """
    weights = layer.get_parameter("weight")
    with torch.no_grad():
        usual = weights.clone()
        nn.init.dirac_(weights).add_(usual, alpha=PASSED_ON_GAIN)


def unbiased(into: int, out: int, gain: float = 1.0) -> nn.Conv2d:
    """Return a convolution of a trunk; `gain` multiplies its random start."""
    layer = nn.Conv2d(into, out, 3, padding=1, bias=False)
    with torch.no_grad():
        layer.weight.mul_(gain)
    return layer


def tail(width: int, channels: int, scale: int) -> nn.Module:
    """Return the layers that make the residual of one scale from a feature map."""
    last = unbiased(width, channels * scale**2, TAIL_GAIN)
    return nn.Sequential(last, nn.PixelShuffle(scale))
