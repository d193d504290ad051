"""`cxr-sr train`: options become settings, or are refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from cxr_sr.cli.train.options import Options
from cxr_sr.cli.train.request import run_of
from cxr_sr.errors import SettingsError


class TestOptions:
    def options(self, **given: Any) -> Options:
        defaults = {"data": Path("d"), "run": Path("r"), "max_steps": 5}
        return Options(**{**defaults, **given})

    def test_options_become_a_run(self):
        found = run_of(
            self.options(
                width=32,
                depth=6,
                scales="2,4",
                crop="none",
                batch=1,
                degradation="bicubic,box",
                max_time="01:02:03",
                lr=2e-4,
            )
        )
        assert found.network == {"width": 32, "depth": 6}
        assert found.recipe.scales == (2, 4)
        assert found.recipe.degradation.kinds == ("bicubic", "box")
        assert (found.recipe.max_seconds, found.recipe.max_steps) == (3723.0, 5)
        assert found.sampling.crop_px is None
        assert found.recipe.lr == 2e-4

    def test_weights_that_learn_to_be_rounded_are_not_to_forget_the_rest(self):
        init = Path("w.safetensors")
        assert run_of(self.options()).recipe.lr == 1e-3
        assert run_of(self.options(quantise=True)).recipe.lr == 1e-3
        assert run_of(self.options(init=init)).recipe.lr == 1e-3
        assert run_of(self.options(quantise=True, init=init)).recipe.lr == 2e-5
        assert run_of(self.options(quantise=True, init=init, lr=1e-4)).recipe.lr == 1e-4

    def test_the_crop_fits_the_network_unless_told_otherwise(self):
        assert run_of(self.options()).sampling.crop_px == 48
        assert run_of(self.options(model="vdsr")).sampling.crop_px == 192

    @pytest.mark.parametrize(
        ("given", "message"),
        [
            ({"scales": "2;4"}, "--scales 2;4 is not a list"),
            ({"crop": "big"}, "--crop big is neither none nor"),
            ({"crop": "100", "model": "hydra"}, "a crop of 100 px"),
            ({"crop": "0"}, "--crop 0 is neither none nor a number"),
            ({"crop": "none", "batch": 2}, "one image a step"),
            ({"max_time": "90"}, "--max-time 90 is not of the form"),
            ({"max_steps": None}, "the training has no end"),
            ({"degradation": "jpeg"}, "unknown degradation 'jpeg'"),
        ],
    )
    def test_a_wrong_option_is_explained(self, given: dict[str, Any], message: str):
        with pytest.raises(SettingsError, match=message):
            run_of(self.options(**given))
