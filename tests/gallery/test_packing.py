"""Pixels are the same after packing and unpacking."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from cxr_sr.gallery.packing import packed, picture
from tests.builders import noise, pixel_format
from tests.gallery.builders import QUICK, unpacked


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
