"""Define the words that options, settings and reports share.

The command line imports this module at its start, so it imports nothing slow.
"""

from __future__ import annotations

import math
from typing import Literal

SCALES = (2, 3, 4, 8)
"""The factors of the networks, for training and evaluation."""
MULTIPLE = math.lcm(*SCALES)
"""24: every scale divides it, so sides with this divisor suit all scales."""

EngineName = Literal["auto", "onnx", "openvino", "torch"]
Precision = Literal["auto", "fp32", "int8"]
"""Precision of a network's arithmetic."""
Consistency = Literal["noise", "box", "bicubic", "off"]
"""Agreement of the output with the input. box, bicubic: the output, reduced in this
way, equals the input; noise: like box, except for differences within
the input's noise; off: no agreement is enforced."""
ValueRange = Literal["source", "stored"]
"""The allowed values of a result. source: between the smallest and the largest value of
its source; stored: all values of its pixel format."""
Compression = Literal["none", "jpegls", "j2k", "rle"]
"""Lossless compression of the pixels in a DICOM file."""
Equipment = Literal["standard", "keep"]
PrivateElements = Literal["drop", "keep"]
OverlayPlanes = Literal["scale", "drop"]
Dates = Literal["auto", "now", "source", "none"]
"""Dates of series, content and instance. auto: source if the header states that its
dates may be shifted, else now."""

OnError = Literal["continue", "stop"]
"""The action of a run when a file fails."""

NetworkName = Literal["hydra", "vdsr", "trunk"]
LossName = Literal["mae+ms-ssim", "mae", "ms-ssim", "mse", "charbonnier"]
Optimiser = Literal["adam", "muon"]
TrainingDevice = Literal["auto", "cpu", "cuda"]
"""Device of a training. auto: cuda if torch finds such a device, else cpu."""
TrainingPrecision = Literal["fp32", "bf16"]
"""Precision of a network's inner layers during training."""

TaskKind = Literal["segmentation", "classification"]
TrunkInput = Literal["reduced", "full"]
"""Image that the trunk of a head sees: the reduced one, or the image at its own
size."""
TrunkWeights = Literal["shipped", "tuned", "random"]
"""Weights of the trunk under a head. shipped: fixed, from super-resolution; tuned: from
super-resolution, then trained with the head; random: trained from a random start."""
