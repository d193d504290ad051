"""Choose the sender for a receiver: C-STORE for an AE title, STOW-RS for a URL."""

from __future__ import annotations

from cxr_sr.errors import SettingsError
from cxr_sr.pacs.network.peers import DicomPeer, Peer
from cxr_sr.pacs.network.store_scu import Sender, StoreSender, Transcode
from cxr_sr.pacs.network.tls import Certificates
from cxr_sr.pacs.network.web import StowSender


def sender_to(
    peer: Peer, aet: str, transcode: Transcode, tls: Certificates | None
) -> Sender:
    """Return the sender for a receiver.

    Parameters
    ----------
    aet : our own AE title

    Raises
    ------
    SettingsError
        If the receiver needs TLS, but there are no certificates.
    """
    if not isinstance(peer, DicomPeer):
        return StowSender(peer, tls)
    if peer.tls and tls is None:
        raise SettingsError(f"{peer.name} needs TLS; give --tls CERT KEY CA")
    context = tls.client() if tls is not None and peer.tls else None
    return StoreSender(aet, peer, transcode, context)
