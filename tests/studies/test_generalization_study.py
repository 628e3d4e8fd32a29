"""The generalization study: its claims as networks are, and turned where what they rest on is broken.

Where a broken physics would take long to measure, the claims are shown tables in which one arm's rows stand under
another's name.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest
from nnsim_studies import generalization
from nnsim_studies.generalization import linear, page, shared
from nnsim_studies.generalization.regularisers import REGULARISERS, regularised_arms
from study_bench import Bench, Tables, student  # noqa: F401

from nnsim.core.errors import UsageError
from nnsim.experiment.config import resolve
from nnsim.report.claims import Claim
from nnsim.report.judging import claims_of

pytestmark = pytest.mark.physics

SMALL = {
    "rows": 150,
    "epochs": 150,
    "width": "1,4,8,32",
    "label_noise": "0,0.2",
    "learning_rate": "0.00025,0.002,0.016,0.064,0.256",
    "tuned_width": 32,
    "tuned_rate": "0.0001,0.0008,0.0032,0.0256",
    "dropout": "0.4,0.8",
    "decoupled_decay": "4,16",
    "penalty": "0.08,0.32",
    "patience": "1",
    "seeds": 8,
    "page_epochs": 30,
    "linear_seeds": 200,
}
TINY = SMALL | {
    "width": "2,3",
    "learning_rate": "0.01",
    "tuned_width": 2,
    "tuned_rate": "0.01",
    "dropout": "0.5",
    "decoupled_decay": "1",
    "penalty": "0.1",
    "rows": 20,
    "batch_size": 10,
    "epochs": 2,
    "seeds": 2,
    "page_width": 2,
    "page_epochs": 1,
    "linear_seeds": 3,
}
REGULARISED = [f"G-{name}-{what}" for name in ("dropout", "adamw", "l2", "stopping") for what in ("gap", "test")]
WIDTH = ["G-memorise", "G-gap-rises", "G-gap-falls", "G-gap-noise", "G-second-descent", "G-peak-tuned"]
PAGE = ["G-page-memorise", "G-page-chance", "G-page-decay"]
LINEAR = [f"G-linear-{name}" for name in ("under", "over", "wide", "peak", "ridge")]


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Bench:
    return Bench(tmp_path_factory, generalization.study, SMALL)


@pytest.fixture(scope="module")
def whole(bench: Bench) -> Tables:
    return bench.kept()


def judged(tables: Tables, **axes: Any) -> dict[str, Claim]:
    config = resolve(generalization.study, "quick", SMALL | axes)
    return {claim.id: claim for claim in claims_of(generalization.study, tables, config)}


@pytest.fixture(scope="module")
def unbroken(whole: Tables) -> dict[str, Claim]:
    return judged(whole)


def failing(tables: Tables, **axes: Any) -> set[str]:
    return {name for name, claim in judged(tables, **axes).items() if claim.verdict == "fails"}


class TestUnbroken:
    @pytest.mark.parametrize("claim", [*WIDTH, *PAGE, *LINEAR, "G-dropout-gap", "G-l2-gap", "G-l2-test"])
    def test_holds(self, unbroken: dict[str, Claim], claim: str) -> None:
        assert unbroken[claim].verdict == "holds", unbroken[claim]

    def test_the_error_of_trained_networks_has_no_peak(self, unbroken: dict[str, Claim]) -> None:
        assert unbroken["G-peak-error"].verdict == "fails"

    def test_these_are_all_claims(self, unbroken: dict[str, Claim]) -> None:
        others = {"G-peak-error", "G-peak-loss", "G-adamw-l2"}
        assert set(unbroken) == {*WIDTH, *REGULARISED, *PAGE, *LINEAR, *others}

    def test_a_report_gives_every_arm_its_rate_and_its_size(self, whole: Tables) -> None:
        found = generalization.study.summary(whole)
        assert len(found) == 4 * (2 * 4 + 8)
        assert found[["learning_rate", "parameters", "at_edge", "mean"]].notna().all(axis=None)


# --- arms under other names ----------------------------------------------------------------------------------------


def changed(tables: Tables, change: Callable[[pd.DataFrame], pd.DataFrame]) -> Tables:
    return tables | {"trials": change(tables["trials"].copy())}


def exchange_widths(first: int, second: int, *columns: str) -> Callable[[pd.DataFrame], pd.DataFrame]:
    """Return what gives two widths each other's values of some columns, at equal noise, rate and seed."""

    def change(trials: pd.DataFrame) -> pd.DataFrame:
        order = ["label_noise", "learning_rate", "repeat"]
        rows = trials[trials["kind"] == "width"].sort_values(order)
        one, other = (rows.index[rows["width"] == width] for width in (first, second))
        kept = trials.loc[one, list(columns)].to_numpy()
        trials.loc[one, list(columns)] = trials.loc[other, list(columns)].to_numpy()
        trials.loc[other, list(columns)] = kept
        return trials

    return change


