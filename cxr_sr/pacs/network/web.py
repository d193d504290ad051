"""Talk to a DICOMweb server: STOW-RS to send, QIDO-RS and WADO-RS to fetch."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydicom import dcmread
from pydicom.dataset import Dataset

from cxr_sr.errors import CxrSrError
from cxr_sr.formats.guard import PARSER_ERRORS, quiet, readable
from cxr_sr.formats.header.elements import items, numbers
from cxr_sr.pacs.network.peers import WebPeer
from cxr_sr.pacs.network.services import BUSY
from cxr_sr.pacs.network.store_scu import (
    ANSWER_S,
    CONNECT_S,
    AwayError,
    RefusedError,
    meta_of,
)
from cxr_sr.pacs.network.tls import Certificates

if TYPE_CHECKING:
    from dicomweb_client.web import DICOMwebClient
    from requests import Session

PAGE = 1000
"""Number of matches in one answer to a search."""
LATER = (408, 425, 429, 500, 502, 503, 504, 507)
"""HTTP status codes after which the same request may succeed later."""
LISTS = (
    *("application/dicom+json", "application/json"),
    *("application/dicom+xml", "application/xml"),
)
DATA = ("multipart/related", "application/dicom", "")
"""Accepted media types of answers; "" means that the answer states no type."""
NOT_LET_IN = (401, 403, 404, 407)
"""HTTP status codes for a wrong URL or password: a person must correct it."""


def web_client(peer: WebPeer, tls: Certificates | None = None) -> DICOMwebClient:
    """Return a client with time limits, and with our certificate if there is one.

    User and password come from the URL or from ~/.netrc.
    """
    from dicomweb_client.web import DICOMwebClient

    client = DICOMwebClient(peer.url, session=_session(tls))
    client.set_http_retry_params(retry=False)
    return client


class StowSender:
    """Sends to one DICOMweb server by STOW-RS, PS3.18 10.5."""

    def __init__(self, peer: WebPeer, tls: Certificates | None = None) -> None:
        self._client = web_client(peer, tls)

    def send(self, path: Path) -> None:
        """Post one DICOM file.

        Raises
        ------
        AwayError
            If the server does not answer, or denies access.
        RefusedError
            If the server answers that it did not store the instance.
        """
        meta_of(path)
        try:
            with readable("the file"), quiet():
                dataset = dcmread(path)
        except CxrSrError as error:
            raise RefusedError(f"it cannot be sent: {error}") from error
        with answers():
            answer = self._client.store_instances([dataset])
        failed = failures(answer)
        if failed:
            raise store_error(failed[0])
        if answer.get("ReferencedSOPSequence") == []:
            raise RefusedError("the server lists it neither as stored nor as failed")

    def close(self) -> None:
        """Do nothing: requests need no association."""


@contextmanager
def answers() -> Iterator[None]:
    """Turn the errors of a web request into errors of a receiver.

    Raises
    ------
    AwayError
        If the server does not answer, or answers that it cannot work now.
    RefusedError
        If the server refuses the request.
    """
    from requests import HTTPError, RequestException

    try:
        yield
    except HTTPError as error:
        raise _http_error(error.response) from error
    except RequestException as error:
        raise AwayError("there is no answer from the server") from error
    except PARSER_ERRORS as error:
        raise AwayError("the server's answer is no DICOMweb") from error


def failures(answer: Dataset) -> list[int]:
    """Return the reasons in the server's list of instances that were not stored.

    References
    ----------
    DICOM PS3.18 10.5.3, PS3.3 C.12.1.1.12 (FailedSOPSequence)
    """
    with quiet():
        listed = items(answer, "FailedSOPSequence") or ()
        reasons = [numbers(item, "FailureReason") for item in listed]
    return [int(reason[0]) if reason else 0 for reason in reasons]


def store_error(reason: int) -> RefusedError:
    """Return the error for a FailureReason (0008,1197)."""
    words = f"failure reason 0x{reason:04X}" if reason else "no reason given"
    return RefusedError(words, busy=reason in BUSY)


def _http_error(response: Any) -> CxrSrError:  # noqa: ANN401 - requests may be missing
    code = response.status_code
    if code in NOT_LET_IN:
        return AwayError(f"HTTP status {code}: check the URL, user and password")
    if code == 409:  # no instance was stored, PS3.18 10.5.3; the body has the reason
        listed = _failed(response)
        if listed:
            return store_error(listed[0])
    return RefusedError(f"HTTP status {code}", busy=code in LATER)


def _failed(response: Any) -> list[int]:  # noqa: ANN401 - as above
    try:
        return failures(Dataset.from_json(response.json()))
    except PARSER_ERRORS:
        return []


class WebArchive:
    """A DICOMweb server that answers queries; see `query.Archive`.

    References
    ----------
    DICOM PS3.18 10.6 (QIDO-RS) and 10.4 (WADO-RS)
    """

    def __init__(self, peer: WebPeer, tls: Certificates | None = None) -> None:
        self._client = web_client(peer, tls)

    def find(
        self, level: str, uids: tuple[str, ...], keys: Mapping[str, str]
    ) -> list[Dataset]:
        """Return the matches at a level, below the given study and series."""
        find: Any = {
            "STUDY": self._client.search_for_studies,
            "SERIES": self._client.search_for_series,
            "IMAGE": self._client.search_for_instances,
        }[level]
        given = ("study_instance_uid", "series_instance_uid")
        named = dict(zip(given, uids, strict=False)) | {"search_filters": dict(keys)}
        found: list[Dataset] = []
        with answers(), quiet():
            while True:
                page = find(**named, limit=PAGE, offset=len(found))
                found += [Dataset.from_json(answer) for answer in page]
                if len(page) < PAGE:
                    return found

    def get(self, uids: tuple[str, ...], _sop_class: str) -> Dataset:
        """Return an instance in the transfer syntax of the server's file."""
        study, series, instance = uids
        with answers(), quiet():
            return self._client.retrieve_instance(
                study, series, instance, media_types=(("application/dicom", "*"),)
            )


def _check_kind(response: Any) -> None:  # noqa: ANN401 - as above
    """Make sure that dicomweb_client will read an answer.

    The client treats an unknown answer, such as a login page, as an empty answer. It
    also does not know parameters after a media type.

    Raises
    ------
    ValueError
        If the answer is no DICOMweb.
    """
    kind = response.headers.get("Content-Type", "").partition(";")[0].strip().lower()
    if kind in LISTS:
        response.headers["Content-Type"] = kind
    elif kind not in DATA and response.ok and response.content:
        raise ValueError(kind)


def _session(tls: Certificates | None) -> Session:
    from requests import Session
    from requests.adapters import HTTPAdapter

    class Patient(HTTPAdapter):
        """Adds a time limit to each request; by default, requests waits for ever."""

        def send(self, request: Any, *given: Any, **named: Any) -> Any:  # noqa: ANN401 - as the base
            named["timeout"] = (CONNECT_S, ANSWER_S)
            # Orthanc does not recognise * and ? if they are escaped.
            request.url = request.url.replace("%2A", "*").replace("%3F", "?")
            response = super().send(request, *given, **named)
            _check_kind(response)
            return response

    session = Session()
    for scheme in ("http://", "https://"):
        session.mount(scheme, Patient())
    if tls is not None:
        session.cert = (str(tls.certificate), str(tls.key))
        session.verify = str(tls.authority)
    return session
