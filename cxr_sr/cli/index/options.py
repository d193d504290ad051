"""The options of `cxr-sr index`, as `--help` shows them."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from typer import Argument, Option

from cxr_sr.cli.options import Again, Json, Quiet

ENDINGS = (".csv", ".skipped.csv", ".key", ".journal.jsonl", ".png")
"""Endings of the files that the command writes."""


@dataclass(frozen=True, kw_only=True)
class Options:
    """The options of `cxr-sr index`."""

    data: Annotated[
        Path,
        Argument(
            metavar="DATA",
            exists=True,
            help="A folder that a PACS exported (with its subfolders), or a DICOMDIR.",
            show_default=False,
        ),
    ]
    output: Annotated[
        Path,
        Option(
            "--output",
            "-o",
            metavar="INDEX.csv",
            help="The index to write. The command also writes INDEX.skipped.csv, "
            "INDEX.key, INDEX.journal.jsonl and INDEX.png beside it. Paths in the "
            "index are shortest if it lies in DATA.",
        ),
    ]
    split: Annotated[
        str,
        Option(metavar="NAME=SHARE,...", help="Share of the patients in each split."),
    ] = "train=0.8,val=0.1,test=0.1"
    seed: Annotated[
        int,
        Option(
            help="Seed of the random split; another seed puts other patients into "
            "each split."
        ),
    ] = 0
    salt: Annotated[
        str | None,
        Option(
            metavar="SECRET",
            help="Secret for the hashes of patients. With the same secret, a patient "
            "has the same hash in every index [default: random, kept in INDEX.key].",
        ),
    ] = None
    manifest: Annotated[
        Path | None,
        Option(
            metavar="FILE.csv",
            exists=True,
            dir_okay=False,
            help="A table with the columns file and patient; optional columns: split, "
            "view, body_part, age, sex, pixel_spacing_mm, source, licence [default: "
            "every manifest.csv in DATA].",
        ),
    ] = None
    view: Annotated[
        str | None,
        Option(
            metavar="VIEW,...",
            help="Take only images with these values of ViewPosition (or the view's "
            "code), such as PA,AP. Add none to keep images that state no view, and "
            "other for those with a term that the standard does not have.",
        ),
    ] = None
    body_part: Annotated[
        str | None,
        Option(
            metavar="PART,...",
            help="Take only images with these values of BodyPartExamined, such as "
            "CHEST. Add none to keep images that state no body part, and other for "
            "those with a term that the standard does not have.",
        ),
    ] = None
    jobs: Annotated[
        int,
        Option(
            min=0,
            help="Number of processes; 0: one for each processor that it may use.",
        ),
    ] = 0
    overwrite: Annotated[
        bool,
        Option(
            "--overwrite",
            help="Replace an existing index. Files that it lists are not read again.",
        ),
    ] = False
    again: Again = False
    quiet: Quiet = False
    as_json: Json = False

    def beside(self, ending: str) -> Path:
        """Return the path of a file that belongs to the index."""
        return self.output.with_suffix(ending)

    @property
    def folder(self) -> Path:
        """The folder of the data; the parent if DATA is a file."""
        return self.data if self.data.is_dir() else self.data.parent
