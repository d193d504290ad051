"""Receive instances: C-STORE and C-ECHO as a service class provider (SCP)."""

from __future__ import annotations

import io
import ssl
import threading
import weakref
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

from cxr_sr.errors import InputError, SettingsError
from cxr_sr.formats.dicom.parse import parse
from cxr_sr.formats.dicom.write import (
    IMPLEMENTATION_CLASS_UID,
    file_meta,
    head_of_file,
)
from cxr_sr.formats.guard import quiet
from cxr_sr.formats.header.change import tool_version
from cxr_sr.formats.header.own import is_own
from cxr_sr.formats.kind import Kind
from cxr_sr.pacs.network.peers import Callers
from cxr_sr.pacs.network.services import (
    CANNOT_UNDERSTAND,
    OUT_OF_RESOURCES,
    RECEIVED_CLASSES,
    RECEIVED_SYNTAXES,
    SUCCESS,
)
from cxr_sr.pacs.network.store_scu import at_once
from cxr_sr.pacs.queue import Queue, key_of

if TYPE_CHECKING:
    from pynetdicom.dimse_primitives import C_STORE
    from pynetdicom.events import Event
    from pynetdicom.transport import ThreadedAssociationServer

IDLE_S = 60
"""Seconds after which a silent association is aborted."""
PDU_BYTES = 2**17
"""Largest PDU that senders may use, in bytes."""
NOT_RECOGNISED = (0x01, 0x01, 0x03)
"""Rejection: permanent, by the service user, calling AE title not recognised; PS3.8
9.3.4."""


@dataclass(frozen=True)
class NodeLimits:
    """The limits of the node."""

    associations: int = 10
    """Largest number of associations at a time."""
    object_mb: int = 512
    """Largest size of an instance, in MB."""
    queue: int = 10000
    """Largest number of unfinished instances."""
    free_mb: int = 2000
    """Least free space on the disk, in MB."""


@dataclass(frozen=True)
class Address:
    """The address on which the node listens."""

    aet: str
    host: str
    port: int


