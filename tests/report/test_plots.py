"""Shared figures: what is drawn from which columns, and that thin or empty tables draw without a warning."""

from __future__ import annotations

import math
from itertools import pairwise, product

import numpy as np
import pandas as pd
import pytest
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from nnsim_studies.activation import plots as activation

from nnsim.report.figures import encode
from nnsim.report.plots import intervals, signal_curves, training_curves

pytestmark = pytest.mark.physics

DEPTH = 4


def layers(
    schemes: tuple[str, ...] = ("he", "xavier"), activations: tuple[str, ...] = ("relu", "tanh")
) -> pd.DataFrame:
    """Return probes of three networks an arm: ln a^2 = -layer, ln delta^2 = layer / 2, plus a seed's offset."""
    rows = [
        {
            "scheme": scheme,
            "activation": activation,
            "repeat": repeat,
            "layer": layer,
            "a_log": -layer + 0.1 * repeat,
            "delta_log": layer / 2 + repeat,
            "weight_gradient_squares": math.exp(0.01 * repeat),
        }
        for scheme, activation, repeat, layer in product(schemes, activations, range(3), range(1, DEPTH + 2))
    ]
    columns = ["scheme", "activation", "repeat", "layer", "a_log", "delta_log", "weight_gradient_squares"]
    return pd.DataFrame(rows, columns=columns)


def runs(schemes: tuple[str, ...] = ("he", "xavier"), rates: tuple[float, ...] = (0.01, 0.1)) -> pd.DataFrame:
    rows = [
        {
            "scheme": scheme,
            "activation": "relu",
            "depth": depth,
            "learning_rate": rate,
            "repeat": repeat,
            "epoch": 1,
            "status": "done",
            "validation_metric": 0.5 + rate,
            "validation_loss": 1.0 + rate,
        }
        for scheme, depth, rate, repeat in product(schemes, (2, 5), rates, range(3))
    ]
    return pd.DataFrame(rows)


def factor_frame(*names: str) -> pd.DataFrame:
    rows = [
        {"activation": name, "direction": direction, "prediction": 0.0, "estimate": 0.1, "low": 0.0, "high": 0.2}
        for name, direction in product(names, ("forward", "backward"))
    ]
    return pd.DataFrame(rows)


LINES = {
    (scheme, activation, direction): (np.arange(1, DEPTH + 1), -np.arange(1.0, DEPTH + 1))
    for scheme, activation, direction in product(("he", "xavier"), ("relu", "tanh"), ("forward", "backward"))
}


def points(axes: Axes, series: int) -> np.ndarray:
    """Return x and y of a series of measured points."""
    return axes.containers[series].lines[0].get_xydata()


def drawn(figure: Figure) -> bytes:
    return encode(figure, "svg")


