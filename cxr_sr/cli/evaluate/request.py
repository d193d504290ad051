"""Make the comparison from the options."""

import dataclasses
from typing import TYPE_CHECKING, get_args

from cxr_sr.cli.evaluate.options import Options
from cxr_sr.cli.options import DEFAULT_MODEL, region_of
from cxr_sr.errors import SettingsError

if TYPE_CHECKING:
    from cxr_sr.evaluation.condition import Condition
    from cxr_sr.evaluation.evaluate import Comparison
    from cxr_sr.names import Precision

USUAL_DEGRADATIONS = ("bicubic", "detector")
USUAL_DOSES_UGY = (2.5,)
USUAL_WIDTHS_PX = (0.0, 0.6)
"""The default degradations: clean images and noisy images. The noise is white, or
correlated like the noise of a detector and its processing."""


def comparison_of(options: Options) -> "Comparison":
    """Return the comparison, with defaults for missing options.

    Raises
    ------
    ModelError, SettingsError
        If a model, scale, degradation or precision is unknown.
    """
    from cxr_sr.evaluation.evaluate import compare
    from cxr_sr.superres.settings import Settings

    settings = Settings(
        engine=options.engine,
        consistency=options.consistency or Settings.consistency,
        grain=options.grain,
        value_range=options.value_range or Settings.value_range,
        threads=options.threads,
    )
    comparison = compare(
        options.model
        or (["lanczos", DEFAULT_MODEL] if options.physics else [DEFAULT_MODEL]),
        _conditions(options),
        settings,
        precisions=[_precision(given) for given in options.precision or ["auto"]],
        project_all=options.consistency is not None,
    )
    region = region_of(options.region)
    return dataclasses.replace(comparison, again=options.again, region=region)


def _conditions(options: Options) -> "list[Condition]":
    """Return every degradation at every scale; if noisy, at each dose and width."""
    from cxr_sr.evaluation.condition import Condition
    from cxr_sr.evaluation.degradations import NOISY, Exposure
    from cxr_sr.names import SCALES

    exposures = [
        Exposure(dose, width)
        for dose in options.dose or USUAL_DOSES_UGY
        for width in options.noise_width or USUAL_WIDTHS_PX
    ]
    return [
        Condition(scale, degradation, exposure)
        for degradation in options.degradation or USUAL_DEGRADATIONS
        for exposure in (exposures if degradation in NOISY else [None])
        for scale in options.scale or SCALES
    ]


def _precision(given: str) -> "Precision":
    from cxr_sr.names import Precision

    for known in get_args(Precision):
        if given == known:
            return known  # type: ignore[no-any-return]
    raise SettingsError(
        f"--precision {given}: expected one of {', '.join(get_args(Precision))}"
    )
