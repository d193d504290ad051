"""Write the model card of a head: purpose, origin and limits of its weights.

References
----------
M. Mitchell et al., "Model cards for model reporting", FAT* 2019.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from cxr_sr.tasks.spec import HeadSpec
from cxr_sr.texts import Row, markdown_table
from cxr_sr.training.run_folder.card import files_section

LIMITS = (
    "It is untested on ages, views, diseases and manufacturers beyond the data above.",
    "It was trained with few patients: look at its masks before you use them.",
    "Its probabilities are calibrated only for data like the data above.",
)


def head_card(spec: HeadSpec, rows: Sequence[Row]) -> str:
    """Return the card of a head in Markdown.

    Parameters
    ----------
    spec : the specification, with file hashes and provenance
    rows : the rows of metrics.csv, one for each validation
    """
    sections = [
        f"# {spec.name}",
        _what(spec),
        "## Data",
        _data(spec.training),
        "## Training",
        _course(spec.training),
        "## Validation",
        _metrics(spec, rows),
        "## Limits",
        "\n".join(f"- {limit}" for limit in LIMITS),
        "## Files",
        files_section(spec.name, spec.sha256, spec.safetensors_sha256),
    ]
    return "\n\n".join(sections) + "\n"


def _what(spec: HeadSpec) -> str:
    start = {
        "shipped": "fixed, as it was trained for super-resolution",
        "tuned": "trained for super-resolution, and then with the head",
        "random": "trained with the head from a random start",
    }[spec.trunk_weights]
    trunk = f"its own copy of the trunk of `{spec.trunk}`, {start}"
    if spec.maps:
        trunk = (
            f"no trunk of its own: it reads {spec.maps} feature maps of `{spec.trunk}` "
            "for the image at its own size. The folder `trunk` has the weights"
        )
    task = "Segmentation" if spec.kind == "segmentation" else "Classification"
    return (
        f"{task} of chest radiographs: {', '.join(spec.classes)}. It has {trunk}. "
        f"It sees each radiograph on a square "
        f"of {spec.size_px} px and has {spec.parameters:,} weights.\n\n"
        "**For research only. Not a medical device; not for diagnosis.**"
    )


def _data(training: dict[str, Any]) -> str:
    columns = ("source", "licence of the images", "of the masks", "images")
    rows = (
        [d["source"], d["licence"], d["mask_licence"] or "-", str(d["n"])]
        for d in training["data"]
    )
    return (
        f"{markdown_table(columns, rows, 1)}\n\n"
        f"The training had {training['splits']['train']} images of "
        f"{training['patients']} patients; {training['splits']['val']} images of other "
        "patients were held out. "
        f"SHA-256 of the reduced images and their labels: `{training['data_sha256']}`."
    )


def _course(training: dict[str, Any]) -> str:
    settings = training["settings"]
    versions = ", ".join(f"{k} {v}" for k, v in training["versions"].items())
    return (
        f"{training['steps']:,} steps in {training['seconds']:,} s; "
        f"{settings['batch']} augmented images a step; AdamW, peak learning rate "
        f"{settings['lr']:g}, "
        f"{settings['precision']}; seed {settings['seed']}. The last averaged weights "
        f"are kept. Versions: {versions}."
    )


def _metrics(spec: HeadSpec, rows: Sequence[Row]) -> str:
    measure = "Dice" if spec.kind == "segmentation" else "AUC"
    if not spec.training["splits"]["val"]:
        return (
            "No patient was held out: these weights were not validated. For an "
            "estimate on other patients, train with `--hold-out 1/5`, 2/5, ..."
        )
    scores = (
        [name, f"{float(rows[-1][f'score_{name}']):.4f}"]
        for name in spec.classes
        if rows and rows[-1].get(f"score_{name}")
    )
    table = markdown_table(("class", f"{measure} on patients held out"), scores, 1)
    return f"{table}\n\n`cxr-sr task evaluate` gives distances and intervals, too."
