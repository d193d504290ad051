"""A radiograph becomes a DICOM file that any reader reads, whole or not at all."""

from __future__ import annotations

import os
import tempfile
import tracemalloc
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pydicom
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydicom.dataelem import DataElement
from pydicom.encaps import encapsulate, generate_fragments, parse_basic_offsets
from pydicom.sequence import Sequence
from pydicom.uid import (
    UID,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGLosslessSV1,
    JPEGLSLossless,
    RLELossless,
)

from cxr_sr.errors import OutputError
from cxr_sr.files import PREFIX
from cxr_sr.formats import check_storable, read, write
from cxr_sr.formats.dicom import write as dicom_write
from cxr_sr.formats.dicom.header import DicomHeader
from cxr_sr.formats.dicom.write import IMPLEMENTATION_CLASS_UID
from cxr_sr.names import Compression
from cxr_sr.radiograph import PixelFormat, Radiograph
from tests.builders import noise, pixel_format, radiograph
from tests.dicom_files import described, dicom_file, frame_for, saved
from tests.header_builders import make_derivation, make_item

COMPRESSIONS: tuple[Compression, ...] = get_args(Compression)
SYNTAXES = {
    "none": ExplicitVRLittleEndian,
    "jpegls": JPEGLSLossless,
    "j2k": JPEG2000Lossless,
    "rle": RLELossless,
}
CLINICAL_FORMATS = st.builds(
    pixel_format,
    bits_stored=st.integers(6, 16),
    signed=st.booleans(),
    photometric=st.sampled_from(["MONOCHROME1", "MONOCHROME2"]),
)


def of_dicom(
    shape: tuple[int, int] = (33, 35), fmt: PixelFormat | None = None, **header: Any
) -> Radiograph:
    """Noise with the header of a DX."""
    fmt = fmt or pixel_format()
    pixels = noise(shape, fmt)
    return radiograph(pixels, fmt, header=DicomHeader(described(pixels, fmt, **header)))


# ---- pixels --------------------------------------------------------------------------


@given(fmt=CLINICAL_FORMATS, compression=st.sampled_from(COMPRESSIONS))
@settings(max_examples=100, deadline=None)
def test_pydicom_and_we_read_what_was_written(
    fmt: PixelFormat, compression: Compression
):
    image = of_dicom(fmt=fmt)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "a.dcm")
        write(image, path, compression=compression)
        found, independent = read(path), pydicom.dcmread(path)
        np.testing.assert_array_equal(independent.pixel_array, image.pixels)
    np.testing.assert_array_equal(found.pixels, image.pixels)
    assert found.format == fmt
    assert independent.file_meta.TransferSyntaxUID == SYNTAXES[compression]
    assert independent.SOPInstanceUID == "1.2.3.4"


@pytest.mark.parametrize("compression", COMPRESSIONS)
def test_a_mono_sample_of_eight_bits_may_be_allocated_sixteen(
    tmp_path: Path, compression: Compression
):
    fmt = pixel_format(8, bits_allocated=16)
    image = of_dicom(fmt=fmt)
    write(image, tmp_path / "a.dcm", compression=compression)
    np.testing.assert_array_equal(read(tmp_path / "a.dcm").pixels, image.pixels)


def test_an_odd_number_of_bytes_is_padded(tmp_path: Path):
    image = of_dicom((3, 5), pixel_format(8))
    write(image, tmp_path / "a.dcm")
    file = pydicom.dcmread(tmp_path / "a.dcm")
    assert file["PixelData"].VR == "OB"
    assert len(file.PixelData) == 16
    assert file.PixelData == image.pixels.tobytes() + b"\0"


def test_words_are_other_words(tmp_path: Path):
    write(of_dicom(), tmp_path / "a.dcm")
    assert pydicom.dcmread(tmp_path / "a.dcm")["PixelData"].VR == "OW"


@pytest.mark.parametrize("compression", ["jpegls", "j2k", "rle"])
def test_a_code_stream_is_one_fragment_with_its_offset(
    tmp_path: Path, compression: Compression
):
    write(of_dicom(), tmp_path / "a.dcm", compression=compression)
    file = pydicom.dcmread(tmp_path / "a.dcm")
    assert file["PixelData"].VR == "OB"
    assert parse_basic_offsets(file.PixelData) == [0]
    fragments = list(generate_fragments(file.PixelData))[1:]
    assert len(fragments) == 1
    assert len(fragments[0]) % 2 == 0


