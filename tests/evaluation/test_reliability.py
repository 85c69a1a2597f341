"""Bins, intervals and calibration error, from results with a known answer."""

import numpy as np
import pytest

pytest.importorskip("scipy")
pytest.importorskip("matplotlib")

from cvdl.evaluation.charts import reliability_chart
from cvdl.evaluation.reliability import Reliability


def of(*groups):
    """From (score, number of results, number that come true)."""
    return Reliability.of(
        [(score, k < right) for score, count, right in groups for k in range(count)]
    )


def test_bins_and_error():
    result = of((0.25, 4, 1), (0.72, 2, 0), (0.78, 2, 1), (1.0, 2, 2))
    filled = [(b.low, b.count, b.right, b.score) for b in result.bins() if b.count]
    assert filled == [
        (pytest.approx(0.2), 4, 1, 0.25),
        (pytest.approx(0.7), 4, 1, pytest.approx(0.75)),
        (pytest.approx(0.9), 2, 2, 1.0),  # 1 belongs to the last bin
    ]
    # Only the second bin is off: 4 of 10 results by 0.5.
    assert result.error() == pytest.approx(0.2)
    assert len(result.bins()) == 10
    report = result.report()
    assert report["count"] == 10
    assert [each["share"] for each in report["bins"]] == [0.25, 0.25, 1.0]


def test_the_error_of_true_probabilities_is_small_and_that_of_sure_ones_is_not():
    rng = np.random.default_rng(0)
    chance = rng.uniform(size=20_000)
    right = rng.uniform(size=20_000) < chance
    assert Reliability(chance, right).error() < 0.015
    assert Reliability(np.ones(20_000), right).error() == pytest.approx(0.5, abs=0.01)


def test_nothing_and_what_is_no_probability():
    assert np.isnan(of().error())
    assert of().report() == {"error": None, "count": 0, "bins": []}
    with pytest.raises(ValueError, match="not between 0 and 1"):
        of((1.2, 1, 1))
    with pytest.raises(ValueError, match="2 scores of 1 results"):
        Reliability(np.array([0.5, 0.5]), np.array([True]))


def test_the_chart_is_written(tmp_path):
    path = tmp_path / "new" / "chart.png"
    groups = {"first": of((0.25, 4, 1), (0.75, 4, 4)), "all": of((0.5, 3, 1))}
    reliability_chart(path, groups, "title", "share that holds")
    assert path.read_bytes().startswith(b"\x89PNG")
