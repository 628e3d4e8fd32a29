"""One network of a trial: pairing, looks in between, divergence, and what identifies a trial's data."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from nnsim_studies import init

from nnsim.experiment.config import resolve
from nnsim.experiment.plan import Plan, make_plan
from nnsim.study import network_trials
from nnsim.study.network_trials import (
    HISTORY_NAMES,
    PROBE_TEXTS,
    TRIAL_COLUMNS,
    asymmetry,
    data_of,
    drawn_network,
    look_at_network,
    network_of,
    train_network,
)
from nnsim.study.trials import DataTrial, TrainingTrial


@dataclass(frozen=True, kw_only=True)
class AnyTrial(TrainingTrial):
    """A trial that may name more of a network and of a recipe."""

    normalization: str | None = None
    dropout: float | None = None
    optimizer: str | None = None
    schedule: str | None = None
    clip_norm: float | None = None


DATA: dict[str, Any] = {"data": "moons", "target": "", "samples": 90, "root_seed": 0}
NETWORK: dict[str, Any] = {
    "kind": "training", "scheme": "he_normal", "activation": "relu", "depth": 2, "width": 8, "repeat": 0,
}  # fmt: skip
RECIPE: dict[str, Any] = {"learning_rate": 0.1, "momentum": 0.9, "batch_size": 16, "epochs": 4, "probe_epoch": []}


def trial(**changed: Any) -> AnyTrial:
    return AnyTrial(**(DATA | NETWORK | RECIPE | changed))


def at(rows: list[dict[str, Any]], **values: Any) -> list[dict[str, Any]]:
    return [row for row in rows if all(row[name] == value for name, value in values.items())]


class TestStretches:
    """Looking at layers in between must not change the run."""

    @pytest.mark.parametrize("stops", [[0], [1], [2, 3], [0, 1, 2, 3]], ids=str)
    @pytest.mark.parametrize("scheme", ["he_normal", "lsuv"])
    def test_any_stretches_are_one_run(self, scheme: str, stops: list[int]) -> None:
        whole, parts = (train_network(trial(scheme=scheme, probe_epoch=at)) for at in ([], stops))
        assert parts["trials"] == whole["trials"]
        assert parts["history"] == whole["history"]

    def test_layers_are_looked_at_when_asked_and_at_the_end(self) -> None:
        rows = train_network(trial(probe_epoch=[0, 2]))["layers"]
        assert sorted({row["epoch"] for row in rows}) == [0, 2, 4]
        assert [row["layer"] for row in at(rows, epoch=2)] == [1, 2, 3]

    def test_the_last_look_does_not_depend_on_earlier_ones(self) -> None:
        whole, parts = (train_network(trial(probe_epoch=at))["layers"] for at in ([], [0, 1]))
        assert at(parts, epoch=4) == whole

    def test_training_changes_the_layers(self) -> None:
        rows = train_network(trial(probe_epoch=[0]))["layers"]
        assert at(rows, epoch=0, layer=1)[0]["weight_squares"] != at(rows, epoch=4, layer=1)[0]["weight_squares"]

    def test_history_counts_epochs_from_one(self) -> None:
        assert [row["epoch"] for row in train_network(trial(probe_epoch=[1, 2]))["history"]] == [1, 2, 3, 4]


class TestSettings:
    """A trial may name any setting of a network or of a recipe; a study's own columns carry them."""

    @pytest.mark.parametrize(
        ("name", "value"),
        [
            ("normalization", "batch"),
            ("dropout", 0.5),
            ("optimizer", "adamw"),
            ("schedule", "cosine"),
            ("clip_norm", 1e-3),
        ],
    )
    def test_each_reaches_the_run(self, name: str, value: Any) -> None:
        plain, changed = (train_network(trial(momentum=None, **more))["history"] for more in ({}, {name: value}))
        assert plain != changed

    def test_an_empty_one_is_the_default(self) -> None:
        assert train_network(trial(optimizer=None, clip_norm=None)) == train_network(trial())