@pytest.mark.parametrize("compression", COMPRESSIONS)
def test_the_same_image_gives_the_same_bytes(tmp_path: Path, compression: Compression):
    for name in ("a.dcm", "b.dcm"):
        write(of_dicom(), tmp_path / name, compression=compression)
    assert (tmp_path / "a.dcm").read_bytes() == (tmp_path / "b.dcm").read_bytes()


def test_an_image_mapped_from_disk_is_not_copied_into_memory(tmp_path: Path):
    shape = (4000, 6000)
    pixels = np.memmap(tmp_path / "pixels", np.uint16, "w+", shape=shape)
    pixels[::100] = 7
    fmt = pixel_format(16)
    header = DicomHeader(described(pixels, fmt))
    image = Radiograph(pixels, fmt, radiograph().geometry, header)
    tracemalloc.start()
    write(image, tmp_path / "a.dcm")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < pixels.nbytes / 3
    assert (tmp_path / "a.dcm").stat().st_size > pixels.nbytes


def test_a_view_with_gaps_is_written_in_order(tmp_path: Path):
    image = of_dicom((40, 60))
    every = image.replace(pixels=image.pixels[::2, ::-3])
    write(every, tmp_path / "a.dcm")
    np.testing.assert_array_equal(read(tmp_path / "a.dcm").pixels, every.pixels)


def test_the_header_follows_the_pixels(tmp_path: Path):
    image = of_dicom((10, 12))
    fmt = pixel_format(9, signed=True, photometric="MONOCHROME1")
    other = image.replace(pixels=noise((20, 24), fmt), format=fmt)
    write(other, tmp_path / "a.dcm")
    file = pydicom.dcmread(tmp_path / "a.dcm")
    assert (file.Rows, file.Columns, file.BitsStored, file.HighBit) == (20, 24, 9, 8)
    assert file.PixelRepresentation == 1
    assert file.PhotometricInterpretation == "MONOCHROME1"
    assert isinstance(image.header, DicomHeader)
    assert image.header.dataset.Rows == 10  # the caller's header is the caller's


# ---- headers -------------------------------------------------------------------------


def test_file_meta_information_says_who_wrote_and_not_who_sent(tmp_path: Path):
    source = dicom_file(tmp_path / "a.dcm")
    write(read(source), tmp_path / "b.dcm")
    assert pydicom.dcmread(source).file_meta.SourceApplicationEntityTitle == "SCANNER"
    meta = pydicom.dcmread(tmp_path / "b.dcm").file_meta
    assert "SourceApplicationEntityTitle" not in meta
    assert meta.ImplementationClassUID == IMPLEMENTATION_CLASS_UID
    assert meta.ImplementationClassUID.is_valid
    version = str(meta.ImplementationVersionName)
    assert version.startswith("CXR_SR_")
    assert len(version) <= 16
    assert meta.MediaStorageSOPInstanceUID == "1.2.3.4"


def test_reading_and_writing_changes_no_byte_of_the_header(tmp_path: Path, rg1: Path):
    write(read(rg1), tmp_path / "a.dcm")
    before, after = rg1.read_bytes(), (tmp_path / "a.dcm").read_bytes()
    first = b"\x08\x00\x05\x00CS"
    assert after[after.index(first) :] == before[before.index(first) :]


@pytest.mark.parametrize("syntax", [ImplicitVRLittleEndian, ExplicitVRBigEndian])
def test_other_encodings_are_written_as_explicit_little_endian(
    tmp_path: Path, syntax: UID
):
    references = [make_item(ReferencedFrameNumber=[1, 2])]
    source = dicom_file(
        tmp_path / "a.dcm", syntax=syntax, ReferencedImageSequence=references
    )
    write(read(source), tmp_path / "b.dcm")
    before, after = pydicom.dcmread(source), pydicom.dcmread(tmp_path / "b.dcm")
    del before.PixelData, after.PixelData
    assert after.file_meta.TransferSyntaxUID == ExplicitVRLittleEndian
    assert after == before


