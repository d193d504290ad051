"""The options of `cxr-sr upscale`, as `--help` shows them."""

from dataclasses import dataclass
from functools import partial
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
    ResultFolder,
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

size = partial(Option, rich_help_panel="Output size")
computing = partial(Option, rich_help_panel="Computation")
written = partial(Option, rich_help_panel="Output files")
batch = partial(Option, rich_help_panel="Many files")


@dataclass(frozen=True, kw_only=True)
class Treatment:
    """The options for enlarging and writing each file."""

    scale: Annotated[
        int | None,
        size(
            metavar=SCALE,
            help="Enlarge by this factor; the model must know it [default: 2].",
        ),
    ] = None
    spacing: Annotated[
        float | None,
        size(metavar="MM", help="Enlarge to this pixel spacing in mm, such as 0.1."),
    ] = None
    long_side: Annotated[
        int | None,
        size(
            metavar="PX",
            help="Enlarge until the longer side has this many pixels, such as 4096.",
        ),
    ] = None

    model: ModelName = DEFAULT_MODEL
    engine: Annotated[EngineName, computing(help=ENGINE)] = "auto"
    precision: Annotated[
        Precision,
        computing(
            help="Precision of the network's arithmetic. The bicubic base is "
            "always computed in fp32."
        ),
    ] = "auto"
    consistency: Annotated[
        Consistency,
        computing(
            help="Agreement of the output with the input. noise: the averaged output "
            "differs from the input by at most the input's own noise. box, bicubic: "
            "the output, reduced in this way, equals the input. off: no correction."
        ),
    ] = "noise"
    grain: Annotated[
        float | None,
        computing(
            min=0,
            max=1,
            metavar="0..1",
            help="With --consistency noise: share of the measured grain that stays. "
            "0: the network's estimate alone; 1: exact agreement. "
            "[default: all of a faint grain, a tenth of a strong one, half of what may "
            "be texture]",
            show_default=False,
        ),
    ] = None
    value_range: Annotated[
        ValueRange,
        computing(
            "--range",
            help="Values that the output may have. source: between the smallest and "
            "the largest value of the input; stored: all values that the bits allow.",
        ),
    ] = "source"
    device: Annotated[
        str,
        computing(metavar="auto|cpu", help="Device; this version computes on the CPU."),
    ] = "auto"
    threads: Annotated[
        int,
        computing(
            min=0, help="Threads of each process; 0: one for each processor it may use."
        ),
    ] = 0
    tile: Annotated[
        int,
        computing(
            min=0,
            metavar="PX",
            help="Longest side of a tile in pixels, such as 256; 0: as long as "
            "--max-memory allows. It is never longer than that.",
        ),
    ] = 0
    max_memory: Annotated[
        int,
        computing(
            min=300,
            metavar="MB",
            help="Bound on the memory of each process in MB, such as 1500: program, "
            "weights and tiles. A network that does not fit is refused. The pixels of "
            "the images that are read, computed and written come on top.",
        ),
    ] = 800

    format: Annotated[
        Literal["same", "dicom", "png", "tiff", "npy"],
        written(help="File format of the output. same: the format of the input."),
    ] = "same"
    compress: Annotated[
        Compression,
        written(help="Lossless compression of the pixels, for DICOM output."),
    ] = "none"
    equipment: Annotated[
        Equipment,
        written(
            help="standard: the General Equipment attributes name cxr-sr; the source's "
            "attributes move to ContributingEquipmentSequence (PS3.3 C.12.1.1.5). "
            "keep: the source's attributes stay."
        ),
    ] = "standard"
    private: Annotated[
        PrivateElements,
        written(help="Drop or keep private attributes. They may identify the patient."),
    ] = "drop"
    overlays: Annotated[
        OverlayPlanes,
        written(help="Enlarge the overlay planes with the image, or drop them."),
    ] = "scale"

    dates: Annotated[
        Dates,
        written(
            help="Dates of series, content and instance. now: the time of the run; "
            "source: the source's dates; none: no dates. auto: source if the header "
            "says that the identity was removed or the dates were changed, else now."
        ),
    ] = "auto"
    series_number: Annotated[
        str | None,
        written(
            metavar="N|+N",
            help="SeriesNumber of the results, such as 9001; or, with a plus, a number "
            "to add to the source's [default: +9000].",
            show_default=False,
        ),
    ] = None
    synthetic_data: Annotated[
        Literal["yes", "no"],
        written(
            help="yes: SyntheticData (0008,001C) is YES in the results of a network."
        ),
    ] = "yes"


@dataclass(frozen=True, kw_only=True)
class Options(Treatment):
    """The options of `cxr-sr upscale`."""

    inputs: Inputs
    output: ResultFolder
    head: Annotated[
        str | None,
        written(
            metavar="NAME|RUN",
            help="Also segment or classify each input with this head, such as lungs. "
            "The mask is written beside the result: NAME_mask, with the input's size.",
        ),
    ] = None
    tags: Annotated[
        Path | None,
        written(
            metavar="FILE.csv",
            exists=True,
            dir_okay=False,
            help="A table with patient, study and modality of pictures that become "
            "DICOM files: a column `file`, and columns with names of DICOM attributes, "
            "such as PatientID.",
        ),
    ] = None

    jobs: Annotated[int, batch(min=1, help="Number of processes.")] = 1
    cluster: Annotated[
        str | None,
        batch(
            metavar="ray[://HOST:PORT]",
            help="Use the workers of a Ray cluster. They must see the input and the "
            "output under the same paths.",
        ),
    ] = None
    shard: Annotated[
        str | None,
        batch(
            metavar="I/N",
            help="Process only part I of N, such as 3/8. The parts share no file.",
        ),
    ] = None
    resume: Annotated[
        bool,
        batch(
            "--resume",
            help="Continue an earlier run: keep each output whose input, settings and "
            "bytes still have the hashes in the report.",
        ),
    ] = False
    overwrite: Annotated[
        bool, batch("--overwrite", help="Replace existing outputs.")
    ] = False
    on_error: Annotated[OnError, batch(help=ON_ERROR)] = "continue"
    report: Annotated[
        Path | None,
        batch(
            metavar="FILE.jsonl",
            help="Report to append to [default: cxr-sr-report.jsonl in the output "
            "folder].",
        ),
    ] = None
    report_uids: Annotated[
        bool,
        batch(
            "--report-uids",
            help="Also report the SOP and Series Instance UIDs of inputs and outputs. "
            "They can identify the patient.",
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
        """Path of the report; each part of a divided input has its own report."""
        if self.report is not None:
            return self.report
        part = "" if self.shard is None else "." + self.shard.replace("/", "-of-")
        return self.output / f"cxr-sr-report{part}.jsonl"
