"""``nnsim train`` and ``nnsim predict`` as a user meets them: files, exit codes, sentences, stops and resumes."""

from __future__ import annotations

import csv
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from nnsim_cli.main import main

from nnsim.apps import train as train_app
from nnsim.apps.model_file import load_model
from nnsim.apps.settings import resolve
from nnsim.core.progress import Progress
from nnsim.data.readers import read

FINAL = ("history.csv", "metrics.json", "model.safetensors", "config.toml", "training.png", "checkpoint.safetensors")
BASE = {"data": "iris", "hidden": "8", "batch_norm": True, "dropout": "0.2", "epochs": "5", "schedule": "cosine"}


@pytest.fixture(autouse=True)
def own_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    kept = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGUSR1)}
    yield
    for number, handler in kept.items():
        signal.signal(number, handler)


def write_csv(name="my.csv", labels=("=yes", "no", "maybe"), rows=60, **columns):
    rng = np.random.default_rng(2)
    table = {"a": rng.standard_normal(rows), "b": rng.standard_normal(rows), **columns}
    table["label"] = [labels[n % len(labels)] for n in range(rows)]
    with open(name, "w", newline="") as file:
        csv.writer(file).writerows([list(table), *zip(*table.values(), strict=True)])
    return name


def train(*options, data="my.csv"):
    return main(["train", "--data", data, "--target", "label", "--epochs", "3", "-q", "-o", "out", *options])


def refused(capsys, *options, code=2):
    assert train(*options) == code
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert not Path("out").exists()
    return error


def content(folder):
    return {name: (Path(folder) / name).read_bytes() for name in FINAL}


class TestFiles:
    def test_everything_is_written_and_named(self, capsys):
        write_csv()
        assert train("--hidden", "8,4") == 0
        assert set(os.listdir("out")) == set(FINAL)
        printed = capsys.readouterr().out
        assert all(f"out/{name}" in printed for name in FINAL)

    def test_metrics_hold_the_test_scores_and_the_command(self):
        write_csv()
        train("--lr", "0.01")
        metrics = json.loads(Path("out/metrics.json").read_text())
        assert set(metrics["test"]) == {"loss", "accuracy"}
        assert "--lr 0.01" in metrics["command"]
        assert metrics["epochs"] == len(Path("out/history.csv").read_text().splitlines()) - 1 == 3

    def test_the_written_configuration_gives_the_same_bytes(self):
        write_csv()
        train("--hidden", "8", "--dropout", "0.1")
        assert main(["train", "--config", "out/config.toml", "-o", "again", "-q"]) == 0
        assert content("again") == content("out")

    def test_options_win_over_the_file(self):
        Path("c.toml").write_text('data = "iris"\nepochs = 9\nhidden = [4]\n')
        main(["train", "--config", "c.toml", "--epochs", "2", "-o", "out", "-q"])
        metrics = json.loads(Path("out/metrics.json").read_text())
        assert (metrics["epochs"], metrics["parameters"]) == (2, 4 * 4 + 4 + 4 * 3 + 3)

    def test_json_is_the_whole_of_stdout(self, capsys):
        write_csv()
        train("--json")
        assert json.loads(capsys.readouterr().out)["status"] == "done"


class TestTask:
    @pytest.mark.parametrize(
        ("labels", "options", "loss", "scores"),
        [
            (("x", "y"), (), "bce", {"loss", "accuracy", "AUC"}),
            (("x", "y"), ("--loss", "cross_entropy"), "cross_entropy", {"loss", "accuracy", "AUC"}),
            (("x", "y"), ("--loss-weights", "1,5"), "cross_entropy", {"loss", "accuracy", "AUC"}),
            (("x", "y"), ("--loss-weights", "5"), "bce", {"loss", "accuracy", "AUC"}),
            (("x", "y", "z"), (), "cross_entropy", {"loss", "accuracy"}),
            ((3, 7), (), "bce", {"loss", "accuracy", "AUC"}),
            ((3, 7, 9), ("--loss", "huber", "--huber-delta", "0.5"), "huber", {"loss", "R2"}),
            ((0.5, 1.5, 2.25), (), "mse", {"loss", "R2"}),
        ],
    )
    def test_it_follows_from_the_target_and_the_loss(self, labels, options, loss, scores):
        write_csv(labels=labels)
        assert train(*options) == 0
        assert set(json.loads(Path("out/metrics.json").read_text())["test"]) == scores
        assert load_model("out/model.safetensors").spec.loss == loss

    @pytest.mark.parametrize(("task", "loss"), [("classification", "cross_entropy"), ("regression", "mse")])
    def test_many_whole_numbers_are_what_the_task_says(self, task, loss, capsys):
        write_csv(labels=range(1000, 1040), rows=80)
        assert "--task classification or --task regression" in refused(capsys)
        assert train("--task", task) == 0
        assert load_model("out/model.safetensors").spec.loss == loss

    def test_a_loss_of_measurements_says_the_task(self):
        write_csv(labels=range(1000, 1040), rows=80)
        assert train("--loss", "mae") == 0

    def test_labels_are_mapped_and_the_mapping_is_kept(self):
        write_csv(labels=(7, 3))
        train()
        assert load_model("out/model.safetensors").class_names == ("3", "7")