class TestPropagation:
    def test_points_are_decimal_logarithms_of_hidden_layers(self) -> None:
        figure = signal_curves.propagation(layers(), DEPTH, ["relu", "tanh"], LINES)
        expected = np.column_stack([np.arange(1, DEPTH + 1), (0.1 - np.arange(1, DEPTH + 1)) / math.log(10)])
        np.testing.assert_allclose(points(figure.axes[0], 0), expected)

    def test_errors_are_relative_to_the_last_layer_of_the_same_network(self) -> None:
        figure = signal_curves.propagation(layers(), DEPTH, ["relu"], {})
        at = np.arange(1, DEPTH + 1)
        np.testing.assert_allclose(points(figure.axes[1], 0)[:, 1], (at - DEPTH) / 2 / math.log(10))

    def test_theory_stands_once_in_the_legend(self) -> None:
        figure = signal_curves.propagation(layers(), DEPTH, ["relu", "tanh"], LINES)
        assert [text.get_text() for text in figure.legends[0].get_texts()].count("theory") == 1

    @pytest.mark.parametrize("schemes", [("he",), ("he", "xavier")], ids=len)
    @pytest.mark.parametrize("activations", [("relu",), ("relu", "tanh")], ids=len)
    @pytest.mark.parametrize("lines", [{}, LINES], ids=["no theory", "theory"])
    def test_any_number_of_arms(self, schemes: tuple, activations: tuple, lines: dict) -> None:
        assert drawn(signal_curves.propagation(layers(schemes, activations), DEPTH, activations, lines))

    def test_an_arm_that_is_missing_leaves_its_panel_empty(self) -> None:
        figure = signal_curves.propagation(layers(activations=("relu",)), DEPTH, ["relu", "tanh"], LINES)
        assert drawn(figure)
        assert np.isnan(points(figure.axes[1], 0)).all()

    def test_no_rows(self) -> None:
        assert drawn(signal_curves.propagation(layers()[:0], DEPTH, ["relu"], {}))

    @pytest.mark.parametrize("value", [-math.inf, math.nan], ids=["dead", "unknown"])
    def test_layers_without_a_mean_are_left_out(self, value: float) -> None:
        frame = layers()
        frame.loc[frame["layer"] >= 3, ["a_log", "delta_log"]] = value
        figure = signal_curves.propagation(frame, DEPTH, ["relu", "tanh"], LINES)
        assert drawn(figure)
        assert np.isfinite(points(figure.axes[0], 0)[:, 1]).tolist() == [True, True, False, False]

    def test_one_network(self) -> None:
        assert drawn(signal_curves.propagation(layers()[lambda frame: frame["repeat"] == 0], DEPTH, ["relu"], LINES))

    def test_predictions_that_are_nan(self) -> None:
        lines = {arm: (at, np.full(DEPTH, math.nan)) for arm, (at, _) in LINES.items()}
        assert drawn(signal_curves.propagation(layers(), DEPTH, ["relu"], lines))


class TestGradientTrap:
    @property
    def lines(self) -> dict[str, intervals.Line]:
        return {"errors δ": (np.arange(2, DEPTH + 1), np.zeros(DEPTH - 1))}

    def test_everything_is_relative_to_the_last_layer(self) -> None:
        figure = signal_curves.gradient_trap(layers(("he",), ("relu",)), DEPTH, self.lines)
        assert drawn(figure)
        for series in range(3):
            np.testing.assert_allclose(points(figure.axes[0], series)[-1], [DEPTH, 0.0], atol=1e-12)

    def test_the_first_layer_is_left_out(self) -> None:
        figure = signal_curves.gradient_trap(layers(("he",), ("relu",)), DEPTH, {})
        assert points(figure.axes[0], 0)[:, 0].tolist() == [2, 3, 4]

    def test_no_rows(self) -> None:
        assert drawn(signal_curves.gradient_trap(layers()[:0], DEPTH, self.lines))

    def test_gradients_of_zero(self) -> None:
        assert drawn(
            signal_curves.gradient_trap(layers(("he",), ("relu",)).assign(weight_gradient_squares=0.0), DEPTH, {})
        )

    def test_the_table_is_not_changed(self) -> None:
        frame = layers(("he",), ("relu",))
        before = frame.copy()
        signal_curves.gradient_trap(frame, DEPTH, {})
        pd.testing.assert_frame_equal(frame, before)


class TestFactors:
    def test_logarithms_are_shown_as_factors(self) -> None:
        figure = signal_curves.factors(factor_frame("relu", "tanh"))
        np.testing.assert_allclose(points(figure.axes[0], 0)[:, 0], math.exp(0.1))

    @pytest.mark.parametrize("names", [("relu",), ("relu", "leaky_relu:0.2", "gelu")], ids=len)
    def test_any_number_of_activations(self, names: tuple[str, ...]) -> None:
        figure = signal_curves.factors(factor_frame(*names))
        assert drawn(figure)
        assert [label.get_text() for label in figure.axes[0].get_yticklabels()] == list(names)

    @pytest.mark.parametrize("column", ["prediction", "estimate"])
    def test_what_is_unknown_is_left_out(self, column: str) -> None:
        frame = factor_frame("relu", "tanh")
        frame.loc[:1, [column]] = math.nan
        assert drawn(signal_curves.factors(frame))

    def test_one_seed_has_an_endless_interval(self) -> None:
        assert drawn(signal_curves.factors(factor_frame("relu").assign(low=-math.inf, high=math.inf)))


