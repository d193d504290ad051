"""`cxr-sr fetch`: get radiographs from a PACS into a folder."""

from collections import Counter
from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cxr_sr.batch.runner import explain
from cxr_sr.cli import output
from cxr_sr.cli.batch import Step, code_of, loop, summary, tell_sent
from cxr_sr.cli.errors import NOTHING
from cxr_sr.cli.options import Json, Quiet, require
from cxr_sr.cli.pacs.options import Aet, Tls, certificates
from cxr_sr.errors import CxrSrError, SettingsError
from cxr_sr.report.outcome import Job, Outcome

if TYPE_CHECKING:
    from cxr_sr.pacs.network.query import Archive, FoundInstance


@dataclass(frozen=True, kw_only=True)
class FetchOptions:
    """The options of `cxr-sr fetch`."""

    query: Annotated[
        str,
        typer.Option(
            metavar="KEYWORD=VALUE&...",
            help="Get the instances with these attributes, such as "
            "'Modality=DX&StudyDate=20260101-'.",
        ),
    ]
    output: Annotated[
        Path,
        typer.Option(
            "--output",
            "-o",
            metavar="DIR",
            help="Output folder. It gets a folder for each study, with a folder for "
            "each series. File names do not identify the patient.",
        ),
    ]
    web: Annotated[
        str | None,
        typer.Option(
            metavar="URL",
            help="DICOMweb server to search by QIDO-RS and read by WADO-RS.",
        ),
    ] = None
    dicom: Annotated[
        str | None,
        typer.Option(
            "--from",
            metavar="AET@HOST:PORT",
            help="Application entity to search by C-FIND and read by C-GET.",
        ),
    ] = None
    aet: Aet = "CXR-SR"
    tls: Tls = None
    quiet: Quiet = False
    as_json: Json = False


def fetch(options: FetchOptions) -> int:
    """Get radiographs from a PACS; print the paths of the files.

    Files that are already in the output folder are not fetched again.
    """
    require("pynetdicom", "dicomweb_client")
    from cxr_sr.pacs.network.query import find, parse_query

    archive = _archive(options)
    keys = parse_query(options.query)
    try:
        found = list(find(archive, keys))
    except CxrSrError as error:
        raise SettingsError(f"the search failed: {error}") from error
    if not found:
        output.complain("nothing found: no radiograph matches the query")
        return NOTHING
    counts: Counter[str] = Counter()

    def note(outcome: Outcome) -> Step:
        counts[outcome.status] += 1
        target = str(outcome.job.target)
        path = {} if outcome.reason else {"path": target}
        line = {"file": outcome.job.name} | path
        tell_sent(outcome, line, target, as_json=options.as_json)
        return Step.of(outcome)

    with loop(note, [], quiet=options.quiet, others=len(found)) as each:
        each.follow(_got(archive, found, options.output))
    output.say(summary(counts))
    return code_of(counts)


def _archive(options: FetchOptions) -> "Archive":
    from cxr_sr.pacs.network.peers import DicomPeer, ae_title, parse_peer, web_peer
    from cxr_sr.pacs.network.query import DicomArchive
    from cxr_sr.pacs.network.web import WebArchive

    tls = certificates(options.tls)
    if (options.web is None) == (options.dicom is None):
        raise SettingsError("give one of --web URL and --from AET@HOST:PORT")
    if options.web is not None:
        return WebArchive(web_peer(options.web), tls)
    peer = parse_peer(options.dicom or "")
    if not isinstance(peer, DicomPeer):
        raise SettingsError("--from takes AET@HOST:PORT; a URL is for --web")
    context = None if tls is None else tls.client()
    return DicomArchive(ae_title(options.aet), peer, context)


def _got(
    archive: "Archive", found: "list[FoundInstance]", folder: Path
) -> Generator[Outcome]:
    from cxr_sr.pacs.network.query import save

    for one in found:
        job = Job(one.name, Path(), one.name, folder / one.name)
        if job.target.exists():
            yield Outcome(job, "kept")
            continue
        try:
            save(archive, one, job.target)
        except (CxrSrError, OSError) as error:
            yield Outcome(job, "failed", reason=explain(error))
        else:
            yield Outcome(job, "done")
