"""Define the networks: each predicts only the residual of the bicubic image.

`forward(image, scale)` takes (N, inputs, H, W) in units, and returns the residual to
add to the bicubic image. With `grid = "output"`, `image` is the bicubic image, and the
residual has its size. With `grid = "input"`, the residual is `scale` times larger than
`image`. The inputs are the channels of the image; if the network is told the noise, the
planes of the noise follow.
"""

from __future__ import annotations

from typing import ClassVar

import torch
from safetensors import SafetensorError
from safetensors.torch import load
from torch import Tensor, nn

from cxr_sr.errors import ModelError, SettingsError
from cxr_sr.names import SCALES
from cxr_sr.superres.models.layers import (
    FixedBatchNorm,
    FullPrecision,
    Pair,
    ZeroSumConvolution,
    convolutions,
    last_layer,
    look_at_detail,
    pass_on,
    tail,
    unbiased,
)
from cxr_sr.superres.models.parts import check_header, read_weights
from cxr_sr.superres.models.spec import ModelSpec, NetworkGrid
from cxr_sr.superres.models.zoo import Model

NOISE_PLANES = ("standard deviation", "standard deviation x lag-1 correlation")
"""The planes that tell a trunk the noise of its image, in units."""


class Network(nn.Module):
    """Base class of all networks."""

    grid: ClassVar[NetworkGrid]
    """Size of the image that the network reads: input or output."""
    radius_px: int
    """Radius of the receptive field, in pixels of `grid`."""

    def __init__(self, channels: int, scales: tuple[int, ...]) -> None:
        super().__init__()
        self.channels = channels
        """1 for gray, 3 for RGB."""
        self.scales = scales
        """The factors that the network supports."""
        self.noise_planes = 0
        """Number of planes that tell the noise: 0, or the length of `NOISE_PLANES`."""

    @property
    def inputs(self) -> int:
        """Number of planes that `forward` takes: image and noise."""
        return self.channels + self.noise_planes

    def forward(self, image: Tensor, scale: int) -> Tensor:
        """Return the residual of `image` (N, C, H, W) for `scale`."""
        raise NotImplementedError

    def inner_convolutions(self) -> list[Tensor]:
        """Return the weights of all convolutions except the first and the last."""
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
    The network of the paper with which this project began; its loss and its training on
    all scales at once are from this paper, too. Dilated convolutions: F. Yu, V. Koltun,
    ICLR 2016.
    """

    grid = "output"
    radius_px = 10

    def __init__(self, channels: int = 1, scales: tuple[int, ...] = SCALES) -> None:
        super().__init__(channels, scales)
        self.normalise = FixedBatchNorm(channels)
        self.body = nn.Sequential(
            *convolutions([channels, 8, 16, 32], first=FullPrecision),
            *convolutions([32, 64, 128, 256], dilation=2),
        )
        self.last = last_layer(256, channels)
        look_at_detail(self.body[0])

    def forward(self, image: Tensor, scale: int) -> Tensor:  # noqa: ARG002
        """Return the residual of the bicubic `image`; any scale is treated alike."""
        residual: Tensor = self.last(self.body(self.normalise(image)))
        return residual


class Vdsr(Network):
    """Twenty convolutions of 64 channels at output size: the baseline of the paper.

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
        self.body = nn.Sequential(*convolutions(widths, first=FullPrecision))
        self.last = last_layer(64, channels)
        look_at_detail(self.body[0])
        for layer in [*self.body.children()][2::2]:
            pass_on(layer)

    def forward(self, image: Tensor, scale: int) -> Tensor:  # noqa: ARG002
        """Return the residual of the bicubic `image`; any scale is treated alike."""
        residual: Tensor = self.last(self.body(image))
        return residual


class Trunk(Network):
    """A residual trunk at input size and one pixel-shuffle tail for each scale.

    Compared with a network at output size, the work falls by the square of the scale.
    No layer has a bias, and the kernels of the first layer sum to zero. So the residual
    follows every affine change of the intensities exactly: the network treats images of
    any window, bit depth or contrast in the same way.

    References
    ----------
    Sub-pixel convolution: W. Shi et al., CVPR 2016. Residual pairs without batch
    normalisation, a tail for each scale: B. Lim et al. (EDSR, MDSR), CVPRW 2017.
    Networks without biases: S. Mohan et al., ICLR 2020. Noise as an input: K. Zhang
    et al. (FFDNet), IEEE TIP 27 (2018).
    """

    grid = "input"

    def __init__(
        self,
        width: int = 32,
        depth: int = 16,
        channels: int = 1,
        scales: tuple[int, ...] = SCALES,
        noise: int = 0,
    ) -> None:
        super().__init__(channels, scales)
        if noise and (noise != len(NOISE_PLANES) or channels != 1):
            raise SettingsError(
                f"a trunk of {channels} channel(s) that is told {noise} planes of "
                f"noise cannot be built; expected 1 and {len(NOISE_PLANES)}"
            )
        if depth % 2 or depth < 0 or width < 1:
            raise SettingsError(
                f"a trunk of width {width} and depth {depth} cannot be built; the "
                "depth counts the convolutions of its pairs and is even"
            )
        self.radius_px = depth + 3
        # With zeros beyond the border, the border itself would be a strong edge.
        self.border = nn.ReplicationPad2d(1)
        self.noise_planes = noise
        self.first = ZeroSumConvolution(channels, width, noise)
        self.pairs = nn.Sequential(*(Pair(width) for _ in range(depth // 2)))
        self.end = unbiased(width, width)
        self.tails = nn.ModuleDict({f"x{s}": tail(width, channels, s) for s in scales})

    def inner_convolutions(self) -> list[Tensor]:
        """Return the weights of the trunk without its first layer and its tails."""
        layers = [*self.pairs.modules(), self.end]
        return [m.weight for m in layers if isinstance(m, nn.Conv2d)]

    def features(self, image: Tensor) -> Tensor:
        """Return the feature map (N, width, H, W) of `image` (N, inputs, H, W)."""
        start = self.first(self.border(image))
        features: Tensor = start + self.end(self.pairs(start))
        return features

    def forward(self, image: Tensor, scale: int) -> Tensor:
        """Return the residual (N, C, scale H, scale W); only one tail computes."""
        residual: Tensor = self.tails[f"x{scale}"](self.features(image))
        return residual


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

    Parameters
    ----------
    model : as `load_model` returned it, with a .safetensors file

    Returns
    -------
    A torch module on the CPU in evaluation mode; its weights are float32.

    Raises
    ------
    ModelError
        If the weights are unreadable, were exchanged, or belong to another network.
    """
    name = model.safetensors.name
    weights = read_weights(model.safetensors, model.spec.safetensors_sha256)
    check_header(weights.content, name)
    try:
        state = load(weights.content)
        with torch.device("meta"):  # there a network of a wrong size needs no memory
            build(model.spec).load_state_dict(state, assign=True)
        network = build(model.spec)
        network.load_state_dict(state)
    except (SafetensorError, RuntimeError, SettingsError) as error:
        raise ModelError(
            f"{name} does not hold the weights of the network {model.spec.network!r} "
            f"({type(error).__name__}); use the file that was written with "
            f"{model.onnx.name}"
        ) from error
    return network.eval()
