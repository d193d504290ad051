"""Rules: read from TOML, checked, and matched; the examples of docs/pacs.md hold."""

import re
from pathlib import Path

import pytest

from cxr_sr.errors import SettingsError
from cxr_sr.pacs.instance import Instance, instance_of
from cxr_sr.pacs.network.peers import DicomPeer, WebPeer
from cxr_sr.pacs.router import Router
from cxr_sr.pacs.rules import read_rules
from tests.files import a_dicom

DOCUMENT = Path(__file__).parents[2] / "docs" / "pacs.md"


@pytest.fixture
def rules(tmp_path):
    def read(text, **named):
        path = tmp_path / "rules.toml"
        path.write_text(text)
        return read_rules(path, **named)

    return read


def test_the_examples_of_the_document_are_rules(rules):
    if not DOCUMENT.exists():
        pytest.skip("the documents are not part of this copy")
    examples = re.findall(r"```toml\n(.*?)```", DOCUMENT.read_text(), re.DOTALL)
    assert len(examples) == 3
    first, second, third = (rules(text, tls=True) for text in examples)
    assert first.first(Instance(modality="MG")).leave
    assert first.first(Instance("DX", "CHEST", spacing_mm=0.4)).scale == 4
    assert first.first(Instance("DX", "CHEST", spacing_mm=0.2)) is None
    assert first.first(Instance("DX", "CHEST")) is None
    both = Router(second).decide(Instance(calling="ROOM2")).receivers
    assert both == ("https://archive.example/dicom-web", "ROOM2@10.0.1.2:104")
    assert Router(second).decide(Instance(calling="ROOM1")).receivers == (
        "ROOM1@10.0.1.1:104",
    )
    assert third.peers["OLD"] == DicomPeer("OLD", "10.0.0.9", 104, tls=False)


def test_the_first_rule_that_fits_is_taken(rules):
    found = rules("""
        [[rule]]
        body_part = ["CHEST", "RIB*"]
        view = "pa"
        [[rule]]
        station = "ROOM?"
        max_long_side = 2000
    """)
    assert found.first(Instance(body_part="RIBS", view="PA")).name == "1"
    near = Instance(body_part="RIBS", view="AP", station="room7", rows=2000, columns=9)
    assert found.first(near).name == "2"
    assert found.first(Instance(station="ROOM7", rows=2001, columns=9)) is None
    assert found.first(Instance(station="ROOM")) is None


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("[[rule]]\nmodalty = 'CR'", "'modalty' is unknown"),
        ("[[rule]]\nscale = '2'", "a whole number"),
        ("[[rule]]\nscale = true", "a whole number"),
        ("[[rule]]\nmodality = 3", "a text or a list of texts"),
        ("[[rule]]\nmin_spacing_mm = 'a'", "expected a number"),
        ("[[rule]]\nname = 'mine'\nsend = ['X']", "rule mine, send: there is no peer"),
        ("[[rule]]\nleave = true\nscale = 2", "have no meaning"),
        ("[rule]\nleave = true", "two brackets"),
        ("[peers]\nA = 'nowhere'", "peer A"),
        ("[peers]\nA = 3", "a text or a table"),
        ("[peers]\nA = {aet = 'A', host = 'b', port = 0}", "no port"),
        ("[peers]\nA = {aet = 'A', hosts = 'b', port = 1}", "'hosts' is unknown"),
        ("rules = 1", "'rules' is unknown"),
        ("= 1", "no TOML"),
    ],
)
def test_what_is_wrong_in_the_file_is_told_at_the_start(rules, text, told):
    with pytest.raises(SettingsError, match=re.escape(told)):
        rules(text)


def test_a_peer_is_an_address_a_table_or_a_url(rules):
    peers = rules("""
        [peers]
        A = "A@host:104"
        B = "https://user:secret@host/web/"
    """).peers
    assert peers == {
        "A": DicomPeer("A", "host", 104),
        "B": WebPeer("https://user:secret@host/web"),
    }
    assert peers["B"].name == "https://host/web"


def test_who_is_to_get_it_back_must_be_known(rules):
    with pytest.raises(SettingsError, match="no sender has an address"):
        Router(rules(""), back=True).check()
    router = Router(rules("[peers]\nA = 'A@h:1'"), back=True)
    router.check()
    with pytest.raises(SettingsError, match="lacks B"):
        router.decide(Instance(calling="B"))


def test_facts_are_what_the_header_and_the_association_say(tmp_path):
    path = a_dicom(
        tmp_path / "a", BodyPartExamined="CHEST", ViewPosition="PA", StationName="R1"
    )
    facts = instance_of(path)
    assert (facts.modality, facts.body_part, facts.view) == ("CR", "CHEST", "PA")
    assert (facts.station, facts.long_side, facts.spacing_mm) == ("R1", 20, 0.2)
    assert facts.calling == ""
