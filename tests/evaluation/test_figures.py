"""The pictures of an evaluation show the right curves and labels."""

import numpy as np
import pytest
import SimpleITK

from cxr_sr.evaluation import figures
from cxr_sr.evaluation.cases import Case
from cxr_sr.evaluation.condition import Condition
from cxr_sr.evaluation.evaluate import compare, evaluate
from cxr_sr.evaluation.figures import Findings, radial_power, worst_of
from cxr_sr.evaluation.summary import summarise
from tests.builders import structure

pytest.importorskip("matplotlib")
CONDITIONS = (Condition(2), Condition(4))


@pytest.fixture(scope="module")
def findings(tmp_path_factory):
    """Three small images, two interpolators beside bicubic, two scales."""
    folder = tmp_path_factory.mktemp("images")
    cases = []
    for k in range(3):
        path = folder / f"{k}.png"
        pixels = np.rint(255 * structure((96, 120), seed=k)).astype(np.uint8)
        SimpleITK.WriteImage(SimpleITK.GetImageFromArray(pixels), path)
        cases.append(Case(path, path.name, path.name))
    planned = compare(["nearest", "lanczos"], CONDITIONS)
    measured = [m for e in evaluate(cases, planned) for m in e.measurements]
    return Findings(planned, measured, summarise(measured))


class TestRadialPower:
    def test_a_wave_is_found_at_its_frequency_whatever_its_direction(self):
        rows, columns = np.mgrid[:200, :260]
        for along in (rows, columns, (rows + columns) / np.sqrt(2)):
            power = radial_power(np.sin(2 * np.pi * 0.2 * along))
            assert abs((power.argmax() + 0.5) / 128 - 0.2) < 0.01

    def test_white_noise_is_flat(self):
        power = radial_power(np.random.default_rng(0).normal(size=(256, 256)))
        assert power.shape == (64,)
        assert power[12:].max() / power[12:].min() < 1.6

    def test_a_constant_has_no_power_but_a_logarithm(self):
        assert np.isfinite(np.log10(radial_power(np.full((48, 48), 0.3)))).all()


class TestPsnrFigure:
    def test_each_models_mean_is_drawn_at_its_scale(self, findings):
        (axes,) = figures.psnr_figure(findings.summaries).axes
        drawn = {c.get_label(): c[0].get_ydata() for c in axes.containers}
        for model, psnr in drawn.items():
            expected = [s.psnr for s in findings.summaries if s.model == model]
            assert list(psnr) == expected
        assert set(drawn) == {"bicubic", "nearest", "lanczos"}

    def test_intervals_stand_side_by_side_over_their_scale(self, findings):
        (axes,) = figures.psnr_figure(findings.summaries).axes
        places = np.array([c[0].get_xdata() for c in axes.containers], float)
        assert np.array_equal(np.rint(places), [[0, 1]] * 3)
        assert len(np.unique(places)) == 6


class TestSpectrumFigure:
    def test_a_panel_a_condition_and_a_curve_a_model(self, findings):
        axes = figures.spectrum_figure(findings).axes
        assert [a.get_title() for a in axes] == ["x2, bicubic", "x4, bicubic"]
        labels = axes[0].get_legend_handles_labels()[1]
        assert labels == ["bicubic", "nearest", "lanczos"]

    def test_lanczos_keeps_more_than_bicubic_below_nyquist(self, findings):
        (axes, _) = figures.spectrum_figure(findings).axes
        curves = {line.get_label(): np.asarray(line.get_ydata()) for line in axes.lines}
        middle = slice(12, 28)
        assert curves["lanczos"][middle].mean() > curves["bicubic"][middle].mean()
        # Interpolation cannot restore what lies beyond: the grain is lost.
        assert curves["bicubic"][-10:].mean() < -10


class TestWorst:
    def test_they_are_the_smallest_gains_worst_first(self, findings):
        worst = worst_of(findings, CONDITIONS[0])
        baseline = {
            m.case.name: m.score.psnr
            for m in findings.measurements
            if m.model == "bicubic" and m.condition == CONDITIONS[0]
        }
        gains = [m.score.psnr - baseline[m.case.name] for _, m in worst]
        assert gains == sorted(gains) == [gain for gain, _ in worst]
        assert {m.model for _, m in worst} == {"nearest"}

    def test_original_bicubic_and_result_stand_side_by_side(self, findings):
        worst = worst_of(findings, CONDITIONS[1])[:2]
        axes = figures.worst_figure(findings.comparison, worst).axes
        gain, measurement = worst[0]
        titles = [panel.get_title() for panel in axes]
        nearest = f"nearest, {gain:.2f} dB"
        assert titles[:3] == [measurement.case.name, "bicubic", nearest]
        shapes = {panel.images[0].get_size() for panel in axes}
        assert shapes == {(88, 112)}
        windows = {panel.images[0].get_clim() for panel in axes[:3]}
        assert len(windows) == 1

    @pytest.mark.parametrize("spot", [(5, 5), (300, 200), (470, 380)])
    def test_the_detail_shows_where_most_was_lost(self, spot):
        loss = np.zeros((480, 400))
        loss[spot] = 1.0
        rows, columns = figures._detail(loss)
        assert loss[rows, columns].shape == (144, 144)
        assert loss[rows, columns].sum() == 1.0

    def test_bicubic_alone_has_no_worst_cases(self, findings):
        alone = compare([], CONDITIONS)
        measured = [m for m in findings.measurements if m.model == "bicubic"]
        only = Findings(alone, measured, summarise(measured))
        assert worst_of(only, CONDITIONS[0]) == []


def test_the_files_are_pictures(findings, tmp_path):
    paths = figures.write_figures(tmp_path, findings)
    assert [path.name for path in paths] == [
        "psnr.png",
        "spectrum.png",
        "worst_x2_bicubic.png",
        "worst_x4_bicubic.png",
    ]
    for path in paths:
        assert path.read_bytes().startswith(b"\x89PNG")
