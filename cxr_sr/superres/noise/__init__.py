"""The noise of an image: how much there is at each level, and how it is correlated."""

from cxr_sr.superres.noise.estimation import (
    CODING_CORRELATION,
    LEVEL_RADIUS_PX,
    MARGIN,
    Noise,
    estimate,
    estimate_of,
    level_of,
    noise_of,
    with_noise,
)

__all__ = [
    "CODING_CORRELATION",
    "LEVEL_RADIUS_PX",
    "MARGIN",
    "Noise",
    "estimate",
    "estimate_of",
    "level_of",
    "noise_of",
    "with_noise",
]
