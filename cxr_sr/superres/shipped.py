"""The models that come with the package: no weights are loaded to list them."""

from __future__ import annotations

from cxr_sr.superres.spec import ModelSpec

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
"""What the shipped weights were trained on, and its terms."""

MIXTURE = {
    "data": DATA,
    "degradation": "bicubic, box, detector",
    "loss": "Charbonnier",
    "optimiser": "Muon, bf16; a quarter of the crops with markers",
}
BEFORE = "9,227 steps with Adam and {} with Muon of a 32 x 16 trunk"
TRAINED = (
    ModelSpec(
        "fast",
        "A small trunk, trained for noisy images too: for thousands of files.",
        network="trunk",
        settings={"width": 24, "depth": 8},
        grid="input",
        radius_px=11,
        parameters=66_960,
        sha256="d3eb12492f2bda280cd7563477808db3955298c158ca6127e649e661d8b59f87",
        safetensors_sha256="a4447ce90f16971e8933ea60e5dd4e26ce894cccd1f313d82ae998d362906e21",
        int8_sha256="3b367e4b45877a421fbf49f3a0c33a6783cf5e0ce16c379d10335a868901661f",
        training=MIXTURE
        | {
            "started_from": "8,771 steps with Muon, for 1,020 s",
            "steps": 13162,
            "seconds": 1320,
            "seed": 54,
            "scales": "2,4,3,2,4,8 in turns",
            "teacher": "fine",
        },
    ),
    ModelSpec(
        "fine",
        "Our residual trunk at input size, trained for noisy images too; the default.",
        network="trunk",
        settings={"width": 48, "depth": 16},
        grid="input",
        radius_px=19,
        parameters=393_120,
        sha256="31311814f6d03f4c123e3181a60791a809c6e969bba58258b52ba37a41b15d60",
        safetensors_sha256="d3d672ef1210985283033d7c9f50320733c1106d08c5ff12a1d3bbf621f71da9",
        int8_sha256="633fbebc95a4d0841d415e25557cf0b4a892868705351eb3e30c09dea786e27f",
        int8_limit=0.4,
        training=MIXTURE
        | {
            "started_from": BEFORE.format("10,228 (this mixture)") + ", 37,104 of this",
            "steps": 24070,
            "seconds": 4801,
            "seed": 52,
            "scales": "2,4,3,2,4,8 in turns",
        },
    ),
    ModelSpec(
        "fine-bicubic",
        "The same trunk, trained on clean bicubic pairs alone, as the literature is.",
        network="trunk",
        settings={"width": 48, "depth": 16},
        grid="input",
        radius_px=19,
        parameters=393_120,
        sha256="a7e13071cf06984fc749704830832aece21fc6a6ec3df738cf4d8ff7849bbd49",
        safetensors_sha256="b3f09476ee2ac8a3075027ce587d674479c8e07cd2e517b53f4294fc346244ec",
        int8_sha256="e2dc97fa257202ea3b6041be15fe6139f83ebb6dde010ad90d4f0b8230a7eb40",
        int8_limit=0.4,
        training=MIXTURE
        | {
            "degradation": "bicubic",
            "optimiser": "Muon, fp32; a quarter of the crops with markers",
            "started_from": BEFORE.format("2,000 (bicubic)") + ", 93,215 of this",
            "steps": 9400,
            "seconds": 6525,
            "seed": 33,
            "scales": "600 steps of x2, 7,200 of x2 and x4, 1,600 of all",
        },
    ),
    ModelSpec(
        "hydra",
        "The founding paper's network, at output size; trained for noisy images too.",
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
