"""Standardisation: constant up to rounding is constant, and a number that is no measurement is named."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from nnsim_cli.main import main

from nnsim.apps.model_file import load_model
from nnsim.core.errors import DataError
from nnsim.core.seeding import key
from nnsim.data.datasets import Dataset, load, split
from nnsim.data.scaling import FARTHEST, scaling_of

KEY = key(0, "data")
FILL = 9.969209968386869e36  # netCDF's


def data(X, y) -> Dataset:
    X, y = np.asarray(X, np.float64), np.asarray(y)
    if y.dtype.kind == "i":
        return Dataset("t", X, y, "classification", 2, ("a", "b"), ("p", "q"))
    return Dataset("t", X, y[:, None], "regression", 0, ("a", "b"))


def ordinary(rows=60):
    rng = np.random.default_rng(0)
    return rng.standard_normal((rows, 2)), np.arange(rows) % 2


@pytest.mark.parametrize("values", [(0.3, 0.30000000000000004), (1e9, 1e9 + 1e-7), (-7e-20, -7.000000000000001e-20)])
def test_a_column_that_is_constant_up_to_rounding_counts_as_constant(values):
    X, y = ordinary()
    X[:, 1] = np.where(np.arange(60) % 2, *values)
    parts = split(data(X, y), key=KEY)
    assert parts.scaling.deviation[1] == 1
    assert np.abs(parts.X_train[:, 1]).max() <= abs(values[1] - values[0])


def test_a_small_difference_that_is_more_than_rounding_is_kept():
    X = 0.3 + np.array([[0.0], [1e-12]])
    np.testing.assert_allclose(scaling_of(X).apply(X)[:, 0], [-1, 1], rtol=1e-3)


def test_a_target_that_is_constant_up_to_rounding_is_refused(tmp_path):
    (tmp_path / "a.csv").write_text("x,y\n1,0.3\n2,0.30000000000000004\n3,0.3\n")
    with pytest.raises(DataError, match="expected two values or more"):
        load(str(tmp_path / "a.csv"), key=KEY, target="y")


@pytest.mark.parametrize("row", range(0, 60, 7))
def test_a_fill_value_is_blamed_on_its_row_in_whatever_part_it_falls(row):
    X, y = ordinary()
    X[row, 1] = FILL
    with pytest.raises(DataError, match=rf"row {row}, column 'b' of 't' holds 9\.96921e\+36"):
        split(data(X, y), key=KEY)


@pytest.mark.parametrize("row", [0, 13, 44])
def test_a_fill_value_of_the_target_is_blamed_on_its_row(row):
    X, _ = ordinary()
    y = X[:, 0].copy()
    y[row] = -FILL
    with pytest.raises(DataError, match=rf"row {row}, the target of 't' holds -9\.96921e\+36"):
        split(data(X, y), key=KEY)


def test_several_fill_values_do_not_hide_each_other():
    X, y = ordinary()
    X[::5, 0] = FILL
    with pytest.raises(DataError, match="column 'a' of 't' holds 9"):
        split(data(X, y), key=KEY)


@pytest.mark.parametrize(
    "column",
    [
        np.arange(60) == 7,  # an indicator
        1e9 * (np.arange(60) == 7),
        np.where(np.arange(60) % 2, 1e12, 0) + np.arange(60),  # two clusters
        np.exp(np.linspace(0, 12, 60)),
        1e15 + np.arange(60),
    ],
    ids=["indicator", "large indicator", "clusters", "heavy tail", "offset"],
)
def test_unusual_columns_are_no_faults(column):
    X, y = ordinary()
    X[:, 1] = column
    assert np.isfinite(split(data(X, y), key=KEY).X_train).all()


# Prediction


@pytest.fixture
def trained(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    X, y = ordinary()
    pd.DataFrame({"a": X[:, 0], "k": np.where(y, 0.3, 0.30000000000000004), "y": y}).to_csv("my.csv", index=False)
    assert main(["train", "--data", "my.csv", "--target", "y", "--epochs", "2", "-o", "out", "-q"]) == 0
    return load_model("out/model.safetensors")


def predicted(capsys, rows):
    Path("new.csv").write_text("a,k\n" + rows)
    code = main(["predict", "out/model.safetensors", "new.csv"])
    return code, capsys.readouterr()


def test_another_value_of_a_constant_column_does_not_decide_alone(trained, capsys):
    code, printed = predicted(capsys, "1,0.301\n6,0.301\n")
    assert code == 0
    shares = [float(line.split(",")[1]) for line in printed.out.splitlines()[1:]]
    assert 0.01 < shares[0] < 0.99
    assert shares[0] != shares[1]


def test_predict_names_row_and_column_of_an_extreme(trained, capsys):
    code, printed = predicted(capsys, f"1,0.3\n\n{FILL},0.3\n")
    assert code == 1
    assert "row 4, column 'a' of 'new.csv' holds 9.96921e+36" in printed.err
    assert printed.out == ""


def test_the_model_names_row_and_column_of_an_extreme(trained):
    with pytest.raises(DataError, match="row 1, column 'k' of X holds 1e"):
        trained.predict(np.array([[0.0, 0.3], [0.0, 10 * FARTHEST]]))


def test_a_missing_cell_is_refused_where_nothing_was_learned_to_fill_it(trained):
    with pytest.raises(DataError, match="row 0, column 'a' of X is missing"):
        trained.predict(np.array([[np.nan, 0.3]]))


def test_an_answer_that_is_not_finite_is_blamed_on_its_row(trained):
    trained.theta[:] *= np.float32(1e30)
    with pytest.raises(DataError, match=r"the answer to row 0 of X is not finite: .* column 'a' with 2"):
        trained.predict(np.array([[2.0, 0.3]]))