class TestTrainedRow:
    def test_the_last_epoch_is_in_the_row(self) -> None:
        tables = train_network(trial())
        row, last = tables["trials"][0], tables["history"][-1]
        assert "status" not in row  # done is what the engine says of a row that says nothing
        assert row["epochs_done"] == 4
        for name in ("train_loss", "validation_loss", "validation_metric"):
            assert row[name] == last[name]

    def test_a_normalised_network_is_tested_by_its_running_statistics(self) -> None:
        row = train_network(trial(normalization="batch", epochs=20))["trials"][0]
        assert row["validation_metric"] > 0.8
        assert row["test_metric"] > 0.8

    def test_chance_is_the_share_of_the_largest_class(self) -> None:
        y = data_of(trial()).y_validation
        assert train_network(trial())["trials"][0]["chance"] == max(np.mean(y == 0), np.mean(y == 1))

    def test_chance_of_a_regression_is_zero(self) -> None:
        assert train_network(trial(data="target_sine"))["trials"][0]["chance"] == 0.0

    def test_rows_hold_what_is_measured_and_no_setting(self) -> None:
        tables = train_network(trial())
        measured = {name for name, _ in PROBE_TEXTS}
        assert {frozenset(row) for row in tables["layers"]} == {frozenset({"epoch", "layer"} | measured)}
        assert {frozenset(row) for row in tables["history"]} == {frozenset({"epoch", *HISTORY_NAMES})}
        (row,) = tables["trials"]
        assert set(row) < {column.name for column in TRIAL_COLUMNS} - set(NETWORK) - set(RECIPE)

    def test_repeats_differ_in_weights_and_order(self) -> None:
        first, second = (train_network(trial(repeat=repeat))["history"][0]["train_loss"] for repeat in (0, 1))
        assert first != second


class TestDivergence:
    def test_a_diverged_run_is_a_row_that_says_so(self) -> None:
        row = train_network(trial(learning_rate=1e10))["trials"][0]
        assert row["status"] == "diverged"
        assert "finite" in row["reason"]
        assert row["diverged_at"] >= 0
        assert row["epochs_done"] == 0
        for name in ("train_loss", "validation_loss", "validation_metric", "test_loss", "test_metric"):
            assert name not in row

    def test_epochs_before_it_are_kept(self) -> None:
        tables = train_network(trial(activation="identity", learning_rate=1.0, probe_epoch=[0, 1, 2, 3]))
        row = tables["trials"][0]
        assert row["status"] == "diverged"
        assert len(tables["history"]) == row["epochs_done"] == 2
        assert {line["epoch"] for line in tables["layers"]} == {0, 1, 2}
        assert 8 <= row["diverged_at"] < 12  # in the third epoch: 63 training rows in batches of 16

    @pytest.mark.parametrize("stops", [[0], [0, 1, 2, 3]], ids=str)
    def test_stretches_diverge_at_the_same_step(self, stops: list[int]) -> None:
        diverging = {"activation": "identity", "learning_rate": 1.0}
        whole, parts = (train_network(trial(**diverging, probe_epoch=at)) for at in ([], stops))
        assert parts["trials"] == whole["trials"]
        assert parts["history"] == whole["history"]


class TestPairing:
    """All arms of one repeat share their draws."""

    def theta(self, **changed: Any) -> np.ndarray:
        return drawn_network(trial(**changed))[1]

    def test_schemes_scale_the_same_draws(self) -> None:
        he, lecun = self.theta(scheme="he_normal"), self.theta(scheme="lecun_normal")
        np.testing.assert_allclose(he, math.sqrt(2) * lecun, rtol=1e-15)

    @pytest.mark.parametrize("changed", [{"activation": "tanh"}, {"learning_rate": 0.5}, {"kind": "gain"}], ids=str)
    def test_what_is_not_drawn_changes_nothing(self, changed: dict[str, Any]) -> None:
        np.testing.assert_array_equal(self.theta(**changed), self.theta())

    @pytest.mark.parametrize("changed", [{"repeat": 1}, {"root_seed": 1}], ids=str)
    def test_seeds_are_independent(self, changed: dict[str, Any]) -> None:
        here, there = self.theta(), self.theta(**changed)
        drawn = here != 0
        assert abs(np.corrcoef(here[drawn], there[drawn])[0, 1]) < 0.4  # 96 weights: four standard errors
        assert not np.array_equal(here, there)

    def test_arms_see_the_same_order_of_rows(self, monkeypatch: pytest.MonkeyPatch) -> None:
        keys = []
        train = network_trials.trainer.train

        def noted(*arguments: Any, **options: Any) -> Any:
            keys.append(arguments[4])
            return train(*arguments, **options)

        monkeypatch.setattr(network_trials.trainer, "train", noted)
        for changed in ({}, {"scheme": "zeros"}, {"activation": "tanh"}, {"repeat": 1}):
            train_network(trial(**changed))
        assert keys[0] == keys[1] == keys[2] != keys[3]


