"""Do the work of `cxr-sr export` on one file: make a picture of a radiograph."""

from __future__ import annotations

from pathlib import PurePosixPath

from cxr_sr.batch.beside import mask_path
from cxr_sr.display.picture import View, mask_picture, picture_of
from cxr_sr.display.render import window_warning
from cxr_sr.files import sha256_of
from cxr_sr.formats import read, write
from cxr_sr.radiograph import Radiograph, RegionFinder
from cxr_sr.report.entries import FileFacts
from cxr_sr.report.outcome import Job


class Exporting:
    """Reads a radiograph, renders and resamples it, and writes the picture.

    Parameters
    ----------
    region : finds the region of interest; its mask is written beside each picture,
        before the picture
    """

    def __init__(self, view: View, region: RegionFinder | None = None) -> None:
        self._view = view
        self._region = region

    def __call__(self, job: Job) -> FileFacts:
        """Make one picture; return the facts for the report.

        Raises
        ------
        CxrSrError
            If the file cannot be read, is no radiograph, cannot be shown with these
            settings, or the picture cannot be written.
        """
        radiograph = read(job.source)
        picture = picture_of(radiograph, self._view)
        job.target.parent.mkdir(parents=True, exist_ok=True)
        facts, doubts = self._put_mask(job, radiograph)
        write(picture, job.target, overwrite=True)
        if self._view.window is None:
            doubts.append(window_warning(radiograph))
        if any(doubts):
            facts["warnings"] = [doubt for doubt in doubts if doubt]
        return {
            **facts,
            "output": job.output,
            "input_sha256": sha256_of(job.source),
            "output_sha256": sha256_of(job.target),
            "input_size": radiograph.shape,
            "output_size": picture.shape,
            "input_spacing_mm": radiograph.geometry.spacing_mm,
            "output_spacing_mm": picture.geometry.spacing_mm,
            "bits": self._view.bits,
        }

    def _put_mask(
        self, job: Job, radiograph: Radiograph
    ) -> tuple[FileFacts, list[str]]:
        """Write the mask, if one is asked for; return facts and doubts about it."""
        if self._region is None:
            return {}, []
        found = self._region(radiograph)
        mask = mask_picture(found.mask, radiograph, self._view)
        write(mask, mask_path(job.target), overwrite=True)
        name = str(mask_path(PurePosixPath(job.output)))
        return {"mask": name, "mask_doubtful": bool(found.doubts)}, [*found.doubts]
