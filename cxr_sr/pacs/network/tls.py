"""Set up TLS for associations and for the web: both sides show a certificate."""

from __future__ import annotations

import socket
import ssl
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cxr_sr.errors import SettingsError

HANDSHAKE_S = 10.0
"""Seconds after which a silent peer is disconnected."""


@dataclass(frozen=True)
class Certificates:
    """PEM files: our certificate, its key, and the authority that we trust."""

    certificate: Path
    key: Path
    authority: Path

    def server(self) -> ssl.SSLContext:
        """Return the context of the receiving side.

        Raises
        ------
        SettingsError
            If a file is missing or is no valid PEM file.
        """
        return self._loaded(_PatientContext(ssl.PROTOCOL_TLS_SERVER))

    def client(self) -> ssl.SSLContext:
        """Return the context of the sending side.

        Host names are not checked, because certificates of a PACS often lack them. Only
        certificates that the authority signed are accepted.

        Raises
        ------
        SettingsError
            If a file is missing or is no valid PEM file.
        """
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        return self._loaded(context)

    def _loaded(self, context: ssl.SSLContext) -> ssl.SSLContext:
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.verify_mode = ssl.CERT_REQUIRED
        try:
            context.load_cert_chain(self.certificate, self.key)
            context.load_verify_locations(self.authority)
        except OSError as error:  # ssl.SSLError is an OSError
            raise SettingsError(
                f"--tls: {self.certificate.name}, {self.key.name} and "
                f"{self.authority.name} cannot be used ({error.strerror or error}); "
                "expected PEM files: a certificate, its key without a password, and "
                "the certificate of the authority"
            ) from error
        return context


class _PatientContext(ssl.SSLContext):
    """Does the TLS handshake at the first read, on the association's own thread.

    On the thread that accepts connections, one silent client would block all others.
    """

    def wrap_socket(self, sock: socket.socket, *given: Any, **named: Any) -> Any:  # noqa: ANN401 - as the base class
        sock.settimeout(HANDSHAKE_S)
        named["do_handshake_on_connect"] = False
        return super().wrap_socket(sock, *given, **named)
