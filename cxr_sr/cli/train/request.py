"""Make the settings of a training from the options; check them before any work."""

from cxr_sr.cli.options import seconds_of
from cxr_sr.cli.train.options import Options
from cxr_sr.errors import SettingsError
from cxr_sr.superres.models.networks import NOISE_PLANES
from cxr_sr.training.data.dataset import Sampling
from cxr_sr.training.data.degrade import Degradation
from cxr_sr.training.data.grain import Grain
from cxr_sr.training.run import Recipe, Run


def run_of(options: Options) -> Run:
    """Return the settings of the training, checked.

    Raises
    ------
    SettingsError
        If an option has a wrong value, or no budget is given.
    """
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
            max_seconds=seconds_of(options.max_time),
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
        device=options.device,
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
    # A higher rate damages the weights more than the rounding does.
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