@pytest.mark.parametrize("syntax", [ExplicitVRLittleEndian, ImplicitVRLittleEndian])
def test_bytes_that_are_no_text_and_text_that_is_no_number_are_written_as_they_were(
    tmp_path: Path, syntax: UID
):
    source = dicom_file(
        tmp_path / "a.dcm",
        syntax=syntax,
        SpecificCharacterSet="ISO_IR 192",
        PatientName="Doe^J",
        ExposureTime="1234",
    )
    data = source.read_bytes()
    data = data.replace(b"Doe^J ", b"Jos\xe9\xff ").replace(b"1234", b"3.25")
    source.write_bytes(data)
    write(read(source), tmp_path / "b.dcm")
    written = (tmp_path / "b.dcm").read_bytes()
    assert b"PN\x06\x00Jos\xe9\xff " in written
    assert b"IS\x04\x003.25" in written


def test_a_compressed_icon_only_stays_in_a_compressed_file(tmp_path: Path):
    icon = make_item(Rows=16, Columns=16, BitsAllocated=8)
    coded = DataElement(0x7FE00010, "OB", encapsulate([frame_for(JPEGLosslessSV1)]))
    coded.is_undefined_length = True
    icon.add(coded)
    plain = make_item(Rows=16, Columns=16, BitsAllocated=8, PixelData=bytes(256))
    plain["PixelData"].VR = "OB"
    header = described(noise(), pixel_format())
    header.IconImageSequence = Sequence([icon])
    header.ReferencedImageSequence = Sequence([plain])
    path = saved(tmp_path / "a.dcm", header)
    for parsed in (header, pydicom.dcmread(path)):
        image = radiograph(noise(), header=DicomHeader(parsed))
        write(image, tmp_path / "b.dcm", overwrite=True)
        native = pydicom.dcmread(tmp_path / "b.dcm")
        assert "IconImageSequence" not in native
        assert "ReferencedImageSequence" in native
        write(image, tmp_path / "b.dcm", compression="rle", overwrite=True)
        assert "IconImageSequence" in pydicom.dcmread(tmp_path / "b.dcm")


def test_elements_behind_the_pixels_stay_behind_them(tmp_path: Path):
    image = of_dicom()
    assert isinstance(image.header, DicomHeader)
    image.header.dataset.add_new(0x7FE10010, "LO", "MAKER")
    write(image, tmp_path / "a.dcm")
    tags = list(pydicom.dcmread(tmp_path / "a.dcm").keys())
    assert tags[-2:] == [0x7FE00010, 0x7FE10010]
    assert read(tmp_path / "a.dcm").shape == image.shape


def test_a_derived_header_is_written_with_a_uid_of_its_own(tmp_path: Path):
    image = of_dicom()
    now = datetime(2026, 3, 1, tzinfo=UTC)
    derivation = make_derivation()
    pixels = np.kron(image.pixels, np.ones((2, 2), np.uint16))
    finer = image.replace(
        pixels=pixels, header=image.header.derived(derivation, pixels.shape, now)
    )
    write(finer, tmp_path / "a.dcm")
    file = pydicom.dcmread(tmp_path / "a.dcm")
    assert file.SOPInstanceUID == file.file_meta.MediaStorageSOPInstanceUID != "1.2.3.4"
    assert (file.Rows, file.Columns) == pixels.shape
    np.testing.assert_array_equal(file.pixel_array, pixels)


def test_a_header_without_a_uid_makes_no_file(tmp_path: Path):
    with pytest.raises(OutputError, match="SOPInstanceUID"):
        write(of_dicom(SOPInstanceUID=None), tmp_path / "a.dcm")
    assert not list(tmp_path.iterdir())


# ---- what cannot be stored -----------------------------------------------------------

STORABLE = {
    "square": ((65535, 100), 16, True),
    "a row too many": ((65536, 100), 16, False),
    "a column too many": ((100, 65536), 8, False),
    "just below 4 GiB": ((65535, 32767), 16, True),
    "4 GiB": ((65535, 32769), 16, False),
    "half of that in bytes": ((65535, 65535), 8, True),
    "colour counts thrice": ((40000, 40000, 3), 8, False),
}


@pytest.mark.parametrize(("shape", "bits", "fits"), STORABLE.values(), ids=STORABLE)
def test_what_no_dicom_file_can_hold_is_known_before_any_work(
    shape: tuple[int, ...],
    bits: int,
    fits: bool,  # noqa: FBT001
):
    if fits:
        check_storable(shape, pixel_format(bits))
    else:
        with pytest.raises(OutputError, match="choose a smaller scale"):
            check_storable(shape, pixel_format(bits))