class TestRefusals:
    @pytest.mark.parametrize(
        ("labels", "options", "sentence"),
        [
            (("x", "y", "z"), ("--loss", "bce"), "'bce' is for two classes, but 'my.csv' has 3: use 'cross_entropy'"),
            (("x", "y", "z"), ("--loss", "mse"), "holds names"),
            ((0.5, 1.5), ("--loss", "cross_entropy"), "holds measurements, not class labels"),
            ((1, 2), ("--loss", "mse", "--task", "classification"), "'mse' is for regression"),
            ((1, 2), ("--task", "clasification"), "--task must be auto, classification or regression"),
            ((1, 2), ("--missing", "zero"), "--missing must be refuse, mean, median or most_frequent"),
            ((1, 2), ("--drop", "bb"), "did you mean 'b'"),
            ((1, 2), ("--decimal", "ab"), "--decimal must be one sign"),
            (("x", "y"), ("--batch-norm", "--layer-norm"), "not both"),
            (("x", "y"), ("--norm-after",), "add --batch-norm or --layer-norm"),
            (("x", "y"), ("--huber-delta", "2"), "belongs to the loss 'huber'"),
            (("x", "y"), ("--optimizer", "adamm"), "did you mean 'adam'"),
            (("x", "y"), ("--loss", "hubr"), "did you mean 'huber'"),
            (("x", "y"), ("--batch-size", "500"), "choose at most 42"),
            (("x", "y"), ("--batch-norm", "--batch-size", "1"), "got batches of 1: choose a larger batch size"),
            (("x", "y"), ("--loss", "bce", "--loss-weights", "1,5"), "'cross_entropy' takes one for each class"),
            (("x", "y"), ("--loss-weights", "1,5,2"), "takes a weight for each class, 2 here, got 3"),
            (("x", "y"), ("--epochs", "1.5"), "--epochs must be a whole number, got '1.5'"),
            (("x", "y"), ("--validation", "0.6", "--test", "0.5"), "leave some rows for training"),
            (("x", "y"), ("--checkpoint-every", "0"), "at least 1"),
            (("x", "y"), ("--data-sha256", "abc"), "has changed"),
        ],
    )
    def test_what_does_not_go_together_is_one_sentence_before_anything_runs(self, labels, options, sentence, capsys):
        write_csv(labels=labels)
        assert sentence in refused(capsys, *options)

    @pytest.mark.parametrize(
        ("labels", "sentence"), [(("x",), "in all 60 rows"), ((0.5, "nan"), "expected a finite number")]
    )
    def test_targets_that_teach_nothing_are_one_sentence(self, labels, sentence, capsys):
        write_csv(labels=labels)
        assert sentence in refused(capsys, code=1)

    @pytest.mark.parametrize("number", ["1,100", "NA", "15 %"])
    def test_a_slip_in_a_target_is_one_sentence_at_every_door(self, number, capsys):
        write_csv(labels=(950, 1000, number))
        for command in (["train", "-o", "out"], ["lr-find", "-o", "out"]):
            assert main([*command, "--data", "my.csv", "--target", "label"]) == 1
            error = capsys.readouterr().err
            assert f"row 4, column 'label' of 'my.csv' holds '{number}'" in error
            assert error.count("\n") == 1
        assert not Path("out").exists()

    def test_no_data_is_one_sentence(self, capsys):
        assert main(["train"]) == 2
        assert "--data is missing" in capsys.readouterr().err

    def test_another_configuration_in_the_folder_is_refused(self, capsys):
        write_csv()
        train()
        before = content("out")
        assert train("--lr", "0.5") == 1
        assert "'out' holds a training with --lr 0.001, not 0.5" in capsys.readouterr().err
        assert content("out") == before

    def test_a_changed_data_file_is_refused(self, capsys):
        write_csv()
        train()
        write_csv(rows=66)
        assert train() == 1
        assert "--data-sha256" in capsys.readouterr().err


