"""The default on noise, with the shipped weights: it invents nothing, and says so.

Bicubic interpolation of the same measurement is the yardstick throughout.
"""

import io
from pathlib import Path

import numpy as np
import pytest
from pydicom.uid import JPEGBaseline8Bit

from cxr_sr import Settings, from_array, load_model, read, upscale
from cxr_sr.formats.dicom.coding.jpeg import coding_error
from cxr_sr.superres.consistency import conservative_upsample
from cxr_sr.superres.noise import estimation
from cxr_sr.superres.resample import box_down
from tests.builders import pixel_format
from tests.dicom_files import dicom_file
from tests.superres.noise.test_estimation import shaped

PIL = pytest.importorskip("PIL.Image")

CXR = Path(__file__).parents[3] / "shared" / "data" / "cxr"
BITS = 12
LARGEST = 2**BITS - 1
SIDE_PX = 160
INTERPOLATED = Settings(consistency="off")
FP32 = Settings(precision="fp32", engine="onnx")


def field(sigma, width_px, level=0.5):
    """A flat field with noise of one standard deviation, in units."""
    unit = level + sigma * shaped((SIDE_PX, SIDE_PX), width_px)
    codes = np.rint(unit * LARGEST).clip(0, LARGEST).astype(np.uint16)
    return from_array(codes, bits_stored=BITS)


def in_units(image, scale=2, model="fine", settings=FP32):
    """The result (s*H, s*W), its outer 16 pixels left out."""
    pixels = upscale(image, load_model(model), scale, settings).pixels
    return pixels[16:-16, 16:-16] / LARGEST


def interpolated(image, scale=2):
    return in_units(image, scale, "bicubic", INTERPOLATED)


def power(result, low, high):
    """Noise power between two spatial frequencies, in cycles per output pixel."""
    around = np.hanning(len(result))
    spectrum = np.abs(np.fft.fft2((result - result.mean()) * np.outer(around, around)))
    frequency = np.fft.fftfreq(len(result))
    radius = np.hypot(frequency[:, None], frequency[None])
    return np.square(spectrum[(radius >= low) & (radius < high)]).mean()


def undetermined(result, scale=2):
    """The part that the measurement does not determine: the null space of binning."""
    return result - conservative_upsample(box_down(result, scale), scale)


@pytest.mark.parametrize("sigma", [0.003, 0.007, 0.02, 0.05])
@pytest.mark.parametrize("width_px", [0.0, 0.3, 0.6])
def test_a_flat_field_gains_no_noise_at_any_dose(sigma, width_px):
    """Up to the finest detail that the input itself can hold."""
    image = field(sigma, width_px)
    found, usual = in_units(image), interpolated(image)
    for low, high in ((0.03, 0.0625), (0.0625, 0.125), (0.125, 0.1875), (0.1875, 0.25)):
        assert power(found, low, high) <= 1.05 * power(usual, low, high)


@pytest.mark.parametrize("error", [0.8, 0.9, 1.0, 1.25, 1.5])
@pytest.mark.parametrize("width_px", [0.0, 0.5, 0.8])
def test_a_wrong_estimate_invents_no_structure(monkeypatch, error, width_px):
    """An estimate 20 % too low to 50 % too high leaves it flatter than bicubic.

    Bicubic leaves almost none of wide noise there. The limit is then a twentieth of the
    noise.
    """
    monkeypatch.setattr(estimation, "MARGIN", estimation.MARGIN * error)
    image = field(0.02, width_px)
    found, usual = (
        np.quantile(np.abs(undetermined(result)), 0.95)
        for result in (in_units(image), interpolated(image))
    )
    assert found <= max(1.05 * usual, 0.02 / 20)


def test_what_is_stated_of_the_noise_is_what_was_put_in():
    done = upscale(field(0.02, 0.0), load_model("fine"), 2, FP32).derivation
    assert done is not None
    assert done.noise_sigma == pytest.approx(0.02 * LARGEST, rel=0.1)
    assert done.noise_correlation == pytest.approx(0, abs=0.05)
    assert done.noise_explained > 0.95
    assert 0.1 <= done.grain < 0.2


