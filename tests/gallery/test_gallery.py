"""A page of a run: exact pixels, failures first, bounded, and nothing from outside."""

import base64
import hashlib
import json
import re
import shutil
import zlib
from pathlib import Path

import numpy as np
import pydicom
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence
from typer.testing import CliRunner

from cxr_sr.cli.main import app
from cxr_sr.formats import read
from cxr_sr.gallery.cases import Places, case_of, display_of, facts, in_words
from cxr_sr.gallery.packing import packed, picture
from cxr_sr.gallery.page import MOST_LISTED, Limits, spread, write_page
from cxr_sr.gallery.region import CELL_PX, Region, busiest
from cxr_sr.report.results import Results
from tests.builders import noise, pixel_format, radiograph, write_png
from tests.files import a_dicom, an_export, damage, tree, upscale

REPORT = Path("out/cxr-sr-report.jsonl")
QUICK = settings(max_examples=40, deadline=None)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A little export, upscaled, in the working folder."""
    monkeypatch.chdir(tmp_path)
    an_export(tmp_path / "in")
    upscale("in", "-o", "out", "--scale", 2)
    return tmp_path


def gallery(*arguments):
    words = [str(a) for a in arguments]
    inputs = [] if "--inputs" in words else ["--inputs", "in"]
    place = [] if "-o" in words else ["-o", "page.html"]
    return CliRunner().invoke(app, ["gallery", *words, *inputs, *place])


def blocks(page):
    """The data of a page, by their names."""
    pattern = r'<script type="application/json" id="([\w-]+)">(.*?)</script>'
    return {name: json.loads(text) for name, text in re.findall(pattern, page)}


def index_of(page="page.html"):
    return blocks(Path(page).read_text())["index"]


def case(name="a/chest.dcm", side_px=768):
    """The case of a file of the little export."""
    (entry,) = [e for e in Results.read(REPORT).files if e["file"] == name]
    return case_of(entry, Places((Path("in"),), Path("out")), side_px)


def unpacked(about):
    """Undo `packed`, as page.js does: (C, H, W), stored values."""
    data = zlib.decompress(base64.b64decode(about["data"]))
    high, low = np.frombuffer(data, np.uint8).reshape(2, -1).astype(np.int64)
    counted = (high << 8) + low
    steps = (counted >> 1) ^ -(counted & 1)
    shape = about["channels"] * about["rows"], about["columns"]
    samples = steps.reshape(shape).cumsum(axis=1).cumsum(axis=0) % 65536
    planes = samples.reshape(-1, about["rows"], about["columns"])
    return planes + about["minimum"]


class TestPacking:
    @given(arrays(np.uint16, st.tuples(st.integers(1, 9), st.integers(1, 9))))
    @QUICK
    def test_any_samples_come_back(self, samples):
        about = {"rows": len(samples), "columns": samples.shape[1], "channels": 1}
        about |= {"minimum": 0, "data": packed(samples)}
        assert (unpacked(about)[0] == samples).all()

    @pytest.mark.parametrize("bits", [8, 10, 16])
    @pytest.mark.parametrize("signed", [False, True], ids=["unsigned", "signed"])
    def test_stored_values_come_back_whatever_their_format(self, bits, signed):
        fmt = pixel_format(bits, signed=signed)
        stored = noise((7, 5), fmt)
        assert (unpacked(picture(stored, fmt))[0] == stored).all()

    def test_colours_come_one_after_the_other(self):
        fmt = pixel_format(8, photometric="RGB")
        stored = noise((7, 5, 3), fmt)
        assert (unpacked(picture(stored, fmt)).transpose(1, 2, 0) == stored).all()

    def test_a_smooth_image_takes_little_room(self):
        rows, columns = np.mgrid[:200, :200]
        ramp = (30000 + 40 * rows + 17 * columns).astype(np.uint16)
        assert len(packed(ramp)) < 2000


class TestRegion:
    def test_it_is_where_most_of_the_structure_is(self):
        image = np.zeros((400, 300), np.uint16)
        image[240:320, 80:160] = noise((10, 10)).repeat(8, 0).repeat(8, 1)
        found = busiest(image, (96, 96))
        assert found.row <= 240
        assert found.row + found.rows >= 320
        assert found.column <= 80
        assert found.column + found.columns >= 160

    def test_a_bright_marker_does_not_outweigh_fainter_tissue(self):
        image = np.zeros((400, 400), np.uint16)
        image[40:64, 40:64] = 4095
        tissue = noise((20, 20), pixel_format(8)).repeat(8, 0).repeat(8, 1)
        image[200:360, 200:360] = tissue
        found = busiest(image, (128, 128))
        assert found.row > 150
        assert found.column > 150

    def test_a_flat_image_is_shown_in_its_middle(self):
        found = busiest(np.zeros((200, 100), np.uint16), (80, 80))
        assert abs(found.row - 60) <= CELL_PX
        assert abs(found.column - 10) <= CELL_PX

    def test_a_small_image_is_shown_whole(self):
        assert busiest(noise((30, 20)), (99, 99)) == Region(0, 0, 30, 20)

    @given(st.integers(1, 70), st.integers(1, 70), st.integers(1, 50))
    @QUICK
    def test_it_never_leaves_the_image(self, rows, columns, side):
        found = busiest(noise((rows, columns)), (side, side))
        assert found.of(noise((rows, columns))).shape == (
            min(rows, side),
            min(columns, side),
        )

    @given(st.integers(0, 20), st.integers(1, 20), st.floats(1, 8))
    @QUICK
    def test_the_result_has_all_pixels_of_the_same_place(self, start, size, factor):
        shape = round(40 * factor), round(40 * factor)
        true = shape[0] / 40, shape[1] / 40
        found = Region(start, start, size, size).finer(true, shape)
        assert found.row <= start * true[0] + 1e-9
        assert found.row + found.rows >= (start + size) * true[0] - 1e-9
        assert found.row + found.rows <= shape[0]

    def test_colour_has_structure_too(self):
        image = np.zeros((200, 200, 3), np.uint8)
        image[100:200, 100:200] = (
            noise((25, 25, 3), pixel_format(8)).repeat(4, 0).repeat(4, 1)
        )
        assert busiest(image, (80, 80)).row > 80


def shown_by(header, values, photometric="MONOCHROME2", tmp=None):
    """`display_of` of a CR whose first pixels are `values`, the others the first."""
    pixels = np.full(320, values[0], np.uint16)
    pixels[: len(values)] = values
    more = {"PhotometricInterpretation": photometric, **header}
    return display_of(read(a_dicom(tmp / "x.dcm", PixelData=pixels.tobytes(), **more)))


class TestWindow:
    def test_a_window_of_the_file_is_found_in_stored_values(self, tmp_path):
        rescale = {"RescaleSlope": 2, "RescaleIntercept": -100}
        header = {"WindowCenter": 100.5, "WindowWidth": 201, **rescale}
        low, high, inverted = shown_by(header, range(300), tmp=tmp_path)
        assert (low, high) == pytest.approx((50, 150), abs=0.1)
        assert not inverted

    def test_it_reaches_beyond_an_image_that_it_does_not_fill(self, tmp_path):
        header = {"WindowCenter": 2048, "WindowWidth": 4096}
        low, high, _ = shown_by(header, range(1000, 1300), tmp=tmp_path)
        assert (low, high) == pytest.approx((0, 4095), abs=0.5)

    def test_monochrome1_is_the_other_way_round(self, tmp_path):
        header = {"WindowCenter": 150.5, "WindowWidth": 101}
        low, high, inverted = shown_by(header, range(300), "MONOCHROME1", tmp_path)
        assert (low, high) == pytest.approx((100, 200), abs=0.1)
        assert inverted

    def test_a_curve_becomes_its_steep_part(self, tmp_path):
        item = Dataset()
        item.LUTDescriptor = [300, 0, 16]
        curve = 65535 / (1 + np.exp(-(np.arange(300) - 150) / 15))
        item.add_new("LUTData", "OW", curve.astype(np.uint16).tobytes())
        header = {"VOILUTSequence": Sequence([item])}
        low, high, _ = shown_by(header, range(300), tmp=tmp_path)
        assert 80 < low < 118
        assert 182 < high < 220

    def test_a_step_lies_between_its_sides(self, tmp_path):
        header = {"WindowCenter": 100, "WindowWidth": 1}
        low, high, _ = shown_by(header, range(300), tmp=tmp_path)
        assert 98 <= low < high <= 101

    @pytest.mark.parametrize("value", [0, 7, 4095])
    def test_an_image_of_one_value_has_one_too(self, value):
        low, high, _ = display_of(radiograph(np.full((9, 9), value, np.uint16)))
        assert low < high

    def test_colour_is_shown_as_it_is(self):
        fmt = pixel_format(8, photometric="RGB")
        image = radiograph(noise((9, 9, 3), fmt), fmt)
        assert display_of(image) == (0, 255, False)


@pytest.mark.usefixtures("folder")
class TestCase:
    def test_its_pictures_are_the_stored_values_of_both_files(self):
        about = case()
        for key, path in (("before", "in"), ("after", "out")):
            stored = read(Path(path) / "a/chest.dcm").pixels
            assert (unpacked(about[key])[0] == stored).all()

    def test_of_a_large_image_it_shows_the_same_place_of_both(self):
        about = case(side_px=16)
        before, after = about["before"], about["after"]
        assert (after["rows"], after["columns"]) == (16, 16)
        assert (before["rows"], before["columns"]) == (8, 8)
        assert (after["row"], after["column"]) == (
            2 * before["row"],
            2 * before["column"],
        )
        stored = read("out/a/chest.dcm").pixels
        part = Region(after["row"], after["column"], 16, 16).of(stored)
        assert (unpacked(after)[0] == part).all()

    def test_a_result_that_is_no_dicom_is_shown_as_its_input_is(self):
        """A PNG does not say that it is MONOCHROME1."""
        a_dicom(Path("in/a/chest.dcm"), PhotometricInterpretation="MONOCHROME1")
        upscale("in", "-o", "png", "--format", "png")
        results = Results.read(Path("png/cxr-sr-report.jsonl"))
        (entry,) = [e for e in results.files if e["file"] == "a/chest.dcm"]
        about = case_of(entry, Places((Path("in"),), Path("png")), 768)
        assert about["inverted"]
        assert "problem" not in about

    @pytest.mark.parametrize(
        ("harm", "told"),
        [
            (lambda: Path("in/a/chest.dcm").unlink(), "not in the input folder"),
            (lambda: a_dicom(Path("in/a/chest.dcm"), 9), "not in the input folder"),
            (lambda: Path("out/a/chest.dcm").unlink(), "not in the output folder"),
            (lambda: damage(Path("out/a/chest.dcm")), "not in the output folder"),
            (lambda: shutil.rmtree("out/a"), "not in the output folder"),
        ],
        ids=["input gone", "input changed", "result gone", "result cut", "no folder"],
    )
    def test_what_is_not_what_it_was_is_not_shown(self, harm, told):
        entry = {e["file"]: e for e in Results.read(REPORT).files}["a/chest.dcm"]
        harm()
        about = case_of(entry, Places((Path("in"),), Path("out")), 768)
        assert told in about["problem"]
        assert "before" not in about

    def test_the_right_one_of_several_input_folders_is_found_by_its_bytes(self):
        a_dicom(Path("other/a/chest.dcm"), 9)
        entry = {e["file"]: e for e in Results.read(REPORT).files}["a/chest.dcm"]
        places = Places((Path("other"), Path("in"), Path("none")), Path("out"))
        assert "problem" not in case_of(entry, places, 768)

    @pytest.mark.parametrize("key", ["file", "output"])
    def test_a_report_cannot_lead_out_of_the_folders(self, key):
        shutil.copy("in/a/chest.dcm", "outside.dcm")
        entry = {e["file"]: e for e in Results.read(REPORT).files}["a/chest.dcm"]
        lies = {key: "../outside.dcm", "output_sha256": entry["input_sha256"]}
        about = case_of({**entry, **lies}, Places((Path("in"),), Path("out")), 768)
        assert "put folder" in about["problem"]

    def test_text_that_is_burned_in_is_not_passed_on(self):
        path = a_dicom(Path("in/a/chest.dcm"), BurnedInAnnotation="YES")
        upscale(path, "-o", "burned")
        (entry,) = Results.read(Path("burned/cxr-sr-report.jsonl")).files
        about = case_of(entry, Places((Path("in/a"),), Path("burned")), 768)
        assert "BurnedInAnnotation" in about["problem"]
        assert "whole" not in about

    def test_nothing_of_a_header_is_in_it(self):
        assert "SECRET" not in json.dumps(case())


class TestFacts:
    def test_they_are_what_the_report_says_in_words(self):
        entry = {"size": [3, 4], "rms": 0.123456, "name": "x", "s": {"read": 0.5}}
        labels = {"size": "Size", "rms": "RMS", "none": "None", "s": "Seconds"}
        assert facts(entry, labels) == [
            ["Size", "3 x 4"],
            ["RMS", "0.1235"],
            ["Seconds", "read 0.5"],
        ]

    @given(
        st.recursive(
            st.none() | st.booleans() | st.floats() | st.text(),
            lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
        )
    )
    @QUICK
    def test_whatever_a_report_says_can_be_put_in_words(self, value):
        assert isinstance(in_words(value), str)


@given(st.integers(0, 50), st.integers(1, 60))
@QUICK
def test_spread_takes_so_many_and_both_ends(total, count):
    entries = [{"file": n} for n in range(total)]
    chosen = spread(entries, count)
    assert len({c["file"] for c in chosen}) == len(chosen) == min(total, count)
    if total and count > 1:
        assert (chosen[0], chosen[-1]) == (entries[0], entries[-1])


def test_its_size_is_bounded_as_the_limits_say(tmp_path, monkeypatch):
    """Noise is as large as an image can get."""
    monkeypatch.chdir(tmp_path)
    Path("in").mkdir()
    for n in range(3):
        write_png(Path(f"in/{n}.png"), noise((300, 300), pixel_format(16)))
    upscale("in", "-o", "out", "--model", "nearest")
    gallery(REPORT, "--limit", 2, "--max-side", 200)
    empty = 40_000  # the page around the pictures
    thumbnails = 2 * 40_000
    size = Path("page.html").stat().st_size
    assert size < Limits(2, 200).bytes + empty + thumbnails
    assert size > Limits(2, 200).bytes / 4


@pytest.mark.usefixtures("folder")
class TestPage:
    def test_every_result_is_on_it_and_the_path_is_told(self):
        result = gallery(REPORT)
        assert result.exit_code == 0, result.stderr
        assert result.stdout == "page.html\n"
        data = blocks(Path("page.html").read_text())
        assert [c["file"] for c in data["index"]["cases"]] == [
            "a/IM0001",
            "a/chest.dcm",
            "b/IM0001",
            "b/picture.png",
        ]
        for about in data["index"]["cases"]:
            assert set(data[about["pictures"]]) == {"before", "after"}

    def test_failures_come_first_with_their_reasons(self, folder):
        damage(folder / "in/b/IM0001")
        a_dicom(folder / "in/slice.dcm", sop_class=pydicom.uid.CTImageStorage)
        upscale("in", "-o", "new")
        gallery("new/cxr-sr-report.jsonl")
        missing = index_of()["missing"]
        assert [m[:2] for m in missing] == [
            ["failed", "b/IM0001"],
            ["skipped", "slice.dcm"],
        ]
        assert "CT" in missing[1][2]

    def test_results_that_cannot_be_shown_come_before_those_that_can(self):
        Path("out/b/picture.png").unlink()
        result = gallery(REPORT)
        assert result.exit_code == 4
        assert "b/picture.png: the result, as it was written" in result.stderr
        assert index_of()["cases"][0]["file"] == "b/picture.png"

    def test_a_limit_takes_results_from_the_whole_run(self):
        gallery(REPORT, "--limit", 2)
        index = index_of()
        assert [c["file"] for c in index["cases"]] == ["a/IM0001", "b/picture.png"]
        assert index["written"] == 4

    def test_thousands_of_failures_are_counted_but_not_all_listed(self):
        lines = [json.dumps({"type": "run"})]
        for n in range(MOST_LISTED + 5):
            about = {"type": "file", "file": f"{n}", "status": "failed", "reason": "no"}
            lines.append(json.dumps(about))
        Path("many.jsonl").write_text("\n".join(lines))
        assert gallery("many.jsonl").exit_code == 0
        index = index_of()
        assert len(index["missing"]) == MOST_LISTED
        assert index["unlisted"] == 5
        assert index["counts"] == {"failed": MOST_LISTED + 5}

    def test_no_name_can_break_out_of_the_data(self):
        evil = "</script><script>alert(1)</script><!--"
        about = {"type": "file", "file": evil, "status": "failed", "reason": evil}
        Path("evil.jsonl").write_text(json.dumps(about))
        gallery("evil.jsonl")
        page = Path("page.html").read_text()
        assert "alert(1)</script>" not in page
        assert index_of()["missing"] == [["failed", evil, evil]]

    def test_only_its_own_script_and_style_may_run(self):
        gallery(REPORT)
        page = Path("page.html").read_text()
        (policy,) = re.findall(r'Content-Security-Policy" content="(.*?)"', page)
        assert policy.startswith("default-src 'none'; ")
        for tag in ("script", "style"):
            (source,) = re.findall(f"<{tag}>(.*?)</{tag}>", page, re.DOTALL)
            digest = base64.b64encode(hashlib.sha256(source.encode()).digest())
            assert f"{tag}-src 'sha256-{digest.decode()}'" in policy

    def test_it_refers_to_nothing_outside_of_itself(self):
        gallery(REPORT)
        page = Path("page.html").read_text()
        assert not re.findall(r"https?:|//\w+\.|src=|href=|url\(|@import", page)

    def test_nothing_in_it_identifies_the_patient_or_the_machine(self, folder):
        gallery(REPORT)
        page = Path("page.html").read_text()
        for secret in ("SECRET", "Secret", "1.2.3.4", str(folder), folder.name):
            assert secret not in page

    def test_the_same_run_gives_the_same_page(self):
        gallery(REPORT)
        gallery(REPORT, "-o", "again.html")
        assert Path("page.html").read_bytes() == Path("again.html").read_bytes()

    def test_a_failure_on_the_way_leaves_no_page(self, folder, monkeypatch):
        def fail(*_given):
            raise KeyboardInterrupt

        monkeypatch.setattr("cxr_sr.gallery.page.case_of", fail)
        places = Places((Path("in"),), Path("out"))
        with pytest.raises(KeyboardInterrupt):
            write_page(Results.read(REPORT), places, Limits(), Path("page.html"))
        assert not list(folder.glob("*page*"))
        assert not list(folder.glob(".cxr-sr-*"))


@pytest.mark.usefixtures("folder")
class TestCommand:
    def test_results_may_be_elsewhere_than_the_report(self):
        shutil.move(REPORT, "elsewhere.jsonl")
        assert gallery("elsewhere.jsonl").exit_code == 5
        again = gallery("elsewhere.jsonl", "--outputs", "out", "--overwrite")
        assert again.exit_code == 0, again.stderr

    def test_a_page_is_not_replaced_without_being_asked(self):
        Path("page.html").write_text("mine")
        assert gallery(REPORT).exit_code == 2
        assert Path("page.html").read_text() == "mine"
        assert gallery(REPORT, "--overwrite").exit_code == 0

    def test_nothing_is_written_into_the_input(self):
        before = tree("in")
        result = gallery(REPORT, "-o", "in/page.html")
        assert result.exit_code == 2
        assert "would be written into the input" in result.stderr
        assert tree("in") == before

    def test_the_report_is_not_overwritten_by_the_page(self):
        before = REPORT.read_bytes()
        assert gallery(REPORT, "-o", REPORT, "--overwrite").exit_code == 2
        assert REPORT.read_bytes() == before

    @pytest.mark.parametrize(
        ("arguments", "told"),
        [
            (["none.jsonl"], "the report none.jsonl cannot be read"),
            (["in/a/chest.dcm"], "chest.dcm is no report"),
            ([REPORT, "--inputs", "nowhere"], "--inputs nowhere is no folder"),
            ([REPORT, "--limit", 0], "--limit"),
            ([REPORT, "--max-side", 1], "--max-side"),
        ],
    )
    def test_wrong_usage_is_told(self, arguments, told):
        result = gallery(*arguments)
        assert result.exit_code == 2
        assert told in result.stderr
        assert not Path("page.html").exists()

    def test_a_run_without_a_file_has_nothing_to_show(self):
        Path("empty.jsonl").write_text('{"type": "run"}\n')
        assert gallery("empty.jsonl").exit_code == 3

    def test_a_killed_runs_report_will_do(self):
        text = REPORT.read_text().splitlines(keepends=True)
        REPORT.write_text("".join(text[:3]) + text[3][:50])
        gallery(REPORT)
        assert len(index_of()["cases"]) == 2

    def test_pictures_in_colour_are_shown(self):
        Path("rgb").mkdir()
        write_png(Path("rgb/x.png"), noise((20, 16, 3), pixel_format(8)))
        upscale("rgb", "-o", "colour")
        result = gallery("colour/cxr-sr-report.jsonl", "--inputs", "rgb")
        assert result.exit_code == 0, result.stderr
        (name,) = [c["pictures"] for c in index_of()["cases"]]
        assert blocks(Path("page.html").read_text())[name]["after"]["channels"] == 3


def test_the_readmes_commands_have_the_options_that_it_names():
    readme = (Path(__file__).parents[2] / "README.md").read_text()
    section = readme.split("## To look at")[1].split("\n## ")[0]
    named = dict(re.findall(r"cxr-sr (export|gallery)([^#\n]*)", section))
    assert set(named) == {"export", "gallery"}
    named["export"] += " --window --spacing --long-side"
    named["gallery"] += " --limit --max-side"
    for name, words in named.items():
        arguments = [name, "--help"]
        shown = CliRunner().invoke(app, arguments, env={"COLUMNS": "200"}).stdout
        for option in re.findall(r"(?<= )-{1,2}[a-z-]+", words):
            assert option in shown
