"""Write the DICOM conformance statement, from the same tables that the code uses."""

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
from cxr_sr.texts import markdown_table

VERIFICATION = UID("1.2.840.10008.1.1")
FIND = UID("1.2.840.10008.5.1.4.1.2.2.1")
GET = UID("1.2.840.10008.5.1.4.1.2.2.3")


def statement() -> str:
    """Return the conformance statement as Markdown, in the order of PS3.2 A."""
    parts = [_overview(), _receiving(), _sending(), _web(), _security()]
    return "\n\n".join(parts)


def _overview() -> str:
    return f"""# DICOM conformance statement of cxr-sr

Printed by `cxr-sr serve --conformance`. For research only; not a medical device.

`cxr-sr serve` receives projection radiographs, upscales them, and sends the results to
other nodes. Each result is a new instance of the same SOP class in a new series of the
same study. docs/pacs.md explains the use.

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
    codes = markdown_table(
        ("Status", "Meaning"),
        ((f"0x{code:04X}", told) for code, told in RECEIVED_STATUSES.items()),
    )
    return f"""## Receiving (SCP)

The default application entity title is CXR-SR; `--aet` changes it. The node rejects an
association that calls another title. With `--allow`, the node also rejects calling
titles and hosts that are not on that list. The node accepts at most
{limits.associations} associations at a time, with PDUs of at most {PDU_BYTES} bytes,
and aborts an association that is silent for {IDLE_S} s. The node supports neither
extended negotiation nor asynchronous operations.

{_classes(RECEIVED_CLASSES)}

For each of these SOP classes, the node accepts the transfer syntaxes below. (For the
{VERIFICATION.name}: Implicit VR Little Endian and Explicit VR Little Endian.) If a
presentation context proposes several, the node takes the first in this order:

{_syntaxes(RECEIVED_SYNTAXES)}

The node stores the received data set byte for byte. It answers a C-STORE when the
instance is on the disk and in the queue:

{codes}

If the node receives an instance again within 24 hours after its result was sent, it
answers 0x0000 and does not process the instance again. The node aborts an association
that sends more than twice {limits.object_mb} MB for one instance."""


def _sending() -> str:
    return f"""## Sending (SCU)

The node opens one association to each receiver when it has a result to send. It
proposes each SOP class once with each of these transfer syntaxes, and uses the first
that the receiver accepts. (For a result that was made with `--compress`, the node
proposes the transfer syntax of the stored file first.)

{_syntaxes(SENT_SYNTAXES)}

If a receiver cannot be reached or breaks the association, the node tries again after
{FIRST_WAIT_S:.0f} s. Each further wait is twice as long, up to {LONGEST_WAIT_S:.0f} s;
the node never stops trying. The same holds for the answer 0xA7xx (out of resources).
The node gives up an instance in two cases: the receiver answers 0xA7xx
{BUSY_TRIES} times for it while it accepts other instances; or the receiver answers with
another failure {TRIES} times. The instance and the answer then move to the folder
`dead` of the store. A warning counts as success. The time limits are {CONNECT_S} s for
a connection and {ANSWER_S} s for an answer.

The SOP Instance UID of a result depends on the UID of its source, the model, the
settings and the version of cxr-sr. If the node dies after the receiver's answer but
before it records the answer, it sends the same file again, equal in each byte. DICOM
receivers keep one copy.

docs/header-rules.md has the table of all changes in a result's header."""


def _web() -> str:
    levels = (
        (level, ", ".join(key for key, at in KEYS.items() if at == level))
        for level in dict.fromkeys(KEYS.values())
    )
    return f"""## DICOMweb and queries

STOW-RS (PS3.18 10.5): each request has one instance, as `multipart/related;
type="application/dicom"`. The transfer syntax is the one in the store: Explicit VR
Little Endian, or the syntax of `--compress`. An instance in FailedSOPSequence of the
answer counts as refused, with its FailureReason. After HTTP 408, 425, 429 and 5xx, the
node tries again.

`cxr-sr fetch` queries by QIDO-RS (PS3.18 10.6) or C-FIND (Study Root), level by level,
with the keys below. It retrieves instances by WADO-RS (PS3.18 10.4) or C-GET, in the
transfer syntax of the archive.

{markdown_table(("Level", "Keys"), levels)}"""


def _security() -> str:
    return """## Security

By default, only programs on the same machine can reach the node. `--tls` secures every
association with TLS 1.2 or later: both sides show a certificate, and the node accepts
only certificates of the given authority. Without `--tls`, nothing is encrypted. There
is no user identity negotiation. A result keeps the character set of its source; text
that cxr-sr adds is ASCII.

For an instance that cxr-sr itself made, the node answers 0x0000, but neither stores nor
processes it. So a PACS may forward every instance that it receives."""


def _classes(classes: Iterable[UID]) -> str:
    return markdown_table(("SOP class", "UID"), ((u.name, str(u)) for u in classes))


def _syntaxes(found: Iterable[UID]) -> str:
    return markdown_table(("Transfer syntax", "UID"), ((u.name, str(u)) for u in found))
