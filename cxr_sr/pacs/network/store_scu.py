"""Send by C-STORE to an application entity: the Storage service class as SCU."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from pydicom import dcmread
from pydicom.dataset import FileMetaDataset
from pydicom.filereader import read_file_meta_info
from pydicom.uid import UID, ImplicitVRLittleEndian, JPEGLSLossless

from cxr_sr.errors import CxrSrError, UnreadableError
from cxr_sr.formats.dicom.parse import parse_header
from cxr_sr.formats.guard import readable
from cxr_sr.formats.header.elements import text
from cxr_sr.formats.kind import Kind
from cxr_sr.names import Compression
from cxr_sr.pacs.network.peers import DicomPeer
from cxr_sr.pacs.network.services import (
    ACCEPTED_WARNINGS,
    BUSY,
    SENT_SYNTAXES,
    SUCCESS,
    UNCOMPRESSED,
    proposals,
)

if TYPE_CHECKING:
    from pynetdicom import AE
    from pynetdicom.association import Association
    from pynetdicom.events import Event
    from pynetdicom.pdu_primitives import SCP_SCU_RoleSelectionNegotiation

CONNECT_S, ANSWER_S = 10, 60
MOST_CONTEXTS = 128
"""Largest number of presentation contexts in an association, PS3.8 9.3.2.2."""
Transcode = Callable[[Path, Compression], Path]
"""Returns a file with the same image in the given coding."""


class AwayError(CxrSrError):
    """The receiver cannot be reached now; all results for it must wait."""


class RefusedError(CxrSrError):
    """The receiver refuses this instance, but may accept others.

    Attributes
    ----------
    busy : True if the receiver may accept the instance later
    """

    def __init__(self, reason: str, *, busy: bool = False) -> None:
        super().__init__(reason)
        self.busy = busy


class Sender(Protocol):
    """Sends files to one receiver, and may keep the connection open."""

    def send(self, path: Path) -> None:
        """Send one file.

        Raises
        ------
        AwayError, RefusedError
            If the receiver did not store the file.
        """
        ...

    def close(self) -> None:
        """Close the connection, if there is one."""


class StoreSender:
    """Sends to one application entity; keeps one association open."""

    def __init__(
        self,
        aet: str,
        peer: DicomPeer,
        transcode: Transcode,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self._aet, self._peer, self._tls = aet, peer, tls
        self._transcode = transcode
        self._association: Association | None = None
        self._kinds: dict[tuple[UID, UID], None] = {}

    def send(self, path: Path) -> None:
        """Send one DICOM file: JPEG-LS if the receiver accepts it, else uncompressed.

        Raises
        ------
        AwayError
            If the association fails or breaks.
        RefusedError
            If the receiver answers with a failure, or accepts no form of the instance.
        """
        meta = meta_of(path)
        sop_class, stored = UID(meta.MediaStorageSOPClassUID), meta.TransferSyntaxUID
        association = self._associated((sop_class, UID(stored)))
        accepted = {
            UID(context.transfer_syntax[0])
            for context in association.accepted_contexts
            if context.abstract_syntax == sop_class
        }
        if not accepted:
            raise RefusedError(f"the receiver accepts no {sop_class.name}")
        prepared, syntax = self._prepared(path, UID(stored), accepted)
        converts = syntax == ImplicitVRLittleEndian
        self._store(association, prepared, converts=converts)

    def close(self) -> None:
        """Release the association."""
        association, self._association = self._association, None
        if association is not None and association.is_established:
            with suppress(RuntimeError):
                association.release()

    def _prepared(
        self, path: Path, stored: UID, accepted: set[UID]
    ) -> tuple[Path, UID]:
        """Return the file to send, and the first accepted syntax that fits."""
        for syntax in _choices(stored, accepted):
            if syntax == stored or {syntax, stored} <= set(UNCOMPRESSED):
                return path, syntax
            coding: Compression = "jpegls" if syntax == JPEGLSLossless else "none"
            with suppress(CxrSrError):  # not every image can have this coding
                return self._transcode(path, coding), syntax
        raise RefusedError(
            f"the receiver accepts no {stored.name}, and no other transfer syntax "
            "that cxr-sr can write"
        )

    def _store(self, association: Association, path: Path, *, converts: bool) -> None:
        try:
            # Send a file unchanged, in pieces; only Implicit VR needs a conversion.
            status = association.send_c_store(dcmread(path) if converts else path)
        except (ValueError, AttributeError) as error:
            raise RefusedError(
                "the file cannot be sent; check that it is DICOM"
            ) from error
        except (RuntimeError, OSError) as error:
            raise AwayError("the association broke") from error
        code = status.get("Status")
        if code is None:
            self.close()
            raise AwayError("the receiver broke the association, or did not answer")
        if code != SUCCESS and code not in ACCEPTED_WARNINGS:
            raise RefusedError(f"status 0x{code:04X}", busy=code in BUSY)

    def _associated(self, kind: tuple[UID, UID]) -> Association:
        """Return an association that proposed `kind`."""
        open_still = self._association is not None and self._association.is_established
        if open_still and kind in self._kinds and self._association is not None:
            return self._association
        self.close()
        if len(proposals([*self._kinds, kind])) > MOST_CONTEXTS:
            self._kinds.clear()
        self._kinds[kind] = None
        self._association = self._associate()
        return self._association

    def _associate(self) -> Association:
        entity = entity_of(self._aet)
        for sop_class, syntax in proposals(self._kinds):
            entity.add_requested_context(sop_class, syntax)
        return associate(entity, self._peer, self._tls)


def entity_of(aet: str) -> AE:
    """Return an application entity for requests, with time limits."""
    from pynetdicom import AE, _config

    _config.STORE_SEND_CHUNKED_DATASET = True
    entity = AE(aet)
    entity.connection_timeout = CONNECT_S
    entity.acse_timeout = entity.dimse_timeout = entity.network_timeout = ANSWER_S
    return entity


def associate(
    entity: AE,
    peer: DicomPeer,
    tls: ssl.SSLContext | None,
    roles: Sequence[SCP_SCU_RoleSelectionNegotiation] = (),
    store: Callable[[Event], int] | None = None,
) -> Association:
    """Open an association.

    Parameters
    ----------
    roles : other requested roles
    store : called with each instance that the receiver sends

    Raises
    ------
    AwayError
        If the connection fails, or the receiver rejects the association.
    """
    from pynetdicom import evt

    handlers: list[Any] = [(evt.EVT_CONN_OPEN, at_once)]
    if store is not None:
        handlers.append((evt.EVT_C_STORE, store))
    association = entity.associate(
        peer.host,
        peer.port,
        ae_title=peer.aet,
        tls_args=(tls, peer.host) if tls else None,
        ext_neg=list(roles),
        evt_handlers=handlers,
    )
    if not association.is_established:
        raise AwayError(_why_not(association))
    _keep_answers(association)
    return association


def _keep_answers(association: Association) -> None:
    """Make sure that only the thread which waits for an answer takes it.

    A thread of pynetdicom looks for requests of the other side. pynetdicom pauses the
    thread during our requests, but on a busy machine too late. The thread then takes
    our answer, and we would wait for ever.
    """
    take = association.dimse.get_msg

    def get_msg(block: bool = False) -> Any:  # noqa: ANN401, FBT001, FBT002 - as theirs
        return take(block) if block else (None, None)

    association.dimse.get_msg = get_msg  # type: ignore[method-assign]


def at_once(event: Event) -> None:
    """Switch off Nagle's algorithm, so that no PDU waits for an acknowledgement.

    A request has two PDUs, command and data set; each request would lose 40 ms.
    """
    connection = event.assoc.dul.socket
    if connection is None or connection.socket is None:
        return
    with suppress(OSError):  # the socket may be closed already
        connection.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)


def _why_not(association: Association) -> str:
    """Return the reason why there is no association."""
    answer = association.acceptor.primitive
    if association.is_rejected and answer is not None:
        return f"the receiver rejected the association: {answer.reason_str}"
    return "there is no connection to the receiver"


def meta_of(path: Path) -> FileMetaDataset:
    """Return the file meta information of a file to send.

    Raises
    ------
    RefusedError
        If the file has no such information, or its header cannot be read.
    """
    try:
        with readable("the file"), path.open("rb") as file:
            is_dicom = file.read(132)[128:] == b"DICM"
        if not is_dicom:
            raise UnreadableError("it is no DICOM file")
        parse_header(path, Kind.DICOM)  # checks that it is safe to read as a whole
        with readable("the file"):
            meta = read_file_meta_info(path)
    except CxrSrError as error:
        raise RefusedError(f"it cannot be sent: {error}") from error
    needed = ("MediaStorageSOPClassUID", "TransferSyntaxUID")
    if not all(text(meta, keyword) for keyword in needed):
        raise RefusedError(
            "it cannot be sent: it is no DICOM file with file meta information"
        )
    return meta


def _choices(stored: UID, accepted: set[UID]) -> list[UID]:
    """Return the syntaxes to try; a compressed file's own syntax comes first."""
    first = () if stored in UNCOMPRESSED else (stored,)
    return [syntax for syntax in (*first, *SENT_SYNTAXES) if syntax in accepted]
