"""An index holds the views and body parts that were asked for."""

import pytest

from cxr_sr.errors import SettingsError
from cxr_sr.index.build import IndexSettings, assemble
from cxr_sr.index.given import Manifest
from cxr_sr.index.split import Salt, Shares
from cxr_sr.index.wanted import Wanted
from tests.index.builders import some_facts, some_image


def index_of(*images, wanted: Wanted, manifest: Manifest | None = None):
    rules = IndexSettings(
        Salt(b"salt" * 8), Shares({"train": 1}), manifest or Manifest(), wanted=wanted
    )
    return assemble(images, rules)


@pytest.mark.parametrize(
    ("view", "body_part", "options", "taken"),
    [
        ("PA", "CHEST", (None, None), True),
        ("PA", "CHEST", ("PA,AP", "CHEST"), True),
        ("AP", "CHEST", ("pa, ap", "chest"), True),
        ("LL", "CHEST", ("PA,AP", "CHEST"), False),
        ("PA", "HAND", ("PA,AP", "CHEST"), False),
        ("", "CHEST", ("PA,AP", None), False),
        ("", "CHEST", ("PA,none", None), True),
        ("PA", "", (None, "CHEST"), False),
        ("PA", "", (None, "CHEST,NONE"), True),
        ("LL", "", ("PA", "none"), False),
    ],
)
def test_an_image_is_taken_if_both_are_wanted(view, body_part, options, taken):
    facts = some_facts(view=view, body_part=body_part)
    assert (Wanted.parse(*options).refusal(facts) == "") == taken


@pytest.mark.parametrize("text", ["", "PA,", "PA;AP", "a sentence that is no code"])
def test_what_is_no_code_is_refused(text):
    with pytest.raises(SettingsError, match=r"--view .*such as PA,AP"):
        Wanted.parse(text, None)


def test_the_reason_names_what_was_found():
    wanted = Wanted.parse("PA,AP", None)
    made = index_of(
        some_image("a"),
        some_image("b", view="LL"),
        some_image("c", view=""),
        wanted=wanted,
    )
    assert [row.file for row in made.rows] == ["a"]
    assert [(left.kind, left.reason) for left in made.left_out] == [
        ("not wanted", "its view is LL; wanted: AP, PA"),
        ("not wanted", "its header states no view"),
    ]


def test_a_manifest_states_what_the_header_does_not():
    manifest = Manifest({"a": {"view": "PA", "body_part": "chest"}})
    image = some_image("a", view="", body_part="")
    made = index_of(image, wanted=Wanted.parse("PA", "CHEST"), manifest=manifest)
    assert [(row.view, row.body_part) for row in made.rows] == [("PA", "CHEST")]


def test_an_unwanted_copy_does_not_stand_for_a_wanted_one():
    """Two files have the same pixels: the index takes the one that states its view."""
    copies = (
        some_image("a", view="", pixel_hash="same"),
        some_image("b", view="PA", pixel_hash="same"),
    )
    made = index_of(*copies, wanted=Wanted.parse("PA", None))
    assert [row.file for row in made.rows] == ["b"]