class Receiver:
    """Puts received instances into the queue, and answers when they are on the disk.

    Parameters
    ----------
    identity : part of the names of entries; changes with the settings of the results
    arrived : called with each new entry, on the thread of an association
    log : called with a line about each refused instance, without values of a header
    """

    def __init__(
        self,
        queue: Queue,
        limits: NodeLimits,
        callers: Callers,
        identity: Callable[[str], bytes],
        arrived: Callable[[str], None],
        log: Callable[[str], None],
    ) -> None:
        self._queue, self._limits, self._callers = queue, limits, callers
        self._identity, self._arrived, self._log = identity, arrived, log
        self._received: weakref.WeakKeyDictionary[Any, int]
        self._received = weakref.WeakKeyDictionary()
        self._unfinished = sum(queue.count(s) for s in ("waiting", "sending"))
        self._lock = threading.Lock()
        self.accepted = 0
        """Number of new instances since the start."""

    def finished(self) -> None:
        """Record that an entry has left the queue."""
        with self._lock:
            self._unfinished -= 1

    def listen(
        self, address: Address, tls: ssl.SSLContext | None
    ) -> ThreadedAssociationServer:
        """Start to listen, on separate threads.

        Raises
        ------
        SettingsError
            If the address is not available.
        """
        from pynetdicom import AE, evt
        from pynetdicom.sop_class import Verification  # type: ignore[attr-defined]

        entity = AE(address.aet)
        entity.require_called_aet = True
        entity.maximum_associations = self._limits.associations
        entity.maximum_pdu_size = PDU_BYTES
        entity.network_timeout = IDLE_S
        entity.implementation_class_uid = IMPLEMENTATION_CLASS_UID
        entity.implementation_version_name = f"CXR_SR_{tool_version()}"[:16]
        entity.add_supported_context(Verification)
        for sop_class in RECEIVED_CLASSES:
            entity.add_supported_context(sop_class, list(RECEIVED_SYNTAXES))
        handlers = [
            (evt.EVT_CONN_OPEN, at_once),
            (evt.EVT_REQUESTED, self._requested),
            (evt.EVT_C_STORE, self._store),
            (evt.EVT_PDU_RECV, self._count),
            (evt.EVT_REJECTED, self._rejected),
        ]
        try:
            server = entity.start_server(
                (address.host, address.port),
                block=False,
                ssl_context=tls,
                evt_handlers=handlers,  # type: ignore[arg-type]
            )
        except OSError as error:
            raise SettingsError(
                f"cannot listen on {address.host}:{address.port}: "
                f"{error.strerror or error}; choose another --port or --bind"
            ) from error
        assert server is not None  # noqa: S101 - it is None only where it blocks
        return server

    def _requested(self, event: Event) -> None:
        """Reject a caller that is not on the list."""
        aet = _caller(event)
        if not self._callers.permit(aet, str(event.assoc.requestor.address)):
            event.assoc.acse.send_reject(*NOT_RECOGNISED)
            self._log(f"rejected an association: {aet} is not on the --allow list")
            event.assoc.kill()

    def _rejected(self, event: Event) -> None:
        self._log(
            f"rejected an association of {_caller(event)}: it called another AE title "
            f"than ours, or {self._limits.associations} associations are open already"
        )

    def _count(self, event: Event) -> None:
        """Abort an association that sends more bytes than an instance may have."""
        length = getattr(event.pdu, "pdu_length", 0)
        total = self._received.get(event.assoc, 0) + length
        self._received[event.assoc] = total
        if total > 2e6 * self._limits.object_mb:
            self._log(f"aborted: an instance of more than {total / 1e6:.0f} MB")
            self._received[event.assoc] = 0
            if event.assoc.dul.socket is not None:
                event.assoc.dul.socket.close()

    def _store(self, event: Event) -> int:
        """Answer a C-STORE; no error ends the association."""
        self._received[event.assoc] = 0
        try:
            return self._take(event)
        except OSError as error:
            self._log(
                f"refused an instance: {(error.strerror or 'disk error').lower()}"
            )
            return OUT_OF_RESOURCES

    def _take(self, event: Event) -> int:
        request = cast("C_STORE", event.request)
        data = request.DataSet.getvalue() if request.DataSet else b""
        if not request.AffectedSOPInstanceUID:
            return CANNOT_UNDERSTAND
        problem = self._problem(len(data))
        if problem:
            self._log(f"refused an instance: {problem}")
            return OUT_OF_RESOURCES
        content = head_of(event) + data
        if _is_own(content):
            return SUCCESS
        aet = event.assoc.requestor.ae_title.strip()
        syntax = str(event.context.transfer_syntax).encode()
        key = key_of(data, syntax, self._identity(aet))
        if self._queue.accept(key, content):
            with self._lock:
                self._unfinished += 1
                self.accepted += 1
            self._arrived(key)
        return SUCCESS

    def _problem(self, size: int) -> str:
        """Return the reason to refuse `size` bytes; "" if there is room."""
        limits = self._limits
        if size > 1e6 * limits.object_mb:
            return f"it has {size / 1e6:.0f} MB; the limit is {limits.object_mb} MB"
        if self._unfinished >= limits.queue:
            return (
                f"the queue has {self._unfinished} entries; the limit is {limits.queue}"
            )
        free = self._queue.free_mb() - size / 1e6
        if free < limits.free_mb:
            return f"the disk has {free:.0f} MB left; the limit is {limits.free_mb} MB"
        return ""


def head_of(event: Event) -> bytes:
    """Return preamble and file meta information: transfer syntax and sender.

    References
    ----------
    DICOM PS3.10 7.1
    """
    request = cast("C_STORE", event.request)
    with quiet():
        meta = file_meta(
            request.AffectedSOPClassUID or "",
            request.AffectedSOPInstanceUID or "",
            str(event.context.transfer_syntax),
        )
        meta.SendingApplicationEntityTitle = event.assoc.requestor.ae_title.strip()
        meta.ReceivingApplicationEntityTitle = event.assoc.acceptor.ae_title.strip()
        return head_of_file(meta)


def _caller(event: Event) -> str:
    """Return the calling AE title, also before the negotiation."""
    primitive = event.assoc.requestor.primitive
    return primitive.calling_ae_title.strip() if primitive else ""


def _is_own(content: bytes) -> bool:
    """Tell whether an instance is a result of cxr-sr that a PACS sent back to us."""
    try:
        header = parse(io.BytesIO(content), Kind.DICOM).dataset
    except InputError:
        return False  # the work itself will report the error
    with quiet():
        return is_own(header)
