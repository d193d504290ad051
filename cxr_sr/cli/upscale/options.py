"""The options of `cxr-sr upscale`, as `--help` shows them."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from typer import Option

from cxr_sr.cli.options import (
    DEFAULT_MODEL,
    ENGINE,
    ON_ERROR,
    SCALE,
    Again,
    Debug,
    Inputs,
    Json,
    ModelName,
    Quiet,
)
from cxr_sr.names import (
    Compression,
    Consistency,
    Dates,
    EngineName,
    Equipment,
    OnError,
    OverlayPlanes,
    Precision,
    PrivateElements,
    ValueRange,
)

SIZE = "Output size"
HOW = "Computation"
WHAT = "Output files"
BATCH = "Many files"


@dataclass(frozen=True, kw_only=True)
class Treatment:
    """What is made of each file."""

    scale: Annotated[
        int | None,
        Option(
            metavar=SCALE,
            help="Enlarge by this factor; the model must know it [default: 2].",
            rich_help_panel=SIZE,
        ),
    ] = None
    spacing: Annotated[
        float | None,
        Option(
            metavar="MM",
            help="Enlarge to this pixel spacing in mm, such as 0.1.",
            rich_help_panel=SIZE,
        ),
    ] = None
    long_side: Annotated[
        int | None,
        Option(
            metavar="PX",
            help="Enlarge until the longer side has this many pixels, such as 4096.",
            rich_help_panel=SIZE,
        ),
    ] = None

    model: ModelName = DEFAULT_MODEL
    engine: Annotated[EngineName, Option(help=ENGINE, rich_help_panel=HOW)] = "auto"
    precision: Annotated[
        Precision,
        Option(
            help="Precision of the network's arithmetic. The bicubic base is "
            "always computed in fp32.",
            rich_help_panel=HOW,
        ),
    ] = "auto"
    consistency: Annotated[
        Consistency,
        Option(
            help="How the output has to agree with the input. noise: averaged back, it "
            "differs from the input by no more than the input's own noise. box, "
            "bicubic: reduced this way, it equals the input. off: the network alone.",
            rich_help_panel=HOW,
        ),
    ] = "noise"
    grain: Annotated[
        float | None,
        Option(
            min=0,
            max=1,
            metavar="0..1",
            help="With --consistency noise: share of the measured grain that stays. "
            "0: the network's estimate alone; 1: exact agreement. "
            "[default: all of a faint grain, a tenth of a strong one]",
            show_default=False,
            rich_help_panel=HOW,
        ),
    ] = None
    value_range: Annotated[
        ValueRange,
        Option(
            "--range",
            help="Values that the output may take. source: between the input's least "
            "and largest value; stored: all that its bits can hold.",
            rich_help_panel=HOW,
        ),
    ] = "source"
    device: Annotated[
        str,
        Option(
            metavar="auto|cpu|cuda[:N]|mps",
            help="Device for --engine torch.",
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
            help="Side of a tile in pixels, such as 256; 0: as large as "
            "--max-memory allows.",
            rich_help_panel=HOW,
        ),
    ] = 0
    max_memory: Annotated[
        int,
        Option(
            min=300,
            metavar="MB",
            help="Memory that each process may use, in MB, such as 1500.",
            rich_help_panel=HOW,
        ),
    ] = 800

    format: Annotated[
        Literal["same", "dicom", "png", "tiff", "npy"],
        Option(
            help="File format of the output. same: the format of the input.",
            rich_help_panel=WHAT,
        ),
    ] = "same"
    compress: Annotated[
        Compression,
        Option(
            help="Lossless compression of the pixels, for DICOM output.",
            rich_help_panel=WHAT,
        ),
    ] = "none"
    equipment: Annotated[
        Equipment,
        Option(
            help="standard: the General Equipment attributes name cxr-sr, and those "
            "of the source move to ContributingEquipmentSequence (PS3.3 C.12.1.1.5). "
            "keep: the source's attributes stay.",
            rich_help_panel=WHAT,
        ),
    ] = "standard"
    private: Annotated[
        PrivateElements,
        Option(
            help="Drop or keep private attributes. They may identify the patient.",
            rich_help_panel=WHAT,
        ),
    ] = "drop"
    overlays: Annotated[
        OverlayPlanes,
        Option(
            help="Enlarge the overlay planes with the image, or drop them.",
            rich_help_panel=WHAT,
        ),
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


@dataclass(frozen=True, kw_only=True)
class Options(Treatment):
    """The options of `cxr-sr upscale`."""

    inputs: Inputs
    output: Annotated[
        Path,
        Option(
            "--output",
            "-o",
            metavar="DIR",
            help="Output folder. It gets the same subfolders as the input.",
        ),
    ]
    tags: Annotated[
        Path | None,
        Option(
            metavar="FILE.csv",
            exists=True,
            dir_okay=False,
            help="Patient, study and modality of pictures that become DICOM files: a "
            "column `file`, and columns named as DICOM attributes, such as PatientID.",
            rich_help_panel=WHAT,
        ),
    ] = None

    jobs: Annotated[
        int, Option(min=1, help="Number of processes.", rich_help_panel=BATCH)
    ] = 1
    cluster: Annotated[
        str | None,
        Option(
            metavar="ray[://HOST:PORT]",
            help="Use the workers of a Ray cluster. They must see the input and the "
            "output under the same paths.",
            rich_help_panel=BATCH,
        ),
    ] = None
    shard: Annotated[
        str | None,
        Option(
            metavar="I/N",
            help="Process only part I of N, such as 3/8. The parts share no file.",
            rich_help_panel=BATCH,
        ),
    ] = None
    resume: Annotated[
        bool,
        Option(
            "--resume",
            help="Continue an earlier run: keep each output whose input, settings and "
            "bytes still have the hashes in the report.",
            rich_help_panel=BATCH,
        ),
    ] = False
    overwrite: Annotated[
        bool,
        Option("--overwrite", help="Replace existing outputs.", rich_help_panel=BATCH),
    ] = False
    on_error: Annotated[OnError, Option(help=ON_ERROR, rich_help_panel=BATCH)] = (
        "continue"
    )
    report: Annotated[
        Path | None,
        Option(
            metavar="FILE.jsonl",
            help="Report to append to [default: cxr-sr-report.jsonl in the output "
            "folder].",
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
        Option("--dry-run", help="List the outputs and their sizes; write nothing."),
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