def test_an_encoder_that_fails_says_so_and_leaves_nothing(tmp_path: Path):
    tiny = of_dicom((4, 4))  # OpenJPEG's six resolutions need more
    with pytest.raises(OutputError, match=r"JPEG 2000.*write it uncompressed"):
        write(tiny, tmp_path / "a.dcm", compression="j2k")
    assert not list(tmp_path.iterdir())


# ---- whole or not at all -------------------------------------------------------------


def test_an_existing_file_is_only_replaced_if_that_was_asked_for(tmp_path: Path):
    path = tmp_path / "a.dcm"
    path.write_text("precious")
    with pytest.raises(OutputError, match="exists already"):
        write(of_dicom(), path)
    assert path.read_text() == "precious"
    write(of_dicom(), path, overwrite=True)
    assert read(path).shape == (33, 35)


def test_a_disk_that_fills_up_leaves_the_old_file_and_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    path = tmp_path / "a.dcm"
    path.write_text("precious")

    def full(*_: object) -> None:
        raise OSError(28, os.strerror(28), str(path))

    monkeypatch.setattr(dicom_write, "_write_native", full)
    with pytest.raises(OutputError, match="No space left on device") as error:
        write(of_dicom(), path, overwrite=True)
    assert str(tmp_path) not in str(error.value)
    assert path.read_text() == "precious"
    assert list(tmp_path.iterdir()) == [path]


def test_an_interruption_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(dicom_write, "_write_native", interrupted)
    with pytest.raises(KeyboardInterrupt):
        write(of_dicom(), tmp_path / "a.dcm")
    assert not list(tmp_path.iterdir())


def test_the_name_appears_after_the_data_are_on_the_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    path = tmp_path / "a.dcm"
    seen: list[Path] = []
    monkeypatch.setattr(os, "fsync", lambda _: seen.extend(tmp_path.iterdir()))
    write(of_dicom(), path)
    (unfinished,) = seen
    assert unfinished.name.startswith(PREFIX)
    assert list(tmp_path.iterdir()) == [path]


def test_a_folder_that_is_not_there_is_an_output_error(tmp_path: Path):
    with pytest.raises(OutputError, match="check that its folder exists"):
        write(of_dicom(), tmp_path / "nowhere" / "a.dcm")


def test_a_file_has_the_rights_that_the_user_gives_to_files(tmp_path: Path):
    write(of_dicom(), tmp_path / "a.dcm")
    (tmp_path / "b").touch()
    assert (tmp_path / "a.dcm").stat().st_mode == (tmp_path / "b").stat().st_mode


def test_a_long_name_does_not_make_a_longer_one(tmp_path: Path):
    path = tmp_path / ("n" * 251 + ".dcm")
    write(of_dicom(), path)
    assert path.exists()


# ---- real files ----------------------------------------------------------------------


@pytest.mark.parametrize(
    "name", ["chest_fuji440_implicitle_ps", "rf_siemens_modlut", "xa1_jlsl"]
)
@pytest.mark.parametrize("compression", COMPRESSIONS)
def test_real_files_survive_every_compression(
    tmp_path: Path, shared_dicom: Path, name: str, compression: Compression
):
    source = read(shared_dicom / f"{name}.dcm")
    write(source, tmp_path / "a.dcm", compression=compression)
    found = read(tmp_path / "a.dcm")
    np.testing.assert_array_equal(found.pixels, source.pixels)
    assert (found.window, found.padding) == (source.window, source.padding)
    assert found.geometry == source.geometry


def test_what_a_mammography_maker_hides_in_private_icons_makes_no_broken_file(
    tmp_path: Path, shared_dicom: Path
):
    source = read(shared_dicom / "mg_ge_voilutseq_multiwindow_jpll.dcm")
    write(source, tmp_path / "a.dcm")
    written = (tmp_path / "a.dcm").read_bytes()
    assert b"\xe0\x7f\x10\0OB\0\0\xff\xff\xff\xff" not in written
    np.testing.assert_array_equal(read(tmp_path / "a.dcm").pixels, source.pixels)