def exchange_regularisers(first: str, second: str, strengths: tuple[float, float]) -> Callable:
    """Return what gives two regularised arms each other's test accuracy and gap, at equal seeds, whatever the rate."""

    def change(trials: pd.DataFrame) -> pd.DataFrame:
        columns, arms = ["gap", "test_metric", "train_metric"], []
        for name, strength in zip((first, second), strengths, strict=True):
            chosen = (trials["regulariser"] == name) & (trials["strength"] == strength)
            arms.append(
                trials[chosen & (trials["kind"] == "regularised")].sort_values(["learning_rate", "repeat"]).index
            )
        kept = trials.loc[arms[0], columns].to_numpy()
        trials.loc[arms[0], columns] = trials.loc[arms[1], columns].to_numpy()
        trials.loc[arms[1], columns] = kept
        return trials

    return change


class TestExchangedArms:
    @pytest.mark.parametrize(
        ("widths", "columns", "turned"),
        [
            ((8, 32), ("gap",), {"G-gap-falls"}),
            ((1, 8), ("gap",), {"G-gap-rises"}),
            ((8, 32), ("test_loss",), {"G-second-descent"}),
            ((4, 32), ("train_metric",), {"G-memorise"}),
        ],
    )
    def test_widths(self, whole: Tables, widths: tuple[int, int], columns: tuple[str, ...], turned: set[str]) -> None:
        found = judged(changed(whole, exchange_widths(*widths, *columns)))
        assert {name for name in turned if found[name].verdict != "holds"} == turned
        assert all(found[name].low < found[name].prediction for name in turned)

    def test_an_error_that_peaks(self, whole: Tables) -> None:
        found = judged(changed(whole, exchange_widths(4, 8, "test_metric")))
        assert found["G-peak-error"].verdict == "holds"

    @pytest.mark.parametrize(("loss", "turned"), [(1.0, "G-peak-loss"), (50.0, "G-peak-tuned")])
    def test_a_loss_of_the_width_that_just_fits(self, whole: Tables, loss: float, turned: str) -> None:
        def give(trials: pd.DataFrame) -> pd.DataFrame:
            trials.loc[trials["width"] == 8, "test_loss"] = loss
            return trials

        assert judged(changed(whole, give))[turned].verdict == "fails"

    @pytest.mark.parametrize("name", list(REGULARISERS))
    def test_a_regulariser_and_none(self, whole: Tables, unbroken: dict[str, Claim], name: str) -> None:
        _, strengths = regularised_arms(whole["trials"])
        exchange = exchange_regularisers("none", name, (0.0, strengths[name]))
        found = judged(changed(whole, exchange))
        for what in ("gap", "test"):
            claim = f"G-{name}-{what}"
            assert found[claim].verdict in {"fails", "inconclusive"}
            assert found[claim].estimate < unbroken[claim].estimate

    @pytest.mark.parametrize(("lead", "verdict"), [(0.2, "holds"), (-0.2, "fails")])
    def test_decoupled_decay_and_penalty(self, whole: Tables, lead: float, verdict: str) -> None:
        def favour(trials: pd.DataFrame) -> pd.DataFrame:
            for name, strength, value in (("adamw", 4.0, 0.7 + lead), ("l2", 0.08, 0.7)):
                rows = trials["regulariser"] == name
                trials.loc[rows, "test_metric"] = value
                inside = (trials["strength"] == strength) & (trials["learning_rate"] == 0.0032)
                trials.loc[rows, "validation_metric"] = inside[rows].astype(float)
            return trials

        assert judged(changed(whole, favour))["G-adamw-l2"].verdict == verdict

    def test_an_optimum_at_the_edge_decides_nothing(self, whole: Tables) -> None:
        def few(trials: pd.DataFrame) -> pd.DataFrame:
            return trials[~((trials["kind"] == "regularised") & (trials["learning_rate"] > 0.0005))]

        assert judged(changed(whole, few))["G-l2-gap"].verdict == "inconclusive"

    def test_a_gap_of_none_is_no_narrower(self, whole: Tables) -> None:
        found = failing(changed(whole, lambda trials: trials.assign(gap=0.0)))
        assert {"G-gap-rises", "G-gap-falls", "G-gap-noise", "G-dropout-gap", "G-l2-gap"} <= found


