"""Data sets and streams become the radiographs that their files would have become."""

from __future__ import annotations

import copy
import io
import pickle
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
from numpy.testing import assert_array_equal
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, ImplicitVRLittleEndian

import cxr_sr
from cxr_sr.errors import (
    NotARadiographError,
    OutputError,
    SettingsError,
    UnreadableError,
)
from tests.builders import NOON, noise, pixel_format
from tests.dicom_files import ENCODED_HERE, dicom_file
from tests.files import a_dicom, a_png

SETTINGS = cxr_sr.Settings(now=NOON)


def assert_same(one: cxr_sr.Radiograph, other: cxr_sr.Radiograph, folder: Path):
    """Both images and both results are the same, to the last byte of their files."""
    assert_array_equal(one, other)
    assert one.format == other.format
    assert (one.geometry, one.window, one.padding) == (
        other.geometry,
        other.window,
        other.padding,
    )
    files = [folder / name for name in ("one.dcm", "other.dcm")]
    for image, path in zip((one, other), files, strict=True):
        finer = cxr_sr.upscale(image, "bicubic", 2, SETTINGS)
        cxr_sr.write(finer, path, overwrite=True)
    assert files[0].read_bytes() == files[1].read_bytes()


class TestFromDataset:
    @pytest.mark.parametrize("syntax", ENCODED_HERE, ids=lambda uid: uid.name)
    def test_it_is_the_same_as_from_the_file(self, tmp_path, syntax):
        path = dicom_file(tmp_path / "a.dcm", syntax=syntax)
        assert_same(
            cxr_sr.read(path), cxr_sr.from_dataset(pydicom.dcmread(path)), tmp_path
        )

    @pytest.mark.parametrize("syntax", ENCODED_HERE[:3], ids=lambda uid: uid.name)
    def test_pydicom_may_have_looked_at_it_or_read_it_in_part(self, tmp_path, syntax):
        path = dicom_file(tmp_path / "a.dcm", syntax=syntax)
        looked_at = pydicom.dcmread(path)
        str(looked_at)
        _ = looked_at.pixel_array
        assert_same(cxr_sr.read(path), cxr_sr.from_dataset(looked_at), tmp_path)
        deferred = pydicom.dcmread(path, defer_size=64)
        assert_same(cxr_sr.read(path), cxr_sr.from_dataset(deferred), tmp_path)

    def test_a_real_radiograph_is_the_same_too(self, rg1, tmp_path):
        assert_same(
            cxr_sr.read(rg1), cxr_sr.from_dataset(pydicom.dcmread(rg1)), tmp_path
        )

    def test_every_shared_file_is_read_or_refused_alike(self, shared_dicom):
        for path in sorted(shared_dicom.glob("*.dcm")):
            results = []
            for read in (
                cxr_sr.read,
                lambda p: cxr_sr.from_dataset(pydicom.dcmread(p, force=True)),
            ):
                try:
                    results.append(np.asarray(read(path)))
                except cxr_sr.InputError as error:
                    results.append(np.array(type(error).__name__))
            one, other = results
            assert_array_equal(one, other, err_msg=path.name)

    def test_one_from_a_network_has_no_file_meta_information(self, tmp_path):
        """The encoding is the one it was read in, as for pynetdicom's event.dataset."""
        path = dicom_file(tmp_path / "a.dcm", syntax=ImplicitVRLittleEndian)
        dataset = pydicom.dcmread(path)
        received = Dataset(dataset)
        received.set_original_encoding(*dataset.original_encoding)
        assert not hasattr(received, "file_meta")
        assert_same(cxr_sr.read(path), cxr_sr.from_dataset(received), tmp_path)

    def test_one_made_by_hand_needs_no_encoding(self, tmp_path):
        dataset = Dataset()
        dataset.update(pydicom.dcmread(a_dicom(tmp_path / "a.dcm")))
        assert_array_equal(
            cxr_sr.from_dataset(dataset), cxr_sr.read(tmp_path / "a.dcm")
        )

    def test_what_was_changed_in_memory_counts(self, tmp_path):
        dataset = pydicom.dcmread(a_dicom(tmp_path / "a.dcm"))
        pixels = noise((8, 8))
        dataset.Rows = dataset.Columns = 8
        dataset.PixelData = pixels.tobytes()
        dataset.PixelSpacing = [0.3, 0.4]
        image = cxr_sr.from_dataset(dataset)
        assert_array_equal(image, pixels)
        assert image.geometry.spacing_mm == (0.3, 0.4)

    def test_the_data_set_is_left_as_it_was(self, tmp_path):
        dataset = pydicom.dcmread(a_dicom(tmp_path / "a.dcm"))
        before = copy.deepcopy(dataset)
        cxr_sr.upscale(cxr_sr.from_dataset(dataset), "bicubic", 2)
        assert dataset == before
        assert dataset.file_meta == before.file_meta

    def test_options_of_the_header_are_taken(self, tmp_path):
        dataset = pydicom.dcmread(a_dicom(tmp_path / "a.dcm", Manufacturer="Maker"))
        options = cxr_sr.HeaderOptions(equipment="keep")
        finer = cxr_sr.upscale(
            cxr_sr.from_dataset(dataset, header=options), "bicubic", 2
        )
        assert cxr_sr.to_dataset(finer).Manufacturer == "Maker"

    def test_compressed_pixels_that_nothing_names_are_told_so(self, tmp_path):
        path = dicom_file(tmp_path / "a.dcm", syntax=ENCODED_HERE[4])
        dataset = pydicom.dcmread(path)
        del dataset.file_meta.TransferSyntaxUID
        with pytest.raises(UnreadableError, match=r"file_meta\.TransferSyntaxUID"):
            cxr_sr.from_dataset(dataset)

    @pytest.mark.parametrize(
        ("lacks", "error"),
        [
            ("PixelData", NotARadiographError),
            ("SOPClassUID", NotARadiographError),
            ("Rows", UnreadableError),
        ],
    )
    def test_what_is_no_radiograph_is_refused_as_its_file_is(
        self, tmp_path, lacks, error
    ):
        dataset = pydicom.dcmread(a_dicom(tmp_path / "a.dcm"))
        del dataset[lacks]
        dataset.file_meta = FileMetaDataset()
        dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
        with pytest.raises(error):
            cxr_sr.from_dataset(dataset)

    @pytest.mark.parametrize("given", ["a.dcm", None, np.zeros((4, 4), np.uint8)])
    def test_something_else_is_told_what_was_expected(self, given):
        with pytest.raises(SettingsError, match=r"expected a pydicom\.Dataset"):
            cxr_sr.from_dataset(given)


