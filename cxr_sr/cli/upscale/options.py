"""The options of `cxr-sr upscale`, as `--help` shows them."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from typer import Option

from cxr_sr.cli.options import (
    SCALE,
    Again,
    Debug,
    Inputs,
    Json,
    ModelName,
    OnError,
    Quiet,
)
from cxr_sr.names import (
    Compression,
    Consistency,
    Dates,
    EngineName,
    Equipment,
    OverlayPlanes,
    Precision,
    PrivateElements,
)

SIZE = "How fine"
HOW = "How to compute"
WHAT = "What is written"
BATCH = "Many files"


@dataclass(frozen=True, kw_only=True)
class Options:
    """What the user asked for, as it was given."""

    inputs: Inputs
    output: Annotated[
        Path,
        Option("--output", "-o", metavar="DIR", help="Mirrors the input's folders."),
    ]

    scale: Annotated[
        int | None,
        Option(
            metavar=SCALE,
            help="A factor that the model was made for (2 if nothing is said).",
            rich_help_panel=SIZE,
        ),
    ] = None
    spacing: Annotated[
        float | None,
        Option(
            metavar="MM",
            help="A distance between pixel centres.",
            rich_help_panel=SIZE,
        ),
    ] = None
    long_side: Annotated[
        int | None,
        Option(metavar="PX", help="A size of the longer side.", rich_help_panel=SIZE),
    ] = None

    model: ModelName = "fine"
    engine: Annotated[EngineName, Option(rich_help_panel=HOW)] = "auto"
    precision: Annotated[
        Precision,
        Option(help="Of the network; its base is fp32.", rich_help_panel=HOW),
    ] = "auto"
    consistency: Annotated[
        Consistency,
        Option(
            help="Reduced this way, the output equals the input.", rich_help_panel=HOW
        ),
    ] = "box"
    device: Annotated[
        str,
        Option(
            metavar="auto|cpu|cuda[:N]|mps",
            help="For --engine torch.",
            rich_help_panel=HOW,
        ),
    ] = "auto"
    threads: Annotated[
        int,
        Option(
            min=0,
            help="Threads of each process; 0: one for each processor it may use.",
            rich_help_panel=HOW,
        ),
    ] = 0
    tile: Annotated[
        int,
        Option(
            min=0,
            metavar="PX",
            help="Side of a tile; 0: as memory allows.",
            rich_help_panel=HOW,
        ),
    ] = 0
    max_memory: Annotated[
        int,
        Option(min=300, metavar="MB", help="A process.", rich_help_panel=HOW),
    ] = 800

    format: Annotated[
        Literal["same", "dicom", "png", "tiff", "npy"], Option(rich_help_panel=WHAT)
    ] = "same"
    compress: Annotated[
        Compression,
        Option(help="Lossless, of DICOM.", rich_help_panel=WHAT),
    ] = "none"
    equipment: Annotated[
        Equipment,
        Option(
            help="standard: General Equipment names cxr-sr, the source's moves to "
            "ContributingEquipmentSequence (PS3.3 C.12.1.1.5).",
            rich_help_panel=WHAT,
        ),
    ] = "standard"
    private: Annotated[
        PrivateElements,
        Option(help="Private attributes.", rich_help_panel=WHAT),
    ] = "drop"
    overlays: Annotated[
        OverlayPlanes, Option(help="Overlay planes.", rich_help_panel=WHAT)
    ] = "scale"

    dates: Annotated[
        Dates,
        Option(
            help="Dates of series, content and instance: of the run, of the source, or "
            "none. auto: of the source if its header says that the patient's identity "
            "was removed or its dates were changed, else of the run.",
            rich_help_panel=WHAT,
        ),
    ] = "auto"
    series_number: Annotated[
        str | None,
        Option(
            metavar="N|+N",
            help="SeriesNumber of the results, as 9001; or, with a plus, a number to "
            "add to the source's [default: +9000].",
            show_default=False,
            rich_help_panel=WHAT,
        ),
    ] = None
    synthetic_data: Annotated[
        Literal["yes", "no"],
        Option(
            help="yes: SyntheticData (0008,001C) is YES in the results of a network.",
            rich_help_panel=WHAT,
        ),
    ] = "yes"

    jobs: Annotated[int, Option(min=1, help="Processes.", rich_help_panel=BATCH)] = 1
    cluster: Annotated[
        str | None,
        Option(
            metavar="ray[://HOST:PORT]",
            help="Workers of a Ray cluster instead; input and output must be shared "
            "with them, under the same paths.",
            rich_help_panel=BATCH,
        ),
    ] = None
    shard: Annotated[
        str | None,
        Option(
            metavar="I/N",
            help="Only the I-th of N disjoint parts of the input.",
            rich_help_panel=BATCH,
        ),
    ] = None
    resume: Annotated[
        bool,
        Option(
            "--resume",
            help="Keep what the report says is done and hashes confirm.",
            rich_help_panel=BATCH,
        ),
    ] = False
    overwrite: Annotated[
        bool,
        Option("--overwrite", help="Replace outputs.", rich_help_panel=BATCH),
    ] = False
    on_error: OnError = "continue"
    report: Annotated[
        Path | None,
        Option(
            metavar="FILE.jsonl",
            help="DIR/cxr-sr-report.jsonl if nothing is said.",
            rich_help_panel=BATCH,
        ),
    ] = None
    report_uids: Annotated[
        bool,
        Option(
            "--report-uids",
            help="Report SOP and Series Instance UIDs of inputs and outputs, too; they "
            "identify.",
            rich_help_panel=BATCH,
        ),
    ] = False
    again: Again = False
    dry_run: Annotated[
        bool,
        Option("--dry-run", help="Only list what would be done."),
    ] = False
    quiet: Quiet = False
    as_json: Json = False
    debug: Debug = False

    @property
    def report_path(self) -> Path:
        """Where the report goes; each part of a divided input has its own."""
        if self.report is not None:
            return self.report
        part = "" if self.shard is None else "." + self.shard.replace("/", "-of-")
        return self.output / f"cxr-sr-report{part}.jsonl"