@pytest.mark.parametrize("model", ["fine", "fast", "bicubic"])
def test_without_noise_the_default_is_the_exact_box_bit_for_bit(model):
    rows, columns = np.mgrid[:96, :80]
    smooth = 0.5 + 0.3 * np.sin(rows / 9) * np.cos(columns / 13)
    codes = np.rint(smooth * LARGEST).astype(np.uint16)
    image = from_array(codes, bits_stored=BITS)
    default, box = (
        upscale(image, load_model(model), 2, settings).pixels
        for settings in (Settings(), Settings(consistency="box"))
    )
    assert np.array_equal(default, box)


def test_the_noise_decides_which_weights_of_fine_run():
    fine = load_model("fine")
    noisy, smooth = (
        upscale(image, fine, 2, FP32).derivation
        for image in (field(0.02, 0.3), field(0.0, 0.3))
    )
    assert noisy is not None
    assert smooth is not None
    assert noisy.weights_sha256 == fine.spec.sha256
    assert smooth.weights_sha256 == fine.clean.spec.sha256 != fine.spec.sha256
    assert (noisy.model, smooth.model) == ("fine", "fine")


@pytest.mark.skipif(not CXR.is_dir(), reason="needs ../shared/data/cxr")
@pytest.mark.parametrize("scale", [4, 8])
def test_a_small_chest_without_noise_is_better_than_interpolated(scale):
    """400 px are reduced to 100 and 50 px. Their fine structure looks like noise."""
    for path in sorted(CXR.rglob("nih_*.png"))[:60:4]:
        chest = PIL.open(path).convert("L")
        fine = chest.resize((400, 400 * chest.height // chest.width // 8 * 8))
        coarse = fine.resize((400 // scale, fine.height // scale), PIL.BICUBIC)
        coarse = from_array(np.asarray(coarse))
        inner = np.s_[scale:-scale, scale:-scale]
        errors = []
        for model, settings in (("fine", FP32), ("bicubic", INTERPOLATED)):
            result = upscale(coarse, load_model(model), scale, settings).pixels
            error = result[inner].astype(float) - np.asarray(fine)[inner]
            errors.append(np.square(error).mean())
        assert errors[0] < errors[1], path.name


@pytest.mark.parametrize("name", ["a.jpg", "a.tif", "a.dcm"])
def test_a_jpeg_tells_its_error(tmp_path, name):
    path = tmp_path / name
    written = lossy(path)
    image = read(path)
    # Pillow writes other tables into TIFF files.
    tolerance = 0.5 if path.suffix == ".tif" else 1e-6
    assert image.coding_error == pytest.approx(coding_error(written), rel=tolerance)
    fine = load_model("fine")
    result = upscale(image, fine, 2, FP32)
    assert result.derivation is not None
    assert result.derivation.coding_error == pytest.approx(image.coding_error)
    assert result.derivation.weights_sha256 == fine.spec.sha256
    assert result.coding_error == 0


def lossy(path):
    """A file with a JPEG of a shaded field with shapes; return the JPEG."""
    rows, columns = np.mgrid[:192, :192]
    shade = 120 + 60 * np.sin(rows / 31) * np.cos(columns / 23)
    shade += 40 * (np.hypot(rows - 90, columns - 100) < 40)
    image = PIL.fromarray(np.rint(shade).astype(np.uint8))
    stream = io.BytesIO()
    image.save(stream, "JPEG", quality=60)
    if path.suffix == ".tif":
        image.save(path, compression="jpeg", quality=60)
    elif path.suffix == ".jpg":
        path.write_bytes(stream.getvalue())
    else:
        dicom_file(
            *(path, np.asarray(image), pixel_format(8), JPEGBaseline8Bit),
            frame=stream.getvalue(),
        )
    return stream.getvalue()


@pytest.mark.parametrize("consistency", ["noise", "box"])
def test_the_result_stays_within_the_values_of_its_source(consistency):
    """An edge overshoots; min-max display must not change."""
    codes = np.full((48, 48), 1000, np.uint16)
    codes[:, 24:] = 3000
    image = from_array(codes, bits_stored=BITS)
    found = upscale(image, load_model("fine"), 4, Settings(consistency=consistency))
    assert (found.pixels.min(), found.pixels.max()) == (1000, 3000)
    assert found.derivation is not None
    assert found.derivation.consistency_max <= 1
    settings = Settings(consistency=consistency, value_range="stored")
    free = upscale(image, load_model("fine"), 4, settings).pixels
    assert free.max() > 3000
