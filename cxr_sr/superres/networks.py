"""The networks: each predicts the residual on the bicubic image, nothing else.

`forward(image, scale)` takes (N, C, H, W) in units and returns a residual to be
added to the bicubic image: at the size of `image` for `grid = "output"` (where
`image` is that bicubic image), `scale` times larger for `grid = "input"`.
"""

from __future__ import annotations

from itertools import pairwise
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional

from cxr_sr.errors import ModelError, SettingsError
from cxr_sr.superres.spec import Grid, ModelSpec
from cxr_sr.superres.zoo import Model

SCALES = (2, 3, 4, 8)
DETAIL_GAIN = 8.0
"""Neighbouring pixels of a radiograph differ by about an eighth of its contrast."""
PAIR_GAIN = 0.3
"""A trunk whose pairs start small trains like a shallow one first."""
TAIL_GAIN = 0.1
LAST_LAYER_GAIN = 0.01
"""Residuals are some hundredths of a unit: a last layer this much smaller than usual
starts every network near the bicubic image instead of far below it."""
PASSED_ON_GAIN = 0.1
"""Of the usual start, beside the identity that a layer starts with."""


class Network(nn.Module):
    """What all networks state of themselves."""

    grid: ClassVar[Grid]
    """The pixels the network runs on."""
    radius_px: int
    """Receptive-field radius in pixels of `grid`."""

    def __init__(self, channels: int, scales: tuple[int, ...]) -> None:
        super().__init__()
        self.channels = channels
        """1 for gray, 3 for RGB."""
        self.scales = scales
        """The factors it is made for."""

    def forward(self, image: Tensor, scale: int) -> Tensor:
        """Return the residual of `image` (N, C, H, W) for `scale`."""
        raise NotImplementedError

    def inner_convolutions(self) -> list[Tensor]:
        """Return the weights of all convolutions but those from and to the image."""
        layers = [m for m in self.modules() if isinstance(m, nn.Conv2d)]
        ends = (layers[0], layers[-1])
        return [layer.weight for layer in layers if layer not in ends]


class Hydra(Network):
    """Seven layers at output size for all scales at once.

    Batch normalisation of the input, three plain and three dilated convolutions of
    doubling width, one convolution back to the image; 395,715 trainable parameters
    for gray images. Borders are zero-padded.

    References
    ----------
    The network of the paper this project starts from, with its loss and its training
    on all scales at once. Dilated convolutions: F. Yu, V. Koltun, ICLR 2016.
    """

    grid = "output"
    radius_px = 10

    def __init__(self, channels: int = 1, scales: tuple[int, ...] = SCALES) -> None:
        super().__init__(channels, scales)
        self.normalise = FixedBatchNorm(channels)
        self.body = nn.Sequential(
            *_convolutions([channels, 8, 16, 32], first=FullPrecision),
            *_convolutions([32, 64, 128, 256], dilation=2),
        )
        self.last = _last_layer(256, channels)
        _look_at_detail(self.body[0])

    def forward(self, image: Tensor, scale: int) -> Tensor:  # noqa: ARG002
        """Return the residual of the bicubic `image`; any scale is treated alike."""
        residual: Tensor = self.last(self.body(self.normalise(image)))
        return residual


class Vdsr(Network):
    """Twenty convolutions of 64 channels at output size: the paper's baseline.

    References
    ----------
    J. Kim, J. K. Lee, K. M. Lee, "Accurate image super-resolution using very deep
    convolutional networks", CVPR 2016.
    """

    grid = "output"
    radius_px = 20

    def __init__(self, channels: int = 1, scales: tuple[int, ...] = SCALES) -> None:
        super().__init__(channels, scales)
        widths = [channels] + [64] * 19
        self.body = nn.Sequential(*_convolutions(widths, first=FullPrecision))
        self.last = _last_layer(64, channels)
        _look_at_detail(self.body[0])
        for layer in [*self.body.children()][2::2]:
            _pass_on(layer)

    def forward(self, image: Tensor, scale: int) -> Tensor:  # noqa: ARG002
        """Return the residual of the bicubic `image`; any scale is treated alike."""
        residual: Tensor = self.last(self.body(image))
        return residual


