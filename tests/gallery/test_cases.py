"""A case has exact pixels, the right window, and no identity."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence

from cxr_sr.formats import read
from cxr_sr.gallery.cases import Places, case_of, display_of, facts, in_words
from cxr_sr.gallery.region import Region
from cxr_sr.report.results import Results
from tests.builders import noise, pixel_format, radiograph
from tests.files import a_dicom, damage, upscale
from tests.gallery.builders import QUICK, REPORT, case, unpacked


def shown_by(header, values, photometric="MONOCHROME2", tmp=None):
    """`display_of` of a CR: first pixels are `values`, all others are `values[0]`."""
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
            (
                lambda: Path("in/a/chest.dcm").unlink(),
                "the input folder lacks the input",
            ),
            (
                lambda: a_dicom(Path("in/a/chest.dcm"), 9),
                "the input folder lacks the input",
            ),
            (
                lambda: Path("out/a/chest.dcm").unlink(),
                "the output folder lacks the result",
            ),
            (
                lambda: damage(Path("out/a/chest.dcm")),
                "the output folder lacks the result",
            ),
            (lambda: shutil.rmtree("out/a"), "the output folder lacks the result"),
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
            max_leaves=10,
        )
    )
    @QUICK
    def test_whatever_a_report_says_can_be_put_in_words(self, value):
        assert isinstance(in_words(value), str)
