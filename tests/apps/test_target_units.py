"""Losses of measurements are told, and their thresholds taken, in the target's own units."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from nnsim_cli.main import main

from nnsim.apps.lr_finder import find_learning_rate
from nnsim.apps.model_file import load_model
from nnsim.apps.settings import resolve
from nnsim.apps.setup import prepare
from nnsim.apps.target_units import unit_of
from nnsim.apps.train import run_training
from nnsim.data.datasets import Scaling
from nnsim.kernels.formulas.columns import TRAIN_LOSS, VALIDATION_LOSS

SIZE = 3e4  # of the target


@pytest.fixture(autouse=True)
def prices(tmp_path, monkeypatch):
    """Write 90 rows of two features and a price, and the same with a second target."""
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(4)
    X = rng.standard_normal((90, 2))
    price = 2e5 + SIZE * (X[:, 0] - 0.5 * X[:, 1] + 0.1 * rng.standard_normal(90))
    with open("prices.csv", "w", newline="") as file:
        csv.writer(file).writerows([["a", "b", "price"], *np.column_stack([X, price]).tolist()])
    np.savez("pair.npz", X=X, y=np.column_stack([price, X[:, 0]]))


def settings(**given):
    usual = {"data": "prices.csv", "target": "price", "hidden": "8", "epochs": 4, "lr": 0.01, "dtype": "float64"}
    return resolve(usual | given)


def scores(loss, errors, delta):
    size = np.abs(errors)
    by_loss = {"mse": errors**2, "mae": size, "huber": np.where(size <= delta, size**2 / 2, delta * (size - delta / 2))}
    return by_loss[loss].mean()


@pytest.mark.parametrize("loss", ["mse", "mae", "huber"])
def test_losses_are_those_of_the_predictions_in_the_targets_units(loss):
    given = {"huber_delta": 20000} if loss == "huber" else {}
    result = run_training(settings(loss=loss, **given), "out")
    problem, model = prepare(settings(loss=loss, **given)), load_model("out/model.safetensors")
    undo = problem.split.scaling.undo
    for part in ("validation", "test"):
        X, y = (getattr(problem.split, f"{name}_{part}") for name in ("X", "y"))
        errors = model.predict(undo(X)) - problem.split.target_scaling.undo(y)
        assert result.metrics[part]["loss"] == pytest.approx(scores(loss, errors, 20000), rel=1e-9)
    rows = list(csv.DictReader(Path("out/history.csv").read_text().splitlines()))
    assert float(rows[-1]["validation_loss"]) == pytest.approx(result.metrics["validation"]["loss"], rel=1e-12)
    assert [float(row["train_loss"]) for row in rows] == result.history[:, TRAIN_LOSS].tolist()


def test_the_run_itself_is_that_of_standardised_targets():
    result = run_training(settings(), "out")
    deviation = prepare(settings()).split.target_scaling.deviation[0]
    assert SIZE / 2 < deviation < 2 * SIZE
    told = result.run.history[:, [TRAIN_LOSS, VALIDATION_LOSS]] * deviation**2
    np.testing.assert_allclose(result.history[:, [TRAIN_LOSS, VALIDATION_LOSS]], told, rtol=1e-14)
    assert 0 < result.run.history[-1, TRAIN_LOSS] < 2


def test_a_delta_is_divided_by_the_deviation_and_is_one_by_default():
    deviation = prepare(settings()).split.target_scaling.deviation[0]
    assert prepare(settings(loss="huber", huber_delta=5000)).spec.huber_delta == 5000 / deviation
    assert prepare(settings(loss="huber")).spec.huber_delta == 1.0


@pytest.mark.parametrize(("loss", "power"), [("mse", 2), ("mae", 1), ("huber", 2)])
@pytest.mark.parametrize("warmup", ["", "warmup:epochs=1+"])
def test_thresholds_of_the_loss_are_in_its_unit(warmup, loss, power):
    given = {"min_delta": 300, "patience": 2, "schedule": f"{warmup}plateau:threshold_mode=abs,threshold=300"}
    problem = prepare(settings(loss=loss, **given))
    unit = problem.split.target_scaling.deviation[0] ** power
    rule = problem.recipe.run_options().plateau
    assert (problem.recipe.min_delta, -rule.shift) == pytest.approx((300 / unit, 300 / unit), rel=1e-12)


@pytest.mark.parametrize("schedule", ["plateau:mode=max,threshold_mode=abs,threshold=0.3", "plateau:mode=max"])
def test_thresholds_of_the_metric_are_as_they_are_given(schedule):
    recipe = prepare(settings(watch="metric", min_delta=0.01, patience=2, schedule=schedule)).recipe
    assert recipe.min_delta == 0.01
    assert recipe.run_options().plateau.shift == (0.3 if "abs" in schedule else 0)


def test_a_threshold_beyond_all_losses_is_taken():
    tiny = unit_of("mse", Scaling(np.zeros(1), np.zeros(1), np.full(1, 1e-90)))
    recipe = prepare(settings(schedule="plateau:threshold_mode=abs,threshold=1")).recipe
    assert tiny.schedule(recipe.parsed_schedule).threshold == 1e30


def test_an_improvement_too_small_in_the_targets_units_stops_the_run():
    result = run_training(settings(loss="mae", min_delta=1e5, patience=1, epochs=9), "out")
    assert result.metrics["epochs"] == 2


def test_losses_of_several_targets_are_told_in_their_deviations():
    result = run_training(settings(data="pair.npz", target=None, loss="huber", huber_delta=0.5), "out")
    assert result.metrics["loss_unit"] == "squared standard deviations of each target"
    np.testing.assert_array_equal(result.history, result.run.history)
    assert load_model("out/model.safetensors").spec.huber_delta == 0.5


def test_classes_have_no_unit():
    result = run_training(resolve({"data": "iris", "epochs": 2}), "out")
    assert (result.metrics["loss"], result.metrics["loss_unit"]) == ("cross_entropy", None)
    np.testing.assert_array_equal(result.history, result.run.history)


@pytest.mark.parametrize(
    ("loss", "words"), [("mae", "mae in units of the target"), ("mse", "mse in squared units of the target")]
)
def test_the_terminal_says_in_what(loss, words, capsys):
    options = ["--target", "price", "--loss", loss, "--epochs", "2", "-o", "out"]
    assert main(["train", "--data", "prices.csv", *options]) == 0
    printed = capsys.readouterr()
    assert f"the loss is {words}" in printed.out
    progress = float(printed.err.rsplit("loss ", 1)[1].split(",")[0])
    assert progress > 1000
    assert json.loads(Path("out/metrics.json").read_text())["loss"] == loss


def test_a_range_test_has_the_losses_of_the_targets_units():
    test = find_learning_rate(prepare(settings(loss="mae")), steps=20)
    assert SIZE / 3 < test.losses[0] < 3 * SIZE
    assert test.unit == "units of the target"