class Trunk(Network):
    """A residual trunk at input size and one pixel-shuffle tail for each scale.

    The work falls by the square of the scale against networks at output size.
    No layer has a bias and the first one's kernels sum to zero, so that the residual
    follows every affine change of the intensities exactly: whatever window, bit
    depth or contrast an image comes with, the network does the same to it.

    References
    ----------
    Sub-pixel convolution: W. Shi et al., CVPR 2016. Residual pairs without batch
    normalisation, one tail a scale: B. Lim et al. (EDSR, MDSR), CVPR Workshops 2017.
    Networks without biases: S. Mohan et al., ICLR 2020.
    """

    grid = "input"

    def __init__(
        self,
        width: int = 32,
        depth: int = 16,
        channels: int = 1,
        scales: tuple[int, ...] = SCALES,
    ) -> None:
        super().__init__(channels, scales)
        if depth % 2 or depth < 0 or width < 1:
            raise SettingsError(
                f"a trunk of width {width} and depth {depth} cannot be built; the "
                "depth counts the convolutions of its pairs and is even"
            )
        self.radius_px = depth + 3
        # Beyond a zero-padded border the level itself would be an edge.
        self.border = nn.ReplicationPad2d(1)
        self.first = ZeroSumConvolution(channels, width)
        self.pairs = nn.Sequential(*(Pair(width) for _ in range(depth // 2)))
        self.end = _unbiased(width, width)
        self.tails = nn.ModuleDict({f"x{s}": _tail(width, channels, s) for s in scales})

    def inner_convolutions(self) -> list[Tensor]:
        """Return the weights of the trunk; the tails of several scales differ."""
        layers = [*self.pairs.modules(), self.end]
        return [m.weight for m in layers if isinstance(m, nn.Conv2d)]

    def features(self, image: Tensor) -> Tensor:
        """Return the trunk's feature map (N, width, H, W) of `image` (N, C, H, W)."""
        start = self.first(self.border(image))
        features: Tensor = start + self.end(self.pairs(start))
        return features

    def forward(self, image: Tensor, scale: int) -> Tensor:
        """Return the residual (N, C, scale H, scale W) by that scale's tail alone."""
        residual: Tensor = self.tails[f"x{scale}"](self.features(image))
        return residual


class FullPrecision(nn.Conv2d):
    """A convolution in float32, whatever precision the layers after it train in.

    It sees the image itself, whose faintest detail bfloat16 would round away.
    """

    def forward(self, image: Tensor) -> Tensor:
        """Return the convolution of `image` (N, C, H, W)."""
        with torch.autocast(image.device.type, enabled=False):
            return super().forward(image)


class ZeroSumConvolution(FullPrecision):
    """A 3 x 3 convolution that answers to differences only, never to the level."""

    def __init__(self, into: int, out: int) -> None:
        super().__init__(into, out, 3, bias=False)

    @property
    def kernel(self) -> Tensor:
        """The kernels that act: `weight` less the mean of each."""
        return self.weight - self.weight.mean((1, 2, 3), keepdim=True)

    def forward(self, image: Tensor) -> Tensor:
        """Return (N, out, H - 2, W - 2) of `image` (N, into, H, W)."""
        with torch.autocast(image.device.type, enabled=False):
            return functional.conv2d(image, self.kernel)


class Pair(nn.Module):
    """Two convolutions around which the features pass unchanged."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.first = _unbiased(width, width)
        self.second = _unbiased(width, width, PAIR_GAIN)

    def forward(self, features: Tensor) -> Tensor:
        """Return `features` (N, width, H, W) with the pair's correction added."""
        changed: Tensor = features + self.second(torch.relu(self.first(features)))
        return changed


class FixedBatchNorm(nn.BatchNorm2d):
    """Batch normalisation by the statistics of the whole data set, in training too.

    A few small crops have statistics of their own; normalising by them would take
    from the network the contrast that its residual is in proportion to. The paper's
    batches of whole images hardly differ from the data set. Gain and offset learn.
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


NETWORKS: dict[str, type[Network]] = {"hydra": Hydra, "vdsr": Vdsr, "trunk": Trunk}


def network_class(name: str) -> type[Network]:
    """Return the network called `name`.

    Raises
    ------
    SettingsError
        If there is no such network.
    """
    if name not in NETWORKS:
        raise SettingsError(
            f"no network is called {name!r}; expected one of {', '.join(NETWORKS)}"
        )
    return NETWORKS[name]


def build(spec: ModelSpec) -> Network:
    """Return the network that `spec` names, with random weights.

    Raises
    ------
    SettingsError
        If there is no such network, or it has no such setting.
    """
    network = network_class(spec.network)
    try:
        return network(**spec.settings, channels=spec.channels, scales=spec.scales)
    except TypeError as error:
        raise SettingsError(
            f"the network {spec.network!r} does not take {', '.join(spec.settings)}"
        ) from error


def load_network(model: Model) -> Network:
    """Return a model's network with its weights, ready for inference.

    Raises
    ------
    ModelError
        If the weights are unreadable or belong to another network.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    network = build(model.spec)
    try:
        network.load_state_dict(load_file(model.safetensors))
    except (OSError, SafetensorError, RuntimeError) as error:
        raise ModelError(
            f"{model.safetensors.name} does not hold the weights of the network "
            f"{model.spec.network!r} ({type(error).__name__}); use the file that was "
            f"written with {model.onnx.name}"
        ) from error
    return network.eval()


def _convolution(
    into: int, out: int, dilation: int = 1, kind: type[nn.Conv2d] = nn.Conv2d
) -> nn.Conv2d:
    convolution = kind(into, out, 3, padding=dilation, dilation=dilation)
    # He et al., ICCV 2015: keeps the signal's size through the ReLUs.
    nn.init.kaiming_normal_(convolution.weight, nonlinearity="relu")
    if convolution.bias is not None:
        nn.init.zeros_(convolution.bias)
    return convolution


def _convolutions(
    widths: list[int], dilation: int = 1, first: type[nn.Conv2d] = nn.Conv2d
) -> list[nn.Module]:
    kinds = [first] + [nn.Conv2d] * (len(widths) - 2)
    return [
        layer
        for (into, out), kind in zip(pairwise(widths), kinds, strict=True)
        for layer in (_convolution(into, out, dilation, kind), nn.ReLU())
    ]


def _last_layer(into: int, out: int) -> nn.Conv2d:
    convolution = _convolution(into, out)
    with torch.no_grad():
        convolution.weight.mul_(LAST_LAYER_GAIN)
    return convolution


def _look_at_detail(convolution: nn.Module) -> None:
    """Let a first layer start with filters that see differences, not brightness.

    A residual depends on detail, which is faint beside the shading of a chest; a
    network that starts with random filters has to unlearn the shading first.
    """
    weights = convolution.get_parameter("weight")
    with torch.no_grad():
        weights.sub_(weights.mean(dim=(2, 3), keepdim=True)).mul_(DETAIL_GAIN)


def _pass_on(convolution: nn.Module) -> None:
    """Let a layer of a deep chain start as the identity and a little of anything.

    The chain then trains like its two ends first. Without that, twenty layers were no
    better than bicubic after half an hour. L. Xiao et al. (ICML 2018) train chains
    of thousands of layers from orthogonal kernels of one pixel, of which this is one.
    """
    weights = convolution.get_parameter("weight")
    with torch.no_grad():
        usual = weights.clone()
        nn.init.dirac_(weights).add_(usual, alpha=PASSED_ON_GAIN)


def _unbiased(into: int, out: int, gain: float = 1.0) -> nn.Conv2d:
    convolution = nn.Conv2d(into, out, 3, padding=1, bias=False)
    with torch.no_grad():
        convolution.weight.mul_(gain)
    return convolution


def _tail(width: int, channels: int, scale: int) -> nn.Module:
    last = _unbiased(width, channels * scale**2, TAIL_GAIN)
    return nn.Sequential(last, nn.PixelShuffle(scale))
