"""`cxr-sr upscale --head`: the work on each file, and the saved time."""

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from cxr_sr.cli import output
from cxr_sr.report.entries import FileEntry

if TYPE_CHECKING:
    from cxr_sr.batch.upscaling import Upscaling, UpscalingRecipe
    from cxr_sr.tasks.upscaling import UpscalingAndFinding

    AnyUpscaling = Upscaling | UpscalingAndFinding


def work_of(recipe: "UpscalingRecipe") -> "AnyUpscaling":
    """Return the work on each file; with a head, if the recipe has a head."""
    from cxr_sr.batch.upscaling import Upscaling
    from cxr_sr.tasks.upscaling import HeadedRecipe, UpscalingAndFinding

    if isinstance(recipe, HeadedRecipe):
        return UpscalingAndFinding(recipe)
    return Upscaling(recipe)


def makes_masks(recipe: "UpscalingRecipe") -> bool:
    """Tell whether the run writes a mask beside each result."""
    from cxr_sr.tasks.upscaling import HeadedRecipe

    return isinstance(recipe, HeadedRecipe) and recipe.head.spec.kind == "segmentation"


@dataclass
class HeadTally:
    """The time of a head in a run, and the time that one common run saved."""

    files: int = 0
    seconds: float = 0.0
    shared: int = 0
    """Number of files whose trunk was shared."""
    saved: Counter[str] = field(default_factory=Counter)

    def add(self, entry: FileEntry) -> None:
        """Count a file that the head has processed in this run."""
        told = "saved_seconds" in entry and "probabilities" in entry
        if entry["status"] == "done" and told:
            self.files += 1
            self.seconds += entry["seconds"]["head"]
            self.saved.update(entry["saved_seconds"])
            self.shared += entry.get("trunk_shared", False)

    def tell(self) -> None:
        """Print both times, if there was a head."""
        if not self.files:
            return
        trunk = (
            f"For {self.shared} of them, it would have run the trunk again "
            f"({self.saved['trunk']:.1f} s)"
            if self.shared
            else "The head ran its own trunk, so no computing was saved; the report "
            "says why (trunk_not_shared)"
        )
        output.say(
            f"files with a result of the head: {self.files}, in {self.seconds:.1f} s. "
            "A separate run would have read the files again "
            f"({self.saved['read']:.1f} s). {trunk}"
        )
