"""Training reads the right files, crops, windows and bit depths."""

from __future__ import annotations

import logging
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

import cxr_sr
from cxr_sr.errors import SettingsError, TrainingError
from cxr_sr.index.table import IndexEntry
from cxr_sr.superres.intensity import Scaling
from cxr_sr.training.data.dataset import (
    Codes,
    Crops,
    Sampling,
    alter,
    detail,
    laplacian,
)
from cxr_sr.training.data.images import TrainingImage, list_images, load
from cxr_sr.training.run_folder.provenance import data_hash, provenance
from tests.builders import noise, pixel_format, write_png

PLAIN = Sampling(crop_px=24, altered_share=0.0)


def entry(name: str = "a.png", **changes: str) -> IndexEntry:
    fields = {"split": "train", "patient": "p1", **changes}
    return IndexEntry(Path(name), name, **fields)


def image(
    shape: tuple[int, ...] = (50, 60), bits: int = 8, seed: int = 0, **changes: str
) -> TrainingImage:
    stored = noise(shape, pixel_format(bits), seed)
    return TrainingImage(
        stored, Scaling(0, 2**bits - 1), (0, 2**bits - 1), entry(**changes)
    )


def crops(*images: TrainingImage, sampling: Sampling = PLAIN, seed: int = 0) -> Crops:
    return Crops(images or (image(),), sampling, seed)


def write_index(folder: Path, rows: list[str], header: str = "file,split,patient"):
    path = folder / "list.csv"
    path.write_text("\n".join([header, *rows]) + "\n", encoding="utf-8")
    return path


class TestIndex:
    def test_an_index_lists_files_beside_it(self, tmp_path: Path):
        path = write_index(tmp_path, ["deep/a.png,train,p1", "b.png,val,p2"])
        first, second = list_images(path)
        assert first.path == tmp_path / "deep" / "a.png"
        assert (first.name, first.split, first.patient) == ("deep/a.png", "train", "p1")
        assert second.split == "val"

    def test_an_index_may_state_sources_and_terms(self, tmp_path: Path):
        header = "patient,licence,file,source,split"
        path = write_index(tmp_path, ["p1,CC BY 4.0,a.png,Some set,train"], header)
        (found,) = list_images(path)
        assert (found.source, found.licence) == ("Some set", "CC BY 4.0")

    def test_a_folder_is_split_as_its_own_index_says(self, tmp_path: Path):
        """Nobody then trains on the test images by accident."""
        write_png(tmp_path / "a.png")
        write_png(tmp_path / "unlisted.png")
        write_index(tmp_path, ["a.png,test,p1"]).rename(tmp_path / "manifest.csv")
        assert [(e.name, e.split) for e in list_images(tmp_path)] == [("a.png", "test")]

    def test_a_tenth_of_a_plain_folder_is_kept_for_validation(self, tmp_path: Path):
        for number in range(20):
            write_png(tmp_path / f"{number}.png")
        (tmp_path / "notes.txt").touch()
        entries = list_images(tmp_path)
        assert len(entries) == 20
        assert sum(e.split == "val" for e in entries) == 2
        assert entries == list_images(tmp_path)

    def test_a_small_folder_keeps_one_for_validation(self, tmp_path: Path):
        for name in ("IM0", "sub/IM1"):
            (tmp_path / name).parent.mkdir(exist_ok=True)
            write_png(tmp_path / "a.png").rename(tmp_path / name)
        assert sorted(e.split for e in list_images(tmp_path)) == ["train", "val"]

    def test_an_index_without_the_columns_says_which_are_missing(self, tmp_path: Path):
        path = write_index(tmp_path, ["a.png,train"], "file,fold")
        with pytest.raises(SettingsError, match=r"list\.csv lacks .*split, patient"):
            list_images(path)

    def test_an_empty_index_is_refused(self, tmp_path: Path):
        with pytest.raises(TrainingError, match="lists no image"):
            list_images(write_index(tmp_path, []))

    def test_an_index_that_is_not_there_is_refused_without_its_path(
        self, tmp_path: Path
    ):
        with pytest.raises(
            SettingsError, match=r"nothing\.csv is no readable index"
        ) as caught:
            list_images(tmp_path / "nothing.csv")
        assert str(tmp_path) not in str(caught.value)


