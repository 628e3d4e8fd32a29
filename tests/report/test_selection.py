"""The learning rate of each arm: best mean over seeds, diverged runs last, edges flagged."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest

from nnsim.core.errors import UsageError
from nnsim.report.selection import select_learning_rate


def runs(results, arm="he", status=None):
    """Return a table with one row for each metric in ``results[learning_rate]``; a metric of None has diverged."""
    rows = [
        (arm, rate, math.nan if metric is None else metric, status or ("diverged" if metric is None else "done"))
        for rate, metrics in results.items()
        for metric in metrics
    ]
    return pd.DataFrame(rows, columns=["scheme", "learning_rate", "accuracy", "status"])


def select(frame, **options):
    return select_learning_rate(frame, ["scheme"], "accuracy", **options)


def test_best_mean_over_seeds_wins():
    chosen = select(runs({0.01: [0.5, 0.6], 0.1: [0.9, 0.7], 1.0: [0.95, 0.1]})).iloc[0]
    assert chosen["learning_rate"] == 0.1
    assert chosen["accuracy"] == pytest.approx(0.8)


def test_smallest_mean_wins_for_a_loss():
    chosen = select(runs({0.01: [2.0, 2.2], 0.1: [0.5, 0.7], 1.0: [1.0, 1.0]}), larger_is_better=False).iloc[0]
    assert (chosen["learning_rate"], chosen["accuracy"]) == (0.1, pytest.approx(0.6))


def test_result_has_one_documented_row_per_arm_in_order_of_appearance():
    frame = pd.concat([runs({0.1: [0.5], 0.2: [0.9], 0.4: [0.1]}, "xavier"), runs({0.1: [0.5], 0.2: [0.1]}, "he")])
    chosen = select(frame)
    assert list(chosen.columns) == ["scheme", "learning_rate", "accuracy", "runs", "failed", "at_edge"]
    assert chosen[["scheme", "learning_rate"]].to_numpy().tolist() == [["xavier", 0.2], ["he", 0.1]]


def test_arms_are_combinations_of_several_columns():
    frame = runs({0.1: [0.2, 0.9], 0.2: [0.8, 0.3]}).assign(depth=[5, 30, 5, 30])
    chosen = select_learning_rate(frame, ["scheme", "depth"], "accuracy")
    assert dict(zip(chosen["depth"], chosen["learning_rate"], strict=True)) == {5: 0.2, 30: 0.1}


def test_an_arm_with_an_empty_cell_is_an_arm():
    frame = runs({0.1: [0.2], 0.2: [0.8]}).assign(parameter=np.nan)
    assert select_learning_rate(frame, ["scheme", "parameter"], "accuracy")["learning_rate"].tolist() == [0.2]


def test_a_diverged_run_counts_as_the_worst_finished_run():
    chosen = select(runs({0.1: [0.7, 0.7], 0.2: [0.9, None], 0.4: [0.2, 0.2]})).iloc[0]
    assert chosen["learning_rate"] == 0.1


def test_a_diverged_loss_ranks_last():
    frame = runs({0.1: [1.0, 1.0], 0.2: [0.1, None], 0.4: [3.0, 3.0]})
    assert select(frame, larger_is_better=False)["learning_rate"].tolist() == [0.1]


def test_failures_at_the_chosen_rate_are_counted_and_left_out_of_the_mean():
    chosen = select(runs({0.1: [0.3, 0.3, 0.3], 0.2: [0.9, None, 0.7], 0.4: [0.2, 0.2, 0.2]})).iloc[0]
    assert (chosen["learning_rate"], chosen["runs"], chosen["failed"]) == (0.2, 3, 1)
    assert chosen["accuracy"] == pytest.approx(0.8)


def test_a_run_that_is_not_done_fails_whatever_its_metric_says():
    frame = pd.concat([runs({0.1: [0.5], 0.4: [0.4]}), runs({0.2: [0.99]}, status="diverged")])
    assert select(frame)["learning_rate"].tolist() == [0.1]


def test_an_infinite_metric_fails_even_if_the_run_is_done():
    frame = runs({0.1: [0.5], 0.2: [math.inf], 0.4: [0.4]})
    assert select(frame)["learning_rate"].tolist() == [0.1]


def test_a_tie_goes_to_the_rate_with_fewer_failures_then_to_the_smaller():
    assert select(runs({0.1: [None, 0.1], 0.2: [0.1, 0.1], 0.4: [0.1, 0.1]}))["learning_rate"].tolist() == [0.2]


def test_order_of_rows_does_not_matter():
    frame = runs({0.1: [0.5, 0.5], 0.2: [0.5, 0.5], 0.4: [0.4, None]})
    pd.testing.assert_frame_equal(select(frame), select(frame.sample(frac=1.0, random_state=3)))


@pytest.mark.parametrize(
    ("results", "at_edge"),
    [
        ({0.1: [0.9], 0.2: [0.5], 0.4: [0.1]}, True),
        ({0.1: [0.5], 0.2: [0.9], 0.4: [0.1]}, False),
        ({0.1: [0.1], 0.2: [0.5], 0.4: [0.9]}, True),
        ({0.1: [0.1]}, True),
        ({0.1: [0.5], 0.2: [0.9], 0.4: [None]}, False),
    ],
    ids=["lowest", "inside", "highest", "only rate", "highest diverged"],
)
def test_an_optimum_on_the_edge_of_the_grid_is_flagged(results, at_edge):
    assert select(runs(results))["at_edge"].tolist() == [at_edge]


def test_an_arm_that_always_diverges_gets_the_lowest_rate_without_a_mean():
    chosen = select(runs({0.2: [None, None], 0.1: [None, None]})).iloc[0]
    assert (chosen["learning_rate"], chosen["failed"], chosen["at_edge"]) == (0.1, 2, True)
    assert math.isnan(chosen["accuracy"])


def test_no_run_has_no_arm():
    assert select(runs({})).empty


def test_a_missing_column_is_named():
    with pytest.raises(UsageError, match="column 'accuracy' is missing"):
        select(runs({0.1: [0.5]}).drop(columns="accuracy"))


def test_no_arm_column_is_refused():
    with pytest.raises(UsageError, match="at least 1"):
        select_learning_rate(runs({0.1: [0.5]}), [], "accuracy")
