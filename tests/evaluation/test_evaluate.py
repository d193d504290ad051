"""The protocol of an evaluation, the models that it measures, and its tables."""

import csv
import dataclasses
import json
import math
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import SimpleITK
import typer
from hypothesis import given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

import cxr_sr
from cxr_sr.cli.errors import guarded
from cxr_sr.cli.evaluate.command import evaluate as command
from cxr_sr.cli.evaluate.options import Options as EvaluateOptions
from cxr_sr.cli.options import spread
from cxr_sr.cli.upscale.options import Options as UpscaleOptions
from cxr_sr.errors import ModelError, NotARadiographError, SettingsError
from cxr_sr.evaluation.cases import Case, find_cases
from cxr_sr.evaluation.condition import Condition
from cxr_sr.evaluation.degradations import Exposure
from cxr_sr.evaluation.evaluate import Measurement, compare, evaluate
from cxr_sr.evaluation.protocol import Score, as_stored, degraded, measure, score
from cxr_sr.evaluation.report import markdown, write_results
from cxr_sr.evaluation.summary import by_source, mean_interval, summarise
from cxr_sr.formats import read, write
from cxr_sr.superres.intensity import Scaling
from cxr_sr.superres.models.zoo import load_model
from cxr_sr.superres.resample import upsample
from cxr_sr.superres.settings import Settings
from tests.builders import noise, pixel_format, radiograph, structure, tiny_model

X2 = Condition(2)
CLEAN = ("--degradation", "bicubic")
KEYS = [
    "model",
    "scale",
    "degradation",
    "n",
    "psnr",
    "ssim",
    "ms_ssim",
    "consistency_max",
    "worse_than_bicubic",
]


def image(shape=(72, 96), bits=8, seed=0, **changes):
    """A radiograph of `structure` over the stored range."""
    fmt = pixel_format(bits, **changes.pop("fmt", {}))
    span = fmt.maximum - fmt.minimum
    pixels = np.rint(fmt.minimum + span * structure(shape, seed)).astype(fmt.dtype)
    return radiograph(pixels, fmt, **changes)


def by_hand(restore):
    """Return an upscaler made of a function from units to units."""
    return lambda coarse: as_stored(coarse, restore(unit_of(coarse)))


def unit_of(coarse):
    return Scaling.of(coarse).normalise(coarse.pixels)


def bicubic(scale=2, method="bicubic"):
    return by_hand(lambda unit: upsample(unit, scale, method))


def plain_bicubic(scale=2):
    """The baseline as a user gets it."""
    settings = Settings(consistency="off")
    return lambda coarse: cxr_sr.upscale(coarse, "bicubic", scale, settings)


def returning(result):
    """A model that knows the answer."""
    return by_hand(lambda _: result)


def write_png(path, pixels):
    SimpleITK.WriteImage(SimpleITK.GetImageFromArray(pixels), path)