class TestStream:
    @pytest.mark.parametrize("syntax", ENCODED_HERE, ids=lambda uid: uid.name)
    def test_a_dicom_file_is_the_same_as_from_its_path(self, tmp_path, syntax):
        path = dicom_file(tmp_path / "a.dcm", syntax=syntax)
        with path.open("rb") as stream:
            assert_same(cxr_sr.read(path), cxr_sr.read(stream), tmp_path)

    @pytest.mark.parametrize("suffix", [".png", ".tif", ".mha", ".nrrd"])
    def test_a_raster_file_too_and_its_copy_is_gone(
        self, tmp_path, suffix, monkeypatch
    ):
        image = cxr_sr.from_array(noise((20, 16), pixel_format(16)), spacing_mm=0.2)
        path = tmp_path / f"a{suffix}"
        cxr_sr.write(image, path)
        folder = tmp_path / "temporary"
        folder.mkdir()
        monkeypatch.setattr(tempfile, "tempdir", str(folder))
        found = cxr_sr.read(io.BytesIO(path.read_bytes()))
        assert_array_equal(found, cxr_sr.read(path))
        assert found.geometry == cxr_sr.read(path).geometry
        assert list(folder.iterdir()) == []

    def test_it_is_read_from_where_it_stands_and_stays_open(self, tmp_path):
        path = a_dicom(tmp_path / "a.dcm")
        stream = io.BytesIO(b"before" + path.read_bytes())
        stream.seek(6)
        assert_array_equal(cxr_sr.read(stream), cxr_sr.read(path))
        assert not stream.closed

    def test_one_that_cannot_go_back_will_do(self, tmp_path):
        """A network's response and a member of an archive are such streams."""

        class Once(io.RawIOBase):
            def __init__(self, data: bytes) -> None:
                self._inner = io.BytesIO(data)

            def readable(self) -> bool:
                return True

            def readinto(self, buffer) -> int:
                return self._inner.readinto(buffer)

        path = a_dicom(tmp_path / "a.dcm")
        stream: Any = Once(path.read_bytes())
        assert_array_equal(cxr_sr.read(stream), cxr_sr.read(path))

    @pytest.mark.parametrize("content", [b"", b"hello", b"%PDF-1.7" + bytes(600)])
    def test_what_is_no_image_is_refused(self, content):
        with pytest.raises(NotARadiographError, match="neither DICOM nor"):
            cxr_sr.read(io.BytesIO(content))

    def test_a_truncated_file_is_refused(self, tmp_path):
        data = a_dicom(tmp_path / "a.dcm").read_bytes()
        with pytest.raises(UnreadableError):
            cxr_sr.read(io.BytesIO(data[:-100]))

    def test_a_text_stream_is_told_to_be_binary(self):
        with pytest.raises(SettingsError, match="binary mode"):
            cxr_sr.read(io.StringIO("DICM"))  # type: ignore[arg-type]

    @pytest.mark.parametrize("given", [b"DICM", None, 7, np.zeros((4, 4), np.uint8)])
    def test_something_else_is_told_what_was_expected(self, given):
        with pytest.raises(SettingsError, match=r"expected a path.*io\.BytesIO"):
            cxr_sr.read(given)


