"""The options of `cxr-sr evaluate`, as `--help` shows them."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from typer import Argument, Option

from cxr_sr.cli.options import DEFAULT_MODEL, ENGINE, SCALE, Again, Json, Quiet
from cxr_sr.names import Consistency, EngineName, ValueRange


@dataclass(frozen=True, kw_only=True)
class Options:
    """The options of `cxr-sr evaluate`."""

    data: Annotated[
        Path | None,
        Argument(
            metavar="[DATA]",
            help="An index: a CSV file with at least the columns file, split and "
            "patient. Or a folder of images; an index.csv or manifest.csv in the "
            "folder is used as its index. --physics needs none.",
            show_default=False,
        ),
    ] = None
    split: Annotated[
        str | None,
        Option(
            metavar="train|val|test",
            help="The split to measure. A folder without an index is split in the "
            "same way as `train` splits it [default: val of an index, all of a "
            "folder].",
        ),
    ] = None
    model: Annotated[
        list[str] | None,
        Option(
            metavar="NAME|FILE",
            help="The model to measure. Repeat the option for several models. bicubic "
            f"is always measured, for comparison [default: {DEFAULT_MODEL}, the "
            "default of `upscale`; with --physics also lanczos].",
        ),
    ] = None
    scale: Annotated[
        list[int] | None,
        Option(
            metavar=SCALE,
            help="The factor to measure. Repeat the option for several factors "
            "[default: all].",
        ),
    ] = None
    degradation: Annotated[
        list[str] | None,
        Option(
            metavar="bicubic|box|detector",
            help="The way to make the images coarser. detector adds the noise of an "
            "X-ray detector. Repeat the option for several ways [default: bicubic and "
            "detector].",
        ),
    ] = None
    dose: Annotated[
        list[float] | None,
        Option(
            metavar="UGY",
            help="Dose of detector: air kerma in uGy where the image is darkest. "
            "Repeat the option for several doses [default: 2.5].",
        ),
    ] = None
    noise_width: Annotated[
        list[float] | None,
        Option(
            metavar="PX",
            help="Correlation of the noise of detector: sigma of a Gaussian, in pixels "
            "of the coarse image; 0: white noise. Repeat the option for several widths "
            "[default: 0 and 0.6].",
        ),
    ] = None
    consistency: Annotated[
        Consistency | None,
        Option(
            help="See `upscale`. A given value also applies to the interpolators "
            "[default: for networks the default of `upscale`, for interpolators off].",
            show_default=False,
        ),
    ] = None
    grain: Annotated[
        float | None,
        Option(
            min=0,
            max=1,
            metavar="0..1",
            help="As of `upscale` [default: as of `upscale`].",
            show_default=False,
        ),
    ] = None
    value_range: Annotated[
        ValueRange | None,
        Option(
            "--range",
            help="As of `upscale` [default: as of `upscale`].",
            show_default=False,
        ),
    ] = None
    physics: Annotated[
        bool,
        Option(
            "--physics",
            help="Measure on simulated images instead: the noise that each model "
            "leaves on flat fields, and its response to slanted edges. With DATA, "
            "edges are also inserted into some of its images.",
        ),
    ] = False
    region: Annotated[
        str | None,
        Option(
            metavar="HEAD",
            help="Measure PSNR also within the masks of a head, such as lungs.",
        ),
    ] = None
    limit: Annotated[
        int | None, Option(min=1, help="Measure only the first N images.")
    ] = None
    engine: Annotated[EngineName, Option(help=ENGINE)] = "auto"
    precision: Annotated[
        list[str] | None,
        Option(
            metavar="auto|fp32|int8",
            help="Precision of the networks' arithmetic. Repeat the option to compare "
            "precisions [default: auto, the default of `upscale`].",
        ),
    ] = None
    threads: Annotated[
        int,
        Option(
            min=0,
            help="Number of threads; 0: one for each processor that "
            "this process may use.",
        ),
    ] = 0
    output: Annotated[
        Path | None,
        Option(
            "--output",
            "-o",
            metavar="DIR",
            help="Write results.json, results.csv, results.md and figures into this "
            "folder.",
        ),
    ] = None
    again: Again = False
    quiet: Quiet = False
    as_json: Json = False
