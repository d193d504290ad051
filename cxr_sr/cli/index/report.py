"""Print the output of `cxr-sr index`: tables for people, JSON for programs."""

from collections import Counter

from cxr_sr.cli import output
from cxr_sr.cli.index.options import Options
from cxr_sr.index.build import IndexSettings
from cxr_sr.index.summary import Counts, IndexSummary, shortened
from cxr_sr.index.wanted import unstated

SHOWN = 12
"""Largest number of printed values of an attribute, and of printed reasons."""


def show(options: Options, summary: IndexSummary) -> None:
    """Print the counts, and the path of the index or, with --json, a JSON object."""
    if summary.images:
        _tell_images(summary)
    _tell_left_out(options, summary)
    if options.as_json:
        written = {"index": str(options.output)} if summary.images else {}
        output.record(written | summary.as_json(), stands=bool(summary.images))
    elif summary.images:
        output.data(str(options.output), stands=True)


def doubts(summary: IndexSummary, rules: IndexSettings) -> list[str]:
    """Return warnings about the splits."""
    found = []
    if summary.unnamed:
        found.append(
            f"{summary.unnamed} images name no patient: all images of a study, else of "
            "a subfolder, count as one patient, every other image as its own patient; "
            "state the patients in a manifest.csv with the columns file and patient"
        )
    for option, attribute in (("--view", "view"), ("--body-part", "body part")):
        if count := summary.reasons.get(unstated(attribute)):
            found.append(
                f"{count} images are left out because their header states no "
                f"{attribute}: add none to {option} to keep them, or state it in a "
                "manifest.csv"
            )
    wanted = [side for side, share in rules.shares.parts.items() if share > 0]
    empty = [side for side in wanted if side not in summary.splits]
    if empty and summary.images and not rules.manifest.sides:
        found.append(
            f"no image is in {' or '.join(empty)}: the hash of a patient decides, and "
            f"the data have few patients ({summary.patients}); add patients, or try "
            "another --seed or --split"
        )
    return found


def _tell_images(summary: IndexSummary) -> None:
    sides = list(summary.splits)
    rows = [
        ["", what, *(str(n[what]) for n in summary.splits.values()), str(total)]
        for what, total in (("images", summary.images), ("patients", summary.patients))
    ]
    for attribute, counts in summary.counts.items():
        rows += _lines(attribute, shortened(counts, SHOWN), sides)
    output.table(["", "", *sides, "all"], rows, talk=True)


def _lines(attribute: str, counts: Counts, sides: list[str]) -> list[list[str]]:
    """Return the lines of one attribute; the first begins with its name."""
    names = [attribute, *[""] * (len(counts) - 1)]
    return [
        [name, value, *(str(count[side]) for side in sides), str(count.total())]
        for name, (value, count) in zip(names, counts.items(), strict=True)
    ]


def _tell_left_out(options: Options, summary: IndexSummary) -> None:
    total = sum(summary.left_out.values())
    if not total:
        return
    output.say(f"{total} files left out, see {options.beside('.skipped.csv').name}:")
    causes = {why: Counter({"": n}) for why, n in summary.reasons.items()}
    rows = [[str(n.total()), why] for why, n in shortened(causes, SHOWN).items()]
    output.table(["files", "why"], rows, talk=True)