def export(folder, images=3, patients=None, broken=()):
    """An index.csv and its images, as `cxr-sr index` leaves them; returns the index."""
    rows = []
    for k in range(images):
        name = f"image_{k}.png"
        write_png(folder / name, image(seed=k).pixels)
        if k in broken:
            whole = (folder / name).read_bytes()
            (folder / name).write_bytes(whole[: len(whole) // 2])
        patient = patients[k] if patients else f"p{k}"
        rows.append({"file": name, "split": "val", "patient": patient})
    rows.append({"file": "seen.png", "split": "train", "patient": "q"})
    with (folder / "index.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, ["file", "split", "patient"])
        writer.writeheader()
        writer.writerows(rows)
    return folder / "index.csv"


def measurement(psnr=40.0, case="a", patient=None, model="bicubic", **changes):
    """One measurement at x2, of a case that is its own patient unless told."""
    score = Score(psnr, 0.98, changes.pop("ms_ssim", 0.99), 0.5, 0.7, psnr + 2, 3.0)
    condition = changes.pop("condition", X2)
    where = Case(Path(case), case, patient or case, changes.pop("source", ""))
    fields = {"consistency": "off", "score": score, "seconds": 0.1, **changes}
    return Measurement(where, condition, model, **fields)


def run(*arguments):
    app = typer.Typer(pretty_exceptions_enable=False)
    app.command()(guarded(spread(command)))
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


class TestProtocol:
    def test_the_crop_is_centred(self):
        pixels = noise((30, 51), pixel_format(8))
        trial = degraded(radiograph(pixels, pixel_format(8)), X2)
        assert np.array_equal(trial.reference, pixels[3:27, 1:49])

    def test_the_coarse_image_is_a_radiograph_as_a_file_would_hold_it(self):
        original = image(bits=12, window=(100, 3000), padding=(0, 5))
        coarse = degraded(original, X2).coarse
        assert coarse.shape == (36, 48)
        assert coarse.pixels.dtype == np.uint16
        assert coarse.format == original.format
        assert coarse.window == original.window
        assert coarse.padding is None
        assert coarse.geometry.spacing_mm == (0.4, 0.4)

    @pytest.mark.parametrize("scale", [2, 3, 4, 8])
    def test_scale_pixels_are_shaved(self, scale):
        """Wrong in the shaved frame only: a perfect score."""
        original = image()
        unit = original.pixels / 255.0

        def wrong_at_the_border(_):
            result = np.zeros_like(unit)
            inner = np.s_[scale:-scale, scale:-scale]
            result[inner] = unit[inner]
            return result

        upscale = by_hand(wrong_at_the_border)
        assert measure(original, Condition(scale), upscale).ssim == 1.0

    def test_a_perfect_result_has_a_finite_psnr(self):
        original = image()
        score = measure(original, X2, returning(original.pixels / 255.0))
        one_pixel_one_code = 10 * math.log10(255**2 * 68 * 92)
        assert score.psnr == pytest.approx(one_pixel_one_code)
        # The original itself agrees but for the rounding of the coarse image.
        assert score.consistency <= 1

    def test_the_result_is_rounded_and_clipped_before_it_is_measured(self):
        original = image()
        unit = original.pixels / 255.0
        exact = measure(original, X2, returning(unit))
        assert measure(original, X2, returning(unit + 0.4 / 255)) == exact
        white = radiograph(np.full((72, 72), 255, np.uint8), pixel_format(8))
        brighter = by_hand(lambda unit: upsample(unit, 2) + 9)
        assert measure(white, X2, brighter).ssim == 1.0

    def test_the_data_range_is_the_stored_one(self):
        """One code off is 1/255 of 8 bits and 1/32767 of 15."""
        psnr = []
        for bits in (8, 15):
            original = image(bits=bits)
            unit = original.pixels / (2**bits - 1)
            one_code_off = unit + 1 / (2**bits - 1)
            psnr.append(measure(original, X2, returning(one_code_off)).psnr)
        assert psnr == pytest.approx([20 * math.log10(255), 20 * math.log10(32767)])

    def test_a_window_is_no_other_data_range(self):
        plain, windowed = image(bits=12), image(bits=12, window=(800, 2900))
        expected = measure(plain, X2, bicubic())
        found = measure(windowed, X2, bicubic())
        assert found.psnr == pytest.approx(expected.psnr, abs=1e-3)

    def test_polarity_makes_no_difference(self):
        light = image(bits=12)
        dark = radiograph(
            light.format.maximum - light.pixels,
            dataclasses.replace(light.format, photometric="MONOCHROME1"),
        )
        found, expected = (measure(r, X2, bicubic()) for r in (dark, light))
        assert found.psnr == pytest.approx(expected.psnr, abs=0.01)
        assert found.ssim == pytest.approx(expected.ssim, abs=1e-4)

    def test_padding_is_no_edge_to_be_judged_by(self):
        pixels = image(bits=12, shape=(72, 120)).pixels.copy()
        pixels[:, :30] = 0
        fmt = pixel_format(12)
        judged = measure(radiograph(pixels, fmt), X2, bicubic())
        left_out = measure(radiograph(pixels, fmt, padding=(0, 0)), X2, bicubic())
        assert left_out.psnr > judged.psnr + 3

    def test_ms_ssim_needs_161_pixels(self):
        small, large = image(shape=(168, 96)), image(shape=(168, 192))
        assert math.isnan(measure(small, X2, bicubic()).ms_ssim)
        assert 0.5 < measure(large, X2, bicubic()).ms_ssim < 1

    @pytest.mark.parametrize(("side", "scale"), [(23, 2), (47, 8)])
    def test_what_is_too_small_is_refused(self, side, scale):
        with pytest.raises(NotARadiographError, match=f"found {side} x 96 pixels"):
            measure(image(shape=(side, 96)), Condition(scale), bicubic(scale))

    @pytest.mark.parametrize(("side", "scale"), [(24, 2), (24, 4), (48, 8)])
    def test_what_is_just_large_enough_is_measured(self, side, scale):
        score = measure(image(shape=(side, side)), Condition(scale), bicubic(scale))
        assert 10 < score.psnr < 60

    def test_colour_is_refused(self):
        fmt = pixel_format(8, photometric="RGB")
        with pytest.raises(NotARadiographError, match="colour"):
            measure(radiograph(noise((48, 48, 3), fmt), fmt), X2, bicubic())

    def test_an_unknown_degradation_is_refused(self):
        with pytest.raises(SettingsError, match=r"'blur'.*bicubic, box, detector"):
            Condition(2, "blur")

    def test_a_scale_that_does_not_divide_the_crop_is_refused(self):
        with pytest.raises(
            SettingsError, match=r"x5 is not measured; expected .* 2, 3"
        ):
            Condition(5)

    def test_noise_belongs_to_the_image_not_to_the_run(self):
        original, noisy = image(), Condition(2, "detector")
        first, again, other = (degraded(original, noisy, name) for name in "aab")
        assert np.array_equal(first.coarse.pixels, again.coarse.pixels)
        assert not np.array_equal(first.coarse.pixels, other.coarse.pixels)

    def test_a_noisy_condition_states_dose_and_width_a_clean_one_neither(self):
        noisy = Condition(2, "detector", Exposure(10, 0.6))
        assert noisy.name == "detector 10 uGy 0.6 px"
        assert noisy.noise == {"dose_ugy": 10, "noise_width_px": 0.6}
        assert Condition(2, "detector") == Condition(2, "detector", Exposure(2.5, 0))
        assert Condition(2, "box", Exposure(10)).noise["dose_ugy"] is None
        assert Condition(2, "box").name == "box"

    def test_more_dose_is_less_noise(self):
        psnr = [
            measure(image(), Condition(2, "detector", Exposure(dose)), bicubic()).psnr
            for dose in (0.25, 2.5, 25)
        ]
        assert psnr[0] + 3 < psnr[1] < psnr[2]

    def test_disagreement_is_measured_as_the_degradation_reduces(self):
        """Pixel repetition agrees by box with every image that a box degraded."""
        original = image()
        nearest = bicubic(2, "nearest")
        by_box = measure(original, Condition(2, "box"), nearest)
        by_bicubic = measure(original, X2, nearest)
        assert by_box.consistency == by_box.box_consistency == 0
        assert by_bicubic.box_consistency == 0
        assert by_bicubic.consistency > 1

    def test_clipped_pixels_count_like_all_others(self):
        bright = radiograph(np.full((48, 48), 250, np.uint8), pixel_format(8))
        brighter = by_hand(lambda unit: upsample(unit, 2) + 0.1)
        score = measure(bright, Condition(2, "box"), brighter)
        assert score.consistency == 255 - 250


CALIBRATION = {
    2: (44.03, 0.9807, 0.99791),
    3: (41.20, 0.9704, 0.99479),
    4: (39.38, 0.9607, 0.99162),
    8: (35.76, 0.9365, 0.97333),
}
"""PSNR, SSIM, MS-SSIM of Pillow's bicubic on the 40 validation images; those of a
table that other tools' numbers come from (35.77 there)."""


@pytest.mark.slow
@pytest.mark.parametrize("scale", [2, 8])
def test_pillows_bicubic_has_its_published_numbers(shared_cxr, scale):
    pil = pytest.importorskip("PIL.Image")

    def pillow(unit):
        codes = np.rint(unit * 255).astype(np.uint8)
        size = codes.shape[1] * scale, codes.shape[0] * scale
        resized = pil.fromarray(codes).resize(size, pil.Resampling.BICUBIC)
        return np.asarray(resized) / 255.0

    cases = find_cases(shared_cxr / "manifest.csv")
    scores = [
        measure(read(case.path), Condition(scale), by_hand(pillow)) for case in cases
    ]
    psnr, ssim, ms_ssim = np.mean([(s.psnr, s.ssim, s.ms_ssim) for s in scores], axis=0)
    assert len(cases) == 40
    assert (round(psnr, 2), round(ssim, 4), round(ms_ssim, 5)) == CALIBRATION[scale]


class TestCases:
    def test_an_index_gives_one_split_with_paths_relative_to_it(self, tmp_path):
        index = export(tmp_path, patients=["x", "x", "y"])
        cases = find_cases(index)
        assert [case.name for case in cases] == [f"image_{k}.png" for k in range(3)]
        assert cases[2] == Case(tmp_path / "image_2.png", "image_2.png", "y")

    def test_a_folder_with_an_index_is_read_by_it(self, tmp_path):
        index = export(tmp_path)
        assert find_cases(tmp_path) == find_cases(index)

    def test_a_plain_folder_is_all_used_and_each_file_its_own_patient(self, tmp_path):
        (tmp_path / "deep").mkdir()
        for name in ("b.png", "deep/a.png"):
            write_png(tmp_path / name, image().pixels)
        cases = find_cases(tmp_path)
        assert [(c.name, c.patient) for c in cases] == [
            ("b.png", "b.png"),
            ("deep/a.png", "deep/a.png"),
        ]

    def test_a_split_that_is_not_there_is_named_with_those_that_are(self, tmp_path):
        with pytest.raises(SettingsError, match="'test'; expected one of train, val"):
            find_cases(export(tmp_path), "test")

    @pytest.mark.parametrize(
        ("text", "told"),
        [
            ("path,split\na.png,val\n", "lacks the column.*file, patient"),
            (b"\xff\xfe\x00nonsense", "no readable index"),
            ("", "lacks the column"),
            (None, "no readable index"),
        ],
        ids=["other columns", "binary", "empty", "missing"],
    )
    def test_what_is_no_index_is_refused(self, tmp_path, text, told):
        index = tmp_path / "index.csv"
        if text is not None:
            index.write_bytes(text if isinstance(text, bytes) else text.encode())
        with pytest.raises(SettingsError, match=told) as caught:
            find_cases(index)
        assert str(tmp_path) not in str(caught.value)

    def test_an_index_from_a_spreadsheet_may_start_with_a_byte_order_mark(
        self, tmp_path
    ):
        index = export(tmp_path)
        index.write_text("\ufeff" + index.read_text(), encoding="utf-8")
        assert len(find_cases(index)) == 3


class TestEvaluate:
    def test_every_model_meets_every_condition(self, tmp_path):
        conditions = [Condition(s, d) for s in (2, 4) for d in ("bicubic", "box")]
        cases = find_cases(export(tmp_path, images=2))
        examined = list(evaluate(cases, compare(["lanczos", "nearest"], conditions)))
        for done in examined:
            met = [(m.condition, m.model) for m in done.measurements]
            models = ("bicubic", "lanczos", "nearest")
            assert met == [(c, m) for c in conditions for m in models]

    def test_it_measures_what_the_protocol_says(self, tmp_path):
        (case, *_) = find_cases(export(tmp_path, images=1))
        (done,) = evaluate([case], compare([], [X2]))
        expected = measure(read(case.path), X2, plain_bicubic())
        assert done.measurements[0].score == expected

    def test_a_broken_and_a_missing_image_are_reported_and_skipped(self, tmp_path):
        cases = find_cases(export(tmp_path, images=3, broken=[1]))
        (tmp_path / "image_2.png").unlink()
        good, broken, missing = evaluate(cases, compare([], [X2]))
        assert good.problem is None
        for bad in (broken, missing):
            assert bad.measurements == ()
            assert bad.problem is not None

    def test_an_image_too_small_for_one_scale_counts_at_none(self, tmp_path):
        write_png(tmp_path / "small.png", image(shape=(40, 40)).pixels)
        conditions = [Condition(2), Condition(8)]
        (done,) = evaluate(find_cases(tmp_path), compare([], conditions))
        assert done.measurements == ()
        assert "at least 48 x 48" in str(done.problem)

    def test_the_true_bit_depth_is_measured(self, rg1):
        case = Case(rg1, "rg1", "rg1")
        (done,) = evaluate([case], compare([], [Condition(8)]))
        radiograph = read(rg1)
        assert radiograph.format.bits_stored == 15
        expected = measure(radiograph, Condition(8), plain_bicubic(8))
        assert done.measurements[0].score == expected


class TestPlan:
    def test_the_baseline_is_plain_bicubic_and_first(self):
        box = Settings(consistency="box")
        found = compare(["lanczos", "bicubic"], [X2], box, project_all=True)
        names = [contender.name for contender in found.contenders]
        assert names == ["bicubic", "lanczos+box", "bicubic+box"]
        projections = [c.settings.consistency for c in found.contenders]
        assert projections == ["off", "box", "box"]

    def test_by_default_interpolators_are_as_the_literature_knows_them(self):
        found = compare(["nearest", "bicubic"], [X2])
        used = [(c.name, c.settings.consistency) for c in found.contenders]
        assert used == [
            ("bicubic", "off"),
            ("nearest", "off"),
        ]

    def test_what_is_asked_for_twice_is_measured_once(self):
        found = compare(["nearest", "nearest"], [X2, X2])
        assert len(found.contenders) == 2
        assert found.conditions == (X2,)

    def test_an_unknown_model_is_refused_before_any_work(self):
        with pytest.raises(ModelError, match="no model is called 'hydrant'"):
            compare(["hydrant"], [X2])


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    """An untrained network's ONNX file, as a training leaves it."""
    pytest.importorskip("torch")
    return tiny_model(tmp_path_factory.mktemp("run")).onnx


class TestNetwork:
    def test_without_settings_it_is_measured_as_it_is_used(self, weights, tmp_path):
        """The score equals the score of the default `upscale` of a coarse file."""
        (case,) = find_cases(export(tmp_path, images=1))
        condition = Condition(2, "detector")
        (done,) = evaluate([case], compare([str(weights)], [condition]))
        trial = degraded(read(case.path), condition, case.name)
        write(trial.coarse, tmp_path / "coarse.png")
        used = cxr_sr.upscale(read(tmp_path / "coarse.png"), weights)
        assert done.measurements[1].score == score(trial, used)
        assert done.measurements[1].consistency == Settings().consistency

    def test_box_agrees_with_the_noisy_pixels_and_off_does_not(self, weights, tmp_path):
        cases = find_cases(export(tmp_path, images=1))
        missed = {}
        for projection in ("box", "off"):
            settings = Settings(consistency=projection)
            planned = compare([str(weights)], [Condition(2, "detector")], settings)
            (done,) = evaluate(cases, planned)
            missed[projection] = done.measurements[1].score.consistency
        assert missed["box"] <= 1 < missed["off"]

    def test_scales_it_was_not_made_for_are_left_out(self, weights, monkeypatch):
        only_x4 = load_model(weights)
        spec = dataclasses.replace(only_x4.spec, scales=(4,))
        only_x4 = dataclasses.replace(only_x4, spec=spec)
        load = {"bicubic": load_model("bicubic"), "x4": only_x4}
        monkeypatch.setattr("cxr_sr.evaluation.evaluate.load_model", load.get)
        with pytest.raises(SettingsError, match="made for x4, not for x2, x3"):
            compare(["x4"], [Condition(3), X2])
        planned = compare(["x4"], [X2, Condition(4)])
        assert planned.contenders_at(X2) == planned.contenders[:1]
        assert planned.contenders_at(Condition(4)) == planned.contenders

    def test_a_run_is_called_by_its_folder_never_by_its_whole_path(self, weights):
        (_, network) = compare([str(weights)], [X2]).contenders
        assert network.name == f"{weights.parent.name}/{weights.stem}"


class TestSummary:
    def test_worse_than_bicubic_counts_images(self):
        measured = []
        for case, ours in zip("abc", (41, 39, 40), strict=True):
            measured += [
                measurement(40, case),
                measurement(ours, case, model="net"),
            ]
        baseline, net = summarise(measured)
        assert (baseline.worse_than_bicubic, net.worse_than_bicubic) == (0, 1)
        assert (baseline.psnr_gain, net.psnr_gain) == (0, 0)
        assert net.n == net.patients == 3

    def test_consistency_is_the_largest_anywhere(self):
        worst = dataclasses.replace(measurement(case="b").score, consistency=3.0)
        (found,) = summarise([measurement(), measurement(case="b", score=worst)])
        assert found.consistency_max == 3.0

    def test_one_image_far_off_moves_the_mean_and_not_the_median(self):
        measured = []
        for case, ours in zip("abc", (41, 42, 70), strict=True):
            measured += [measurement(40, case), measurement(ours, case, model="net")]
        net = summarise(measured)[1]
        assert net.psnr_gain == pytest.approx(11)
        assert net.psnr_gain_median == net.anatomy_gain_median == 2
        assert net.psnr_median == 42
        assert net.anatomy_psnr_median == 44

    def test_gains_are_paired(self):
        """Images differ by 10 dB, but the network always gains 1: a sharp interval."""
        measured = []
        for k, case in enumerate("abcd"):
            measured += [
                measurement(30 + 10 * k, case),
                measurement(31 + 10 * k, case, model="net"),
            ]
        net = summarise(measured)[1]
        assert net.psnr_gain_ci == pytest.approx((1, 1))
        assert net.psnr_ci[1] - net.psnr_ci[0] > 10

    def test_conditions_are_kept_apart(self):
        x4 = Condition(4)
        found = summarise([measurement(40), measurement(30, condition=x4)])
        assert [(s.scale, s.psnr) for s in found] == [(2, 40), (4, 30)]

    def test_an_ms_ssim_that_is_not_there_is_left_out_of_the_mean(self):
        measured = [measurement(ms_ssim=0.9), measurement(case="b", ms_ssim=math.nan)]
        assert summarise(measured)[0].ms_ssim == 0.9
        (none,) = summarise(measured[1:])
        assert none.as_json()["ms_ssim"] is None

    def test_json_starts_with_the_promised_keys(self):
        (summary,) = summarise([measurement()])
        assert list(summary.as_json())[: len(KEYS)] == KEYS
        assert json.loads(json.dumps(summary.as_json(), allow_nan=False))


class TestInterval:
    def test_it_is_that_of_a_mean(self):
        values = np.random.default_rng(1).normal(10, 2, 400)
        low, high = mean_interval(values, np.arange(400).astype(str))
        expected = 1.96 * values.std() / 20
        assert (high - low) / 2 == pytest.approx(expected, rel=0.1)
        assert (high + low) / 2 == pytest.approx(values.mean(), abs=0.02)

    def test_more_images_of_the_same_patients_are_no_more_evidence(self):
        values = np.array([1.0, 2.0, 4.0])
        patients = np.array(["a", "b", "c"])
        alone = mean_interval(values, patients)
        assert mean_interval(values.repeat(5), patients.repeat(5)) == pytest.approx(
            alone
        )

    def test_one_patient_is_no_evidence(self):
        assert all(np.isnan(mean_interval(np.array([1.0, 2.0]), np.array(["a", "a"]))))

    @settings(max_examples=15, deadline=None)
    @given(st.lists(st.floats(20, 60), min_size=2, max_size=12))
    def test_it_lies_within_the_values(self, values):
        low, high = mean_interval(np.array(values), np.arange(len(values)).astype(str))
        assert min(values) - 1e-9 <= low <= high <= max(values) + 1e-9


class TestReport:
    def test_the_table_holds_a_row_a_model_under_each_condition(self):
        measured = [
            measurement(40.0, condition=c, model=m)
            for c in (X2, Condition(4, "box"))
            for m in ("bicubic", "net")
        ]
        text = markdown(summarise(measured))
        assert "### x2, bicubic: 1 images of 1 patients" in text
        assert "### x4, box" in text
        rows = [line for line in text.splitlines() if line.startswith("| net")]
        assert len(rows) == 2
        begin = "| net | 40.00 | 40.00 | 42.00 | 0.9800 | 0.99000 | +0.00 |"
        assert rows[0].startswith(begin)

    def test_results_name_every_image_and_no_path(self, tmp_path):
        measured = [measurement(), measurement(case="b", ms_ssim=math.nan)]
        folder = tmp_path / "new" / "results"
        paths = write_results(folder, summarise(measured), measured)
        assert [path.name for path in paths] == [
            "results.json",
            "results.md",
            "results.csv",
        ]
        results = json.loads(paths[0].read_text())
        assert [entry["file"] for entry in results["images"]] == ["a", "b"]
        assert results["images"][1]["ms_ssim"] is None
        assert results["summaries"][0]["n"] == 2
        assert str(tmp_path) not in paths[0].read_text() + paths[1].read_text()

    def test_each_source_has_its_own_rows_where_there_are_several(self, tmp_path):
        measured = [
            measurement(value, case, model=model, source=source)
            for case, source, values in (("a", "nih", (40, 41)), ("b", "own", (30, 29)))
            for model, value in zip(("bicubic", "net"), values, strict=True)
        ]
        found = {(s.source, s.model): s.psnr_gain for s in by_source(measured)}
        assert (found["nih", "net"], found["own", "net"]) == (1, -1)
        write_results(tmp_path, summarise(measured), measured)
        text = (tmp_path / "results.md").read_text()
        assert "| x2 | bicubic | own | 1 | net | 29.00 |" in text
        assert by_source(measured[:2]) == []

    def test_the_csv_has_a_row_a_model_and_a_number_a_cell(self, tmp_path):
        measured = [
            measurement(psnr, case, model=model)
            for case in "ab"
            for model, psnr in (("bicubic", 40), ("net", 41))
        ]
        write_results(tmp_path, summarise(measured), measured)
        with (tmp_path / "results.csv").open() as file:
            bicubic, net = csv.DictReader(file)
        assert (bicubic["model"], net["model"]) == ("bicubic", "net")
        assert float(net["psnr_gain_ci_low"]) == float(net["psnr_gain_ci_high"]) == 1
        assert net["dose_ugy"] == ""

    def test_models_are_held_against_each_other_image_by_image(self, tmp_path):
        values = {"bicubic": 40.0, "first": 41.0, "second": 43.0}
        measured = [
            measurement(value, case=case, model=model)
            for case in "ab"
            for model, value in values.items()
        ]
        paths = write_results(tmp_path, summarise(measured), measured)
        found = json.loads(paths[0].read_text())["differences"]
        assert {(d["model"], d["rival"]) for d in found} == {("second", "first")}
        assert next(d for d in found if d["metric"] == "psnr")["mean"] == 2
        assert "| second | first | bicubic | x2 | +2.00" in paths[1].read_text()

    def test_one_model_alone_has_nobody_to_be_held_against(self, tmp_path):
        measured = [measurement(), measurement(model="net")]
        paths = write_results(tmp_path, summarise(measured), measured)
        assert json.loads(paths[0].read_text())["differences"] == []
        assert "against" not in paths[1].read_text()

    def test_a_single_patient_has_differences_without_intervals(self, tmp_path):
        measured = [measurement(model=model) for model in ("bicubic", "a", "b")]
        paths = write_results(tmp_path, summarise(measured), measured)
        found = json.loads(paths[0].read_text())["differences"]
        assert {d["ci"] for d in found} == {None}


class TestCommand:
    def test_json_is_one_object_a_line_and_nothing_else(self, tmp_path):
        index = export(tmp_path)
        result = run(
            index, "--model", "lanczos", "--scale", 2, "--scale", 4, "--json", *CLEAN
        )
        assert result.exit_code == 0
        lines = [json.loads(line) for line in result.stdout.splitlines()]
        found = [(o["model"], o["scale"], o["degradation"], o["n"]) for o in lines]
        assert found == [
            (m, s, "bicubic", 3) for s in (2, 4) for m in ("bicubic", "lanczos")
        ]
        assert all(list(o)[: len(KEYS)] == KEYS for o in lines)

    def test_a_person_gets_a_table(self, tmp_path):
        result = run(export(tmp_path), "--model", "nearest", "--scale", 2, *CLEAN)
        assert result.exit_code == 0
        head, *rows = result.stdout.splitlines()
        assert "PSNR dB" in head
        assert [row.split()[:3] for row in rows] == [
            ["x2", "bicubic", "bicubic"],
            ["x2", "bicubic", "nearest"],
        ]

    def test_a_broken_image_costs_itself_and_the_exit_code(self, tmp_path):
        index = export(tmp_path, broken=[0])
        result = run(index, "--model", "bicubic", "--scale", 2, "--json", *CLEAN)
        assert result.exit_code == 4
        assert json.loads(result.stdout)["n"] == 2
        assert "image_0.png: left out: " in result.stderr
        assert str(tmp_path) not in result.stderr

    def test_what_is_no_image_in_a_folder_is_told_but_no_failure(self, tmp_path):
        write_png(tmp_path / "a.png", image().pixels)
        (tmp_path / "notes.txt").write_text("not an image")
        result = run(tmp_path, "--model", "bicubic", "--scale", 2, "--json", *CLEAN)
        assert result.exit_code == 0
        assert "1 files left out: text (.txt)" in result.stderr

    def test_a_result_is_no_evidence_unless_wanted(self, tmp_path):
        original = radiograph(noise((60, 50), pixel_format(8)), pixel_format(8))
        write(original, tmp_path / "a.png")
        made = cxr_sr.upscale(read(tmp_path / "a.png"), "bicubic", 2)
        write(made, tmp_path / "finer.png")
        asked = (tmp_path, "--model", "bicubic", "--scale", 2, "--json", *CLEAN)
        left = run(*asked)
        assert left.exit_code == 0
        assert json.loads(left.stdout)["n"] == 1
        assert "finer.png: left out: the image is itself a result" in left.stderr
        taken = run(*asked, "--again")
        assert json.loads(taken.stdout)["n"] == 2

    def test_all_broken_is_a_failure(self, tmp_path):
        index = export(tmp_path, images=1, broken=[0])
        assert run(index, "--model", "bicubic", "--scale", 2).exit_code == 5

    def test_an_empty_folder_is_nothing_to_do(self, tmp_path):
        assert run(tmp_path, "--model", "bicubic", "--scale", 2).exit_code == 3

    @pytest.mark.parametrize(
        "wrong",
        [
            ["--split", "test"],
            ["--scale", "5"],
            ["--degradation", "blur"],
            ["--dose", "0"],
            ["--noise-width", "-1"],
            ["--model", "hydrant"],
            ["--limit", "0"],
        ],
        ids=lambda wrong: wrong[0],
    )
    def test_a_mistake_is_told_before_any_work(self, tmp_path, wrong):
        result = run(export(tmp_path), *wrong)
        assert result.exit_code == 2
        assert result.stdout == ""

    def test_without_options_it_measures_the_default_model_clean_and_noisy(
        self, tmp_path
    ):
        write_png(tmp_path / "a.png", image().pixels)
        lines = [
            json.loads(line) for line in run(tmp_path, "--json").stdout.split("\n")[:-1]
        ]
        assert {o["model"] for o in lines} == {"bicubic", "fine"}
        conditions = {
            (o["degradation"], o["dose_ugy"], o["noise_width_px"]) for o in lines
        }
        assert conditions == {
            ("bicubic", None, None),
            ("detector", 2.5, 0.0),
            ("detector", 2.5, 0.6),
        }
        used = {o["consistency"] for o in lines if o["model"] == "fine"}
        assert used == {Settings().consistency}

    def test_its_defaults_are_those_of_upscale(self):
        """Every option that both commands have, and every setting."""
        ours, theirs = (
            {f.name: f.default for f in dataclasses.fields(options)}
            for options in (EvaluateOptions, UpscaleOptions)
        )
        for name in ("engine", "threads", "again", "grain"):
            assert ours[name] == theirs[name]
        for name in ("consistency", "precision", "grain", "value_range"):
            assert theirs[name] == getattr(Settings(), name)

    def test_every_dose_meets_every_width_and_the_table_says_so(self, tmp_path):
        doses = ["--dose", 1, "--dose", 10, "--noise-width", 0, "--noise-width", 0.4]
        asked = ["--model", "bicubic", "--scale", 2, "--degradation", "detector"]
        result = run(export(tmp_path, images=1), *asked, *doses)
        assert [line.split()[1:6] for line in result.stdout.splitlines()[1:]] == [
            ["detector", d, "uGy", w, "px"] for d in ("1", "10") for w in ("0", "0.4")
        ]

    def test_limit_takes_the_first(self, tmp_path):
        arguments = ["--model", "bicubic", "--scale", 2, "--limit", 2, "--json"]
        arguments += CLEAN
        assert json.loads(run(export(tmp_path), *arguments).stdout)["n"] == 2

    def test_output_holds_tables_and_figures(self, tmp_path):
        pytest.importorskip("matplotlib")
        arguments = ["--model", "nearest", "--scale", 2, "--output", tmp_path / "out"]
        arguments += CLEAN
        result = run(export(tmp_path), *arguments)
        assert result.exit_code == 0
        assert {path.name for path in (tmp_path / "out").iterdir()} == {
            "results.json",
            "results.md",
            "results.csv",
            "psnr.png",
            "spectrum.png",
            "worst_x2_bicubic.png",
        }

    def test_without_matplotlib_there_are_tables_and_a_hint(
        self, tmp_path, monkeypatch
    ):
        monkeypatch.setattr("cxr_sr.evaluation.figures.has_matplotlib", lambda: False)
        arguments = ["--model", "bicubic", "--scale", 2, "--output", tmp_path / "out"]
        result = run(export(tmp_path), *arguments)
        assert result.exit_code == 0
        assert "pip install 'cxr-sr[figures]'" in result.stderr
        assert (tmp_path / "out" / "results.md").is_file()

    def test_no_torch_is_needed(self, tmp_path):
        """The test hides torch, as an installation without the extra `train` would."""
        index = export(tmp_path, images=1)
        program = (
            "import sys; sys.modules['torch'] = None; sys.argv[0] = 'cxr-sr'\n"
            "import typer\n"
            "from cxr_sr.cli.errors import guarded\n"
            "from cxr_sr.cli.evaluate.command import evaluate\n"
            "from cxr_sr.cli.options import spread\n"
            "typer.run(guarded(spread(evaluate)))\n"
        )
        done = subprocess.run(
            [sys.executable, "-c", program, index, "--scale", "2", "--json"],
            capture_output=True,
            text=True,
            check=True,
        )
        assert json.loads(done.stdout.splitlines()[0])["model"] == "bicubic"