class TestSpread:
    @pytest.mark.parametrize(
        "values",
        [[], [-3.0], [-3.0] * 5, [-9.0, 0.0, 2.0], [math.nan], [math.nan, -math.inf, 2.0]],
        ids=["none", "one", "equal", "three", "not-a-number", "one-that-is-finite"],
    )
    def test_any_number_of_networks(self, values: list[float]) -> None:
        assert drawn(signal_curves.spread(np.array(values), -3.0, 10.0))

    def test_the_curve_has_the_predicted_mean(self) -> None:
        figure = signal_curves.spread(np.linspace(-9.0, 3.0, 50), -3.0, 10.0)
        x, density = figure.axes[0].get_lines()[0].get_data()
        assert x[np.argmax(density)] == pytest.approx(-3.0, abs=0.1)
        assert density.max() == pytest.approx(1 / math.sqrt(2 * math.pi * 10), rel=1e-3)


class TestDifferences:
    def test_labels_of_many_panels_keep_clear_of_each_other(self) -> None:
        names = ("digits", "breast_cancer", "spirals", "wine", "moons")
        rows = [
            {"data": name, "activation": "leaky_relu:0.25", "estimate": 0.0, "low": -0.1, "high": 0.1} for name in names
        ]
        figure = activation.differences(pd.DataFrame(rows), 0.05, "relu")
        figure.canvas.draw()
        boxes = [axes.xaxis.label.get_window_extent() for axes in figure.axes]
        assert all(left.x1 < right.x0 for left, right in pairwise(boxes))


class TestRates:
    def test_titles_of_many_panels_keep_clear_of_each_other(self) -> None:
        names = ("digits", "breast_cancer", "spirals", "wine", "moons")
        figure = training_curves.rates(pd.concat(runs().assign(activation=name) for name in names), 0.1, "accuracy")
        figure.canvas.draw()
        for row in (figure.axes[:5], figure.axes[5:10]):
            boxes = [axes._left_title.get_window_extent() for axes in row]
            assert all(left.x1 < right.x0 for left, right in pairwise(boxes))

    def test_medians_over_seeds(self) -> None:
        figure = training_curves.rates(runs(), 0.1, "accuracy")
        np.testing.assert_allclose(points(figure.axes[0], 0), [[0.01, 0.51], [0.1, 0.6]])

    def test_a_panel_for_each_depth(self) -> None:
        titles = [axes.get_title(loc="left") for axes in training_curves.rates(runs(), 0.1, "accuracy").axes]
        assert titles == ["relu, 2 hidden layers", "relu, 5 hidden layers"]

    def test_a_diverged_run_counts_as_chance(self) -> None:
        frame = runs()
        frame.loc[frame["learning_rate"] == 0.1, ["status", "validation_metric"]] = ["diverged", math.nan]
        figure = training_curves.rates(frame, 0.25, "accuracy")
        np.testing.assert_allclose(points(figure.axes[0], 0)[:, 1], [0.51, 0.25])

    @pytest.mark.parametrize("frame", [runs(("he",)), runs(rates=(0.1,)), runs()[:1]], ids=["scheme", "rate", "run"])
    def test_a_single_one(self, frame: pd.DataFrame) -> None:
        assert drawn(training_curves.rates(frame, 0.1, "accuracy"))

    def test_a_scheme_without_runs_at_one_depth(self) -> None:
        frame = runs()[lambda rows: (rows["scheme"] == "he") | (rows["depth"] == 2)]
        assert drawn(training_curves.rates(frame, 0.1, "accuracy"))


class TestCurves:
    def test_medians_after_each_epoch(self) -> None:
        figure = training_curves.curves(runs(rates=(0.1,)))
        assert drawn(figure)
        np.testing.assert_allclose(points(figure.axes[0], 0), [[1, 1.1]])

    def test_a_single_scheme(self) -> None:
        assert drawn(training_curves.curves(runs(("he",))))

    def test_every_run_diverged_in_its_first_epoch(self) -> None:
        assert drawn(training_curves.curves(runs()[:0]))
