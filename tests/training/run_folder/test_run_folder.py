"""A run writes a model card and pictures for people."""

import dataclasses

import numpy as np
import pytest
import torch
from matplotlib.image import imread

from cxr_sr.superres.models.spec import ModelSpec
from cxr_sr.training.data.batches import CropBatch
from cxr_sr.training.data.degrade import Degradation
from cxr_sr.training.learner import enlarge
from cxr_sr.training.run_folder import history, samples
from cxr_sr.training.run_folder.card import model_card
from tests.builders import structure, tiny_network


def row(step, gain):
    return {
        "step": str(step),
        "gain": str(gain),
        "psnr_x2": "41.234",
        "gain_x2": str(gain),
    }


def spec(steps=30, kinds=("bicubic",), **changes):
    recipe = {
        "max_steps": 30,
        "max_seconds": 90.0,
        "degradation": {"kinds": kinds},
        "loss": "mae",
        "lr": 1e-3,
        "seed": 7,
        "optimiser": "muon",
        "precision": "bf16",
    }
    settings = {
        "recipe": recipe,
        "sampling": {"crop_px": 48},
        "batch": 4,
        "devices": 1,
        "init": None,
        "teacher": None,
        "validation_px": 264,
        **changes,
    }
    training = {
        "data": [{"source": "Some set", "licence": "CC BY 4.0", "n": 12}],
        "data_sha256": "d" * 64,
        "splits": {"train": 12, "val": 3},
        "patients": 9,
        "settings": settings,
        "versions": {"cxr-sr": "1.2.3"},
        "steps": steps,
        "seconds": 80,
    }
    made = ModelSpec("mine", "", network="trunk", scales=(2,), training=training)
    return dataclasses.replace(made, sha256="a" * 64, safetensors_sha256="b" * 64)


RISING = [row(10, 0.1), row(20, 0.4), row(30, 0.5)]


class TestCard:
    @pytest.mark.parametrize(
        "told",
        [
            *(
                "Some set | CC BY 4.0 | 12",
                "12 in train, 3 in val; the training images show 9 patients",
            ),
            *("d" * 64, "a" * 64, "b" * 64, "Budget: 30 steps or 90 s", "seed 7"),
            *("x2 | 41.23 | +0.50", "For research only", "cxr-sr 1.2.3"),
            *("4 crops of 48 px", "started from chance", "muon in bf16"),
        ],
    )
    def test_it_tells_data_terms_budget_metrics_and_files(self, told):
        assert told in model_card(spec(), RISING)

    def test_a_curve_that_ends_at_its_top_is_still_rising(self):
        card = model_card(spec(), RISING)
        assert "was still rising, with 0.10 dB since step 20" in card

    def test_a_curve_that_hardly_rises_has_flattened(self):
        rows = [row | {"gain": f"{0.004 * n:.4f}"} for n, row in enumerate(RISING)]
        assert "had flattened, with 0.00 dB since step" in model_card(spec(), rows)

    def test_a_curve_past_its_top_has_ceased_to_rise(self):
        rows = [*RISING, row(40, 0.3)]
        assert "its top at step 30 of 40; after that it did not rise" in model_card(
            spec(), rows
        )

    def test_the_metrics_are_those_of_the_weights_that_were_kept(self):
        rows = [*RISING, row(40, 0.3)]
        assert "| x2 | 41.23 | +0.50 |" in model_card(spec(), rows)

    def test_the_share_of_waiting_is_told_where_it_is_known(self):
        rows = [RISING[0], row(20, 0.4) | {"waiting": ""}]
        rows += [row(n, 0.5) | {"waiting": w} for n, w in ((30, "0.02"), (40, "0.04"))]
        assert "Waiting for data took 3.0% of the time" in model_card(spec(), rows)
        assert "Waiting" not in model_card(spec(), RISING)

    def test_noise_that_was_never_seen_is_a_limit(self):
        assert "no detector noise" in model_card(spec(), RISING)
        seen = spec(kinds=("bicubic", "detector"))
        assert "no detector noise" not in model_card(seen, RISING)

    def test_whole_images_and_starting_weights_are_told(self):
        other = spec(sampling={"crop_px": None}, init="fine.safetensors", batch=1)
        text = model_card(other, RISING)
        assert "1 whole images" in text
        assert "started from the weights of `fine.safetensors`" in text


class TestClock:
    def test_waiting_is_what_passes_before_a_batch(self, monkeypatch):
        now = iter([10.0, 13.0, 14.0, 14.0, 20.0])
        monkeypatch.setattr("time.monotonic", lambda: next(now))
        clock = history.Clock()
        for _ in range(2):
            clock.works()
            clock.waits()
        assert clock.share == 3 / 10

    def test_before_any_step_nothing_was_waited_for(self):
        assert history.Clock().share == 0


class TestSamples:
    @pytest.fixture
    def region(self):
        fine = torch.from_numpy(structure((48, 48)).astype(np.float32))
        return CropBatch(fine[None, None], torch.tensor([[1 / 255, 0, 1, 0.1]]))

    def test_there_is_a_picture_for_each_scale(self, region, tmp_path):
        network = tiny_network()
        written = samples.draw_samples(tmp_path, network, region, Degradation())
        assert [p.name for p in written] == [
            f"validation_x{s}.png" for s in network.scales
        ]
        assert all(imread(p).std() > 0.1 for p in written)

    def test_before_is_bicubic_and_truth_is_the_region(
        self, region, tmp_path, monkeypatch
    ):
        drawn = {}
        monkeypatch.setattr(
            samples, "_draw", lambda _, scale, images: drawn.update({scale: images})
        )
        network = tiny_network()
        samples.draw_samples(tmp_path, network, region, Degradation())
        before, after, truth = drawn[2]
        assert truth is region.fine
        small = torch.nn.functional.interpolate(
            truth, scale_factor=0.5, mode="bicubic", antialias=True
        )
        assert torch.allclose(before, enlarge(small, 2), atol=2 / 255)
        assert not torch.equal(before, after)

    def test_colour_stays_colour(self):
        image = torch.rand(1, 3, 4, 5)
        assert samples._shown(image, 0, 1).shape == (4, 5, 3)
