"""`cxr-sr send`: send the results of a batch run to a PACS."""

import dataclasses
from collections import Counter
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Annotated

import typer

from cxr_sr.cli import output
from cxr_sr.cli.batch import Step, code_of, loop, summary, tell_sent
from cxr_sr.cli.errors import NOTHING, broken_off
from cxr_sr.cli.options import Json, Quiet, paths, require
from cxr_sr.cli.pacs.options import Aet, Tls, certificates
from cxr_sr.errors import ReportError, SettingsError
from cxr_sr.report.outcome import Outcome
from cxr_sr.report.writer import Report

if TYPE_CHECKING:
    from cxr_sr.pacs.network.peers import Peer
    from cxr_sr.pacs.network.store_scu import Sender
    from cxr_sr.pacs.network.tls import Certificates
    from cxr_sr.pacs.send import Parcel


@dataclass(frozen=True, kw_only=True)
class SendOptions:
    """The options of `cxr-sr send`."""

    inputs: Annotated[
        list[Path],
        typer.Argument(
            metavar="REPORT|FILES",
            help="A report of `cxr-sr upscale`, to send all its results and their "
            "masks; or DICOM files and folders.",
            show_default=False,
        ),
    ]
    to: Annotated[
        str,
        typer.Option(
            "--to",
            metavar="AET@HOST:PORT|URL",
            help="The receiver. AET@HOST:PORT: by C-STORE; URL: a DICOMweb server, by "
            "STOW-RS.",
        ),
    ]
    aet: Aet = "CXR-SR"
    tls: Tls = None
    again: Annotated[
        bool,
        typer.Option(
            "--again",
            help="Also send results that the receiver has, according to the report.",
        ),
    ] = False
    quiet: Quiet = False
    as_json: Json = False


def send(options: SendOptions) -> int:
    """Send results to a PACS; print the names of the results that the PACS has now.

    With a report, the command skips results that the receiver already has, and adds a
    line to the report for each answer. If the receiver refuses a result, the command
    still sends the others.
    """
    require("pynetdicom", "dicomweb_client")
    from cxr_sr.pacs.network.peers import ae_title, parse_peer
    from cxr_sr.pacs.send import deliver

    tls = certificates(options.tls)
    peer = parse_peer(options.to, tls=tls is not None)
    report, parcels = _parcels(options, peer)
    if not parcels:
        output.complain("nothing to send: no DICOM file was found")
        return NOTHING
    counts: Counter[str] = Counter()

    def note(outcome: Outcome) -> Step:
        counts[outcome.status] += 1
        line = {"file": outcome.job.name, "to": peer.name}
        tell_sent(outcome, line, outcome.job.name, as_json=options.as_json)
        return Step.of(outcome)

    try:
        with ExitStack() as stack:
            sender = _sender(stack, peer, ae_title(options.aet), tls)
            answered = _answered(stack, report, peer)
            with loop(note, [], quiet=options.quiet, others=len(parcels)) as each:
                each.follow(deliver(parcels, sender, answered))
    except ReportError as error:
        return broken_off(error, counts["done"] + counts["kept"])
    output.say(f"{summary(counts)}; receiver: {peer.name}")
    return code_of(counts)


def _parcels(options: SendOptions, peer: "Peer") -> "tuple[Path | None, list[Parcel]]":
    """Return the given report, if any, and the files to send."""
    from cxr_sr.pacs.send import (
        REPORT_SUFFIX,
        parcels_of_files,
        parcels_of_report,
    )

    inputs = paths([str(path) for path in options.inputs])
    reports = [path for path in inputs if path.suffix == REPORT_SUFFIX]
    if not reports:
        return None, list(parcels_of_files(inputs))
    if len(inputs) > 1:
        raise SettingsError(
            f"{reports[0].name} is a report; give one report and nothing else, or files"
        )
    parcels = parcels_of_report(reports[0], peer.name)
    if options.again:
        parcels = [dataclasses.replace(parcel, known=False) for parcel in parcels]
    return reports[0], parcels


def _sender(
    stack: ExitStack, peer: "Peer", aet: str, tls: "Certificates | None"
) -> "Sender":
    """Return the connection to the receiver, and close it with the stack."""
    from cxr_sr.pacs.network.senders import sender_to
    from cxr_sr.pacs.network.transcode import Transcoder

    folder = stack.enter_context(TemporaryDirectory())
    transcode = stack.enter_context(Transcoder(Path(folder)))
    sender = sender_to(peer, aet, transcode, tls)
    stack.callback(sender.close)
    return sender


def _answered(
    stack: ExitStack, report: Path | None, peer: "Peer"
) -> "Callable[[Parcel, str | None], None]":
    """Return a function that reports the answers, if there is a report."""
    if report is None:
        return lambda _parcel, _refusal: None
    writer = stack.enter_context(Report(report))

    def note(parcel: "Parcel", refusal: str | None) -> None:
        writer.add_delivery(parcel.file, peer.name, refusal, parcel.facts)

    return note
