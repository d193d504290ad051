"""`cxr-sr upscale --head`: one run makes result and mask, and tells the gain."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
import SimpleITK as sitk  # noqa: N813
from typer.testing import CliRunner

from cxr_sr.cli.main import app
from cxr_sr.superres.engines import PACKAGES
from tests.builders import write_png
from tests.cli.task.test_run import dicom_chest
from tests.files import damage, report_of, tree, upscale
from tests.tasks.builders import chest, trained_full

PLAIN = ("--scale", 2, "--model", "bicubic")
EPOCH = "1600000000"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A DICOM file and a picture below it, in the working folder."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SOURCE_DATE_EPOCH", EPOCH)
    folder = tmp_path / "in"
    (folder / "deep").mkdir(parents=True)
    dicom_chest(folder / "a.dcm")
    write_png(folder / "deep" / "b.png", chest(2))
    return folder


def entry(out: str, name: str) -> dict[str, Any]:
    return next(e for e in report_of(out) if e.get("file") == name)


def test_a_mask_is_that_of_task_run_and_the_result_that_of_upscale(folder):
    """Both together give the bytes that each gives alone."""
    assert upscale(folder, "-o", "both", "--head", "lungs", *PLAIN).exit_code == 0
    assert upscale(folder, "-o", "finer", *PLAIN).exit_code == 0
    alone = ["task", "run", str(folder), "-o", "masks", "--head", "lungs"]
    assert CliRunner().invoke(app, alone).exit_code == 0
    for name in ("a.dcm", "deep/b.png"):
        path = Path("both", name)
        beside = path.with_name(f"{path.stem}_mask{path.suffix}")
        assert beside.read_bytes() == Path("masks", name).read_bytes()
        assert path.read_bytes() == Path("finer", name).read_bytes()


def test_the_report_states_both_times_and_what_one_run_saved(folder):
    told = upscale(folder, "-o", "out", "--head", "lungs", *PLAIN)
    about = entry("out", "a.dcm")
    assert about["mask"] == "a_mask.dcm"
    assert 0 < about["mask_shares"]["lungs"] < 1
    assert about["seconds"]["head"] > 0
    assert about["seconds"]["upscale"] > 0
    read, hashed = about["seconds"]["read"], about["seconds"]["hash"]
    assert read <= about["saved_seconds"]["read"] <= read + hashed
    assert about["saved_seconds"]["trunk"] == 0
    assert "other weights than bicubic" in about["trunk_not_shared"]
    assert "no computing was saved" in told.stderr
    quiet = upscale(folder, "-o", "other", "--head", "lungs", "-q", *PLAIN)
    assert "saved" not in quiet.stderr


@pytest.mark.parametrize("changed", ["gone", "altered"])
def test_a_resumed_run_makes_a_lost_mask_again(folder, changed):
    upscale(folder, "-o", "out", "--head", "lungs", *PLAIN)
    before, mask = tree("out"), Path("out/a_mask.dcm")
    mask.unlink() if changed == "gone" else damage(mask)
    told = upscale(folder, "-o", "out", "--head", "lungs", "--resume", *PLAIN)
    assert "1 done, 1 kept" in told.stderr
    after = tree("out")
    del before["cxr-sr-report.jsonl"], after["cxr-sr-report.jsonl"]
    assert after == before


def test_another_head_is_another_run(folder, masker):
    upscale(folder, "-o", "out", "--head", "lungs", *PLAIN)
    told = upscale(folder, "-o", "out", "--head", masker, "--resume", *PLAIN)
    assert "2 done" in told.stderr


def test_a_mask_is_not_written_over_another_output(folder):
    write_png(folder / "deep" / "b_mask.png", chest(1))
    told = upscale(folder, "-o", "out", "--head", "lungs", *PLAIN)
    assert told.exit_code == 2
    assert "deep/b_mask.png" in told.stderr
    assert not Path("out").exists()


def test_an_existing_mask_is_kept_unless_the_user_says_otherwise(folder):
    mask = Path("out/a_mask.dcm")
    mask.parent.mkdir()
    mask.write_text("mine")
    told = upscale(folder, "-o", "out", "--head", "lungs", *PLAIN)
    assert told.exit_code == 2
    assert mask.read_text() == "mine"


def test_what_no_segmentation_can_refer_to_gets_a_picture(folder):
    """This is true of a picture that becomes DICOM, and of a file without UIDs."""
    dicom_chest(folder / "c.dcm", StudyInstanceUID="")
    told = upscale(folder, "-o", "out", "--head", "lungs", "--format", "dicom", *PLAIN)
    assert told.exit_code == 0, told.stderr
    for name, shape in (("deep/b", chest(2).shape), ("c", chest(1).shape)):
        picture = sitk.ReadImage(f"out/{name}_mask.png")
        assert sitk.GetArrayFromImage(picture).shape == shape
    assert "its mask is a PNG file" in told.stderr
    made = pydicom.dcmread("out/a_mask.dcm")
    assert made.Modality == "SEG"


def test_an_image_that_the_head_refuses_is_upscaled(folder):
    write_png(folder / "tiny.png", np.full((12, 12), 7, np.uint8))
    told = upscale(folder, "-o", "out", "--head", "lungs", *PLAIN)
    assert told.exit_code == 0, told.stderr
    assert Path("out/tiny.png").is_file()
    assert not Path("out/tiny_mask.png").exists()
    assert "files with a result of the head: 2," in told.stderr
    assert "no result of the head" in entry("out", "tiny.png")["warnings"][0]


def test_several_processes_and_a_classifier(folder, classifier):
    told = upscale(folder, "-o", "out", "--head", classifier, "--jobs", 2, *PLAIN)
    assert told.exit_code == 0, told.stderr
    assert set(entry("out", "a.dcm")["probabilities"]) == {"Mass", "Edema"}
    assert sorted(tree("out")) == ["a.dcm", "cxr-sr-report.jsonl", "deep/b.png"]


def test_a_head_that_is_not_there_is_told_before_any_work(folder):
    told = upscale(folder, "-o", "out", "--head", "lung", *PLAIN)
    assert told.exit_code == 2
    assert "lungs" in told.stderr
    assert not Path("out").exists()


def test_the_paths_of_the_masks_are_printed(folder):
    """Each result comes first, and its mask follows."""
    told = upscale(folder, "-o", "out", "--head", "lungs", *PLAIN)
    lines = told.stdout.splitlines()
    assert lines == [
        *("out/a.dcm", "out/a_mask.dcm"),
        *("out/deep/b.png", "out/deep/b_mask.png"),
    ]
    for words in (("--overwrite",), ("--resume",)):
        told = upscale(folder, "-o", "out", "--head", "lungs", "--json", *words, *PLAIN)
        paths = [json.loads(line)["mask_path"] for line in told.stdout.splitlines()]
        assert paths == lines[1::2]


@pytest.mark.parametrize(
    ("side", "words"),
    [(192, "does not get the noise"), (64, "the image at 64 px, the head at 192 px")],
)
def test_the_report_says_why_the_trunk_is_not_shared(folder, side, words):
    """`lungs` has a copy of the trunk of `fast`."""
    write_png(folder / "c.png", chest(0, (side, side)))
    told = upscale(folder / "c.png", "-o", "out", "--head", "lungs", "--model", "fast")
    assert told.exit_code == 0, told.stderr
    assert words in entry("out", "c.png")["trunk_not_shared"]


def masks_of_task_run(folder: Path, head: Path) -> Path:
    words = ["task", "run", str(folder), "-o", "masks", "--head", str(head)]
    told = CliRunner().invoke(app, words)
    assert told.exit_code == 0, told.output
    return Path("masks")


def apart(one: Path, other: Path) -> float:
    """Share of the pixels in which two masks differ; neither is empty or full."""
    first, second = (
        sitk.GetArrayFromImage(sitk.ReadImage(path)) > 0 for path in (one, other)
    )
    assert 0.02 < first.mean() < 0.98
    return float((first != second).mean())


@pytest.mark.parametrize("engine", ["onnx", "openvino", "torch"])
def test_one_pass_through_the_trunk_serves_both(folder, sharer, engine):
    """Tiles, threads and the engine change the mask by no more than rounding."""
    pytest.importorskip(PACKAGES[engine])
    alone = masks_of_task_run(folder, sharer)
    words = ("--head", sharer, "--model", sharer / "trunk", "--engine", engine)
    told = upscale(folder, "-o", "both", *words, "--tile", 32, "--threads", 2)
    assert told.exit_code == 0, told.stderr
    assert "For 2 of them, it would have run the trunk again" in told.stderr
    for name in ("a.dcm", "deep/b.png"):
        about = entry("both", name)
        assert about["trunk_shared"] is True
        assert "trunk_not_shared" not in about
        assert 0 < about["saved_seconds"]["trunk"] <= about["seconds"]["upscale"]
        assert apart(Path("both", about["mask"]), alone / name) < 0.001
    upscale(folder, "-o", "finer", *words[2:], "--tile", 32)
    for name in ("a.dcm", "deep/b.png"):
        assert Path("both", name).read_bytes() == Path("finer", name).read_bytes()


def test_a_head_shares_in_other_processes_too(folder, sharer):
    words = ("--head", sharer, "--model", sharer / "trunk", "--jobs", 2)
    told = upscale(folder, "-o", "both", *words, "--scale", 3)
    assert told.exit_code == 0, told.stderr
    assert entry("both", "a.dcm")["trunk_shared"] is True


def test_with_another_model_a_head_runs_its_own_trunk(folder, sharer):
    alone = masks_of_task_run(folder, sharer)
    told = upscale(folder, "-o", "out", "--head", sharer, "--model", "fast")
    assert told.exit_code == 0, told.stderr
    about = entry("out", "a.dcm")
    assert about["trunk_shared"] is False
    assert about["saved_seconds"]["trunk"] == 0
    assert "other weights than fast" in about["trunk_not_shared"]
    assert Path("out/a_mask.dcm").read_bytes() == (alone / "a.dcm").read_bytes()


def test_a_mask_does_not_depend_on_the_precision_of_a_result(folder, tmp_path):
    """`fast` runs in int8; in fp32, the head runs the trunk again, in int8."""
    pytest.importorskip("openvino")
    head = trained_full(tmp_path / "head", "fast")
    upscale(folder, "-o", "int8", "--head", head, "--model", "fast")
    upscale(
        folder, "-o", "fp32", "--head", head, "--model", "fast", "--precision", "fp32"
    )
    about = entry("int8", "a.dcm")
    if about["precision"] != "int8":
        pytest.skip("this processor has no int8 arithmetic")
    assert about["trunk_shared"] is True
    assert "ran in fp32" in entry("fp32", "a.dcm")["trunk_not_shared"]
    assert apart(Path("int8/a_mask.dcm"), Path("fp32/a_mask.dcm")) < 0.001


def test_other_int8_weights_are_not_those_of_the_head(folder, sharer, monkeypatch):
    """They change with the version, while those in float32 stay."""
    for module in ("trunk", "upscaling"):
        name = f"cxr_sr.tasks.{module}.weights_of"
        monkeypatch.setattr(name, lambda _: frozenset({"0" * 64}))
    told = upscale(folder, "-o", "out", "--head", sharer, "--model", sharer / "trunk")
    assert told.exit_code == 0, told.stderr
    reason = entry("out", "a.dcm")["trunk_not_shared"]
    assert "other fp32 weights than tiny" in reason


def test_weights_for_images_without_noise_are_not_those_of_the_head(folder, tmp_path):
    """A model with two sets of weights takes the other one for a clean image."""
    head = trained_full(tmp_path / "head", "fine", max_steps=4)
    write_png(folder / "clean.png", np.tile(np.arange(96, dtype=np.uint8), (80, 1)))
    told = upscale(folder / "clean.png", "-o", "out", "--head", head, "--model", "fine")
    assert told.exit_code == 0, told.stderr
    about = entry("out", "clean.png")
    assert about["trunk_shared"] is False
    assert "two sets of weights" in about["trunk_not_shared"]
