"""Draw pictures of a network's results on a validation image."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from numpy.typing import NDArray
from torch import Tensor

from cxr_sr.files import save_figure
from cxr_sr.superres.models.networks import Network
from cxr_sr.training.data.batches import CropBatch
from cxr_sr.training.data.degrade import Degradation, degrade
from cxr_sr.training.learner import enlarge, psnr, restored


def draw_samples(
    folder: Path, network: Network, region: CropBatch, degradation: Degradation
) -> list[Path]:
    """Draw before | after | truth at each scale of `network`; return the pictures.

    Parameters
    ----------
    folder : folder for the pictures, validation_xS.png for each scale S
    region : one region; it is degraded as in validation
    """
    written = []
    for scale in network.scales:
        random = torch.Generator().manual_seed(0)
        with torch.inference_mode():
            coarse = degrade(region.fine, region.codes, scale, degradation, random)
            before = enlarge(coarse.image, scale)
            after = restored(network, region, coarse)
        picture = folder / f"validation_x{scale}.png"
        _draw(picture, scale, (before, after, region.fine))
        written.append(picture)
    return written


def _draw(picture: Path, scale: int, images: tuple[Tensor, Tensor, Tensor]) -> None:
    """Draw three images (1, C, H, W) in the window of the last image, the truth."""
    # Not pyplot: it needs a window system and keeps figures.
    from matplotlib.figure import Figure

    truth = images[-1]
    gained = [f"{float(psnr(image, truth)):.2f} dB" for image in images[:2]]
    titles = (f"x{scale}, bicubic: {gained[0]}", f"network: {gained[1]}", "truth")
    low, high = float(truth.min()), float(truth.max())
    figure = Figure(figsize=(12, 4.4), layout="constrained")
    for panel, image, title in zip(figure.subplots(1, 3), images, titles, strict=True):
        panel.imshow(_shown(image, low, high), cmap="gray", vmin=0, vmax=1)
        panel.set_title(title)
        panel.set_axis_off()
    save_figure(picture, figure)


def _shown(image: Tensor, low: float, high: float) -> NDArray[Any]:
    """Return an image (1, C, H, W) for a screen: (H, W) or (H, W, 3), 0 to 1."""
    unit = ((image[0] - low) / max(high - low, 1e-6)).clamp(0, 1)
    shown: NDArray[Any] = (unit[0] if len(unit) == 1 else unit.permute(1, 2, 0)).numpy()
    return shown
