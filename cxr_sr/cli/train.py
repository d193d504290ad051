"""`cxr-sr train`: radiographs in, a run folder with weights out."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from typer import Argument, Option

from cxr_sr.cli import output
from cxr_sr.cli.options import Again
from cxr_sr.errors import SettingsError
from cxr_sr.names import LossName, NetworkName, Optimiser, TrainingPrecision

if TYPE_CHECKING:
    from cxr_sr.training.fit import Run

NETWORK = "Network"
SAMPLES = "What it sees"
COURSE = "How long and how fast"


@dataclass(frozen=True, kw_only=True)
class Options:
    """What the user asked for, as it was given."""

    data: Annotated[
        Path,
        Argument(metavar="DATA", help="An index (CSV), or a folder of radiographs."),
    ]
    run: Annotated[
        Path, Option(metavar="DIR", help="Everything about the run is kept here.")
    ]

    model: Annotated[NetworkName, Option(rich_help_panel=NETWORK)] = "trunk"
    name: Annotated[
        str,
        Option(help="Of the weights; the network's, if none.", rich_help_panel=NETWORK),
    ] = ""
    width: Annotated[
        int | None,
        Option(min=1, help="Channels of a trunk.", rich_help_panel=NETWORK),
    ] = None
    depth: Annotated[
        int | None,
        Option(min=0, help="Convolutions of a trunk, even.", rich_help_panel=NETWORK),
    ] = None
    quantise: Annotated[
        bool,
        Option(
            "--quantise",
            help="Train a trunk to be rounded to int8, and write that too.",
            rich_help_panel=NETWORK,
        ),
    ] = False
    init: Annotated[
        Path | None,
        Option(
            metavar="WEIGHTS.safetensors",
            help="Weights to start from, as far as they fit.",
            rich_help_panel=NETWORK,
        ),
    ] = None
    teacher: Annotated[
        str | None,
        Option(
            metavar="NAME|FILE",
            help="A model whose results count for half of the truth: a small network "
            "learns more in a step from a larger one, and takes longer for it.",
            rich_help_panel=NETWORK,
        ),
    ] = None

    scales: Annotated[
        str,
        Option(
            metavar="N,N",
            help="Trained at once, in turns: 2,2,4 trains x2 twice as often as x4.",
            rich_help_panel=SAMPLES,
        ),
    ] = "2,3,4,8"
    crop: Annotated[
        str | None,
        Option(
            metavar="none|PX",
            help="Side of a crop on the network's grid: 48 at input size, 192 (or any "
            "multiple of 24) at output size; none: whole images.",
            rich_help_panel=SAMPLES,
        ),
    ] = None
    batch: Annotated[
        int, Option(min=1, help="Crops a step and process.", rich_help_panel=SAMPLES)
    ] = 4
    degradation: Annotated[
        str,
        Option(
            metavar="NAME[,NAME]",
            help="bicubic, box, detector; several are mixed.",
            rich_help_panel=SAMPLES,
        ),
    ] = "bicubic"
    altered: Annotated[
        float,
        Option(
            min=0,
            max=1,
            help="Share of crops seen through another window and bit depth.",
            rich_help_panel=SAMPLES,
        ),
    ] = 0.5
    marked: Annotated[
        float,
        Option(
            min=0,
            max=1,
            help="Share of crops that side markers, text and shutters are drawn into.",
            rich_help_panel=SAMPLES,
        ),
    ] = 0.25

    loss: Annotated[
        LossName,
        Option(rich_help_panel=COURSE),
    ] = "mae+ms-ssim"
    lr: Annotated[
        float | None,
        Option(
            min=0,
            help="Peak learning rate. "
            "[default: 0.001; with --quantise and --init 2e-5]",
            show_default=False,
            rich_help_panel=COURSE,
        ),
    ] = None
    optimiser: Annotated[
        Optimiser,
        Option(
            help="muon learns more in a step; inner layers take 5 times --lr.",
            rich_help_panel=COURSE,
        ),
    ] = "adam"
    precision: Annotated[
        TrainingPrecision,
        Option(
            help="Of the inner layers; bf16 is twice as fast with AVX512-BF16.",
            rich_help_panel=COURSE,
        ),
    ] = "fp32"
    max_steps: Annotated[int | None, Option(min=1, rich_help_panel=COURSE)] = None
    max_time: Annotated[
        str | None,
        Option(
            metavar="HH:MM:SS",
            help="The learning rate falls to its end within this wall time.",
            rich_help_panel=COURSE,
        ),
    ] = None
    patience: Annotated[
        int | None,
        Option(
            min=1,
            help="End after so many validations without a better one.",
            rich_help_panel=COURSE,
        ),
    ] = None
    validation: Annotated[
        str | None,
        Option(
            metavar="none|PX",
            help="Side of the most detailed part of each validation image, which the "
            "best weights are chosen by; none: all of it, which takes networks at "
            "output size long [default: none at input size, else 264].",
            rich_help_panel=COURSE,
        ),
    ] = None
    epoch: Annotated[
        int,
        Option(min=1, help="Steps between checkpoints.", rich_help_panel=COURSE),
    ] = 500
    resume: Annotated[
        bool,
        Option("--resume", help="Go on after a kill.", rich_help_panel=COURSE),
    ] = False
    seed: Annotated[int, Option(min=0, rich_help_panel=COURSE)] = 0
    devices: Annotated[
        int, Option(min=1, help="Processes.", rich_help_panel=COURSE)
    ] = 1
    threads: Annotated[
        int,
        Option(
            min=0,
            help="Threads of each process; 0: as many as it may use.",
            rich_help_panel=COURSE,
        ),
    ] = 0
    again: Again = False


def train(options: Options) -> None:
    """Train a network; print the path of the weights that were written.

    Give a budget with --max-steps, --max-time or both. A killed run goes on with the
    same command and --resume.
    """
    from cxr_sr.training.fit import fit

    model = fit(options.data, options.run, run_of(options), resume=options.resume)
    output.data(str(model.onnx))


def run_of(options: Options) -> "Run":
    """Return what the options ask for, checked.

    Raises
    ------
    SettingsError
        If an option is not what it should be, or no budget is given.
    """
    from cxr_sr.training.data.dataset import Sampling
    from cxr_sr.training.data.degrade import Degradation
    from cxr_sr.training.fit import Run
    from cxr_sr.training.learner import Recipe

    size = {"width": options.width, "depth": options.depth}
    return Run(
        model=options.model,
        name=options.name,
        network={name: n for name, n in size.items() if n is not None},
        recipe=Recipe(
            scales=_scales(options.scales),
            degradation=Degradation.of(options.degradation),
            loss=options.loss,
            lr=_rate(options),
            optimiser=options.optimiser,
            precision=options.precision,
            max_steps=options.max_steps,
            max_seconds=_seconds(options.max_time),
            seed=options.seed,
        ),
        sampling=Sampling(
            _pixels(
                "crop", options.crop or ("48" if options.model == "trunk" else "192")
            ),
            altered_share=options.altered,
            marked_share=options.marked,
        ),
        batch=options.batch,
        epoch_steps=options.epoch,
        validation_px=_pixels(
            "validation",
            options.validation or ("none" if options.model == "trunk" else "264"),
        ),
        patience=options.patience,
        devices=options.devices,
        threads=options.threads,
        quantise=options.quantise,
        init=options.init,
        teacher=options.teacher,
        again=options.again,
    )


def _rate(options: Options) -> float:
    if options.lr is not None:
        return options.lr
    # Faster, weights unlearn in minutes more than rounding costs them.
    return 2e-5 if options.quantise and options.init else 1e-3


def _scales(text: str) -> tuple[int, ...]:
    try:
        return tuple(int(part) for part in text.split(","))
    except ValueError as error:
        raise SettingsError(
            f"--scales {text} is not a list of factors such as 2,3,4,8"
        ) from error


def _pixels(option: str, text: str) -> int | None:
    if text == "none":
        return None
    if not text.isdecimal() or not int(text):
        raise SettingsError(f"--{option} {text} is neither none nor a number of pixels")
    return int(text)


def _seconds(text: str | None) -> float | None:
    if text is None:
        return None
    parts = text.split(":")
    if len(parts) != 3 or not all(part.isdecimal() for part in parts):
        raise SettingsError(f"--max-time {text} is not of the form HH:MM:SS")
    hours, minutes, seconds = map(int, parts)
    return float(3600 * hours + 60 * minutes + seconds)