@pytest.mark.filterwarnings("default")
class TestLoneRow:
    """42 training rows in batches of 41 under batch normalisation."""

    OPTIONS = ("--batch-norm", "--batch-size", "41", "--schedule", "cosine:by=step")

    def test_it_is_left_out_with_one_line(self, capsys):
        write_csv(labels=("x", "y"))
        assert train(*self.OPTIONS, "--json", "--checkpoint-every", "1") == 0
        printed = capsys.readouterr()
        assert printed.err == (
            "nnsim: batch normalisation cannot take a batch of one row: of 42 training rows in batches of 41, "
            "the last of every epoch is left out\n"
        )
        assert json.loads(printed.out)["status"] == "done"

    def test_it_is_as_if_the_last_batch_had_been_dropped(self):
        write_csv(labels=("x", "y"))
        train(*self.OPTIONS)
        train(*self.OPTIONS, "--drop-last", "-o", "dropped")
        for name in ("history.csv", "model.safetensors"):
            assert Path("out", name).read_bytes() == Path("dropped", name).read_bytes()
        assert load_model("out/model.safetensors").steps == 3

    def test_a_range_test_never_takes_it(self, capsys):
        write_csv(labels=("x", "y"))
        assert main(["lr-find", "--data", "my.csv", "--target", "label", *self.OPTIONS[:3], "-o", "lf"]) == 0
        assert capsys.readouterr().err == ""


class TestOneValidationRow:
    def write(self):
        Path("four.csv").write_text("a,label\n1,1.5\n2,3\n3,4.5\n4,6\n")

    def test_its_metric_stops_no_run(self, capsys):
        self.write()
        assert train("--loss", "mse", "--watch", "metric", "--patience", "3", data="four.csv") == 2
        assert "got 1 with one: watch the loss, or take more rows for validation" in capsys.readouterr().err
        assert not Path("out").exists()

    @pytest.mark.parametrize("options", [("--watch", "metric"), ("--epochs", "0")])
    def test_no_epoch_is_said_to_be_the_best_by_what_is_not_a_number(self, options, capsys):
        self.write()
        assert train("--loss", "mse", *options, data="four.csv") == 0
        assert "best" not in capsys.readouterr().out


def test_divergence_is_a_status_with_its_step_and_keeps_the_history(capsys):
    write_csv(labels=(0.5, 1.5, 2.5, 9.5))
    assert train("--optimizer", "sgd", "--lr", "30", "--epochs", "40") == 1
    metrics = json.loads(Path("out/metrics.json").read_text())
    assert metrics["status"] == "diverged"
    assert f"diverged at step {metrics['diverged_at_step']}" in capsys.readouterr().err
    assert Path("out/history.csv").is_file()
    assert not Path("out/model.safetensors").exists()


@pytest.mark.parametrize(
    "command", [["train", "--epochs", "1", "-q"], ["lr-find", "--batch-size", "8"]], ids=["train", "lr"]
)
def test_what_was_decided_without_being_asked_is_said(command, capsys):
    write_csv(labels=("x", "y"), colour=["red", "blue"] * 30)
    assert main([*command, "--data", "my.csv", "--target", "label", "-o", "out"]) == 0
    assert "nnsim: 'my.csv': each word becomes an input of: colour (2)\n" in capsys.readouterr().err


def test_a_rare_class_is_said_and_does_not_end_the_training(capsys):
    write_csv(labels=["x", "y"] * 29 + ["rare", "x"])
    assert train() == 0
    assert "no validation or test row of 'my.csv' is of class 'rare'" in capsys.readouterr().err


def test_a_fill_value_is_blamed_on_its_row_and_not_on_the_learning_rate(capsys):
    for seed in range(4):
        write_csv(labels=(0.5, 1.5, 2.25), c=[*range(30), 9.969209968386869e36, *range(29)])
        assert "row 32, column 'c' of 'my.csv' holds 9.96921e+36" in refused(capsys, "--seed", str(seed), code=1)


class Stop(BaseException):
    """Stands for a signal."""


class StopAfter(Progress):
    """Raises after some epochs, as a signal handler does."""

    def __init__(self, epochs):
        self.left = epochs

    def advance(self, seconds, count=1, note=""):
        self.left -= count
        if self.left <= 0:
            raise Stop


class TestResume:
    @pytest.mark.parametrize("epoch", range(1, 5))
    def test_a_run_stopped_at_any_epoch_gives_the_bytes_of_one_that_was_not(self, epoch, monkeypatch):
        monkeypatch.setattr(train_app, "CALL_SECONDS", 0.0)
        settings = resolve(BASE)
        train_app.run_training(settings, "whole")
        with pytest.raises(Stop):
            train_app.run_training(settings, "parts", progress=StopAfter(epoch))
        assert set(os.listdir("parts")) == {"config.toml", "checkpoint.safetensors"}
        train_app.run_training(settings, "parts", checkpoint_every=2)
        assert content("parts") == content("whole")

    def test_the_length_of_the_calls_does_not_show(self, monkeypatch):
        settings = resolve(BASE | {"patience": "2"})
        train_app.run_training(settings, "long")
        monkeypatch.setattr(train_app, "CALL_SECONDS", 0.0)
        train_app.run_training(settings, "short")
        assert content("short") == content("long")

    def test_a_finished_run_is_written_again_with_the_same_bytes(self):
        train_app.run_training(resolve(BASE), "out")
        before = content("out")
        train_app.run_training(resolve(BASE), "out")
        assert content("out") == before

    @pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 75), (signal.SIGINT, 130)])
    def test_a_signal_stops_with_a_checkpoint_and_says_how_to_go_on(self, number, code):
        command = [sys.executable, "-c", "import sys; from nnsim_cli.main import main; sys.exit(main())", "train"]
        options = ["--data", "iris", "--epochs", "300000", "--checkpoint-every", "1", "-o", "out"]
        running = subprocess.Popen([*command, *options], stderr=subprocess.PIPE, text=True)
        while not Path("out/checkpoint.safetensors").exists():
            assert running.poll() is None
            time.sleep(0.05)
        running.send_signal(number)
        assert "go on with: nnsim train --data iris" in running.communicate(timeout=300)[1]
        assert running.returncode == code
        assert Path("out/checkpoint.safetensors").is_file()


