"""The DICOM conformance statement, from the tables that the code goes by."""

from __future__ import annotations

from collections.abc import Iterable

from pydicom.uid import UID

from cxr_sr.formats.dicom.write import IMPLEMENTATION_CLASS_UID
from cxr_sr.pacs.delivery import BUSY_TRIES, FIRST_WAIT_S, LONGEST_WAIT_S, TRIES
from cxr_sr.pacs.network.query import KEYS
from cxr_sr.pacs.network.services import (
    RECEIVED_CLASSES,
    RECEIVED_STATUSES,
    RECEIVED_SYNTAXES,
    SENT_SYNTAXES,
)
from cxr_sr.pacs.network.store_scu import ANSWER_S, CONNECT_S
from cxr_sr.pacs.receive import IDLE_S, PDU_BYTES, NodeLimits

VERIFICATION = UID("1.2.840.10008.1.1")
FIND = UID("1.2.840.10008.5.1.4.1.2.2.1")
GET = UID("1.2.840.10008.5.1.4.1.2.2.3")


def statement() -> str:
    """Return it as Markdown, in the order of PS3.2 A."""
    parts = [_overview(), _receiving(), _sending(), _web(), _security()]
    return "\n\n".join(parts)


def _overview() -> str:
    return f"""# DICOM conformance statement of cxr-sr

Printed by `cxr-sr serve --conformance`. For research only; not a medical device.

`cxr-sr serve` receives projection radiographs, makes finer ones of them, and sends
these on. Each result is a new instance of the same SOP class in a new series of the
same study. docs/pacs.md says how it is used.

| Service | SCU | SCP |
| --- | --- | --- |
| {VERIFICATION.name} | no | yes |
| Storage (the SOP classes below) | yes | yes |
| {FIND.name} | yes (`cxr-sr fetch`) | no |
| {GET.name} | yes (`cxr-sr fetch`) | no |
| DICOMweb STOW-RS | user agent | no |
| DICOMweb QIDO-RS, WADO-RS | user agent (`cxr-sr fetch`) | no |

Implementation class UID {IMPLEMENTATION_CLASS_UID}, implementation version name
CXR_SR_ and the version."""


def _receiving() -> str:
    limits = NodeLimits()
    codes = _table(
        ("Status", "Meaning"),
        ((f"0x{code:04X}", told) for code, told in RECEIVED_STATUSES.items()),
    )
    return f"""## Receiving (SCP)

The application entity title is CXR-SR unless told otherwise; associations that call
another title are rejected, and so are calling titles and hosts that are not on the
list of `--allow`. At most {limits.associations} associations at a time, PDUs of at most
{PDU_BYTES} bytes; an association that is silent for {IDLE_S} s is aborted. There is
no extended negotiation, and no asynchronous operation.

{_classes(RECEIVED_CLASSES)}

For each of them, and for {VERIFICATION.name} (Implicit VR Little Endian, Explicit VR
Little Endian), these transfer syntaxes are accepted. Where a presentation context
proposes several, the first in this order is taken:

{_syntaxes(RECEIVED_SYNTAXES)}

The data set is stored as it came, byte for byte. The answer to a C-STORE is sent when
the instance is on the disk and in the queue:

{codes}

An instance that comes again within 24 hours of its sending is answered 0x0000 and not
treated again. An association is aborted that sends more than twice
{limits.object_mb} MB for one instance."""


def _sending() -> str:
    return f"""## Sending (SCU)

One association for each receiver, opened when there is something to send. Each SOP
class is proposed once for each of these transfer syntaxes, and results are sent in the
first that is accepted. (Results that were made with `--compress` are also proposed as
they are, and sent so if that is accepted.)

{_syntaxes(SENT_SYNTAXES)}

A receiver that cannot be reached, or that breaks the association, is tried again after
{FIRST_WAIT_S:.0f} s, and then after twice as long each time, up to
{LONGEST_WAIT_S:.0f} s, for ever. One that answers 0xA7xx (out of resources) is treated
likewise; only an instance that it refuses so {BUSY_TRIES} times while it takes others
is given up. After {TRIES} other failures of an instance, it is given up: it lies in the
folder `dead` of the store with the receiver's answer. Warnings count as success. A
connection must be there within {CONNECT_S} s, an answer within {ANSWER_S} s.

The SOP Instance UID of a result follows from that of its source, the model, the
settings and the version. A result that is sent twice, because the node died between
the receiver's answer and its own note of it, is the same file to the byte; DICOM
receivers keep one of them.

docs/header-rules.md has the table of all changes in a result's header."""


def _web() -> str:
    levels = (
        (level, ", ".join(key for key, at in KEYS.items() if at == level))
        for level in dict.fromkeys(KEYS.values())
    )
    return f"""## DICOMweb and queries

STOW-RS (PS3.18 10.5): one instance in a request, `multipart/related;
type="application/dicom"`, in the transfer syntax that it has in the store: Explicit VR
Little Endian, or that of `--compress`. Of the answer, FailedSOPSequence is read; an
instance in it counts as refused, with its FailureReason. HTTP 408, 425, 429 and 5xx are
tried again.

QIDO-RS (PS3.18 10.6) and C-FIND (Study Root) are asked level by level, with these
keys; WADO-RS (PS3.18 10.4) and C-GET get the instances in the transfer syntax that the
archive has them in.

{_table(("Level", "Keys"), levels)}"""


def _security() -> str:
    return """## Security

By default the node is reached from its own machine alone. `--tls` secures every
association by TLS 1.2 or later: both sides show a certificate, and only certificates
of the given authority are accepted. Without it, nothing is encrypted. There is no user
identity negotiation. The character sets of a source are kept; text that cxr-sr adds is
ASCII.

Instances that cxr-sr made are answered 0x0000 and neither stored nor processed, so
that a PACS may send on all that it gets."""


def _classes(classes: Iterable[UID]) -> str:
    return _table(("SOP class", "UID"), ((uid.name, str(uid)) for uid in classes))


def _syntaxes(syntaxes: Iterable[UID]) -> str:
    return _table(("Transfer syntax", "UID"), ((u.name, str(u)) for u in syntaxes))


def _table(head: tuple[str, str], rows: Iterable[tuple[str, str]]) -> str:
    lines = [f"| {' | '.join(head)} |", "| --- | --- |"]
    return "\n".join([*lines, *(f"| {a} | {b} |" for a, b in rows)])
