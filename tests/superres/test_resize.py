"""The last reduction to any size: torch's arithmetic, but it knows padding."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cxr_sr.superres.resize import resize
from tests.builders import noise, pixel_format, structure

FORMAT = pixel_format(12)
QUICK = settings(max_examples=30, deadline=None)


def stored(shape=(48, 40), seed=0):
    return np.rint(4095 * structure(shape, seed)).astype(np.uint16)


def reduced(fine, shape, fmt=FORMAT, padding=None):
    return resize(fine, shape, fmt, padding)


@st.composite
def sizes(draw):
    """Fine and coarse sides; at most halved, as after the smallest scale."""
    fine = draw(st.tuples(st.integers(2, 40), st.integers(2, 40)))
    return fine, tuple(draw(st.integers(-(-n // 2), n)) for n in fine)


class TestValues:
    @given(sizes())
    @QUICK
    def test_they_are_torchs_rounded_to_codes(self, case):
        torch = pytest.importorskip("torch")
        fine, coarse = case
        if coarse[1] == 1:  # torch 2.13 computes a width of one wrongly
            return
        image = noise(fine)
        expected = torch.nn.functional.interpolate(
            torch.from_numpy(image.astype(float))[None, None],
            size=coarse,
            mode="bicubic",
            antialias=True,
        )[0, 0].numpy()
        found = reduced(image, coarse)
        assert np.abs(found - expected.clip(0, 4095)).max() <= 0.5 + 1e-6

    @given(sizes(), st.integers(0, 4095))
    @QUICK
    def test_a_constant_stays_constant(self, case, value):
        fine, coarse = case
        assert (reduced(np.full(fine, value, np.uint16), coarse) == value).all()

    def test_the_same_size_is_the_same_array(self):
        image = stored()
        assert reduced(image, image.shape) is image

    @pytest.mark.parametrize("signed", [False, True], ids=["unsigned", "signed"])
    def test_overshoot_is_clipped_to_the_stored_range(self, signed):
        fmt = pixel_format(12, signed=signed)
        columns = np.arange(40) // 5 % 2 * (fmt.maximum - fmt.minimum) + fmt.minimum
        image = np.broadcast_to(columns.astype(fmt.dtype), (20, 40))
        found = reduced(image, (15, 31), fmt)
        assert (found.min(), found.max()) == (fmt.minimum, fmt.maximum)

    def test_planes_are_resampled_alike(self):
        fmt = pixel_format(8, photometric="RGB")
        image = noise((20, 18, 3), fmt)
        planes = [reduced(image[..., k], (13, 12), fmt) for k in range(3)]
        assert np.array_equal(reduced(image, (13, 12), fmt), np.stack(planes, -1))

    def test_the_argument_is_left_alone(self):
        image = stored()
        image.flags.writeable = False
        reduced(image, (40, 30))

    @pytest.mark.parametrize("padding", [None, (0, 0)])
    def test_the_height_of_the_strips_changes_nothing(self, monkeypatch, padding):
        image = stored((48, 40))
        image[:9, :17] = 0
        whole = reduced(image, (31, 27), padding=padding)
        monkeypatch.setattr("cxr_sr.superres.resize.STRIP_ROWS", 4)
        assert np.array_equal(reduced(image, (31, 27), padding=padding), whole)

    def test_neither_does_a_file_behind_the_result(self, monkeypatch):
        image = stored()
        whole = reduced(image, (31, 27))
        monkeypatch.setattr("cxr_sr.superres.canvas.IN_MEMORY_BYTES", 0)
        paged = reduced(image, (31, 27))
        assert isinstance(paged, np.memmap)
        assert np.array_equal(paged, whole)


def collimated(value=0, shape=(48, 40), scale=2):
    """An image framed by padding, as super-resolved by `scale`, and its mask."""
    mask = np.ones([n // scale for n in shape], bool)
    mask[3:-4, 5:-2] = False
    mask[7, 9] = True
    mask = mask.repeat(scale, 0).repeat(scale, 1)
    return np.where(mask, np.uint16(value), stored(shape)), mask


class TestPadding:
    @pytest.mark.parametrize("value", [0, 4095, 1500])
    def test_it_keeps_its_value_and_its_place(self, value):
        image, mask = collimated(value)
        if value == 1500:
            image[~mask & (image == value)] += 1
        found = reduced(image, (36, 30), padding=(value, value)) == value
        nearest = mask[np.ix_(*(nearest_of(n, m) for n, m in ((48, 36), (40, 30))))]
        assert np.array_equal(found, nearest)

    def test_a_range_of_padding_values_keeps_each(self):
        image = np.full((24, 24), 2000, np.uint16)
        image[:8], image[:, :8] = 3, 5
        found = reduced(image, (18, 18), padding=(0, 10))
        assert set(np.unique(found)) == {3, 5, 2000}

    @given(st.integers(0, 1000))
    @QUICK
    def test_it_does_not_mix_with_the_image(self, seed):
        """A constant image under any padding stays constant beside it."""
        mask = np.random.default_rng(seed).random((12, 11)) < 0.4
        mask = mask.repeat(2, 0).repeat(2, 1)
        image = np.where(mask, np.uint16(0), np.uint16(2000))
        found = reduced(image, (17, 15), padding=(0, 0))
        assert set(np.unique(found)) <= {0, 2000}

    def test_far_from_it_the_image_is_as_without(self):
        image, _ = collimated()
        other = image.copy()
        other[0, 0] = 1
        found = reduced(other, (36, 30), padding=(0, 0))
        without = reduced(stored(), (36, 30))
        assert np.array_equal(found[16:20, 18:22], without[16:20, 18:22])

    def test_no_native_pixel_takes_its_value(self):
        """A steep edge that undershoots to the padding value."""
        image = np.full((24, 24), 2, np.uint16)
        image[:, 12:] = 4000
        assert reduced(image, (17, 17)).min() == 0
        assert reduced(image, (17, 17), padding=(0, 0)).min() == 1

    def test_nothing_but_padding_stays_so(self):
        image = np.zeros((24, 20), np.uint16)
        assert not reduced(image, (17, 15), padding=(0, 0)).any()


def nearest_of(fine, coarse):
    """The fine pixel nearest to the centre of each coarse one; the first of two."""
    centres = (np.arange(coarse) + 0.5) * fine / coarse - 0.5
    return np.ceil(centres - 0.5).astype(int)


class TestEnlargement:
    @given(st.integers(3, 20), st.integers(3, 20), st.floats(1.0, 5.0))
    @QUICK
    def test_it_is_torchs_too(self, rows, columns, factor):
        torch = pytest.importorskip("torch")
        image = noise((rows, columns))
        size = round(rows * factor), round(columns * factor)
        expected = torch.nn.functional.interpolate(
            torch.from_numpy(image.astype(float))[None, None],
            size=size,
            mode="bicubic",
            antialias=True,
        )[0, 0].numpy()
        assert np.abs(reduced(image, size) - expected.clip(0, 4095)).max() <= 0.5 + 1e-6

    def test_padding_is_enlarged_with_the_image(self):
        image = np.full((6, 6), 2000, np.uint16)
        image[:, :3] = 0
        found = reduced(image, (13, 13), padding=(0, 0))
        assert set(np.unique(found)) == {0, 2000}