class TestPredict:
    @pytest.fixture
    def trained(self):
        write_csv()
        train()

    def test_it_writes_classes_and_probabilities_and_no_formula(self, trained):
        write_csv("new.csv")
        assert main(["predict", "out/model.safetensors", "new.csv", "-o", "p.csv", "-q"]) == 0
        rows = list(csv.reader(Path("p.csv").read_text().splitlines()))
        assert rows[0] == ["prediction", "probability of =yes", "probability of maybe", "probability of no"]
        assert {row[0] for row in rows[1:]} <= {"'=yes", "maybe", "no"}
        assert [sum(map(float, row[1:])) for row in rows[1:]] == pytest.approx([1] * 60)

    def test_columns_are_found_by_name_and_others_ignored_with_a_note(self, trained, capsys):
        lines = Path(write_csv("new.csv")).read_text().splitlines()
        turned = [",".join([c, b, a]) for a, b, c in (line.split(",") for line in lines)]
        Path("turned.csv").write_text("\n".join(turned))
        for name in ("new.csv", "turned.csv"):
            main(["predict", "out/model.safetensors", name, "-o", f"p-{name}"])
        assert Path("p-new.csv").read_bytes() == Path("p-turned.csv").read_bytes()
        assert "ignored what the model does not know: label" in capsys.readouterr().err

    def test_a_missing_column_is_named(self, trained, capsys):
        Path("new.csv").write_text("b\n1\n")
        assert main(["predict", "out/model.safetensors", "new.csv"]) == 1
        assert "'new.csv' lacks the column 'a'" in capsys.readouterr().err

    def test_negative_answers_are_numbers(self):
        write_csv(labels=(-1000.5, -2000.5, -3000.25))
        train()
        main(["predict", "out/model.safetensors", "my.csv", "-o", "p.csv", "-q"])
        assert pd.read_csv("p.csv")["prediction"].between(-4000, 0).all()

    def test_negative_classes_are_numbers(self):
        write_csv(labels=(-1, 1))
        train()
        main(["predict", "out/model.safetensors", "my.csv", "-o", "p.csv", "-q"])
        assert set(pd.read_csv("p.csv")["prediction"]) <= {-1, 1}

    def test_predicted_classes_are_read_as_they_were(self, trained):
        main(["predict", "out/model.safetensors", "my.csv", "-o", "p.csv", "-q"])
        assert set(read(Path("p.csv"), "prediction").target.class_names) <= {"=yes", "no", "maybe"}

    def test_a_regression_answers_in_the_targets_units(self):
        write_csv(labels=(1000.5, 2000.5, 3000.25))
        train()
        main(["predict", "out/model.safetensors", "my.csv", "-o", "p.csv", "-q"])
        values = [float(row[0]) for row in list(csv.reader(Path("p.csv").read_text().splitlines()))[1:]]
        assert 1000 < np.mean(values) < 3000


class TestOtherCommands:
    def test_lr_find_writes_a_table_and_a_figure(self, capsys):
        write_csv()
        assert main(["lr-find", "--data", "my.csv", "--target", "label", "-o", "lf"]) == 0
        assert set(os.listdir("lf")) == {"lr-find.csv", "lr-find.png"}
        printed = capsys.readouterr().out
        assert all(name in printed for name in ("steep", "minimum", "valley", "slide"))

    def test_gradcheck_passes(self, capsys):
        assert main(["gradcheck", "--hidden", "4,4", "--dropout", "0.3", "--batch-norm"]) == 0
        assert "all 10 tensors are within the bound of 1e-06" in capsys.readouterr().out

    def test_gradcheck_exits_with_4_above_the_bound(self, capsys):
        assert main(["gradcheck", "--hidden", "4", "--bound", "1e-30"]) == 4
        assert "above the bound of 1e-30" in capsys.readouterr().out
