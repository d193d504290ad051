"""`cxr-sr train`: radiographs in, a run folder with weights out."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from typer import Argument, Option

from cxr_sr.cli import output
from cxr_sr.cli.options import Again, Quiet
from cxr_sr.errors import SettingsError
from cxr_sr.names import LossName, NetworkName, Optimiser, TrainingPrecision

if TYPE_CHECKING:
    from cxr_sr.training.fit import Run

NETWORK = "Network"
SAMPLES = "Training images"
COURSE = "Schedule"


@dataclass(frozen=True, kw_only=True)
class Options:
    """The options of `cxr-sr train`."""

    data: Annotated[
        Path,
        Argument(
            metavar="DATA", help="An index (a CSV file), or a folder of radiographs."
        ),
    ]
    run: Annotated[Path, Option(metavar="DIR", help="Folder for all files of the run.")]

    model: Annotated[
        NetworkName, Option(help="The network to train.", rich_help_panel=NETWORK)
    ] = "trunk"
    name: Annotated[
        str,
        Option(
            help="Name of the weights [default: the name of the network].",
            rich_help_panel=NETWORK,
        ),
    ] = ""
    width: Annotated[
        int | None,
        Option(min=1, help="Number of channels of a trunk.", rich_help_panel=NETWORK),
    ] = None
    depth: Annotated[
        int | None,
        Option(
            min=0,
            help="Number of convolutions of a trunk; an even number.",
            rich_help_panel=NETWORK,
        ),
    ] = None
    noise_told: Annotated[
        bool,
        Option(
            "--noise-told",
            help="Tell a trunk the noise of each image, as a second input.",
            rich_help_panel=NETWORK,
        ),
    ] = False
    quantise: Annotated[
        bool,
        Option(
            "--quantise",
            help="Train a trunk for int8 arithmetic, and write int8 weights, too.",
            rich_help_panel=NETWORK,
        ),
    ] = False
    init: Annotated[
        Path | None,
        Option(
            metavar="WEIGHTS.safetensors",
            help="Start from these weights. Layers of another shape start at random.",
            rich_help_panel=NETWORK,
        ),
    ] = None
    teacher: Annotated[
        str | None,
        Option(
            metavar="NAME|FILE",
            help="Train with the results of this model as half of the target. A small "
            "network learns more in each step from a larger one; each step takes "
            "longer.",
            rich_help_panel=NETWORK,
        ),
    ] = None

    scales: Annotated[
        str,
        Option(
            metavar="N,N",
            help="Factors to train. Steps take them in turns: 2,2,4 trains x2 twice "
            "as often as x4.",
            rich_help_panel=SAMPLES,
        ),
    ] = "2,3,4,8"
    crop: Annotated[
        str | None,
        Option(
            metavar="none|PX",
            help="Side of a crop in pixels of the network's grid: 48 at input size; "
            "192, or another multiple of 24, at output size. none: train with whole "
            "images.",
            rich_help_panel=SAMPLES,
        ),
    ] = None
    batch: Annotated[
        int,
        Option(
            min=1,
            help="Number of crops in a step of each process.",
            rich_help_panel=SAMPLES,
        ),
    ] = 4
    degradation: Annotated[
        str,
        Option(
            metavar="NAME[,NAME]",
            help="How the images are made coarser: bicubic, box or detector. With "
            "several names, each crop gets one of them at random.",
            rich_help_panel=SAMPLES,
        ),
    ] = "bicubic"
    altered: Annotated[
        float,
        Option(
            min=0,
            max=1,
            help="Share of the crops that get another window and bit depth.",
            rich_help_panel=SAMPLES,
        ),
    ] = 0.5
    marked: Annotated[
        float,
        Option(
            min=0,
            max=1,
            help="Share of the crops that get side markers, text and shutters drawn "
            "into them.",
            rich_help_panel=SAMPLES,
        ),
    ] = 0.25
    noisy: Annotated[
        float,
        Option(
            min=0,
            max=1,
            help="Share of the coarse crops of bicubic and box that get noise, of "
            "any dose and correlation.",
            rich_help_panel=SAMPLES,
        ),
    ] = 0.0
    jpeg: Annotated[
        float,
        Option(
            min=0,
            max=1,
            help="Share of the coarse crops that are compressed by JPEG.",
            rich_help_panel=SAMPLES,
        ),
    ] = 0.0
    synthetic: Annotated[
        int,
        Option(
            min=0,
            help="Number of synthetic images (shapes, lines, letters) to train on "
            "beside the data.",
            rich_help_panel=SAMPLES,
        ),
    ] = 0

    loss: Annotated[
        LossName,
        Option(help="The loss to minimise.", rich_help_panel=COURSE),
    ] = "mae+ms-ssim"
    lr: Annotated[
        float | None,
        Option(
            min=0,
            help="Highest learning rate [default: 0.001; 2e-5 with --quantise and "
            "--init].",
            show_default=False,
            rich_help_panel=COURSE,
        ),
    ] = None
    optimiser: Annotated[
        Optimiser,
        Option(
            help="muon learns more in each step; the inner layers then take 5 times "
            "--lr.",
            rich_help_panel=COURSE,
        ),
    ] = "adam"
    precision: Annotated[
        TrainingPrecision,
        Option(
            help="Precision of the inner layers. bf16 is twice as fast on processors "
            "with AVX512-BF16.",
            rich_help_panel=COURSE,
        ),
    ] = "fp32"
    max_steps: Annotated[
        int | None,
        Option(min=1, help="Stop after this many steps.", rich_help_panel=COURSE),
    ] = None
    max_time: Annotated[
        str | None,
        Option(
            metavar="HH:MM:SS",
            help="Stop after this wall time, such as 01:30:00. It counts from the "
            "start of the command and leaves time for the last validation. The "
            "learning rate falls to its end within it.",
            rich_help_panel=COURSE,
        ),
    ] = None
    patience: Annotated[
        int | None,
        Option(
            min=1,
            help="Stop after this many validations without improvement.",
            rich_help_panel=COURSE,
        ),
    ] = None
    validation: Annotated[
        str | None,
        Option(
            metavar="none|PX",
            help="Validate on the most detailed part of each image; its side in "
            "pixels. none: on whole images, which takes long for networks at output "
            "size [default: none at input size, else 264].",
            rich_help_panel=COURSE,
        ),
    ] = None
    epoch: Annotated[
        int,
        Option(
            min=1,
            help="Number of steps between two checkpoints.",
            rich_help_panel=COURSE,
        ),
    ] = 500
    resume: Annotated[
        bool,
        Option(
            "--resume", help="Continue a run that was stopped.", rich_help_panel=COURSE
        ),
    ] = False
    seed: Annotated[
        int,
        Option(min=0, help="Seed of all random choices.", rich_help_panel=COURSE),
    ] = 0
    devices: Annotated[
        int, Option(min=1, help="Number of processes.", rich_help_panel=COURSE)
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
    quiet: Quiet = False


def train(options: Options) -> None:
    """Train a network; print the path of its weights.

    Give a budget with --max-steps, --max-time or both. To continue a run that was
    stopped, repeat the command with --resume.
    """
    from cxr_sr.training.fit import fit

    model = fit(
        options.data,
        options.run,
        run_of(options),
        resume=options.resume,
        quiet=options.quiet,
    )
    output.data(str(model.onnx))


def run_of(options: Options) -> "Run":
    """Return what the options ask for, checked.

    Raises
    ------
    SettingsError
        If an option is not what it should be, or no budget is given.
    """
    from cxr_sr.superres.models.networks import NOISE_PLANES
    from cxr_sr.training.data.dataset import Sampling
    from cxr_sr.training.data.degrade import Degradation
    from cxr_sr.training.data.grain import Grain
    from cxr_sr.training.fit import Run
    from cxr_sr.training.learner import Recipe

    size = {"width": options.width, "depth": options.depth}
    size["noise"] = len(NOISE_PLANES) if options.noise_told else None
    return Run(
        model=options.model,
        name=options.name,
        network={name: n for name, n in size.items() if n is not None},
        recipe=Recipe(
            scales=_scales(options.scales),
            degradation=Degradation.of(
                options.degradation,
                Grain(share=options.noisy, jpeg_share=options.jpeg),
            ),
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
        synthetic=options.synthetic,
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
        raise SettingsError(
            f"--{option} {text} is neither none nor a number of pixels, such as 48"
        )
    return int(text)


def _seconds(text: str | None) -> float | None:
    if text is None:
        return None
    parts = text.split(":")
    if len(parts) != 3 or not all(part.isdecimal() for part in parts):
        raise SettingsError(
            f"--max-time {text} is not of the form HH:MM:SS, such as 01:30:00 for 90 "
            "minutes"
        )
    hours, minutes, seconds = map(int, parts)
    return float(3600 * hours + 60 * minutes + seconds)
