"""Decode the images for training and validation, and keep them in memory."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cxr_sr.errors import InputError, TrainingError
from cxr_sr.formats import is_lossy, read_original
from cxr_sr.index.table import (
    INDEX_COLUMNS,
    IndexEntry,
    find_index,
    read_index,
    split_folder,
)
from cxr_sr.names import MULTIPLE
from cxr_sr.superres.intensity import Scaling

log = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class TrainingImage:
    """One decoded image, kept as stored values to save memory."""

    stored: NDArray[np.integer[Any]]
    """(H, W), or (H, W, 3) for RGB."""
    scaling: Scaling
    ends: tuple[int, int]
    """The least and the largest value that the pixel format can store."""
    entry: IndexEntry
    lossy: bool = False
    """True if the image was compressed with loss at some time."""

    @property
    def channels(self) -> int:
        """1 for gray, 3 for RGB."""
        return 1 if self.stored.ndim == 2 else self.stored.shape[2]

    @property
    def code(self) -> float:
        """Difference of neighbouring stored values, in units."""
        return 1 / abs(self.scaling.slope)

    @property
    def span(self) -> tuple[float, float]:
        """The least and the largest value that can be stored, in units."""
        ends = np.array(self.ends, np.float64)
        least, largest = sorted(self.scaling.normalise(ends, np.float64).tolist())
        return least, largest

    @property
    def sides(self) -> tuple[int, int]:
        """(rows, columns)."""
        return self.stored.shape[0], self.stored.shape[1]

    def crop(
        self, corner: tuple[int, int], size: tuple[int, int]
    ) -> NDArray[np.floating[Any]]:
        """Return the region of `size` px at `corner`: (C, H, W) in units."""
        rows, columns = (slice(c, c + s) for c, s in zip(corner, size, strict=True))
        part = self.scaling.normalise(self.stored[rows, columns])
        return part[None] if self.channels == 1 else np.moveaxis(part, 2, 0)

    @property
    def whole(self) -> tuple[tuple[int, int], tuple[int, int]]:
        """The largest region with sides divisible by 24, as arguments of `crop`."""
        height, width = (n // MULTIPLE * MULTIPLE for n in self.sides)
        corner = (self.sides[0] - height) // 2, (self.sides[1] - width) // 2
        return corner, (height, width)


def list_images(data: Path) -> list[IndexEntry]:
    """Return the images of an index (CSV) or a folder.

    In a folder without an index, the hashes of the file names choose a tenth of the
    images for validation. Only an index can keep all images of a patient in one split.

    Raises
    ------
    TrainingError
        If there is no image.
    SettingsError
        If the index is unreadable, lacks a column, or has a patient in two splits.
    """
    index = find_index(data)
    entries = split_folder(data) if index is None else read_index(index)
    if not entries:
        raise TrainingError(
            "the data lists no image; give a folder of radiographs or an index CSV "
            f"with the columns {', '.join(INDEX_COLUMNS)}"
        )
    return entries


def load(
    entries: Iterable[IndexEntry],
    least_px: int,
    count: int,
    *,
    again: bool = False,
    channels: int = 1,
) -> list[TrainingImage]:
    """Decode the first `count` usable images; report each image that is left out.

    Parameters
    ----------
    entries : the images to read
    least_px : least length of a side
    count : largest number of images to return
    again : also take results of cxr-sr
    channels : 1 for gray images, 3 for colour images
    """
    images: list[TrainingImage] = []
    for entry in entries:
        if len(images) == count:
            break
        try:
            image = _decode(entry, again=again, colour=channels == 3)
        except InputError as error:
            log.warning("%s is left out: %s", entry.name, error)
            continue
        if min(image.sides) < least_px:
            size = f"{image.sides[1]} x {image.sides[0]} px"
            reason = f"{size}, smaller than the crop of {least_px}"
            log.warning("%s is left out: %s", entry.name, reason)
        elif image.channels != channels:
            log.warning("%s is left out: it is gray, not RGB", entry.name)
        else:
            images.append(image)
    lossy = sum(image.lossy for image in images)
    if lossy:
        log.warning(
            "%d of %d images were compressed with loss: the network also learns to "
            "make their blocks and ringing",
            *(lossy, len(images)),
        )
    return images


def _decode(entry: IndexEntry, *, again: bool, colour: bool) -> TrainingImage:
    radiograph = read_original(entry.path, again=again, colour=colour)
    fmt = radiograph.format
    ends = fmt.minimum, fmt.maximum
    scaling, lossy = Scaling.of(radiograph), is_lossy(radiograph)
    return TrainingImage(radiograph.pixels, scaling, ends, entry, lossy)
