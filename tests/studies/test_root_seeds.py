"""Every study runs at every root seed: how many rows it trains on, and of which class, hangs on the seed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import kept
import pytest
from nnsim_studies import batch_norm, dead_neurons, vanishing_gradient
from nnsim_studies.backprop_cost import passes
from nnsim_studies.batch_norm import training
from nnsim_studies.dead_neurons import descent
from nnsim_studies.vanishing_gradient import training as remedied
from tiny_studies import measured, tiny

from nnsim.data.datasets import fewest_training_rows
from nnsim.experiment.config import resolve
from nnsim.report.claims import claims_frame, summary_columns
from nnsim.report.judging import claims_of
from nnsim.study.discovery import find_study
from nnsim.study.network_trials import data_of, usual_data
from nnsim.study.trials import DataTrial

pytestmark = pytest.mark.physics

SEEDS = range(10)
TIMED = "backprop-cost"
UNEVEN = {"data": "digits", "samples": 120}  # 84 training rows, give or take some: ten classes, divided one by one
LONE = UNEVEN | {"batch_size": 21}  # 85 rows leave one over
FEW = {"seeds": 1, "probe_seeds": 1}
CHOSEN: dict[str, dict[str, Any]] = {
    "activation": UNEVEN | FEW,
    "backprop-cost": {},
    "batch-norm": LONE,
    "dead-neurons": UNEVEN,
    "depth-width": {"seeds": 1},
    "generalization": {},
    "gradient-clipping": {"data": "xor"},
    "init": UNEVEN | FEW,
    "learning-rate": {"data": "xor", "seeds": 1, "edge_seeds": 1},
    "optimizer": UNEVEN | FEW,
    "perceptron": {},
    "vanishing-gradient": LONE | FEW,
}
"""What is not as in the tiny runs of a study's own tests: data whose rows are not the same in number at every seed."""


def rows_at(seed: int, **data: Any) -> int:
    return len(data_of(DataTrial(kind="", repeat=0, root_seed=seed, **data)).X_train)


def run_at_ten_root_seeds(name: str, place: Path) -> None:
    study = find_study(name)
    config = resolve(study, "quick", tiny(name) | CHOSEN[name])
    for seed in SEEDS:
        tables = measured(study, config, place / str(seed), seed)
        assert len(claims_frame(claims_of(study, dict(tables), dict(config))))
        summary_columns(study, list(study.summary(dict(tables)).columns))


@pytest.mark.parametrize("name", [name for name in CHOSEN if name != TIMED])
def test_a_study_runs_at_ten_root_seeds(name: str, tmp_path: Path) -> None:
    kept.passed(lambda: run_at_ten_root_seeds(name, tmp_path), "root seeds", name)


def test_a_study_that_times_runs_at_ten_root_seeds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(passes, "TIMED_PRODUCTS", 1.0)
    run_at_ten_root_seeds(TIMED, tmp_path)


def test_the_data_chosen_here_leave_another_number_of_rows_at_another_seed() -> None:
    rows = [rows_at(seed, **UNEVEN) for seed in SEEDS]
    assert len(set(rows)) > 1
    assert any(number % LONE["batch_size"] == 1 for number in rows)


@pytest.mark.parametrize("data", [{"data": "digits", "samples": 60}, UNEVEN, {"data": "xor"}, {"data": "circles"}])
def test_no_seed_leaves_fewer_rows_than_a_batch_may_have(data: dict[str, Any]) -> None:
    least = fewest_training_rows(usual_data(DataTrial(kind="", repeat=0, **data)))
    assert least <= min(rows_at(seed, **data) for seed in range(50))


def test_a_regression_has_as_many_rows_at_every_seed() -> None:
    diabetes = usual_data(DataTrial(kind="", repeat=0, data="diabetes"))
    assert fewest_training_rows(diabetes) == rows_at(3, data="diabetes")


def trained(monkeypatch: pytest.MonkeyPatch, module: Any, name: str) -> list[Any]:
    """Return the trials that a study's module hands to the laboratory from now on."""
    seen: list[Any] = []
    train = getattr(module, name)
    monkeypatch.setattr(module, name, lambda trial, *rest: seen.append(trial) or train(trial, *rest))
    return seen


ARM = {"kind": "training", "scheme": "he_normal", "activation": "relu", "depth": 1, "width": 2, "repeat": 0}
ARM |= {"learning_rate": 0.1, "epochs": 1, "momentum": 0.0, "probe_epoch": [], "target": ""}


@pytest.mark.parametrize("seed", SEEDS)
def test_full_batches_hold_all_rows_of_the_seed(monkeypatch: pytest.MonkeyPatch, seed: int) -> None:
    seen = trained(monkeypatch, descent, "watch_training")
    settings = {"optimizer": "sgd", "normalization": "batch", "tau": 0.1, "bias": 0.0, "root_seed": seed}
    dead_neurons.study.measure({**ARM, **UNEVEN, **settings})
    assert [trial.batch_size for trial in seen] == [rows_at(seed, **UNEVEN)]


@pytest.mark.parametrize("normalization", ["batch", "none"])
@pytest.mark.parametrize("seed", SEEDS)
def test_every_arm_beside_batch_normalisation_leaves_out_a_last_row_alone(
    monkeypatch: pytest.MonkeyPatch, seed: int, normalization: str
) -> None:
    seen = trained(monkeypatch, training, "watch_training")
    batch_norm.study.measure({**ARM, **LONE, "optimizer": "sgd", "normalization": normalization, "root_seed": seed})
    assert [trial.drop_last for trial in seen] == [rows_at(seed, **UNEVEN) % LONE["batch_size"] == 1]


@pytest.mark.parametrize("seed", SEEDS)
def test_the_remedy_leaves_out_a_last_row_alone(monkeypatch: pytest.MonkeyPatch, seed: int) -> None:
    seen = trained(monkeypatch, remedied, "train_network")
    settings = {"remedy": "batch", "normalization": "batch", "root_seed": seed}
    vanishing_gradient.study.measure({**ARM, **LONE, **settings})
    assert [trial.drop_last for trial in seen] == [rows_at(seed, **UNEVEN) % LONE["batch_size"] == 1]
