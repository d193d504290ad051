"""`cxr-sr models` lists the models and refuses altered weights."""

import dataclasses
import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from cxr_sr.cli.main import app
from cxr_sr.files import sha256_of
from cxr_sr.superres.models import zoo
from cxr_sr.superres.models.spec import ModelSpec

SPEC = ModelSpec(
    "tiny",
    "Made for a test.",
    network="hydra",
    parameters=1234,
    training={"data": "ten radiographs", "terms": "CC BY 4.0"},
)


def models(*arguments):
    return CliRunner().invoke(app, ["models", *map(str, arguments)])


@pytest.fixture
def shipped(tmp_path: Path, monkeypatch) -> Path:
    """A zoo with one learned model, whose weights are in a folder."""
    weights = tmp_path / "weights"
    weights.mkdir()
    for suffix in ("onnx", "safetensors"):
        (weights / f"tiny.{suffix}").write_text(f"weights as {suffix}")
    spec = dataclasses.replace(
        SPEC,
        sha256=sha256_of(weights / "tiny.onnx"),
        safetensors_sha256=sha256_of(weights / "tiny.safetensors"),
    )
    monkeypatch.setattr(zoo, "WEIGHTS", weights)
    monkeypatch.setattr(zoo, "MODELS", {"tiny": spec, **zoo.MODELS})
    monkeypatch.chdir(tmp_path)
    return weights


@pytest.mark.parametrize("arguments", [[], ["list"]], ids=["", "list"])
def test_the_list_names_every_model_with_what_it_is(shipped, arguments):
    lines = models(*arguments).stdout.splitlines()
    assert [line.split()[0] for line in lines[1:]] == list(zoo.MODELS)
    assert "1,234" in lines[1]
    assert "Made for a test." in lines[1]


def test_the_list_tells_how_far_a_network_sees():
    lines = {line.split()[0]: line for line in models("list").stdout.splitlines()}
    assert "55 x 55 px of the input" in lines["fine"]
    assert "21 x 21 px of the output" in lines["hydra"]
    assert "px of" not in lines["bicubic"]


def test_the_list_is_an_object_a_line_with_json(shipped):
    listed = [json.loads(x) for x in models("list", "--json").stdout.splitlines()]
    assert [spec["name"] for spec in listed] == list(zoo.MODELS)


def test_show_tells_training_data_terms_and_hashes(shipped):
    shown = models("show", "tiny").stdout
    for expected in ("ten radiographs", "CC BY 4.0", zoo.MODELS["tiny"].sha256):
        assert expected in shown
    assert json.loads(models("show", "tiny", "--json").stdout)["parameters"] == 1234


def test_verify_tells_of_every_model_that_it_is_what_was_released(shipped):
    result = models("verify", "tiny")
    assert (result.exit_code, result.stdout) == (0, "tiny: ok\n")


@pytest.mark.parametrize("suffix", ["onnx", "safetensors"])
def test_verify_finds_a_changed_byte(shipped, suffix):
    (shipped / f"tiny.{suffix}").write_text("weights of another")
    result = models("verify", "tiny")
    assert (result.exit_code, result.stdout) == (5, "")
    assert "altered or damaged" in result.stderr


def test_verify_goes_on_after_a_model_that_is_not_sound(shipped):
    result = models("verify", "tiny", "nobody")
    assert result.exit_code == 4
    assert result.stdout == "tiny: ok\n"


def test_export_copies_both_files_and_prints_where(shipped):
    result = models("export", "tiny", "-o", "copies")
    assert result.stdout.split() == ["copies/tiny.onnx", "copies/tiny.safetensors"]
    for path in result.stdout.split():
        assert Path(path).read_bytes() == (shipped / Path(path).name).read_bytes()


def test_export_copies_the_int8_graph_where_there_is_one(shipped, monkeypatch):
    rounded = shipped / "tiny.int8.onnx"
    rounded.write_bytes(b"rounded")
    sha256 = sha256_of(rounded)
    spec = dataclasses.replace(zoo.MODELS["tiny"], int8_sha256=sha256)
    monkeypatch.setitem(zoo.MODELS, "tiny", spec)
    result = models("export", "tiny", "-o", "copies")
    assert result.stdout.split()[-1] == "copies/tiny.int8.onnx"
    assert Path("copies/tiny.int8.onnx").read_bytes() == b"rounded"


def test_export_replaces_nothing(shipped):
    models("export", "tiny", "-o", "copies")
    result = models("export", "tiny", "-o", "copies")
    assert result.exit_code == 2
    assert "exists already" in result.stderr


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["show", "nobody"], "no model is called 'nobody'"),
        (["export", "bicubic", "-o", "x"], "no weights to export"),
        (["dance"], "dance"),
    ],
)
def test_what_there_is_not_is_wrong_usage(shipped, arguments, told):
    result = models(*arguments)
    assert result.exit_code == 2
    assert told in result.stderr
