"""The fixed resamplers against others' and against their own promises."""

from typing import get_args

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cxr_sr.superres.resample import (
    KERNELS,
    Interpolation,
    bicubic_down,
    box_down,
    keys,
    radius_of,
    upsample,
)
from tests.builders import structure

KINDS: tuple[Interpolation, ...] = get_args(Interpolation)
SCALES = st.integers(1, 8)
FLOATS = st.sampled_from([np.float32, np.float64])
QUICK = settings(max_examples=30, deadline=None)


def random_image(shape=(9, 7), dtype=np.float64, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype(dtype)


class TestAgainstTorch:
    """torch's antialiased interpolation has the same kernel and the same edges.

    A width of one is left out: torch 2.13 computes it wrongly; Pillow agrees with us.
    """

    @pytest.mark.parametrize("scale", [2, 3, 4, 8])
    @pytest.mark.parametrize("shape", [(1, 2, 9, 7), (1, 1, 1, 2), (1, 1, 40, 33)])
    def test_bicubic_up(self, scale, shape):
        image = random_image(shape)
        expected = torch_bicubic(image, (shape[2] * scale, shape[3] * scale))
        np.testing.assert_allclose(upsample(image, scale), expected, atol=1e-13)

    @pytest.mark.parametrize("scale", [2, 3, 4, 8])
    @pytest.mark.parametrize("shape", [(1, 2, 9, 7), (1, 1, 1, 2), (1, 1, 40, 33)])
    def test_bicubic_down(self, scale, shape):
        image = random_image((*shape[:2], shape[2] * scale, shape[3] * scale))
        expected = torch_bicubic(image, shape[2:])
        np.testing.assert_allclose(bicubic_down(image, scale), expected, atol=1e-13)

    def test_bilinear_up(self):
        image = random_image((1, 1, 9, 7))
        expected = torch_bicubic(image, (36, 28), mode="bilinear")
        np.testing.assert_allclose(upsample(image, 4, "bilinear"), expected, atol=1e-13)

    @pytest.mark.parametrize("scale", [2, 3, 4, 8])
    def test_box_is_average_pooling(self, scale):
        torch = pytest.importorskip("torch")
        image = random_image((1, 2, 9 * scale, 7 * scale))
        expected = torch.nn.functional.avg_pool2d(torch.from_numpy(image), scale)
        np.testing.assert_allclose(box_down(image, scale), expected, atol=1e-13)


def torch_bicubic(image, size, mode="bicubic"):
    torch = pytest.importorskip("torch")
    return torch.nn.functional.interpolate(
        torch.from_numpy(image),
        size=tuple(size),
        mode=mode,
        antialias=True,
        align_corners=False,
    ).numpy()


class TestAgainstPillow:
    """float32 images; Pillow keeps its weights in double precision."""

    @pytest.mark.parametrize(
        ("kind", "filter_"),
        [("bilinear", "BILINEAR"), ("bicubic", "BICUBIC"), ("lanczos", "LANCZOS")],
    )
    def test_up(self, kind, filter_):
        image = random_image((12, 17), np.float32)
        expected = pillow_resize(image, (36, 51), filter_)
        np.testing.assert_allclose(upsample(image, 3, kind), expected, atol=2e-6)

    @pytest.mark.parametrize("scale", [2, 3, 8])
    @pytest.mark.parametrize("shape", [(12, 17), (3, 1), (1, 1)])
    def test_bicubic_down(self, scale, shape):
        image = random_image((shape[0] * scale, shape[1] * scale), np.float32)
        expected = pillow_resize(image, shape, "BICUBIC")
        np.testing.assert_allclose(bicubic_down(image, scale), expected, atol=2e-6)


def pillow_resize(image, shape, filter_):
    pillow = pytest.importorskip("PIL.Image")
    resampling = getattr(pillow.Resampling, filter_)
    return np.asarray(pillow.fromarray(image).resize(shape[::-1], resampling))


class TestKnownValues:
    def test_the_keys_kernel_is_one_at_zero_and_zero_at_other_integers(self):
        assert [keys(x) for x in (-2, -1, 0, 1, 2)] == [0, 0, 1, 0, 0]

    def test_its_values_at_quarters_are_the_published_ones(self):
        found = [keys(x) for x in (0.25, -0.75, 1.25, -1.75)]
        assert found == [0.8671875, 0.2265625, -0.0703125, -0.0234375]

    def test_an_impulse_shows_the_kernel(self):
        impulse = np.zeros((1, 9))
        impulse[0, 4] = 1
        row = upsample(np.repeat(impulse, 9, axis=0), 2)[8]
        half = [-0.0234375, -0.0703125, 0.2265625, 0.8671875]
        np.testing.assert_allclose(row[5:13], half + half[::-1], atol=1e-15)
        assert not row[:5].any()
        assert not row[13:].any()

    def test_bilinear_between_two_pixels(self):
        row = upsample(np.array([[0.0, 1.0]]), 2, "bilinear")[0]
        assert row.tolist() == [0, 0.25, 0.75, 1]

    def test_nearest_repeats(self):
        rows = upsample(np.array([[1.0, 2.0]]), 2, "nearest").tolist()
        assert rows == [[1, 1, 2, 2], [1, 1, 2, 2]]

    def test_box_takes_means(self):
        assert box_down(np.array([[1.0, 3.0, 0.0, 0.0], [5.0, 7.0, 0.0, 2.0]]), 2)[
            0
        ].tolist() == [4, 0.5]

    def test_the_spline_is_the_one_of_scipy(self):
        """They agree inside; at the edges they fill missing pixels differently."""
        ndimage = pytest.importorskip("scipy.ndimage")
        image = random_image((48, 44))
        expected = ndimage.zoom(image, 3, order=3, mode="reflect", grid_mode=True)
        inside = slice(16 * 3, -16 * 3), slice(16 * 3, -16 * 3)
        found = upsample(image, 3, "bspline")
        np.testing.assert_allclose(found[inside], expected[inside], atol=1e-7)


class TestLaws:
    @given(st.sampled_from(KINDS), SCALES, FLOATS, st.floats(-70000, 70000))
    @QUICK
    def test_a_constant_stays_constant_up_to_its_edge(self, kind, scale, dtype, value):
        image = np.full((5, 4), value, dtype)
        fine = np.full((5 * scale, 4 * scale), value, dtype)
        results = [
            upsample(image, scale, kind),
            bicubic_down(fine, scale),
            box_down(fine, scale),
        ]
        rounding = 1e-5 if dtype == np.float32 else 1e-12
        for result in results:
            np.testing.assert_allclose(result, image[0, 0], rounding, atol=1e-30)

    @given(st.sampled_from(KINDS), SCALES, FLOATS)
    @QUICK
    def test_sizes_and_types_are_kept(self, kind, scale, dtype):
        fine = upsample(random_image((3, 6, 5), dtype), scale, kind)
        assert (fine.shape, fine.dtype) == ((3, 6 * scale, 5 * scale), dtype)
        for coarse in (box_down(fine, scale), bicubic_down(fine, scale)):
            assert (coarse.shape, coarse.dtype) == ((3, 6, 5), dtype)

    @given(st.sampled_from(KINDS), SCALES)
    @QUICK
    def test_planes_do_not_mix(self, kind, scale):
        image = random_image((3, 6, 5))
        alone = np.stack([upsample(plane, scale, kind) for plane in image])
        assert np.array_equal(upsample(image, scale, kind), alone)

    @given(st.sampled_from(KINDS), st.sampled_from([3, 5, 7]))
    @QUICK
    def test_odd_scales_keep_the_pixels_at_their_centres(self, kind, scale):
        """Every kernel here interpolates; the cut-off spline to 1e-8."""
        image = random_image((36, 33))
        centre = slice(scale // 2, None, scale)
        found = upsample(image, scale, kind)[centre, centre]
        np.testing.assert_allclose(found, image, atol=1e-6)

    @pytest.mark.parametrize("kind", KINDS)
    def test_mirrored_input_gives_mirrored_output(self, kind):
        image = random_image()
        mirrored = upsample(image[::-1, ::-1], 3, kind)[::-1, ::-1]
        np.testing.assert_allclose(mirrored, upsample(image, 3, kind), atol=1e-14)

    @pytest.mark.parametrize("kind", KINDS)
    def test_a_scale_of_one_changes_nothing(self, kind):
        image = random_image()
        assert np.array_equal(upsample(image, 1, kind), image)

    def test_the_argument_is_left_alone(self):
        image = random_image((8, 8))
        image.flags.writeable = False
        upsample(image, 2)
        box_down(image, 2)
        bicubic_down(image, 2)

    def test_finer_kernels_come_closer_to_a_fine_image(self):
        fine = structure((64, 64))
        coarse = bicubic_down(fine, 2)
        errors = [np.square(upsample(coarse, 2, k) - fine).mean() for k in KINDS[:3]]
        assert errors == sorted(errors, reverse=True)


@st.composite
def parts(draw, halo):
    """A length, and a stretch of it with its surroundings cut at the borders."""
    length = draw(st.integers(1, 40))
    start = draw(st.integers(0, length - 1))
    stop = draw(st.integers(start + 1, length))
    return length, slice(start, stop), slice(max(0, start - halo), stop + halo)


class TestParts:
    """With its surroundings a part comes out bit for bit as in the whole."""

    @given(st.data(), st.sampled_from(KINDS), SCALES, FLOATS)
    @settings(max_examples=60, deadline=None)
    def test_finer(self, data, kind, scale, dtype):
        rows, columns = (data.draw(parts(radius_of(kind))) for _ in "rc")
        image = random_image((rows[0], columns[0]), dtype)
        whole = upsample(image, scale, kind)[fine_of(rows, columns, scale)]
        part = upsample(image[rows[2], columns[2]], scale, kind)
        assert np.array_equal(part[inner_of(rows, columns, scale)], whole)

    @given(st.data(), SCALES, FLOATS)
    @settings(max_examples=60, deadline=None)
    def test_coarser(self, data, scale, dtype):
        """Bicubic reduction sees two coarse pixels away, the box none."""
        rows, columns = (data.draw(parts(2)) for _ in "rc")
        image = random_image((rows[0] * scale, columns[0] * scale), dtype)
        around = tuple(
            slice(p[2].start * scale, min(p[0], p[2].stop) * scale)
            for p in (rows, columns)
        )
        for reduce in (bicubic_down, box_down):
            part = reduce(image[around], scale)[inner_of(rows, columns, 1)]
            assert np.array_equal(part, reduce(image, scale)[rows[1], columns[1]])

    @pytest.mark.parametrize("kind", KERNELS)
    def test_with_less_surroundings_it_does_not(self, kind):
        radius = radius_of(kind)
        image = random_image((4 * radius + 4, 1))
        core = slice(2 * radius, 2 * radius + 1)
        cut = image[core.start - radius + 1 : core.stop + radius - 1]
        part = upsample(cut, 2, kind)[2 * (radius - 1), 0]
        assert part != upsample(image, 2, kind)[2 * core.start, 0]


def fine_of(rows, columns, scale):
    """Return the place of both cores in the whole result."""
    return tuple(slice(p[1].start * scale, p[1].stop * scale) for p in (rows, columns))


def inner_of(rows, columns, scale):
    """Return the place of both cores in the result of the part."""
    offsets = [(p[1], p[2].start) for p in (rows, columns)]
    return tuple(slice((c.start - o) * scale, (c.stop - o) * scale) for c, o in offsets)
