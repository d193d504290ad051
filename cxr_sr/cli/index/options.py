"""The options of `cxr-sr index`, as `--help` shows them."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from typer import Argument, Option

from cxr_sr.cli.options import Again, Json, Quiet

ENDINGS = (".csv", ".skipped.csv", ".key", ".journal.jsonl", ".png")
"""Of the files that the command writes."""


@dataclass(frozen=True, kw_only=True)
class Options:
    """What the user asked for, as it was given."""

    data: Annotated[
        Path,
        Argument(
            metavar="DATA",
            exists=True,
            help="A folder as a PACS exports it (walked), or a DICOMDIR.",
            show_default=False,
        ),
    ]
    output: Annotated[
        Path,
        Option(
            "--output",
            "-o",
            metavar="INDEX.csv",
            help="INDEX.skipped.csv, INDEX.key, INDEX.journal.jsonl and INDEX.png "
            "appear beside it. In DATA itself its paths are shortest.",
        ),
    ]
    split: Annotated[
        str, Option(metavar="NAME=SHARE,...", help="Shares of the patients.")
    ] = "train=0.8,val=0.1,test=0.1"
    seed: Annotated[int, Option(help="Another one deals the patients anew.")] = 0
    salt: Annotated[
        str | None,
        Option(
            metavar="SECRET",
            help="For the hashes; the same gives one patient the same hash in several "
            "indexes [default: random, kept in INDEX.key].",
        ),
    ] = None
    manifest: Annotated[
        Path | None,
        Option(
            metavar="FILE.csv",
            exists=True,
            dir_okay=False,
            help="With the columns file and patient, and perhaps split, view, age, "
            "sex, pixel_spacing_mm, source, licence [default: those in DATA that are "
            "called manifest.csv].",
        ),
    ] = None
    jobs: Annotated[
        int,
        Option(min=0, help="Processes; 0: one for each processor that may be used."),
    ] = 0
    overwrite: Annotated[
        bool,
        Option("--overwrite", help="Replace the index; only new files are read."),
    ] = False
    again: Again = False
    quiet: Quiet = False
    as_json: Json = False

    def beside(self, ending: str) -> Path:
        """Return the path of a file that belongs to the index."""
        return self.output.with_suffix(ending)

    @property
    def folder(self) -> Path:
        """Where the data are, if a file of it was named, too."""
        return self.data if self.data.is_dir() else self.data.parent
