"""Parse the addresses of receivers and permitted senders: AE titles, hosts, URLs."""

from __future__ import annotations

import ipaddress
import re
import socket
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self
from urllib.parse import urlsplit, urlunsplit

from cxr_sr.errors import SettingsError

AE_TITLE = re.compile(r"(?! *$)[ -\[\]-~]{1,16}")
"""1 to 16 printable characters without backslash, not only spaces: AE, PS3.5 6.2."""
EXPECTED = (
    "expected AET@HOST:PORT, such as PACS@10.0.0.5:104, or the URL of a DICOMweb "
    "server, such as https://pacs.example/dicom-web"
)
_Network = ipaddress.IPv4Network | ipaddress.IPv6Network


@dataclass(frozen=True)
class DicomPeer:
    """An application entity that receives results by C-STORE."""

    aet: str
    host: str
    port: int
    tls: bool = False

    @property
    def name(self) -> str:
        """Name in logs, reports and the queue."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.aet}@{host}:{self.port}"


@dataclass(frozen=True)
class WebPeer:
    """A DICOMweb server that receives results by STOW-RS."""

    url: str
    """The base URL, with user and password if there are any."""

    @property
    def name(self) -> str:
        """The URL without user and password."""
        parts = urlsplit(self.url)
        return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))


Peer = DicomPeer | WebPeer


def ae_title(text: str) -> str:
    """Return an AE title without the spaces around it.

    Raises
    ------
    SettingsError
        If the text is no AE title.
    """
    if not AE_TITLE.fullmatch(text):
        raise SettingsError(
            f"{text!r} is no AE title; expected 1 to 16 printable ASCII characters "
            "without a backslash"
        )
    return text.strip()


def parse_peer(text: str, *, tls: bool = False) -> Peer:
    """Read AET@HOST:PORT or a URL.

    Parameters
    ----------
    tls : use TLS for C-STORE to AET@HOST:PORT

    Raises
    ------
    SettingsError
        If the text is neither.
    """
    if re.match(r"https?://", text):
        return web_peer(text)
    aet, at, address = text.partition("@")
    host, colon, port = address.rpartition(":")
    if not (at and colon and host):
        raise SettingsError(f"{_shown(text)}: {EXPECTED}")
    return DicomPeer(ae_title(aet), host.strip("[]"), port_number(port), tls)


def web_peer(url: str) -> WebPeer:
    """Return the DICOMweb server at a URL.

    Raises
    ------
    SettingsError
        If the text is no http or https URL with a host.
    """
    try:
        parts = urlsplit(url)
        found = parts.scheme in {"http", "https"} and parts.hostname and not parts.query
        _ = parts.port  # raises if the port is no number
    except ValueError:
        found = None
    if not found:
        raise SettingsError(f"{_shown(url)}: {EXPECTED}")
    return WebPeer(url.rstrip("/"))


def port_number(text: str) -> int:
    """Return a TCP port.

    Raises
    ------
    SettingsError
        If the text is no number from 1 to 65535.
    """
    if text.isascii() and text.isdecimal() and 1 <= int(text) <= 0xFFFF:
        return int(text)
    raise SettingsError(f"{text!r} is no port; expected 1 to 65535")


def _shown(text: str) -> str:
    """Return the given text without a password."""
    return repr(re.sub(r"//[^/@]*@", "//...@", text))


@dataclass(frozen=True)
class Callers:
    """The callers that may open an association: AE titles and their addresses."""

    allowed: tuple[tuple[str, tuple[_Network, ...]], ...] = ()
    """Pairs (AE title or *, networks). No networks: any address. No pairs: any
    caller."""

    @classmethod
    def parse(cls, texts: Sequence[str]) -> Self:
        """Read AET, AET@HOST, AET@NETWORK/BITS; the AE title may be *.

        A host name is looked up only once, here.

        Raises
        ------
        SettingsError
            If an AE title or a network is invalid, or a host is unknown.
        """
        return cls(tuple(map(_caller, texts)))

    def permit(self, aet: str, address: str) -> bool:
        """Tell whether this AE title may call from this IP address."""
        if not self.allowed:
            return True
        found = ipaddress.ip_address(address.partition("%")[0])
        if isinstance(found, ipaddress.IPv6Address):
            found = found.ipv4_mapped or found
        return any(
            known in {"*", aet} and (not networks or any(found in n for n in networks))
            for known, networks in self.allowed
        )


def _caller(text: str) -> tuple[str, tuple[_Network, ...]]:
    aet, at, host = text.partition("@")
    aet = aet if aet == "*" else ae_title(aet)
    if not at:
        return aet, ()
    try:
        return aet, (ipaddress.ip_network(host, strict=False),)
    except ValueError:
        pass
    try:
        found = {str(info[4][0]) for info in socket.getaddrinfo(host, None)}
    except OSError as error:
        raise SettingsError(
            f"--allow {text}: the host is unknown; expected AET, AET@HOST or "
            "AET@NETWORK/BITS, such as MODALITY@10.0.0.0/24"
        ) from error
    return aet, tuple(ipaddress.ip_network(address) for address in sorted(found))


def is_loopback(host: str) -> bool:
    """Tell whether only this machine can connect to `host`."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
