"""`cxr-sr task list`: the facts that a user needs before using a head."""

from __future__ import annotations

import json

from typer.testing import CliRunner

from cxr_sr.cli.main import app
from cxr_sr.files import sha256_of
from cxr_sr.tasks.heads import SHIPPED, WEIGHTS


def listed(*arguments):
    return CliRunner().invoke(app, ["task", "list", *map(str, arguments)])


def test_every_shipped_head_has_kind_classes_licence_data_and_hash():
    told = listed("--json")
    assert told.exit_code == 0, told.output
    heads = [json.loads(line) for line in told.stdout.splitlines()]
    assert [head["name"] for head in heads] == list(SHIPPED)
    for head in heads:
        assert head["kind"] in {"segmentation", "classification"}
        assert head["classes"]
        assert head["licence"] == "Apache-2.0"
        assert all(d["licence"] != "unstated" for d in head["training"]["data"])
        onnx = WEIGHTS / f"{head['name']}.onnx"
        assert head["sha256"] == sha256_of(onnx)
        assert head["safetensors_sha256"] == sha256_of(onnx.with_suffix(".safetensors"))
    assert "lungs" in listed().stdout


def test_a_head_of_ones_own_is_shown_without_our_licence(masker):
    told = listed(masker)
    assert told.exit_code == 0, told.output
    assert "tiny" in told.stdout
    assert "Apache" not in told.stdout


def test_a_head_that_is_not_there_is_told(tmp_path):
    assert listed(tmp_path / "none").exit_code == 2
