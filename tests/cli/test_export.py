"""`cxr-sr export`: the gray values a screen shows, square pixels, and their places."""

import json
import shutil
from pathlib import Path

import numpy as np
import pydicom
import pytest
import SimpleITK as sitk  # noqa: N813
from hypothesis import given, settings
from hypothesis import strategies as st
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence
from pydicom.uid import CTImageStorage
from typer.testing import CliRunner

from cxr_sr.cli import output
from cxr_sr.cli.main import app
from cxr_sr.display.picture import MOST_PIXELS, View, picture_of
from cxr_sr.errors import SettingsError
from cxr_sr.formats import read
from cxr_sr.radiograph import Geometry
from cxr_sr.superres.target import LongSide, Spacing
from tests.builders import noise, pixel_format, radiograph, structure
from tests.files import (
    EVERY,
    NOTICE,
    a_dicom,
    an_export,
    damage,
    json_lines,
    tree,
    upscale,
)

PICTURES = ["a/IM0001.png", "a/chest.png", "b/IM0001.png", "b/picture.png"]


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A little export, in the working folder."""
    monkeypatch.chdir(tmp_path)
    return an_export(tmp_path / "in")


def export(*arguments, stdin=None):
    words = ["export", *(str(a) for a in arguments)]
    return CliRunner().invoke(app, words, input=stdin)


def shown(path):
    return sitk.GetArrayFromImage(sitk.ReadImage(str(path)))


def ramp_dicom(path, **more):
    """0 to 319 from the left of the first row to the right of the last."""
    pixels = np.arange(320, dtype=np.uint16)
    return a_dicom(path, PixelData=pixels.tobytes(), **more)


def ramp_shown(tmp_path, *options, **header):
    """Export the ramp at 16 bits; return its values as a flat list."""
    source = ramp_dicom(tmp_path / "in" / "ramp.dcm", **header)
    result = export(source, "-o", tmp_path / "out", "--bits", 16, *options)
    assert result.exit_code == 0, result.stderr
    return shown(tmp_path / "out" / "ramp.png").ravel().astype(int)


def line(low, high):
    """The ramp through a straight window: 0 up to `low`, 65535 from `high`."""
    share = (np.arange(320) - low) / (high - low)
    return np.rint(share.clip(0, 1) * 65535).astype(int)


def a_table(keyword, entries, bits=16):
    item = Dataset()
    item.add_new("LUTDescriptor", "US", [len(entries), 0, bits])
    item.add_new("LUTData", "OW", np.array(entries, np.uint16).tobytes())
    if keyword == "ModalityLUTSequence":
        item.ModalityLUTType = "US"
    return {keyword: Sequence([item])}


class TestGrayValues:
    def test_the_first_window_of_the_file_is_the_default(self, tmp_path):
        header = {"WindowCenter": [100, 200], "WindowWidth": [101, 51]}
        # PS3.3 C.11.2.1.2.1: from center - 0.5 - (width - 1) / 2
        assert (ramp_shown(tmp_path, **header) == line(49.5, 149.5)).all()

    def test_another_window_is_chosen_by_its_number(self, tmp_path):
        header = {"WindowCenter": [100, 200], "WindowWidth": [101, 51]}
        found = ramp_shown(tmp_path, "--window", 1, **header)
        assert (found == line(174.5, 224.5)).all()

    def test_a_window_is_given_in_the_units_after_rescaling(self, tmp_path):
        header = {"RescaleSlope": 2, "RescaleIntercept": -1000}
        found = ramp_shown(tmp_path, "--window", "-800,200", **header)
        assert (found == line(50, 150)).all()

    def test_full_is_the_range_of_the_image_whatever_the_file_says(self, tmp_path):
        header = {"WindowCenter": 100, "WindowWidth": 10}
        assert (
            ramp_shown(tmp_path, "--window", "full", **header) == line(0, 319)
        ).all()

    def test_without_a_window_it_is_the_range_of_the_image(self, tmp_path):
        assert (ramp_shown(tmp_path) == line(0, 319)).all()

    def test_a_voi_lut_goes_before_a_window(self, tmp_path):
        squares = [min(i * i, 65535) for i in range(320)]
        header = {"WindowCenter": 100, "WindowWidth": 10}
        header |= a_table("VOILUTSequence", squares)
        assert ramp_shown(tmp_path, **header).tolist() == squares

    def test_a_modality_lut_is_applied_before_the_window(self, tmp_path):
        doubled = [2 * i for i in range(320)]
        header = a_table("ModalityLUTSequence", doubled)
        found = ramp_shown(tmp_path, "--window", "200,200", **header)
        assert (found == line(50, 150)).all()

    def test_monochrome1_is_righted(self, tmp_path):
        found = ramp_shown(tmp_path, PhotometricInterpretation="MONOCHROME1")
        assert (found == 65535 - line(0, 319)).all()

    def test_eight_bits_are_the_default(self, folder):
        export(folder, "-o", "out")
        assert shown("out/a/chest.png").dtype == np.uint8
        assert shown("out/a/chest.png").max() == 255

    def test_a_results_picture_is_as_bright_as_its_originals(self, folder):
        source = ramp_dicom(folder / "a" / "chest.dcm", WindowCenter=160, WindowWidth=9)
        upscale(source, "-o", "finer", "--scale", 2)
        export(source, "-o", "before")
        export("finer/chest.dcm", "-o", "after")
        before, after = shown("before/chest.png"), shown("after/chest.png")
        assert after.shape == (40, 32)
        assert abs(before.mean() - after.mean()) < 1

    def test_a_real_negative_is_righted(self, rg1, tmp_path):
        """RG1 is MONOCHROME1; of a chest, the spine is brighter than a lung."""
        result = export(rg1, "-o", tmp_path, "--long-side", 100)
        assert result.exit_code == 0, result.stderr
        image = shown(tmp_path / "RG1_UNCR.png").astype(int)
        assert image[40:60, 42:50].mean() > image[40:60, 18:26].mean() + 20


class TestSizes:
    @pytest.mark.parametrize(
        ("options", "size", "spacing"),
        [
            ([], (16, 20), 0.2),
            (["--long-side", 10], (8, 10), 0.4),
            (["--long-side", 50], (40, 50), 0.08),
            (["--spacing", 0.4], (8, 10), 0.4),
            (["--spacing", 0.1], (32, 40), 0.1),
        ],
        ids=lambda value: " ".join(map(str, value)) if isinstance(value, list) else "",
    )
    @pytest.mark.parametrize("form", ["png", "tiff"])
    def test_png_and_tiff_keep_the_spacing(self, folder, form, options, size, spacing):
        export(folder / "a" / "chest.dcm", "-o", "out", "--format", form, *options)
        (path,) = Path("out").iterdir()
        image = sitk.ReadImage(str(path))
        assert image.GetSize() == size
        assert image.GetSpacing() == pytest.approx((spacing, spacing), rel=1e-6)

    @pytest.mark.parametrize(("bits", "kind"), [(8, "u1"), (16, "u2")])
    def test_npy_is_what_the_picture_is(self, folder, bits, kind):
        for form in ("npy", "png"):
            export(folder / "a", "-o", form, "--format", form, "--bits", bits)
        array = np.load("npy/chest.npy", allow_pickle=False)
        assert array.dtype == np.dtype(kind)
        assert (array == shown("png/chest.png")).all()

    @pytest.mark.parametrize("mm", [0.3, 0.07])
    def test_a_spacing_is_reached_exactly(self, mm):
        image = radiograph(noise((41, 29)), geometry=Geometry((0.2, 0.25)))
        picture = picture_of(image, View(size=Spacing(mm)))
        assert picture.geometry.spacing_mm == (mm, mm)
        assert picture.shape == (round(41 * 0.2 / mm), round(29 * 0.25 / mm))

    def test_pixels_that_are_not_square_become_so(self, tmp_path):
        a_dicom(tmp_path / "in" / "x.dcm", PixelSpacing=[0.4, 0.2])
        export(tmp_path / "in", "-o", tmp_path / "out")
        image = sitk.ReadImage(str(tmp_path / "out" / "x.png"))
        assert image.GetSize() == (16, 40)
        assert image.GetSpacing() == pytest.approx((0.2, 0.2))

    def test_the_long_side_is_the_longer_one_in_millimetres(self):
        wide = radiograph(noise((20, 30)), geometry=Geometry((0.4, 0.2)))
        assert picture_of(wide, View(size=LongSide(40))).shape == (40, 30)

    def test_without_a_spacing_pixels_are_taken_for_square(self):
        image = radiograph(noise((20, 30)), geometry=Geometry())
        picture = picture_of(image, View(size=LongSide(15)))
        assert picture.shape == (10, 15)
        assert picture.geometry.spacing_mm is None

    def test_a_spacing_cannot_be_reached_without_one(self):
        image = radiograph(geometry=Geometry())
        with pytest.raises(SettingsError, match="states no pixel spacing"):
            picture_of(image, View(size=Spacing(0.1)))

    def test_an_absurd_enlargement_is_refused_before_it_is_computed(self):
        with pytest.raises(
            SettingsError, match="512 million; ask for a coarser picture"
        ):
            picture_of(radiograph(), View(size=LongSide(MOST_PIXELS)))

    def test_a_reduction_is_antialiased(self):
        """A checkerboard becomes gray, not another checkerboard."""
        board = np.indices((64, 64)).sum(axis=0) % 2 * 4095
        image = radiograph(board.astype(np.uint16))
        small = picture_of(image, View(size=LongSide(16))).pixels
        assert abs(small.astype(int) - 128).max() <= 2

    def test_an_enlargement_is_smooth_and_keeps_the_mean(self):
        image = radiograph(np.rint(4095 * structure((30, 30))).astype(np.uint16))
        large = picture_of(image, View(16, size=LongSide(120))).pixels.astype(float)
        small = picture_of(image, View(16)).pixels.astype(float)
        assert large.mean() == pytest.approx(small.mean(), rel=2e-3)
        steps = [np.abs(np.diff(a, axis=1)).max() for a in (small, large)]
        assert steps[1] < steps[0] / 2

    @given(st.integers(1, 60), st.integers(1, 60), st.integers(1, 60))
    @settings(max_examples=30, deadline=None)
    def test_the_extent_in_millimetres_stays(self, rows, columns, px):
        image = radiograph(noise((rows, columns)), geometry=Geometry((0.3, 0.2)))
        picture = picture_of(image, View(size=LongSide(px)))
        assert max(picture.shape) == px
        spacing = picture.geometry.spacing_mm or (0.0, 0.0)
        for n, mm, m, before in zip(
            picture.shape, spacing, image.shape, (0.3, 0.2), strict=True
        ):
            assert n * mm == pytest.approx(m * before)

    @pytest.mark.parametrize("size", [None, LongSide(7), LongSide(40)], ids=str)
    def test_eight_bits_are_sixteen_rounded(self, size):
        image = radiograph()
        fine = picture_of(image, View(16, size=size)).pixels
        coarse = picture_of(image, View(8, size=size)).pixels
        assert np.abs(fine / 257 - coarse).max() <= 0.5 + 1e-2

    def test_colour_stays_colour(self):
        fmt = pixel_format(8, photometric="RGB")
        image = radiograph(noise((12, 10, 3), fmt), fmt)
        same = picture_of(image, View())
        assert (same.pixels == image.pixels).all()
        assert picture_of(image, View(size=LongSide(6))).pixels.shape == (6, 5, 3)


class TestPlaces:
    def test_the_input_tree_is_mirrored_and_nothing_else_is_written(self, folder):
        before = tree(folder)
        result = export(folder, "-o", "out")
        assert result.exit_code == 0, result.stderr
        assert sorted(tree("out")) == PICTURES
        assert tree(folder) == before

    def test_standard_output_is_the_paths_and_nothing_else(self, folder):
        result = export(folder, "-o", "out")
        assert sorted(result.stdout.splitlines()) == [f"out/{p}" for p in PICTURES]
        assert result.stderr == f"{NOTICE}4 done\n"

    def test_json_says_what_was_made_of_what(self, folder):
        found = json_lines(export(folder, "-o", "out", "--json").stdout)
        assert [entry["file"] for entry in found] == EVERY
        (chest,) = [entry for entry in found if entry["file"] == "a/chest.dcm"]
        assert chest["path"] == "out/a/chest.png"
        assert chest["output_size"] == [20, 16]
        assert chest["output_spacing_mm"] == [0.2, 0.2]
        assert "SECRET" not in json.dumps(found)

    @pytest.mark.usefixtures("folder")
    def test_paths_may_come_from_standard_input(self):
        result = export("-", "-o", "out", stdin="in/a/chest.dcm\nin/b/IM0001\n")
        assert sorted(result.stdout.split()) == ["out/a/chest.png", "out/b/IM0001.png"]

    def test_it_takes_a_results_folder_report_and_all(self, folder):
        upscale(folder, "-o", "finer")
        result = export("finer", "-o", "out")
        assert result.exit_code == 0, result.stderr
        assert sorted(tree("out")) == PICTURES

    def test_processes_make_the_same_pictures(self, folder):
        export(folder, "-o", "one")
        result = export(folder, "-o", "two", "--jobs", 2)
        assert result.exit_code == 0, result.stderr
        assert tree("one") == tree("two")

    def test_pictures_that_exist_are_not_replaced_without_being_asked(self, folder):
        export(folder, "-o", "out")
        before = tree("out")
        result = export(folder, "-o", "out", "--long-side", 5)
        assert result.exit_code == 2
        assert "exists already; use --overwrite" in result.stderr
        assert "--resume" not in result.stderr
        assert tree("out") == before
        again = export(folder, "-o", "out", "--long-side", 5, "--overwrite")
        assert again.exit_code == 0
        assert shown("out/a/chest.png").shape == (5, 4)

    def test_an_output_folder_inside_the_input_is_refused(self, folder):
        result = export(folder, "-o", folder / "pictures")
        assert result.exit_code == 2
        assert "would be written into the input" in result.stderr

    def test_two_inputs_of_one_name_get_pictures_of_their_own(self, folder):
        shutil.copy(folder / "a" / "chest.dcm", folder / "a" / "chest.DICOM")
        result = export(folder, "-o", "out")
        assert result.exit_code == 0
        assert {"a/chest.dcm.png", "a/chest.DICOM.png"} <= set(tree("out"))


class TestWhatGoesWrong:
    @pytest.mark.parametrize(
        ("options", "told"),
        [
            (["--window", "lung"], "--window lung: expected a number"),
            (["--window", "1,2,3"], "--window 1,2,3: expected a number"),
            (["--window", "100,0"], "expected a width of more than 0"),
            (["--window", "nan,10"], "expected a width of more than 0"),
            (["--spacing", 0], "--spacing 0.0: expected more than 0"),
            (["--spacing", "inf"], "--spacing inf: expected more than 0"),
            (["--long-side", -1], "--long-side -1: expected more than 0"),
            (["--spacing", 1, "--long-side", 9], "exclude each other"),
            (["--bits", 12], "--bits"),
            (["--format", "jpeg"], "--format"),
        ],
        ids=lambda value: " ".join(map(str, value)) if isinstance(value, list) else "",
    )
    def test_wrong_usage_is_told_before_any_work(self, folder, options, told):
        result = export(folder, "-o", "out", *options)
        assert result.exit_code == 2
        assert told in result.stderr
        assert not Path("out").exists()

    def test_a_bad_file_is_one_line_and_the_rest_is_made(self, folder):
        damage(folder / "a" / "chest.dcm")
        result = export(folder, "-o", "out")
        assert result.exit_code == 4
        (failure,) = [x for x in result.stderr.splitlines() if "chest.dcm" in x]
        assert failure.startswith("a/chest.dcm: ")
        assert len(tree("out")) == 3

    def test_a_window_that_one_file_lacks_fails_that_file_alone(self, folder):
        a_dicom(folder / "a" / "chest.dcm", WindowCenter=9, WindowWidth=9)
        result = export(folder, "-o", "out", "--window", 0)
        assert result.exit_code == 4
        assert list(tree("out")) == ["a/chest.png"]
        assert "a/IM0001: there is no window 0: the file has 0" in result.stderr

    def test_on_error_stop_leaves_the_rest_undone(self, folder):
        damage(folder / "a" / "IM0001")
        result = export(folder, "-o", "out", "--on-error", "stop")
        assert result.exit_code == 5
        assert tree("out") == {}

    def test_a_ct_in_a_folder_is_passed_over(self, folder):
        a_dicom(folder / "slice.dcm", sop_class=CTImageStorage)
        result = export(folder, "-o", "out")
        assert result.exit_code == 0
        assert "4 done, 1 skipped" in result.stderr

    def test_nothing_to_do_has_a_code_of_its_own(self, tmp_path, monkeypatch):
        monkeypatch.chdir(tmp_path)
        (tmp_path / "in").mkdir()
        assert export("in", "-o", "out").exit_code == 3


def test_nothing_of_the_header_is_in_the_picture(folder):
    export(folder / "a", "-o", "out")
    for data in tree("out").values():
        assert b"SECRET" not in data
        assert b"Secret" not in data


def test_the_original_is_not_touched_by_being_shown():
    image = radiograph()
    before = image.pixels.copy()
    picture_of(image, View(size=LongSide(9)))
    assert (image.pixels == before).all()


def test_a_picture_can_be_read_again(folder):
    export(folder / "a", "-o", "out")
    picture = read("out/chest.png")
    assert picture.geometry.spacing_mm == pytest.approx((0.2, 0.2))
    assert pydicom.dcmread(folder / "a" / "chest.dcm").Rows == picture.shape[0]


@pytest.mark.parametrize("how", ["removed", "replaced"])
def test_a_folder_that_vanishes_fails_the_run(folder, monkeypatch, how):
    """Otherwise the run would report pictures that do not exist."""
    for n in range(3):
        a_dicom(folder / "in" / f"{n}.dcm", seed=n)
    told = output.data

    def meanwhile(line: str, *, stands: bool = False) -> None:
        told(line, stands=stands)
        if line.endswith("1.png"):
            shutil.rmtree("out")
            if how == "replaced":
                Path("out").mkdir()

    monkeypatch.setattr(output, "data", meanwhile)
    done = export("in", "-o", "out")
    assert done.exit_code in {4, 5}
    assert "the output folder out was removed or replaced during the run" in done.stderr
    assert "3 done" not in done.stderr