class TestLoading:
    def test_a_broken_image_is_reported_and_left_out(
        self, tmp_path: Path, caplog: pytest.LogCaptureFixture
    ):
        write_png(tmp_path / "good.png")
        (tmp_path / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n but no more")
        rows = ["broken.png,train,p1", "absent.png,train,p2", "good.png,train,p3"]
        with caplog.at_level(logging.WARNING):
            images = load(list_images(write_index(tmp_path, rows)), 24, 9)
        assert [i.entry.name for i in images] == ["good.png"]
        told = [record.getMessage() for record in caplog.records]
        assert [text.split(" ")[0] for text in told] == ["broken.png", "absent.png"]
        assert all("is left out: " in text for text in told)
        assert str(tmp_path) not in caplog.text

    def test_an_image_smaller_than_the_crop_is_reported_with_both_sizes(
        self, tmp_path: Path, caplog: pytest.LogCaptureFixture
    ):
        write_png(tmp_path / "a.png", noise((30, 70), pixel_format(8)))
        path = write_index(tmp_path, ["a.png,train,p1"])
        assert load(list_images(path), 48, 9) == []
        assert "70 x 30 px, smaller than the crop of 48" in caplog.text

    def test_true_colour_is_left_out(
        self, tmp_path: Path, caplog: pytest.LogCaptureFixture
    ):
        write_png(tmp_path / "gray.png")
        write_png(tmp_path / "rgb.png", noise((50, 60, 3), pixel_format(8)))
        path = write_index(tmp_path, ["gray.png,train,p1", "rgb.png,train,p2"])
        images = load(list_images(path), 24, 9)
        assert [i.channels for i in images] == [1]
        assert "rgb.png is left out: the image has true colour" in caplog.text

    def test_a_result_is_left_out_unless_wanted(
        self, tmp_path: Path, caplog: pytest.LogCaptureFixture
    ):
        write_png(tmp_path / "a.png")
        finer = cxr_sr.upscale(cxr_sr.read(tmp_path / "a.png"), "bicubic", 2)
        cxr_sr.write(finer, tmp_path / "finer.png")
        rows = ["a.png,train,p1", "finer.png,train,p1"]
        entries = list_images(write_index(tmp_path, rows))
        assert [i.entry.name for i in load(entries, 24, 9)] == ["a.png"]
        assert "finer.png is left out: the image is itself a result" in caplog.text
        assert len(load(entries, 24, 9, again=True)) == 2

    def test_no_more_is_decoded_than_wanted(self, tmp_path: Path):
        write_png(tmp_path / "a.png")
        path = write_index(tmp_path, ["a.png,val,p1", "absent.png,val,p2"])
        assert len(load(list_images(path), 24, 1)) == 1

    def test_stored_values_are_kept_as_they_are(self, tmp_path: Path):
        pixels = noise((40, 40), pixel_format(16))
        write_png(tmp_path / "a.png", pixels)
        path = write_index(tmp_path, ["a.png,train,p1"])
        (found,) = load(list_images(path), 24, 1)
        assert found.stored.dtype == np.uint16
        assert np.array_equal(found.stored, pixels)
        assert found.code == pytest.approx(1 / 65535)


class TestImages:
    @pytest.mark.parametrize(("shape", "channels"), [((50, 60), 1), ((50, 60, 3), 3)])
    def test_a_crop_is_a_part_of_the_image_in_units(self, shape, channels):
        whole = image(shape)
        part = whole.crop((10, 20), (24, 30))
        assert part.shape == (channels, 24, 30)
        planes = np.atleast_3d(whole.stored)[10:34, 20:50].transpose(2, 0, 1)
        assert np.allclose(part, planes / 255)

    def test_monochrome1_is_seen_with_bright_bone(self):
        stored = np.array([[0, 255]], np.uint8).repeat(24, 0)
        inverse = TrainingImage(stored, Scaling(255, -255), (0, 255), entry())
        assert inverse.crop((0, 0), (1, 2)).tolist() == [[[1.0, 0.0]]]

    def test_the_whole_is_centred_and_fits_every_scale(self):
        found = image((100, 130)).crop(*image((100, 130)).whole)
        assert found.shape == (1, 96, 120)
        assert np.array_equal(found, image((100, 130)).crop((2, 5), (96, 120)))


class TestCrops:
    def test_a_sample_depends_on_seed_and_number_alone(self):
        first, again = crops(sampling=Sampling(24)), crops(sampling=Sampling(24))
        for number in (7, 0, 7):
            assert torch.equal(first.sample(number, 24)[0], again.sample(number, 24)[0])
            assert torch.equal(first.sample(number, 24)[1], again.sample(number, 24)[1])
        other = crops(sampling=Sampling(24), seed=1)
        assert not torch.equal(first.sample(0, 24)[0], other.sample(0, 24)[0])

    def test_samples_differ(self):
        source = crops()
        assert not torch.equal(source.sample(0, 24)[0], source.sample(1, 24)[0])

    def test_every_image_is_used(self):
        flat = [np.full((30, 30), value, np.uint8) for value in (0, 51, 102)]
        source = crops(
            *(TrainingImage(f, Scaling(0, 255), (0, 255), entry()) for f in flat)
        )
        found = {round(float(source.sample(n, 24)[0].mean()), 1) for n in range(40)}
        assert found == {0.0, 0.2, 0.4}

    def test_the_whole_of_an_image_is_reached(self):
        stored = np.arange(36 * 36).reshape(36, 36).astype(np.uint16)
        source = crops(TrainingImage(stored, Scaling(0, 1), (0, 255), entry()))
        seen = torch.cat([source.sample(n, 24)[0].flatten() for n in range(1500)])
        assert {0, 35, 36 * 35, 36 * 36 - 1} <= {int(v) for v in seen}

    def test_crops_stay_upright_but_for_a_fifth_that_turn_every_way(self):
        stored = np.zeros((24, 24), np.uint8)
        stored[0, 5] = 255
        source = crops(TrainingImage(stored, Scaling(0, 255), (0, 255), entry()))
        found = Counter(
            tuple(source.sample(n, 24)[0][0].nonzero()[0].tolist()) for n in range(400)
        )
        assert set(found) == {
            *((0, 5), (0, 18), (23, 5), (23, 18)),
            *((5, 0), (18, 0), (5, 23), (18, 23)),
        }
        assert 0.76 < found[0, 5] / found.total() < 0.89

    def test_three_crops_in_five_show_what_is_detailed(self):
        """A hundredth of all crops meets the marker; most of these do."""
        stored = np.zeros((960, 960), np.uint8)
        stored[800:816, 100:116] = noise((16, 16), pixel_format(8))
        source = crops(TrainingImage(stored, Scaling(0, 255), (0, 255), entry()))
        share = sum(bool(source.sample(n, 48)[0].any()) for n in range(400)) / 400
        assert 0.52 < share < 0.7

    def test_the_marker_is_met_at_every_place_of_a_crop(self):
        stored = np.zeros((240, 240), np.uint8)
        stored[120:124, 120:124] = 255
        source = crops(TrainingImage(stored, Scaling(0, 255), (0, 255), entry()))
        seen = torch.stack([source.sample(n, 24)[0][0] > 0 for n in range(6000)])
        assert bool(seen.any(0).all())

    @pytest.mark.parametrize("shape", [(30, 31), (24, 24), (15, 15), (9, 70)])
    def test_images_that_blocks_do_not_divide_are_cut_whole(self, shape):
        source = crops(image(shape))
        assert source.sample(0, 8)[0].shape == (1, 8, 8)
        assert all(bool(source.sample(n, 8)[0].isfinite().all()) for n in range(50))

    def test_without_a_crop_the_whole_image_is_seen(self):
        source = crops(image((60, 100)), sampling=Sampling(None, altered_share=0))
        shapes = {tuple(source.sample(n, None)[0].shape) for n in range(20)}
        assert shapes == {(1, 48, 96), (1, 96, 48)}

    @pytest.mark.parametrize("side", [100, 0, -24])
    def test_a_crop_that_fits_no_scale_is_refused(self, side: int):
        with pytest.raises(SettingsError, match=f"a crop of {side} px"):
            Sampling(side).sides("output", (2, 3))

    def test_a_crop_without_pixels_is_refused_at_input_size_too(self):
        with pytest.raises(SettingsError, match="a crop of 0 px"):
            Sampling(0).sides("input", (2, 3))

    def test_crops_are_measured_on_the_networks_grid(self):
        assert Sampling(48).sides("output", (2, 8)) == {2: 48, 8: 48}
        assert Sampling(50).sides("input", (2, 8)) == {2: 100, 8: 400}
        assert Sampling(None).sides("input", (2, 8)) == {2: None, 8: None}

    def test_unaltered_samples_keep_the_depth_of_their_file(self):
        source = crops(image(bits=12))
        assert float(source.sample(0, 24)[1][0]) == pytest.approx(1 / 4095)


class TestWindows:
    @given(st.integers(0, 1000))
    def test_a_window_is_affine_and_clips_nothing(self, seed: int):
        unit = image(seed=3).crop((0, 0), (24, 24))
        before = Codes(1 / 255, 0.0, 1.0, 0.01)
        random = np.random.default_rng(seed)
        altered, codes = alter(unit, before, Sampling(24), random)
        code, least, largest, contrast = codes
        gain = float(np.ptp(altered) / np.ptp(unit))
        assert 0.49 < gain < 2.01
        offset = altered - gain * unit
        assert float(np.ptp(offset)) < 1e-5
        assert gain / 65535 <= code * 1.0001
        assert code <= gain / 255 * 1.0001
        assert altered.dtype == np.float32
        assert largest - least == pytest.approx(gain, rel=1e-4)
        assert contrast == pytest.approx(0.01 * gain, rel=1e-4)
        assert least - 1e-5 <= altered.min() <= altered.max() <= largest + 1e-5

    def test_the_share_of_altered_samples_is_the_stated_one(self):
        source = crops(sampling=Sampling(24, altered_share=0.25))
        codes = torch.stack([source.sample(n, 24)[1][0] for n in range(400)])
        altered = (codes - 1 / 255).abs() > 1e-9
        assert 0.18 < float(altered.double().mean()) < 0.32

    def test_an_inverted_image_spans_the_same_units(self):
        pixels = noise((24, 24), pixel_format(8), 0)
        inverse = TrainingImage(pixels, Scaling(255, -255), (0, 255), entry())
        assert inverse.span == (0.0, 1.0)
        assert image(bits=12).span == (0.0, 1.0)


class TestDetail:
    def test_a_block_has_the_mean_square_of_its_laplacian(self):
        stored = np.zeros((32, 32), np.uint8)
        stored[20, 8] = 1
        found = detail(TrainingImage(stored, Scaling(0, 255), (0, 255), entry()))
        assert found == pytest.approx(np.array([[0, 0], [(16 + 4) / 16**2, 0]]))

    def test_colours_are_averaged(self):
        gray = noise((32, 48), pixel_format(8))
        one = detail(TrainingImage(gray, Scaling(0, 255), (0, 255), entry()))
        three = detail(
            TrainingImage(np.stack([gray] * 3, 2), Scaling(0, 255), (0, 255), entry())
        )
        assert three == pytest.approx(one)

    def test_shading_is_no_detail(self):
        rows, columns = np.mgrid[:24, :24] / 24
        ramp: NDArray[Any] = 0.3 * rows + 0.6 * columns
        assert laplacian(ramp) == pytest.approx(0, abs=1e-12)


class TestProvenance:
    def test_it_counts_images_by_source_and_terms(self):
        images = [
            image(source="A", licence="CC0", patient="1"),
            image(source="A", licence="CC0", patient="1"),
            image(patient="2"),
        ]
        found = provenance({"train": images, "val": images[:1]})
        assert found["patients"] == 2
        assert found["splits"] == {"train": 3, "val": 1}
        assert found["data"] == [
            {"source": "unnamed", "licence": "unstated", "n": 1},
            {"source": "A", "licence": "CC0", "n": 2},
        ]

    def test_the_hash_is_of_pixels_not_of_names(self):
        assert data_hash([image()]) == data_hash([image(patient="other")])
        assert data_hash([image()]) != data_hash([image(seed=1)])
        assert data_hash([image((24, 48))]) != data_hash([image((48, 24))])

    def test_nobody_is_named(self):
        assert "secret" not in str(provenance({"train": [image(patient="secret")]}))
