"""The work of `cxr-sr export` on one file: make a picture of a radiograph."""

from __future__ import annotations

from cxr_sr.batch.beside import mask_path
from cxr_sr.display.picture import View, mask_picture, picture_of
from cxr_sr.display.render import window_warning
from cxr_sr.files import sha256_of
from cxr_sr.formats import read, write
from cxr_sr.radiograph import RegionFinder
from cxr_sr.report.entries import FileFacts
from cxr_sr.report.outcome import Job


class Exporting:
    """Reads, renders, resamples and writes; returns the facts for the report.

    Parameters
    ----------
    region : finds the region of interest; its mask is written beside each picture,
        before the picture
    """

    def __init__(self, view: View, region: RegionFinder | None = None) -> None:
        self._view = view
        self._region = region

    def __call__(self, job: Job) -> FileFacts:
        """Make one picture.

        Raises
        ------
        CxrSrError
            If the file cannot be read, is no radiograph, cannot be shown with these
            settings, or the picture cannot be written.
        """
        radiograph = read(job.source)
        picture = picture_of(radiograph, self._view)
        job.target.parent.mkdir(parents=True, exist_ok=True)
        if self._region is not None:
            mask = mask_picture(self._region(radiograph), radiograph, self._view)
            write(mask, mask_path(job.target), overwrite=True)
        write(picture, job.target, overwrite=True)
        doubt = window_warning(radiograph) if self._view.window is None else ""
        warnings: FileFacts = {"warnings": [doubt]} if doubt else {}
        return {
            **warnings,
            "output": job.output,
            "input_sha256": sha256_of(job.source),
            "output_sha256": sha256_of(job.target),
            "input_size": radiograph.shape,
            "output_size": picture.shape,
            "input_spacing_mm": radiograph.geometry.spacing_mm,
            "output_spacing_mm": picture.geometry.spacing_mm,
            "bits": self._view.bits,
        }
