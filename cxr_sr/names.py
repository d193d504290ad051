"""The words that options, settings and reports have in common, each set once.

The command line imports this module at its start, so it imports nothing slow.
"""

from __future__ import annotations

import math
from typing import Literal

SCALES = (2, 3, 4, 8)
"""The factors that networks are trained and measured for."""
MULTIPLE = math.lcm(*SCALES)
"""24: sides of an image that every scale divides, so that all see the same pixels."""

EngineName = Literal["auto", "onnx", "openvino", "torch"]
Precision = Literal["auto", "fp32", "int8"]
"""Of a network's arithmetic."""
Consistency = Literal["noise", "box", "bicubic", "off"]
"""How far the output has to agree with the input: box and bicubic name the reduction by
which it equals the input; noise: by box, as far as the input's own noise allows."""
ValueRange = Literal["source", "stored"]
"""The values that a result may take: those between the least and the largest of its
source, or all that its pixel format can store."""
Compression = Literal["none", "jpegls", "j2k", "rle"]
"""Lossless, of the pixels in a DICOM file."""
Equipment = Literal["standard", "keep"]
PrivateElements = Literal["drop", "keep"]
OverlayPlanes = Literal["scale", "drop"]
Dates = Literal["auto", "now", "source", "none"]
"""Of series, content and instance. auto: now, but those of the source where its header
says that they may be shifted."""

OnError = Literal["continue", "stop"]
"""The action of a run when a file fails."""

NetworkName = Literal["hydra", "vdsr", "trunk"]
LossName = Literal["mae+ms-ssim", "mae", "ms-ssim", "mse", "charbonnier"]
Optimiser = Literal["adam", "muon"]
TrainingDevice = Literal["auto", "cpu", "cuda"]
"""auto: cuda where torch finds such a device, else cpu."""
TrainingPrecision = Literal["fp32", "bf16"]
"""Of a network's inner layers while it is trained."""

TaskKind = Literal["segmentation", "classification"]
TrunkWeights = Literal["shipped", "tuned", "random"]
"""Of the trunk under a head: fixed, as super-resolution left them; those, and then
trained with the head; or trained from a random start."""
