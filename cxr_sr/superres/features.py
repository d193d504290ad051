"""Compute the feature map of a trunk, for segmentation or classification."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from cxr_sr.errors import SettingsError
from cxr_sr.radiograph import Radiograph
from cxr_sr.superres.intensity import Scaling
from cxr_sr.superres.models.networks import Network, Trunk
from cxr_sr.superres.noise import estimate_of, with_noise


def features(radiograph: Radiograph, network: Network) -> Tensor:
    """Return the feature map of a whole radiograph, at its own size.

    Gradients reach the network, so a head can be trained together with its trunk;
    `torch.inference_mode()` prevents gradients. The function needs the memory of about
    four maps: 1.5 GB for 3000 x 1000 px and 32 channels.

    Parameters
    ----------
    radiograph : gray, as `read` returned it
    network : a trunk, as `load_network` returned it

    Returns
    -------
    (width, H, W) float32. The values are proportional to the contrast in units, and do
    not depend on the mean level of the image.

    Raises
    ------
    SettingsError
        If the network is no trunk, or the image has another number of planes.
    """
    if not isinstance(network, Trunk):
        raise SettingsError(
            f"{type(network).__name__.lower()} works at output size and has no trunk; "
            "use a model whose network is 'trunk', such as fine"
        )
    planes = np.atleast_3d(radiograph.pixels).transpose(2, 0, 1)
    if len(planes) != network.channels:
        raise SettingsError(
            f"the network takes {network.channels} plane(s) together, but the image "
            f"has {len(planes)}; pass one plane, or another network"
        )
    image = Scaling.of(radiograph).normalise(planes).astype(np.float32)[None]
    if network.noise_planes:
        image = with_noise(image, estimate_of(radiograph))
    map_: Tensor = network.features(torch.from_numpy(image))[0]
    return map_
