"""A DICOMweb server's answers to STOW-RS, and the client's reactions."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from cxr_sr.pacs.network.peers import web_peer
from cxr_sr.pacs.network.store_scu import AwayError, RefusedError
from cxr_sr.pacs.network.web import StowSender
from tests.files import a_dicom

JSON = "application/dicom+json"
REASON = {"vr": "US", "Value": [0xA700]}
FAILED = json.dumps({"00081198": {"vr": "SQ", "Value": [{"00081197": REASON}]}})
STORED = json.dumps(
    {"00081199": {"vr": "SQ", "Value": [{"00081155": {"vr": "UI", "Value": ["1.2"]}}]}}
)
NOWHERE = json.dumps({"00081198": {"vr": "SQ"}, "00081199": {"vr": "SQ"}})
FAILED_XML = """<NativeDicomModel><DicomAttribute tag="00081198" vr="SQ"
 keyword="FailedSOPSequence"><Item number="1"><DicomAttribute tag="00081197" vr="US"
 keyword="FailureReason"><Value number="1">272</Value></DicomAttribute></Item>
</DicomAttribute></NativeDicomModel>"""


@contextmanager
def server(code: int, kind: str, body: str) -> Iterator[str]:
    """A server that gives one answer to everything; yields its URL."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length", 0)))
            self.send_response(code)
            if kind:
                self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body.encode())

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as listening:
        thread = threading.Thread(target=listening.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{listening.server_port}/dicom-web"
        listening.shutdown()
        thread.join()


def sent(tmp_path, url):
    StowSender(web_peer(url)).send(a_dicom(tmp_path / "one.dcm"))


@pytest.mark.parametrize(
    ("kind", "body"), [(JSON, STORED), (f"{JSON}; charset=utf-8", STORED), ("", "")]
)
def test_an_instance_is_stored_if_the_server_says_so_or_lists_nothing(
    tmp_path, kind, body
):
    with server(200, kind, body) as url:
        sent(tmp_path, url)


@pytest.mark.parametrize(
    ("code", "kind", "body", "told"),
    [
        (202, JSON, FAILED, "0xA700"),
        (202, f"{JSON};charset=utf-8", FAILED, "0xA700"),
        (202, "application/dicom+xml", FAILED_XML, "0x0110"),
        (409, JSON, FAILED, "0xA700"),
        (200, JSON, NOWHERE, "neither as stored nor as failed"),
        (400, "text/html", "<p>no</p>", "HTTP status 400"),
    ],
)
def test_the_servers_own_list_of_failures_is_read(tmp_path, code, kind, body, told):
    with server(code, kind, body) as url, pytest.raises(RefusedError, match=told):
        sent(tmp_path, url)


@pytest.mark.parametrize(
    ("code", "kind", "body", "told"),
    [
        (401, "text/plain", "who?", "password"),
        (200, "text/html", "<form>log in</form>", "no DICOMweb"),
        (200, JSON, "{", "answer"),
    ],
)
def test_what_is_no_answer_means_that_the_server_is_away(
    tmp_path, code, kind, body, told
):
    with server(code, kind, body) as url, pytest.raises(AwayError, match=told):
        sent(tmp_path, url)


def test_a_server_that_has_no_time_is_busy(tmp_path):
    with server(503, "", "") as url, pytest.raises(RefusedError) as raised:
        sent(tmp_path, url)
    assert raised.value.busy
