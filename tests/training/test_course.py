import pytest

from cxr_sr.training.course import one_cycle


def test_the_rate_rises_and_falls_once():
    rates = [one_cycle(n / 100) for n in range(101)]
    top = rates.index(max(rates))
    assert [rates[0], rates[top], rates[-1]] == pytest.approx([0.1, 1, 0.001])
    assert rates[: top + 1] == sorted(rates[: top + 1])
    assert rates[top:] == sorted(rates[top:], reverse=True)