class TestLook:
    def test_the_gain_is_that_of_the_last_hidden_layer(self) -> None:
        tables = look_at_network(trial())
        assert tables["trials"][0]["log_gain"] == at(tables["layers"], layer=2)[0]["a_log"]
        assert tables["trials"][0]["alive"] is True

    def test_hidden_layers_and_the_output_are_shown(self) -> None:
        assert [row["layer"] for row in look_at_network(trial(depth=7))["layers"]] == [1, 2, 3, 4, 5, 6, 7, 8]

    def test_a_network_without_signal_is_dead(self) -> None:
        row = look_at_network(trial(scheme="zeros"))["trials"][0]
        assert row["alive"] is False
        assert row["log_gain"] == -math.inf

    def test_inputs_have_mean_square_one(self) -> None:
        tables = look_at_network(trial(activation="identity", scheme="identity:1", depth=1, width=2))
        assert tables["layers"][0]["a_square"] == pytest.approx(1.0, rel=1e-12)

    def test_the_number_of_inputs_can_be_set(self) -> None:
        one, many = (look_at_network(trial(), rows=rows)["trials"][0]["log_gain"] for rows in (1, 16))
        assert one != many

    def test_the_network_is_fitted_to_the_data(self) -> None:
        assert network_of(trial(), "float32").widths == (2, 8, 8, 2)
        assert network_of(trial(data="target_sine"), "float32").loss == "mse"

    def test_asymmetry_is_the_largest_difference_between_units(self) -> None:
        spec = network_of(trial(), "float64")
        theta = np.zeros(spec.n_parameters)
        assert asymmetry(spec, theta) == 0.0
        spec.layers(theta)[1][0][3, 5] = -0.25
        assert asymmetry(spec, theta) == 0.25

    def test_the_output_layer_does_not_count(self) -> None:
        spec = network_of(trial(), "float64")
        theta = np.zeros(spec.n_parameters)
        spec.layers(theta)[-1][0][0, 1] = 1.0
        assert asymmetry(spec, theta) == 0.0


class TestFile:
    """A CSV file that is rewritten is other data, also within one process."""

    def write(self, path: Path, factor: float) -> Path:
        rows = [f"{factor * (i * 7 % 11)},{i % 5},{'ab'[i * i % 7 > 2]}" for i in range(40)]
        path.write_text("\n".join(["x,y,label", *rows]) + "\n")
        return path

    def plan(self, path: Path) -> Plan:
        axes = {"data": str(path), "target": "label", "batch_size": 8, "scheme": "he_normal", "seeds": 1}
        return make_plan(init.study, resolve(init.study, "quick", axes), 0)

    def test_its_fingerprint_is_part_of_every_trial(self, tmp_path: Path) -> None:
        before = [entry.id for entry in self.plan(self.write(tmp_path / "data.csv", 1.0)).trials]
        after = [entry.id for entry in self.plan(self.write(tmp_path / "data.csv", 2.0)).trials]
        assert set(before).isdisjoint(after)

    def test_the_same_content_has_the_same_trials(self, tmp_path: Path) -> None:
        ids = [[entry.id for entry in self.plan(self.write(tmp_path / "data.csv", 1.0)).trials] for _ in range(2)]
        assert ids[0] == ids[1]

    def test_it_is_read_again(self, tmp_path: Path) -> None:
        data = []
        for offset in (1.0, 0.0):
            path = self.write(tmp_path / "data.csv", offset)
            settings = next(iter(self.plan(path).trials)).settings
            names = ("kind", "repeat", "data", "target", "samples", "fingerprint")
            data.append(data_of(DataTrial(**{name: settings[name] for name in names})).X_train)
        assert data[0][:, 0].any()
        assert not data[1][:, 0].any()
