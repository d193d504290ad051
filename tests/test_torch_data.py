"""A classifier's input has the right polarity, is square, and has a stated range."""

import csv
import io
import pickle
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from pydicom.uid import CTImageStorage
from torch.utils.data import DataLoader

from cxr_sr.display.picture import View, picture_of
from cxr_sr.display.render import render
from cxr_sr.errors import InputError, SettingsError
from cxr_sr.formats import read
from cxr_sr.radiograph import Geometry
from cxr_sr.superres.target import LongSide
from cxr_sr.torch_data import (
    IMAGENET,
    UNIT,
    XRAYVISION,
    Normalisation,
    RadiographDataset,
    central_square,
)
from tests.builders import noise, pixel_format, radiograph, structure
from tests.files import EVERY, a_dicom, an_export, damage, upscale

REPORT = Path("out/cxr-sr-report.jsonl")
EXAMPLE = Path(__file__).parents[1] / "examples" / "classify.py"
QUICK = settings(max_examples=30, deadline=None)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A little export, in the working folder."""
    monkeypatch.chdir(tmp_path)
    return an_export(tmp_path / "in")


def items(*arguments, **more):
    """Every image and name of a data set."""
    dataset = RadiographDataset(*arguments, **more)
    return [dataset[number] for number in range(len(dataset))]


def smooth(shape=(60, 48), **changes):
    stored = np.rint(4095 * structure(shape)).astype(np.uint16)
    return radiograph(stored, **changes)


class TestSquare:
    @given(st.integers(1, 40), st.integers(1, 40), st.integers(1, 30))
    @QUICK
    def test_it_has_the_size_and_the_range_whatever_the_image(self, h, w, size):
        found = central_square(radiograph(noise((h, w))), size)
        assert found.shape == (size, size)
        assert found.dtype == np.float32
        assert 0 <= found.min() <= found.max() <= 1

    @pytest.mark.parametrize("shape", [(40, 30), (30, 40), (31, 40), (40, 33)])
    def test_it_is_the_middle_as_torchxrayvision_cuts_it(self, shape):
        image = radiograph(noise(shape))
        side = min(shape)
        top, left = (n // 2 - side // 2 for n in shape)
        expected = render(image, 16)[top : top + side, left : left + side] / 65535
        assert np.abs(central_square(image, side) - expected).max() < 1e-6

    def test_it_is_a_square_in_millimetres(self):
        """Rows twice as far apart as columns: half as many of them."""
        image = radiograph(noise((30, 40)), geometry=Geometry((0.4, 0.2)))
        square = radiograph(image.pixels[5:25], geometry=image.geometry)
        whole = picture_of(square, View(16, size=LongSide(40))).pixels / 65535
        # The whole image sets the range of the gray values, not the square.
        assert np.abs(central_square(image, 40) - whole).max() < 0.01

    def test_it_agrees_with_other_peoples_resampling(self):
        transform = pytest.importorskip("skimage.transform")
        image = smooth((60, 60))
        gray = render(image, 16) / 65535
        expected = transform.resize(gray, (24, 24), mode="constant")
        inner = np.s_[2:-2, 2:-2]
        assert np.abs(central_square(image, 24) - expected)[inner].max() < 0.03

    def test_colour_becomes_gray(self):
        fmt = pixel_format(8, photometric="RGB")
        pixels = np.zeros((8, 8, 3), np.uint8)
        pixels[:, :, 1] = 255
        found = central_square(radiograph(pixels, fmt), 4)
        assert found == pytest.approx(np.full((4, 4), 0.587), abs=1e-4)


class TestRange:
    @pytest.mark.parametrize(
        ("normalisation", "low", "high"),
        [
            (UNIT, (0,), (1,)),
            (XRAYVISION, (-1024,), (1024,)),
            (IMAGENET, (-2.1179, -2.0357, -1.8044), (2.2489, 2.4286, 2.6400)),
        ],
        ids=["unit", "xrayvision", "imagenet"],
    )
    def test_black_and_white_are_what_the_classifier_wants(
        self, folder, normalisation, low, high
    ):
        pixels = np.zeros((20, 16), np.uint16)
        pixels[:, 8:] = 4095
        path = a_dicom(folder / "edge.dcm", PixelData=pixels.tobytes())
        ((image, _),) = items(path, 16, normalisation)
        assert image.dtype == torch.float32
        assert image.shape == (len(low), 16, 16)
        assert image[:, 8, 0].tolist() == pytest.approx(low, abs=1e-3)
        assert image[:, 8, -1].tolist() == pytest.approx(high, abs=1e-3)

    def test_between_them_it_is_a_straight_line(self, folder):
        path = folder / "a" / "chest.dcm"
        own = Normalisation((10.0,), (-30.0,))
        ((unit, _),) = items(path, 16)
        ((mine, _),) = items(path, 16, own)
        assert torch.allclose(mine, 10 - 40 * unit, atol=1e-4)

    def test_a_negative_looks_like_its_positive(self, folder):
        pixels = noise((20, 16))
        a_dicom(folder / "p.dcm", PixelData=pixels.tobytes())
        a_dicom(
            folder / "n.dcm",
            PixelData=(4095 - pixels).tobytes(),
            PhotometricInterpretation="MONOCHROME1",
        )
        files = [folder / "p.dcm", folder / "n.dcm"]
        (positive, _), (negative, _) = items(files, 16)
        assert torch.allclose(positive, negative, atol=1e-3)

    def test_another_window_can_be_chosen(self, folder):
        path = folder / "a" / "chest.dcm"
        ((image, _),) = items(path, 16, window=(2000, 1))
        middle = image[0, 2:-2, 2:-2]  # binary, as far as resampling leaves it
        assert ((middle < 0.01) | (middle > 0.99)).float().mean() > 0.8

    def test_it_is_what_export_writes(self, folder):
        a_dicom(folder / "s.dcm", Rows=16, PixelData=noise((16, 16)).tobytes())
        ((image, _),) = items(folder / "s.dcm", 8)
        picture = picture_of(read(folder / "s.dcm"), View(16, size=LongSide(8)))
        assert np.abs(image[0].numpy() * 65535 - picture.pixels).max() < 0.01


class TestFiles:
    def test_a_folder_is_walked_in_a_fixed_order(self, folder):
        dataset = RadiographDataset(folder, 8)
        assert len(dataset) == 4
        assert dataset.names == EVERY
        assert [name for _, name in items(folder, 8)] == EVERY

    def test_what_is_no_radiograph_is_left_out_and_told(self, folder):
        a_dicom(folder / "slice.dcm", sop_class=CTImageStorage)
        (folder / "notes.txt").write_text("nothing to see")
        dataset = RadiographDataset(str(folder), 8)
        assert dataset.names == EVERY
        reasons = dict(dataset.left_out)
        assert "CT" in reasons["slice.dcm"]
        assert set(reasons) == {"slice.dcm", "notes.txt"}

    def test_a_report_stands_for_its_results(self, folder):
        damage(folder / "a" / "IM0001")
        upscale("in", "-o", "out", "--scale", 2, "--format", "png")
        dataset = RadiographDataset(REPORT, 8)
        assert dataset.names == ["a/chest.png", "b/IM0001.png", "b/picture.png"]
        ((name, reason),) = dataset.left_out
        assert name == "a/IM0001"
        assert reason
        image, _ = dataset[0]
        direct = central_square(read("out/a/chest.png"), 8)
        assert np.allclose(image[0], direct)

    @pytest.mark.usefixtures("folder")
    def test_a_result_that_is_gone_is_left_out(self):
        upscale("in", "-o", "out")
        Path("out/a/chest.dcm").unlink()
        dataset = RadiographDataset(REPORT, 8)
        assert "a/chest.dcm" not in dataset.names
        assert dataset.left_out == [
            ("a/chest.dcm", "the result is not beside the report")
        ]

    def test_a_report_opens_nothing_outside_of_its_folder(self, folder):
        Path("out").mkdir()
        lines = '{"type": "file", "file": "x", "status": "done", "output": "../in/x"}\n'
        REPORT.write_text('{"type": "run"}\n' + lines)
        a_dicom(folder / "x")
        with pytest.raises(SettingsError, match="no radiograph"):
            RadiographDataset(REPORT, 8)

    def test_a_damaged_file_is_named_when_it_is_reached(self, folder):
        dataset = RadiographDataset(folder, 8)
        number = dataset.names.index("a/chest.dcm")
        damage(folder / "a" / "chest.dcm")
        with pytest.raises(InputError, match=r"^a/chest\.dcm: ") as caught:
            dataset[number]
        assert str(folder) not in str(caught.value)

    def test_an_empty_folder_is_no_data_set(self, tmp_path):
        with pytest.raises(SettingsError, match="no radiograph"):
            RadiographDataset(tmp_path, 8)

    def test_a_size_of_nothing_is_refused(self, folder):
        with pytest.raises(SettingsError, match="a size of 0 px"):
            RadiographDataset(folder, 0)


class TestTorch:
    def test_a_loader_makes_batches_of_images_and_names(self, folder):
        dataset = RadiographDataset(folder, 8, IMAGENET)
        batches = list(DataLoader(dataset, batch_size=3))
        assert [tuple(images.shape) for images, _ in batches] == [
            (3, 3, 8, 8),
            (1, 3, 8, 8),
        ]
        assert [name for _, names in batches for name in names] == EVERY

    def test_it_can_be_sent_to_worker_processes(self, folder):
        dataset = RadiographDataset(folder, 8)
        copy = pickle.loads(pickle.dumps(dataset))  # noqa: S301 - our own
        assert copy.names == dataset.names
        assert torch.equal(copy[1][0], dataset[1][0])

    def test_the_same_item_is_the_same_image(self, folder):
        dataset = RadiographDataset(folder, 8)
        assert torch.equal(dataset[0][0], dataset[0][0])


class Mean(torch.nn.Module):
    """Two outputs: the mean gray, and that times ten."""

    def forward(self, image):
        mean = image.mean((1, 2, 3))
        return torch.stack([mean, 10 * mean], dim=1)


@pytest.fixture(scope="module")
def classifier(tmp_path_factory):
    path = tmp_path_factory.mktemp("classifier") / "mean.pt2"
    program = torch.export.export(Mean(), (torch.zeros(1, 1, 224, 224),))
    torch.export.save(program, path)
    return path


def classify(*arguments):
    return subprocess.run(
        [sys.executable, str(EXAMPLE), *(str(a) for a in arguments)],
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.slow
class TestExample:
    def test_it_upscales_and_scores_every_file(self, folder, classifier):
        damage(folder / "b" / "IM0001")
        words = ["in", "-o", "out", "--model", "bicubic", "--classifier", classifier]
        done = classify(*words)
        assert done.returncode == 0, done.stderr
        rows = list(csv.DictReader(io.StringIO(done.stdout)))
        names = ["a/IM0001", "a/chest.dcm", "b/picture.png"]
        assert [row["file"] for row in rows] == [n for n in names for _ in "01"]
        assert [row["label"] for row in rows] == ["0", "1"] * 3
        ((image, _),) = items("out/a/chest.dcm", 224, XRAYVISION)
        assert image.shape == (1, 224, 224)
        assert float(rows[2]["score"]) == pytest.approx(image.mean().item(), abs=1e-2)
        assert "b/IM0001: " in done.stderr

    @pytest.mark.usefixtures("folder")
    def test_originals_can_be_scored_to_compare(self, classifier):
        words = ["in", "--original", "-o", "out", "--classifier", classifier]
        done = classify(*words)
        assert done.returncode == 0, done.stderr
        assert len(done.stdout.splitlines()) == 1 + 2 * 4
        assert not Path("out").exists()

    @pytest.mark.usefixtures("folder")
    def test_without_any_classifier_it_says_what_to_do(self):
        done = classify("in", "-o", "out")
        assert done.returncode == 1
        assert "pip install torchxrayvision" in done.stderr
        assert not Path("out").exists()
