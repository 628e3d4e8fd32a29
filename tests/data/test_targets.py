"""What a target means: labels keep their text, measurements are numbers, and nothing is guessed in silence."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from nnsim.apps.settings import SETTINGS
from nnsim.core.errors import DataError, NnsimError, UnknownNameError, UsageError
from nnsim.data.dialects import Dialect
from nnsim.data.readers import MOST_WORDS, Reading, Table, read
from nnsim.data.targets import MOST_CLASSES, TargetRule

DROP = TargetRule(missing="drop")
CLASSES, MEASUREMENTS = TargetRule("classification"), TargetRule("regression")


def table(folder: Path, targets: list[object], rule: TargetRule | None = None, reading: Reading | None = None) -> Table:
    path = folder / "a.csv"
    rows = [f'{row},"{target}"\n' for row, target in enumerate(targets)]
    path.write_text("x,y\n" + "".join(rows), encoding="utf-8")
    return read(path, "y", rule, reading)


def labels(held: Table) -> list[str]:
    return [held.target.class_names[number] for number in held.target.values]


@pytest.mark.parametrize(
    "words",
    [
        ["02134", "10001", "02134"],
        ["1E2", "2E2"],
        ["9007199254740992", "9007199254740993", "9007199254740995"],
        ["می‌خواهم", "نه"],
        ["a\u00a0b", "\u00a0b", "b"],
        ["Nan", "inf", "Bob"],
        ["NA", "DE", "none"],
        ["-1", "1"],
        ["=x", "'=x", "x"],
    ],
)
def test_labels_keep_their_text(words, tmp_path):
    written = [word if word[:1] not in "='" else "'" + word for word in words]
    assert labels(table(tmp_path, written)) == words


def test_whole_numbers_are_classes_in_the_order_of_their_numbers(tmp_path):
    assert table(tmp_path, [10, 9, 9007199254740993, 9007199254740992, 10]).target.class_names == (
        "9", "10", "9007199254740992", "9007199254740993",
    )  # fmt: skip


@pytest.mark.parametrize("label", ["a\x1b[2J", "a\u2028b", "a\x00"])
def test_a_label_with_control_codes_is_refused(label, tmp_path):
    with pytest.raises(DataError, match="expected one line of plain text"):
        table(tmp_path, ["b", label])


def test_a_few_whole_numbers_are_classes_and_more_wait_for_the_users_word(tmp_path):
    few = [number % MOST_CLASSES for number in range(200)]
    assert len(table(tmp_path, few).target.class_names) == MOST_CLASSES
    with pytest.raises(
        UsageError, match=r"holds 31 different whole numbers.*--task classification or --task regression"
    ):
        table(tmp_path, [*few, MOST_CLASSES])


def test_many_whole_numbers_that_are_written_with_a_point_are_measurements(tmp_path):
    cells = [f"{number}.0" for number in range(MOST_CLASSES + 1)]
    assert not table(tmp_path, cells).target.class_names
    assert labels(table(tmp_path, cells[1:])) == cells[1:]
    with pytest.raises(UsageError, match="--task"):
        table(tmp_path, [*cells, "99"])


def test_help_tells_the_limits():
    assert f"at most {MOST_CLASSES} different" in SETTINGS["task"].metadata["help"]
    assert f"at most {MOST_WORDS} words" in SETTINGS["categorical"].metadata["help"]


def test_the_task_decides_on_whole_numbers(tmp_path):
    many = list(range(MOST_CLASSES + 1))
    assert table(tmp_path, many, MEASUREMENTS).target.values.tolist() == [[number] for number in many]
    assert labels(table(tmp_path, many, CLASSES)) == list(map(str, many))


def test_one_number_written_in_two_ways_is_refused_until_the_task_is_said(tmp_path):
    with pytest.raises(UsageError, match=r"writes one number as '1' and as '1\.0'"):
        table(tmp_path, ["1", "2", "1.0"])
    assert labels(table(tmp_path, ["1", "2", "1.0"], CLASSES)) == ["1", "2", "1.0"]


@pytest.mark.parametrize(
    ("cell", "remedy"),
    [
        ("NA", "--missing-target drop .* --task classification"),
        ("", "--missing-target drop"),
        ("nan", "--missing-target drop"),
        ("inf", "expected a finite number"),
        ("1,100", "--thousands , or --decimal ,"),
        ("1,5", "read it with --decimal ,"),
        ("1.100,50", r"--decimal , --thousands \."),
        ("1 100", '--thousands " "'),
        ("1\u202f100", '--thousands " "'),
        ("15 %", "write numbers alone"),
        ("old", "--task classification"),
    ],
)
@pytest.mark.parametrize("number", ["950", "9.5"])
def test_a_cell_among_numbers_that_is_none_is_named_with_a_remedy(number, cell, remedy, tmp_path):
    with pytest.raises(DataError, match=rf"row 3, column 'y' .*{remedy}") as raised:
        table(tmp_path, [number, cell, number, "3"])
    assert repr(cell) in str(raised.value)


@pytest.mark.parametrize("cells", [["1,100", "2,200"], ["15 %", "20 %"], ["$5", "NA"], ["inf", "-inf"]])
def test_numbers_in_another_writing_are_no_names_of_classes(cells, tmp_path):
    with pytest.raises(DataError, match=r"row 2, column 'y'.*expected a finite number"):
        table(tmp_path, cells)


def test_rows_without_a_target_are_dropped_on_demand(tmp_path):
    held = table(tmp_path, ["1.5", "NA", "", "2.5"], DROP)
    assert held.target.values.tolist() == [[1.5], [2.5]]
    assert (held.X[:, 0].tolist(), held.rows.tolist()) == ([0, 3], [2, 5])


def test_rows_without_a_label_are_dropped_on_demand(tmp_path):
    assert labels(table(tmp_path, ["NA", "", "b"], DROP)) == ["NA", "b"]


def test_a_target_that_is_dropped_everywhere_is_refused(tmp_path):
    with pytest.raises(DataError, match="missing in every row"):
        table(tmp_path, ["", ""], DROP)


@pytest.mark.parametrize(
    ("dialect", "cells", "values"),
    [
        (Dialect(thousands=","), ["1,100.5", "950", "-2,250"], [1100.5, 950, -2250]),
        (Dialect(decimal=","), ["1,5", "-2,25e1", "3"], [1.5, -22.5, 3]),
        (Dialect(decimal=",", thousands="."), ["1.100,5", "950"], [1100.5, 950]),
        (Dialect(thousands=" "), ["1\u00a0100.5", "1 100"], [1100.5, 1100]),
        (Dialect(thousands="'"), ["1'100.5", "2"], [1100.5, 2]),
    ],
)
def test_numbers_are_read_as_they_are_written(dialect, cells, values, tmp_path):
    assert table(tmp_path, cells, reading=Reading(dialect)).target.values[:, 0].tolist() == values


@pytest.mark.parametrize(
    ("dialect", "cell"),
    [(Dialect(thousands=","), "1,5"), (Dialect(thousands=","), "1,10,000"), (Dialect(decimal=","), "1.5")],
)
def test_a_number_in_another_writing_than_said_is_refused(dialect, cell, tmp_path):
    with pytest.raises(DataError, match=r"row 3.*read it with --decimal|row 3.*write numbers alone"):
        table(tmp_path, ["1", cell], MEASUREMENTS, Reading(dialect))


@pytest.mark.parametrize(
    "signs", [{"decimal": ""}, {"decimal": "ab"}, {"decimal": "1"}, {"thousands": "."}, {"delimiter": '"'}], ids=str
)
def test_a_sign_that_is_none_is_refused(signs):
    with pytest.raises(UsageError, match="must be one sign"):
        Dialect(**signs)


def test_names_are_no_measurements(tmp_path):
    with pytest.raises(UsageError, match="holds names"):
        table(tmp_path, ["a", "b"], MEASUREMENTS)


@pytest.mark.parametrize("rule", [{"task": "regresion"}, {"missing": "dropp"}])
def test_an_unknown_rule_offers_the_nearest(rule):
    with pytest.raises(UnknownNameError, match="did you mean"):
        TargetRule(**rule)


# Arrays


def saved(folder: Path, y: np.ndarray, rule: TargetRule | None = None) -> Table:
    np.savez(folder / "a.npz", X=np.arange(2.0 * len(y)).reshape(len(y), 2), y=y)
    return read(folder / "a.npz", None, rule)


ONE_HOT = np.eye(3)[[0, 2, 1, 0]]


@pytest.mark.parametrize("y", [ONE_HOT, ONE_HOT.astype(int), ONE_HOT.astype(bool)], ids=["float", "int", "bool"])
def test_a_single_1_in_every_row_is_a_class_and_that_is_said(y, tmp_path):
    held = saved(tmp_path, y)
    assert labels(held) == ["0", "2", "1", "0"]
    assert "its 3 columns are classes" in held.notes[0]


def test_what_was_asked_for_is_not_said(tmp_path):
    assert saved(tmp_path, ONE_HOT, CLASSES).notes == ()


def test_indicators_are_measurements_where_the_task_says_so(tmp_path):
    np.testing.assert_array_equal(saved(tmp_path, ONE_HOT, MEASUREMENTS).target.values, ONE_HOT)


@pytest.mark.parametrize("y", [[[1, 1], [0, 1]], [[0, 0], [0, 1]], [[0.5, 0.5], [0, 1]]], ids=str)
def test_columns_that_are_not_one_hot_are_measurements(y, tmp_path):
    assert not saved(tmp_path, np.array(y)).target.class_names
    with pytest.raises(UsageError, match="expected a single 1 in every row"):
        saved(tmp_path, np.array(y), CLASSES)


@pytest.mark.parametrize("y", [["1.5", "2.5"], [["1"], ["2"]]], ids=["flat", "column"])
def test_text_in_an_array_is_labels_and_never_numbers(y, tmp_path):
    assert labels(saved(tmp_path, np.array(y))) == np.ravel(y).tolist()
    with pytest.raises(UsageError, match="holds names"):
        saved(tmp_path, np.array(y), MEASUREMENTS)


def test_text_in_several_columns_is_one_sentence(tmp_path):
    with pytest.raises(DataError, match=r"is text of shape \(2, 2\), expected one label a row"):
        saved(tmp_path, np.array([["1.5", "2"], ["3", "4"]]))


def test_large_integers_of_an_array_are_classes_of_their_own(tmp_path):
    words = ["9007199254740992", "9007199254740993"]
    assert labels(saved(tmp_path, np.array(words, np.int64))) == words


def test_many_whole_numbers_of_an_array_wait_for_the_users_word(tmp_path):
    with pytest.raises(UsageError, match="--task"):
        saved(tmp_path, np.arange(MOST_CLASSES + 1))
    assert not saved(tmp_path, np.arange(MOST_CLASSES + 1.0)).target.class_names


def test_missing_measurements_of_an_array_are_dropped_on_demand(tmp_path):
    y = np.array([0.5, np.nan, 2])
    with pytest.raises(DataError, match=r"y\[1\] .* is nan.*--missing-target drop"):
        saved(tmp_path, y)
    held = saved(tmp_path, y, DROP)
    assert (held.target.values[:, 0].tolist(), held.rows.tolist(), len(held.X)) == ([0.5, 2], [0, 2], 2)


def test_every_refusal_is_one_line(tmp_path):
    for cells in (["1", "a\nb"], ["x\ny", "z"], ["1.5", "\x1b[2J"]):
        with pytest.raises(NnsimError) as raised:
            table(tmp_path, cells)
        assert str(raised.value).isprintable()