class TestToDataset:
    @pytest.fixture
    def finer(self, tmp_path):
        image = cxr_sr.read(a_dicom(tmp_path / "source.dcm"))
        return cxr_sr.upscale(image, "bicubic", 2, SETTINGS)

    def test_saved_it_is_the_file_that_write_makes(self, finer, tmp_path):
        cxr_sr.write(finer, tmp_path / "written.dcm")
        cxr_sr.to_dataset(finer).save_as(tmp_path / "saved.dcm")
        written, saved = (tmp_path / f"{n}.dcm" for n in ("written", "saved"))
        assert written.read_bytes() == saved.read_bytes()

    def test_it_is_complete(self, finer):
        dataset = cxr_sr.to_dataset(finer)
        assert_array_equal(dataset.pixel_array, finer.pixels)
        assert dataset.file_meta.TransferSyntaxUID == ExplicitVRLittleEndian
        assert dataset.file_meta.MediaStorageSOPInstanceUID == dataset.SOPInstanceUID
        assert dataset.PatientID == "SECRET-17"
        assert dataset.PixelData

    def test_it_may_be_copied_pickled_compressed_and_changed(self, finer):
        dataset = cxr_sr.to_dataset(finer)
        for other in (copy.deepcopy(dataset), pickle.loads(pickle.dumps(dataset))):  # noqa: S301
            assert other == dataset
        dataset.compress(ENCODED_HERE[4])
        assert_array_equal(dataset.pixel_array, finer.pixels)
        dataset.PatientID = "other"
        assert cxr_sr.to_dataset(finer).PatientID == "SECRET-17"

    def test_it_leads_back_to_the_image(self, finer, tmp_path):
        back = cxr_sr.from_dataset(cxr_sr.to_dataset(finer))
        cxr_sr.write(finer, tmp_path / "a.dcm")
        assert_same(cxr_sr.read(tmp_path / "a.dcm"), back, tmp_path)
        assert_array_equal(back, finer)

    @pytest.mark.parametrize("bits", [7, 8, 12, 16])
    @pytest.mark.parametrize("shape", [(5, 4), (3, 3)])
    def test_an_array_becomes_a_secondary_capture(self, bits, shape):
        fmt = pixel_format(bits)
        pixels = noise(shape, fmt)
        image = cxr_sr.from_array(pixels, bits_stored=bits, spacing_mm=(0.2, 0.1))
        dataset = cxr_sr.to_dataset(image)
        assert dataset.SOPClassUID.name == "Secondary Capture Image Storage"
        assert dataset.PixelSpacing == [0.2, 0.1]
        assert dataset.BitsStored == bits
        assert_array_equal(dataset.pixel_array, pixels)

    def test_colour_too(self):
        pixels = noise((4, 6, 3), pixel_format(8))
        dataset = cxr_sr.to_dataset(cxr_sr.from_array(pixels, photometric="RGB"))
        assert_array_equal(dataset.pixel_array, pixels)

    def test_a_raster_file_too(self, tmp_path):
        path = a_png(tmp_path / "a.png")
        image = cxr_sr.read(path)
        assert_array_equal(cxr_sr.to_dataset(image).pixel_array, image.pixels)

    def test_what_dicom_cannot_hold_is_refused(self):
        image = cxr_sr.from_array(np.zeros((65536, 1), np.uint8))
        with pytest.raises(OutputError, match="65535"):
            cxr_sr.to_dataset(image)
