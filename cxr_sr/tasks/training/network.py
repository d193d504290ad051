"""Define the network of a task: the features of a trunk, then a pyramid."""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor, nn

from cxr_sr.errors import SettingsError
from cxr_sr.superres.models.layers import Pair
from cxr_sr.superres.models.networks import Network, Trunk

WIDTHS = (16, 24, 32, 40, 40)
"""Channels of the pyramid, from half the size to a 32nd."""
MULTIPLE = 2 ** len(WIDTHS)
"""The sides of the input are multiples of this number of px."""


class TaskNetwork(nn.Module):
    """The features of a trunk and the image itself, then a pyramid with skips.

    The trunk sees detail, not brightness, so the pyramid has the image, too. Each level
    down halves the size; each level up adds the features of the same size. All
    operators also occur in the networks for super-resolution.

    Parameters
    ----------
    trunk : a copy of the part of a trunk that makes features; or a number of feature
        maps, which then come with the image, from a trunk that sees it at full size
    classes : number of output maps, one for each class

    References
    ----------
    Levels down and up: O. Ronneberger et al. (U-Net), MICCAI 2015. Sum instead of
    concatenation: A. Chaurasia, E. Culurciello (LinkNet), VCIP 2017.
    """

    def __init__(self, trunk: TrunkFeatures | int, classes: int) -> None:
        super().__init__()
        self.from_image: nn.Module | None = None
        if isinstance(trunk, int):
            # Features are much fainter than the image.
            self.trunk: nn.Module = nn.BatchNorm2d(1 + trunk)
            self.from_trunk = _down(1 + trunk, WIDTHS[0])
        else:
            self.trunk = trunk
            self.from_trunk = _down(trunk.width, WIDTHS[0])
            self.from_image = _down(1, WIDTHS[0])
        self.down = nn.ModuleList(_down(a, b) for a, b in pairwise(WIDTHS))
        self.levels = nn.ModuleList(
            nn.Sequential(Pair(width), nn.BatchNorm2d(width), nn.ReLU())
            for width in WIDTHS
        )
        self.up = nn.ModuleList(_up(b, a) for a, b in pairwise(WIDTHS))
        self.merged = nn.ModuleList(_merged(width) for width in WIDTHS[:-1])
        self.last = nn.Sequential(
            nn.Conv2d(WIDTHS[0], 4 * classes, 3, padding=1), nn.PixelShuffle(2)
        )

    def forward(self, image: Tensor) -> Tensor:
        """Return the logits (N, classes, H, W) of previews (N, 1 + maps, H, W)."""
        return self.above(self.trunk(image), image)

    def above(self, features: Tensor, image: Tensor) -> Tensor:
        """Return the logits, with the features (N, width, H, W) given.

        Parameters
        ----------
        features : of `image`; super-resolution may have computed these features
        image : (N, 1, H, W); its sides are multiples of `MULTIPLE`
        """
        x = self.from_trunk(features)
        if self.from_image is not None:
            x = x + self.from_image(image)
        x = torch.relu(x)
        skips = []
        for number, level in enumerate(self.levels):
            if number:
                x = torch.relu(self.down[number - 1](x))
            x = level(x)
            skips.append(x)
        for number in reversed(range(len(self.up))):
            x = self.merged[number](skips[number] + self.up[number](x))
        logits: Tensor = self.last(x)
        return logits


class TrunkFeatures(nn.Module):
    """The part of a trunk that makes features, without inputs for the noise.

    A preview averages many pixels, so its noise counts as zero.
    """

    def __init__(self, trunk: Trunk) -> None:
        super().__init__()
        self.width = trunk.first.weight.shape[0]
        self.border = trunk.border
        self.first = nn.Conv2d(1, self.width, 3, bias=False)
        with torch.no_grad():
            self.first.weight.copy_(trunk.first.kernel[:, :1])
        self.pairs, self.end = trunk.pairs, trunk.end

    def forward(self, image: Tensor) -> Tensor:
        """Return the features (N, width, H, W) of `image` (N, 1, H, W)."""
        start = self.first(self.border(image))
        features: Tensor = start + self.end(self.pairs(start))
        return features


def features_of(network: Network) -> TrunkFeatures:
    """Return a copy of the part of a trunk that makes features.

    Raises
    ------
    SettingsError
        If the network is no trunk, or does not take gray images.
    """
    if not isinstance(network, Trunk) or network.channels != 1:
        raise SettingsError(
            f"a {type(network).__name__.lower()} of {network.channels} channel(s) has "
            "no features for a task; give --trunk a gray trunk, such as fine or fast"
        )
    return TrunkFeatures(network)


def _down(into: int, out: int) -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(into, out, 3, stride=2, padding=1, bias=False), nn.BatchNorm2d(out)
    )


def _up(into: int, out: int) -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(into, 4 * out, 1, bias=False),
        nn.PixelShuffle(2),
        nn.BatchNorm2d(out),
    )


def _merged(width: int) -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(width, width, 3, padding=1, bias=False),
        nn.BatchNorm2d(width),
        nn.ReLU(),
    )
