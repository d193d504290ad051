"""Addresses, URLs and lists of callers are read in the forms that people use."""

import pytest

from cxr_sr.errors import SettingsError
from cxr_sr.pacs.network.peers import Callers, DicomPeer, parse_peer


@pytest.mark.parametrize("text", ["PACS@host:104", "PACS@10.0.0.5:4242", "A@[::1]:1"])
def test_an_address_is_read_and_named_alike(text):
    assert parse_peer(text).name == text


def test_the_parts_of_an_address():
    assert parse_peer("PACS@[::1]:104", tls=True) == DicomPeer("PACS", "::1", 104, True)  # noqa: FBT003


@pytest.mark.parametrize(
    "text",
    [
        "PACS",
        "PACS@host",
        "@host:1",
        "A@host:0",
        "A@host:x",
        "A@:1",
        "http://",
        "  @h:1",
    ],
)
def test_what_is_no_address_is_refused(text):
    with pytest.raises(SettingsError):
        parse_peer(text)


def test_a_password_is_in_no_name_and_in_no_message():
    assert "secret" not in parse_peer("https://user:secret@host/web").name
    with pytest.raises(SettingsError) as raised:
        parse_peer("https://user:secret@host:port/web")
    assert "secret" not in str(raised.value)


@pytest.mark.parametrize(
    ("allowed", "aet", "address", "permitted"),
    [
        ([], "ANY", "10.0.0.1", True),
        (["A"], "A", "10.0.0.1", True),
        (["A"], "B", "10.0.0.1", False),
        (["A@10.0.0.1"], "A", "10.0.0.2", False),
        (["A@10.0.0.0/24"], "A", "10.0.0.2", True),
        (["A@10.0.0.1"], "A", "::ffff:10.0.0.1", True),
        (["*@10.0.0.1", "B"], "C", "10.0.0.1", True),
        (["*@10.0.0.1", "B"], "C", "10.0.0.2", False),
        (["A@localhost"], "A", "127.0.0.1", True),
    ],
)
def test_who_may_call(allowed, aet, address, permitted):
    assert Callers.parse(allowed).permit(aet, address) is permitted


def test_a_host_that_is_unknown_is_told_at_the_start():
    with pytest.raises(SettingsError, match="unknown"):
        Callers.parse(["A@no.such.host.invalid"])
