"""Provide a torch Dataset of radiographs, from files, folders or a report.

::

    from torch.utils.data import DataLoader
    from cxr_sr.torch_data import XRAYVISION, RadiographDataset

    dataset = RadiographDataset("finer/cxr-sr-report.jsonl", 224, XRAYVISION)
    for images, names in DataLoader(dataset, batch_size=8):
        scores = classifier(images)

Its images have the gray values that `cxr-sr export` writes. The training in this
package uses stored values instead, see `training.data.dataset`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import Dataset

from cxr_sr.display.picture import pixel_size, resampled
from cxr_sr.display.render import WHITE, Choice, render
from cxr_sr.errors import InputError, SettingsError
from cxr_sr.formats import inspect, read
from cxr_sr.formats.discover import Candidate, discover
from cxr_sr.formats.gray import LUMA
from cxr_sr.radiograph import Radiograph
from cxr_sr.report.results import Results, below


@dataclass(frozen=True)
class Normalisation:
    """The values of black and white for a classifier, one for each channel.

    All other values lie between them on a straight line.
    """

    black: tuple[float, ...]
    white: tuple[float, ...]

    @classmethod
    def standardised(
        cls, mean: tuple[float, ...], deviation: tuple[float, ...]
    ) -> Normalisation:
        """Subtract a mean and divide by a standard deviation, both of [0, 1]."""
        pairs = list(zip(mean, deviation, strict=True))
        return cls(
            tuple(-m / d for m, d in pairs), tuple((1 - m) / d for m, d in pairs)
        )


UNIT = Normalisation((0.0,), (1.0,))
"""One channel, 0 to 1."""
XRAYVISION = Normalisation((-1024.0,), (1024.0,))
"""One channel, for torchxrayvision's models (Cohen et al., MIDL 2022)."""
IMAGENET = Normalisation.standardised((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
"""Three channels, for networks trained on ImageNet."""


class RadiographDataset(Dataset[tuple[Tensor, str]]):
    """Pairs of an image and the name of its file, in a fixed order.

    An image is float32 (C, size, size) with values between `normalisation.black` and
    `normalisation.white`; bone is bright. It is rendered (modality LUT, VOI LUT or
    window, polarity), cut to its central square (in mm), and resampled (bicubic,
    antialiased). It depends only on the file, so that workers need no seeds.

    Parameters
    ----------
    source : files and folders; or the report (.jsonl) of `cxr-sr upscale`, which
        stands for the results beside it
    size : side of the square, px
    normalisation : `UNIT`, `XRAYVISION`, `IMAGENET`, or your own
    window : the window to apply, see `cxr_sr.display.render`

    Raises
    ------
    SettingsError
        If `source` has no radiograph, or the file is no report.
    """

    def __init__(
        self,
        source: Path | str | Iterable[Path | str],
        size: int,
        normalisation: Normalisation = UNIT,
        window: Choice = None,
    ) -> None:
        if size < 1:
            raise SettingsError(f"a size of {size} px; expected at least 1")
        self.size = size
        self.normalisation = normalisation
        self.window = window
        self.left_out: list[tuple[str, str]] = []
        """(name, reason) of files whose header shows that they are no radiographs, and
        of results that the report lists but `upscale` did not write."""
        self._files = list(self._find(source))
        if not self._files:
            raise SettingsError(
                f"there is no radiograph in it; {len(self.left_out)} files were left "
                "out (left_out has the reasons)"
            )

    @property
    def names(self) -> list[str]:
        """Names of the items: paths relative to their folder, with forward slashes."""
        return [name for name, _ in self._files]

    def __len__(self) -> int:
        return len(self._files)

    def __getitem__(self, number: int) -> tuple[Tensor, str]:
        """Read an image.

        Raises
        ------
        InputError
            If the pixels are damaged; the message names the file.
        """
        name, path = self._files[number]
        try:
            radiograph = read(path)
        except InputError as error:
            raise type(error)(f"{name}: {error}") from error
        gray = central_square(radiograph, self.size, self.window)
        return self._normalised(gray), name

    def _normalised(self, gray: NDArray[np.floating[Any]]) -> Tensor:
        black, white = (
            torch.tensor(ends, dtype=torch.float32).view(-1, 1, 1)
            for ends in (self.normalisation.black, self.normalisation.white)
        )
        return torch.lerp(black, white, torch.from_numpy(gray)[None])

    def _find(
        self, source: Path | str | Iterable[Path | str]
    ) -> Iterator[tuple[str, Path]]:
        places = [source] if isinstance(source, Path | str) else source
        for place in map(Path, places):
            if place.suffix.lower() == ".jsonl":
                yield from self._results(place)
            else:
                yield from self._radiographs(place)

    def _results(self, report: Path) -> Iterator[tuple[str, Path]]:
        results = Results.read(report)
        for entry in results.written:
            path = below(report.parent, entry.get("output"))
            if path is not None and path.is_file():
                yield str(entry["output"]), path
            else:
                reason = "the result is not beside the report"
                self.left_out.append((entry["file"], reason))
        for entry in results.missing:
            self.left_out.append((entry["file"], str(entry.get("reason", ""))))

    def _radiographs(self, place: Path) -> Iterator[tuple[str, Path]]:
        for found in discover([place]):
            name = found.relative.as_posix()
            refusal = _refusal(found) if isinstance(found, Candidate) else found.reason
            if refusal is None:
                yield name, found.path
            else:
                self.left_out.append((name, refusal))


def _refusal(candidate: Candidate) -> str | None:
    try:
        return inspect(candidate.path).refusal
    except InputError as error:
        return str(error)


def central_square(
    radiograph: Radiograph, size: int, window: Choice = None
) -> NDArray[np.float32]:
    """Return the largest central square of an image, as `render` shows it.

    Returns
    -------
    (size, size), 0 black to 1 white
    """
    gray = render(radiograph, 16, window)
    pixel = pixel_size(radiograph)
    side = min(n * mm for n, mm in zip(radiograph.shape, pixel, strict=True))
    rows, columns = (max(1, round(side / mm)) for mm in pixel)
    top = radiograph.shape[0] // 2 - rows // 2
    left = radiograph.shape[1] // 2 - columns // 2
    square = gray[max(top, 0) : top + rows, max(left, 0) : left + columns]
    shown = resampled(square, (size, size)).astype(np.float32) / np.float32(WHITE)
    return (
        shown
        if shown.ndim == 2
        else np.einsum("ijk,k->ij", shown, np.array(LUMA, np.float32))
    )
