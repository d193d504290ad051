"""`cxr-sr evaluate --physics`: measure simulated noise and edges."""

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from cxr_sr.cli import output
from cxr_sr.cli.batch import Step, loop
from cxr_sr.cli.errors import exit_code, written
from cxr_sr.cli.evaluate.options import Options
from cxr_sr.errors import InputError

if TYPE_CHECKING:
    from cxr_sr.evaluation.evaluate import Comparison
    from cxr_sr.evaluation.physics.report import PhysicsRow
    from cxr_sr.radiograph import Radiograph

ANATOMIES = 3
"""Number of images of DATA for edges in anatomy."""


def measure_physics(options: Options, comparison: "Comparison") -> int:
    """Measure noise and edges in the results of each model; write the tables."""
    from cxr_sr.evaluation.physics.report import (
        as_json,
        count_of,
        measure_physics,
        tables,
    )

    rows: list[PhysicsRow] = []

    def note(row: "PhysicsRow") -> Step:
        rows.append(row)
        return Step(Path(), worked=False)

    anatomy = _anatomy(options)
    count = count_of(comparison, with_anatomy=bool(anatomy))
    with loop(note, [], quiet=options.quiet, others=count) as each:
        each.follow(measure_physics(comparison, anatomy))
    if options.as_json:
        for row in rows:
            output.record(as_json(row))
    else:
        for columns, lines in tables(rows).values():
            output.table(columns, lines, keys=4)
    stored = options.output is None or written(partial(_write, options.output, rows))
    return exit_code(len(rows), failed=int(not stored))


def _anatomy(options: Options) -> "list[Radiograph]":
    """Return the first gray images of the data; empty without DATA."""
    if options.data is None:
        return []
    from cxr_sr.evaluation.cases import find_cases
    from cxr_sr.formats import read_original

    found: list[Radiograph] = []
    for case in find_cases(options.data, options.split):
        try:
            radiograph = read_original(case.path, again=options.again)
        except (InputError, OSError):
            continue
        if radiograph.pixels.ndim == 2:
            found.append(radiograph)
        if len(found) == min(options.limit or ANATOMIES, ANATOMIES):
            break
    return found


def _write(folder: Path, rows: "list[PhysicsRow]") -> list[Path]:
    from cxr_sr.evaluation.physics.figures import write_figures
    from cxr_sr.evaluation.physics.report import write_results

    return write_results(folder, rows) + write_figures(folder, rows)
