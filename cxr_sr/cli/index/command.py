"""`cxr-sr index`: make a training index of a PACS export, without identities."""

import dataclasses
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cxr_sr.batch.runner import run
from cxr_sr.cli import output
from cxr_sr.cli.batch import Step, executor, loop
from cxr_sr.cli.errors import broken_off, exit_code, written
from cxr_sr.cli.index.options import ENDINGS, Options
from cxr_sr.errors import ReportError
from cxr_sr.report.outcome import Job, Outcome

if TYPE_CHECKING:
    from cxr_sr.formats.discover import Candidate
    from cxr_sr.index.build import Index, IndexSettings
    from cxr_sr.index.facts import Finding
    from cxr_sr.index.journal import Journal
    from cxr_sr.index.split import Salt
    from cxr_sr.index.summary import IndexSummary


def index(options: Options) -> int:
    """List the radiographs of a PACS export in an index; print the path of the index.

    Images with the same pixels are listed once. All images of a patient are in the same
    split. Every file that is left out is listed with the reason. Patients appear as
    salted hashes only. Before you share the index, delete INDEX.key, and check the
    column file: it holds the names of your folders and files.

    To continue a run that was stopped, repeat the command.
    """
    from cxr_sr import __version__
    from cxr_sr.cli.index.request import rules_of, with_found
    from cxr_sr.index.build import assemble, survey
    from cxr_sr.index.journal import Journal

    rules = rules_of(options)
    candidates, others = survey(options.data, _is_ours(options))
    rules = with_found(rules, options, (other.file for other in others))
    journal = Journal(options.beside(".journal.jsonl"), rules.salt, __version__)
    try:
        with journal:
            examined = _examine(options, rules.salt, candidates, journal)
            journal.check()
            return _conclude(options, rules, assemble([*examined, *others], rules))
    except ReportError as error:
        return broken_off(error, journal.count)


def _is_ours(options: Options) -> Callable[[Path], bool]:
    """Return a function that recognises the files of this command."""
    ours = {options.beside(ending).resolve() for ending in ENDINGS}
    names = {path.name for path in ours}
    return lambda path: path.name in names and path.resolve() in ours


def _examine(
    options: Options,
    salt: "Salt",
    candidates: "list[Candidate]",
    journal: "Journal",
) -> "list[Finding]":
    """Return the findings of all files; read only files that are new."""
    known, todo = journal.sift(candidates)
    if known:
        output.say(f"{len(known)} files are known from an earlier run")
    return known + _read(options, salt, todo, journal)


def _read(
    options: Options, salt: "Salt", todo: "list[Candidate]", journal: "Journal"
) -> "list[Finding]":
    """Read files; add each finding to the journal at once."""
    examined: list[Finding] = []

    def note(outcome: Outcome) -> Step:
        examined.append(_examined(outcome))
        journal.add(examined[-1])
        return Step.of(outcome)

    jobs = (Job(c.relative.as_posix(), c.path, asked=False) for c in todo)
    outcomes = run(partial(_look, salt), jobs, executor(options.jobs))
    sources = [candidate.path for candidate in todo]
    with loop(note, sources, quiet=options.quiet, plain=True) as each:
        each.follow(outcomes)
    return examined


def _look(salt: "Salt", job: Job) -> dict[str, Any]:
    """Read one file; any process may call this."""
    from cxr_sr.index.facts import examine

    return dataclasses.asdict(examine(job.source, salt))


def _examined(outcome: Outcome) -> "Finding":
    from cxr_sr.index.facts import Facts, Finding

    name, reason = outcome.job.name, outcome.reason
    if outcome.status == "done":
        return Finding(name, Facts(**outcome.facts))
    if outcome.status == "skipped":
        return Finding(name, None, "no radiograph", reason)
    return Finding(name, None, "unreadable", reason)


def _conclude(options: Options, rules: "IndexSettings", made: "Index") -> int:
    """Write the files, the index last; print a summary and return the exit code."""
    from cxr_sr.cli.index.report import doubts, show
    from cxr_sr.index.summary import IndexSummary

    summary = IndexSummary.of(made)
    if not written(partial(_write, options, made, summary)):
        kept = len(made.rows) if options.output.parent.is_dir() else 0
        return exit_code(kept, failed=1)
    show(options, summary)
    for doubt in doubts(summary, rules):
        output.complain(doubt)
    unreadable = summary.left_out.get("unreadable", 0)
    if not made.rows:
        unwanted = summary.left_out.get("not wanted", 0)
        wanted = " that --view and --body-part want" if unwanted else ""
        output.complain(f"nothing to index: no radiograph in the data{wanted}")
    return exit_code(len(made.rows), failed=unreadable)


def _write(options: Options, made: "Index", summary: "IndexSummary") -> list[Path]:
    from cxr_sr.index.build import write_index, write_skipped

    write_skipped(made, options.beside(".skipped.csv"))
    if made.rows:
        _draw(options, summary)
        write_index(made, options.output)
    return []


def _draw(options: Options, summary: "IndexSummary") -> None:
    from cxr_sr.evaluation.figures import MISSING, has_matplotlib
    from cxr_sr.index.figure import write_figure

    if has_matplotlib():
        write_figure(summary, options.beside(".png"))
    else:
        output.say(MISSING)
