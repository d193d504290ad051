"""List the models that come with the package; no weights are loaded."""

from __future__ import annotations

from cxr_sr.superres.models.spec import ModelSpec

INTERPOLATORS = {
    "nearest": "Pixel repetition; at x1 the identity.",
    "bilinear": "Linear interpolation.",
    "bicubic": "Cubic convolution, a = -0.5 (Keys 1981).",
    "lanczos": "Lanczos-windowed sinc, three lobes.",
    "bspline": "Interpolating cubic B-spline (Unser 1999).",
}

DATA = (
    "280 images of NIH ChestX-ray8 (https://nihcc.app.box.com/v/ChestXray-NIHCC), "
    "provided by the NIH Clinical Center without restrictions on use; Wang et al., "
    "CVPR 2017; "
    "20 images of Hannover (MHH), CC BY 3.0, doi 10.6084/m9.figshare.12275009; "
    "12 images of Kermany et al., CC BY 4.0, Mendeley Data rscbjbr9sj"
)
"""The training data of the shipped weights, and its terms."""

MORE_DATA = (
    DATA.replace("280 images", "550 images")
    + "; 100 synthetic images (dead leaves with lines, discs and letters), made by "
    "this program"
)
"""The training data of the weights trained after version 0.1, and its terms."""

LICENCE = "Apache-2.0"
"""Licence of this package and of its weights."""

MIXTURE = {
    "data": DATA,
    "degradation": "bicubic, box, detector",
    "loss": "Charbonnier",
    "optimiser": "Muon, bf16; a quarter of the crops with markers",
}
TOLD = MIXTURE | {"data": MORE_DATA}
TOLD_DEGRADATION = (
    "bicubic ({}), box, detector; {} of the first two with noise of SD 0.001 to 0.05 "
    "units and correlation widths of 0 to 1.2 px"
)
CLEAN = ModelSpec(
    "fine",
    "The same trunk for images without noise.",
    licence=LICENCE,
    network="trunk",
    settings={"width": 48, "depth": 24},
    grid="input",
    radius_px=27,
    parameters=559_008,
    sha256="bebef291018444d9621490af8386157e60022e8f4e4e021ccef5251e79abc3b6",
    safetensors_sha256="a27c7eb7d4f6e78999be01462daaa193cd831858d696215a77fd46407cb7745d",
    int8_sha256="05d7b23b4cecbbfcb2291c1abaf7bbb1abbe742259f78d1f4c7febb9700ec625",
    training=TOLD
    | {
        "degradation": "bicubic (six sevenths), box",
        "started_from": "fine-bicubic of version 0.1 (305,201 steps, bicubic alone)",
        "steps": 17139,
        "seconds": 6000,
        "seed": 41,
        "scales": "2,4,2,3,2,2,4,2,2,8 in turns",
    },
)
"""`fine` for images without noise."""

TRAINED = (
    ModelSpec(
        "fast",
        "A small trunk, which is told the noise of each image: for thousands of files.",
        licence=LICENCE,
        network="trunk",
        settings={"width": 24, "depth": 8, "noise": 2},
        grid="input",
        radius_px=11,
        parameters=67_008,
        sha256="a58ac009daba8ae41d01036fe6a0424a7ae4169991a9e9daefb4adf2d1c72eee",
        safetensors_sha256="2cbd57c8a67a1f77811741e136ac66d1d15d4164d8f1b92e4b7855a7aef30298",
        int8_sha256="03292ebe229d46c7494619298e538be794295a9ed5c3d9b97999e450ee65b8bb",
        training=TOLD
        | {
            "degradation": TOLD_DEGRADATION.format("three fifths", "two fifths"),
            "started_from": "fast of version 0.1 (21,933 steps with Muon)",
            "jpeg": "6 %",
            "steps": 22000,
            "seconds": 2509,
            "seed": 0,
            "scales": "2,4,3,2,4,8 in turns",
        },
    ),
    ModelSpec(
        "fine",
        "Our residual trunk, which is told the noise of each image; the default.",
        licence=LICENCE,
        network="trunk",
        settings={"width": 48, "depth": 24, "noise": 2},
        grid="input",
        radius_px=27,
        parameters=559_104,
        sha256="6f89126ce0cb9bdd0d6af58abf17f24ed31c7add41bf3bbb11eb51d571351469",
        safetensors_sha256="80c08631de172e2c983bb4632ec35fd95837d2ca995730b3b1afe0cb4ed3d14c",
        int8_sha256="90e16bf9a55e2583065875f5b0f0ed7893004a42d5fe25a6773337660a76495e",
        training=TOLD
        | {
            "degradation": TOLD_DEGRADATION.format("two fifths", "three quarters"),
            "jpeg": "30 %, and its error is told",
            "started_from": "fine-bicubic of version 0.1, 36,621 steps with less noise",
            "steps": 9778,
            "seconds": 4795,
            "seed": 43,
            "scales": "2,4,2,3,2,2,4,2,2,8 in turns",
        },
        clean=CLEAN,
    ),
    ModelSpec(
        "hydra",
        "The founding paper's network, at output size; trained for noisy images too.",
        licence=LICENCE,
        network="hydra",
        grid="output",
        radius_px=10,
        parameters=395_715,
        sha256="92bc241f044ed766354ec8a8ea29d1434be52af4a4ca9d682626a4d8ffd0b26b",
        safetensors_sha256="af767488a0e643d88456777e202d0e294b490061e87b96eba3d7524c3191423b",
        training=MIXTURE
        | {
            "started_from": "2,600 steps on bicubic, 0.6 MAE + 0.4 (1 - MS-SSIM)",
            "steps": 9413,
            "seconds": 1563,
            "seed": 5,
            "curve": "had flattened",
        },
    ),
    ModelSpec(
        "vdsr",
        "VDSR-20, the paper's baseline, at output size; trained for noisy images too.",
        licence=LICENCE,
        network="vdsr",
        grid="output",
        radius_px=20,
        parameters=665_921,
        sha256="41597a43969c3da3052b71a61ce3ee7a04c11a473ea4d452476cab7c1c3f16a8",
        safetensors_sha256="59b8032b0979bd756a33ba441b705500da0e71d34eba8e3cb579cacbd48635b7",
        training=MIXTURE
        | {
            "steps": 10454,
            "seconds": 3000,
            "seed": 5,
            "curve": "still rose by 0.10 dB in the last quarter; 3,000 more steps at "
            "a fifth of the rate raised it no further and were not kept",
        },
    ),
)
