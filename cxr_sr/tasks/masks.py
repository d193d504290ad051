"""Read the masks of a labelled radiograph."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from cxr_sr.errors import NotARadiographError
from cxr_sr.formats.mask import read_mask
from cxr_sr.radiograph import Radiograph
from cxr_sr.tasks.labels import Labelled


def read_masks(row: Labelled, radiograph: Radiograph) -> NDArray[np.bool_]:
    """Return the masks (classes, rows, columns) of a radiograph.

    Raises
    ------
    InputError
        If a mask cannot be read, or differs in size from the image.
    """
    masks = np.zeros((len(row.masks), *radiograph.shape), bool)
    for number, path in enumerate(row.masks):
        if not path.is_file():
            raise NotARadiographError(
                f"its mask {path.name} is missing; expected an image at the path in "
                "the table, relative to the table's folder"
            )
        mask = read_mask(path)
        if mask.shape != radiograph.shape:
            raise NotARadiographError(
                f"its mask {path.name} has {mask.shape[1]} x {mask.shape[0]} px, the "
                f"image {radiograph.shape[1]} x {radiograph.shape[0]}; expected a mask "
                "with the size of the image"
            )
        masks[number] = mask
    return masks
