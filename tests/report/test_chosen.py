"""Arms at the rates that were chosen for them: values, leads in pairs, edges."""

from __future__ import annotations

import math

import pandas as pd
import pytest

from nnsim.report.arms import scored
from nnsim.report.tuned_arms import ChosenArms

A, B, C = ({"optimizer": name} for name in "abc")


@pytest.fixture
def runs() -> pd.DataFrame:
    rows = [
        {"data": "d", "optimizer": name, "learning_rate": rate, "repeat": seed, "status": "done", "chance": 0.1}
        | {"validation_metric": 1 - abs(math.log10(rate) - best), "test_metric": 0.5 + seed / 10 + lead}
        for name, best, lead in (("a", -2, 0.2), ("b", -1, 0.0))
        for rate in (0.001, 0.01, 0.1)
        for seed in (1, 0)
    ]
    table = pd.DataFrame(rows)
    table.loc[(table["optimizer"] == "b") & (table["repeat"] == 1), ["status", "test_metric"]] = ["diverged", None]
    return scored(table)


@pytest.fixture
def arms(runs: pd.DataFrame) -> ChosenArms:
    return ChosenArms(runs, ["data", "optimizer"])


def test_rates_are_chosen_on_validation(arms: ChosenArms) -> None:
    assert (arms.rate(A), arms.rate(B)) == (0.01, 0.1)


def test_edges_are_flagged(arms: ChosenArms) -> None:
    assert (arms.at_edge(A), arms.at_edge(A, B)) == (False, True)
    assert arms.runs.groupby("optimizer")["at_edge"].first().to_dict() == {"a": False, "b": True}


def test_pairs_are_of_one_seed_and_a_diverged_run_is_at_chance(arms: ChosenArms) -> None:
    assert arms.lead("score", A, B) == pytest.approx([0.2, 0.8 - 0.1])


def test_a_seed_without_a_value_has_no_lead(arms: ChosenArms) -> None:
    assert arms.lead("test_metric", A, B) == pytest.approx([0.2])


def test_values_come_in_the_order_of_the_seeds(arms: ChosenArms) -> None:
    values = arms.values("score", A)
    assert (values.index.tolist(), values.tolist()) == ([0, 1], pytest.approx([0.7, 0.8]))


def test_a_rate_can_be_named(arms: ChosenArms) -> None:
    assert arms.values("validation_metric", A, 0.001).tolist() == pytest.approx([0.0, 0.0])


def test_an_arm_that_did_not_run_has_nothing(arms: ChosenArms) -> None:
    assert math.isnan(arms.rate(C))
    assert not arms.at_edge(C)
    assert arms.lead("score", A, C).size == 0


def test_rates_can_be_given(runs: pd.DataFrame) -> None:
    rates = pd.DataFrame({"optimizer": ["a", "b"], "learning_rate": [0.001, 0.01], "at_edge": [True, False]})
    arms = ChosenArms(runs, ["optimizer"], rates)
    assert arms.runs.groupby("optimizer")["learning_rate"].unique().map(list).to_dict() == {"a": [0.001], "b": [0.01]}
    assert (arms.at_edge(A), arms.at_edge(B)) == (True, False)


def test_rows_of_another_table_are_picked(arms: ChosenArms) -> None:
    history = pd.DataFrame({"data": "d", "optimizer": "a", "learning_rate": [0.001, 0.01], "epoch": [1, 2]})
    assert arms.pick(history)["epoch"].tolist() == [2]


def test_without_runs_there_are_columns_and_no_rows(runs: pd.DataFrame) -> None:
    arms = ChosenArms(runs.iloc[:0], ["data", "optimizer"])
    assert (len(arms.runs), list(arms.runs)) == (0, [*runs, "at_edge"])
    assert arms.values("score", A).empty