# --- broken measurements -------------------------------------------------------------------------------------------


class TestBrokenMeasurement:
    def test_labels_without_noise(self, bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(shared, "noisy_labels", lambda y, classes, noise, key: y)
        monkeypatch.setattr(shared, "accuracy_on_noisy_labels", lambda accuracy, classes, noise: accuracy)
        axes = {"width": "32", "learning_rate": "0.004,0.016,0.064", "seeds": 6}
        assert judged(bench("width", **axes), **axes)["G-gap-noise"].verdict == "fails"

    def test_labels_that_can_be_learnt(self, bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
        page_data = page.page_data

        def learnable(trial: page.PageTrial) -> tuple[np.ndarray, np.ndarray]:
            X, _ = page_data(trial)
            return X, (X[:, :1] > 0).astype(np.float32)

        monkeypatch.setattr(page, "page_data", learnable)
        axes = {"page_epochs": 5, "seeds": 6}
        assert "G-page-chance" in failing(bench("page", **axes), **axes)

    def test_too_short_a_training_memorises_nothing(self, bench: Bench) -> None:
        axes = {"page_epochs": 1, "seeds": 6}
        assert "G-page-memorise" in failing(bench("page", **axes), **axes)

    def test_a_decay_that_does_something(self, bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(page, "DECAYS", (0.0, 100.0))
        axes = {"page_epochs": 10, "seeds": 6}
        assert "G-page-decay" in failing(bench("page", **axes), **axes)

    def test_another_noise_of_the_targets(self, bench: Bench) -> None:
        tables = bench("linear", target_noise="0.1")
        other = tables["linear"].assign(target_noise=0.5)
        assert {"G-linear-under", "G-linear-over", "G-linear-wide"} <= failing(tables | {"linear": other})

    def test_a_fit_that_is_not_of_smallest_norm(self, bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
        ridge = linear.ridge_fit
        monkeypatch.setattr(linear, "least_norm_fit", lambda X, y: ridge(X, y, 30.0))
        assert {"G-linear-under", "G-linear-over", "G-linear-peak"} <= failing(bench("linear"))

    def test_a_penalty_that_is_far_too_small(self, bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(linear, "best_ridge", lambda *given: 1e-3)
        assert failing(bench("linear")) == {"G-linear-ridge"}


# --- the whole study -----------------------------------------------------------------------------------------------


def test_training_rows_differ_between_seeds_and_not_between_arms() -> None:
    rows = [shared.training_rows(0, repeat, 1000, 50) for repeat in (0, 1, 0)]
    assert (rows[0] == rows[2]).all()
    assert len(set(rows[0]) & set(rows[1])) < 20


@pytest.mark.parametrize(
    ("axes", "message"),
    [
        ({"label_noise": "0,1"}, "label noise is 1, allowed is at least 0 and below 1"),
        ({"dropout": "1"}, "dropout is 1, allowed is above 0 and below 1"),
        ({"data": "diabetes"}, "'diabetes' is a regression, and label noise needs classes"),
        (
            {"rows": 5000},
            "'digits' has at least 1243 at any root seed: choose at most 1243",
        ),
        ({"rows": 20, "batch_size": 30}, "a batch of 30 rows is larger than the 20 training rows: choose at most 20"),
    ],
)
def test_axes_that_make_no_sense_are_refused(axes: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        generalization.study.trials(resolve(generalization.study, "quick", SMALL | axes))
