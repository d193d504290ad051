"""Do a dry run of `cxr-sr upscale`: find the facts that the header alone gives."""

from __future__ import annotations

import numpy as np

from cxr_sr.batch.upscaling import UpscalingRecipe
from cxr_sr.errors import NotARadiographError, OwnResultError
from cxr_sr.formats import OWN_RESULT, check_storable, inspect
from cxr_sr.formats.inspection import Inspection
from cxr_sr.formats.raster.files import RasterHeader
from cxr_sr.radiograph import Geometry, PixelFormat, Radiograph
from cxr_sr.report.entries import FileFacts
from cxr_sr.report.outcome import Job
from cxr_sr.superres.target import plan_size


def rehearse(recipe: UpscalingRecipe, job: Job) -> FileFacts:
    """Return the facts about a future result, such as its size, from the header alone.

    Raises
    ------
    CxrSrError
        If the header shows that the file must be refused.
    """
    found = inspect(job.source)
    if found.refusal is not None:
        raise NotARadiographError(found.refusal)
    if found.own_result and not recipe.again:
        raise OwnResultError(OWN_RESULT)
    outline = _outline(found)
    size = plan_size(outline, recipe.target, recipe.model.spec)
    check_storable(size.shape, outline.format)
    return {
        "output": job.output,
        "input_size": outline.shape,
        "output_size": size.shape,
        "input_spacing_mm": found.spacing_mm,
        "scale": size.scale,
    }


def _outline(found: Inspection) -> Radiograph:
    """Return a radiograph of zeros with the size that a header states."""
    shape = found.rows or 0, found.columns or 0
    bits = found.bits_allocated or 16
    fmt = PixelFormat(bits, bits, signed=False, photometric="MONOCHROME2")
    # All pixels share the memory of one sample.
    zeros = np.broadcast_to(fmt.dtype.type(0), shape)
    return Radiograph(zeros, fmt, Geometry(found.spacing_mm), RasterHeader())
