"""``nnsim train`` into a folder that holds a run: more epochs, other spellings of the data, other working folders."""

from __future__ import annotations

import csv
import json
import os
import struct
import tomllib
from pathlib import Path

import numpy as np
import pytest
from nnsim_cli.main import main

from nnsim.apps import train as train_app
from nnsim.apps.settings import resolve
from nnsim.apps.train import run_training
from nnsim.core.errors import StoreError
from nnsim.data import data_paths

FINAL = ("history.csv", "metrics.json", "model.safetensors", "config.toml", "training.png", "checkpoint.safetensors")
BASE = {"data": "iris", "hidden": "8", "batch_norm": True, "dropout": "0.2"}
NOT_UTF8 = os.fsdecode(b"caf\xe9.csv")


@pytest.fixture(autouse=True)
def own_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def content(folder):
    return {name: (Path(folder) / name).read_bytes() for name in FINAL if (Path(folder) / name).exists()}


def write_csv(name="my.csv", rows=60):
    numbers = np.random.default_rng(2).standard_normal((rows, 2)).tolist()
    with open(name, "w", newline="") as file:
        csv.writer(file).writerows([["a", "b", "label"], *([a, b, n % 3] for n, (a, b) in enumerate(numbers))])
    return name


def train(data, *options):
    return main(["train", "--data", str(data), "--target", "label", "--epochs", "2", "-q", "-o", "out", *options])


class TestMoreEpochs:
    @pytest.mark.parametrize(
        "settings",
        [
            {},
            {"schedule": "cosine:t_max=3"},
            {"schedule": "plateau:patience=1"},
            {"patience": "2"},
            {"optimizer": "sgd", "lr": "0.1"},
        ],
        ids=["plain", "fixed-schedule", "plateau", "patience", "sgd"],
    )
    @pytest.mark.parametrize("first", [1, 4])
    def test_a_longer_run_has_the_bytes_of_one_that_was_asked_for_at_once(self, settings, first):
        run_training(resolve(BASE | settings | {"epochs": "7"}), "whole")
        run_training(resolve(BASE | settings | {"epochs": str(first)}), "parts")
        run_training(resolve(BASE | settings | {"epochs": "7"}), "parts")
        assert content("parts") == content("whole")

    def test_a_run_that_early_stopping_ended_at_its_last_epoch_is_over(self):
        settings = BASE | {"patience": "1", "lr": "1", "optimizer": "sgd"}
        run_training(resolve(settings | {"epochs": "40"}), "whole")
        ended = json.loads(Path("whole/metrics.json").read_text())
        assert ended["stopped_early"]
        run_training(resolve(settings | {"epochs": str(ended["epochs"])}), "parts")
        assert not json.loads(Path("parts/metrics.json").read_text())["stopped_early"]
        run_training(resolve(settings | {"epochs": "40"}), "parts")
        assert content("parts") == content("whole")

    def test_a_run_that_diverged_has_done_so_in_the_longer_one_too(self):
        write_csv()
        settings = {"data": "my.csv", "target": "label", "loss": "mse", "optimizer": "sgd", "lr": "30"}
        run_training(resolve(settings | {"epochs": "60"}), "whole")
        run_training(resolve(settings | {"epochs": "50"}), "parts")
        assert json.loads(Path("parts/metrics.json").read_text())["status"] == "diverged"
        run_training(resolve(settings | {"epochs": "60"}), "parts")
        assert content("parts") == content("whole")

    @pytest.mark.parametrize("schedule", ["cosine", "linear", "one_cycle"])
    def test_a_schedule_that_was_spread_over_the_epochs_is_refused_by_one_sentence(self, schedule):
        run_training(resolve(BASE | {"schedule": schedule, "epochs": "2"}), "out")
        before = content("out")
        with pytest.raises(
            StoreError, match=f"2 epochs, over which its schedule '{schedule}' was spread, so it cannot"
        ):
            run_training(resolve(BASE | {"schedule": schedule, "epochs": "4"}), "out")
        assert content("out") == before

    def test_fewer_epochs_are_another_run(self):
        run_training(resolve(BASE | {"epochs": "4"}), "out")
        with pytest.raises(StoreError, match="holds a training with --epochs 4, not 2"):
            run_training(resolve(BASE | {"epochs": "2"}), "out")

    def test_a_stop_between_checkpoint_and_configuration_loses_nothing(self, monkeypatch):
        run_training(resolve(BASE | {"epochs": "6"}), "whole")
        run_training(resolve(BASE | {"epochs": "3"}), "parts")

        def die(*arguments):
            raise KeyboardInterrupt

        with monkeypatch.context() as broken:
            broken.setattr(train_app, "publish", die)
            with pytest.raises(KeyboardInterrupt):
                run_training(resolve(BASE | {"epochs": "6"}), "parts")
        run_training(resolve(BASE | {"epochs": "6"}), "parts")
        assert content("parts") == content("whole")


class TestSpelling:
    @pytest.fixture
    def trained(self):
        write_csv()
        assert train("my.csv") == 0
        return content("out")

    @pytest.mark.parametrize("spelling", ["./my.csv", "absolute", "linked/my.csv", "out/../my.csv"])
    def test_the_same_file_is_the_same_run(self, spelling, trained):
        os.symlink(".", "linked")
        assert train(Path("my.csv").absolute() if spelling == "absolute" else spelling) == 0
        assert content("out") == trained

    def test_so_it_is_from_another_working_folder(self, trained, tmp_path, monkeypatch):
        Path("elsewhere").mkdir()
        monkeypatch.chdir("elsewhere")
        assert train("../my.csv", "-o", "../out") == 0
        monkeypatch.chdir(tmp_path)
        assert content("out") == trained

    def test_a_written_configuration_works_from_anywhere(self, trained, tmp_path, monkeypatch):
        Path("elsewhere").mkdir()
        monkeypatch.chdir("elsewhere")
        assert main(["train", "--config", "../out/config.toml", "-q", "-o", "../again"]) == 0
        monkeypatch.chdir(tmp_path)
        assert content("again") == trained

    def test_folder_and_data_move_together(self, trained):
        Path("moved").mkdir()
        os.rename("my.csv", "moved/my.csv")
        os.rename("out", "moved/out")
        assert main(["train", "--config", "moved/out/config.toml", "-q", "-o", "moved/out"]) == 0
        assert content("moved/out") == trained

    def test_paths_on_the_command_line_begin_where_one_is(self, trained):
        Path("c").mkdir()
        Path("c/my.toml").write_text('data = "other.csv"\ntarget = "label"\nepochs = 2\n')
        assert main(["train", "--config", "c/my.toml", "--data", "my.csv", "-q", "-o", "out"]) == 0

    def test_those_in_a_file_begin_at_the_file(self, trained):
        Path("c").mkdir()
        Path("c/my.toml").write_text('data = "../my.csv"\ntarget = "label"\nepochs = 2\n')
        assert main(["train", "--config", "c/my.toml", "-q", "-o", "out"]) == 0

    def test_other_data_of_the_same_name_are_not(self, trained, capsys):
        Path("b").mkdir()
        write_csv("b/my.csv", rows=66)
        assert train("b/my.csv") == 1
        assert "holds a training with --data-sha256" in capsys.readouterr().err

    def test_a_data_set_is_called_by_its_name_everywhere(self):
        Path("digits").write_text("no data set")
        main(["train", "--data", "iris", "--epochs", "1", "-q", "-o", "out"])
        assert tomllib.loads(Path("out/config.toml").read_text())["data"] == "iris"
        assert data_paths.into_path("digits", Path("out")) == "digits"

    def test_labels_in_a_file_of_their_own_are_found_too(self, tmp_path, monkeypatch):
        numbers = np.random.default_rng(0).integers(0, 256, (60, 2, 2), np.uint8)
        Path("data").mkdir()
        Path("data/images-idx3-ubyte").write_bytes(struct.pack(">HBB3I", 0, 8, 3, 60, 2, 2) + numbers.tobytes())
        labels = bytes(n % 3 for n in range(60))
        Path("data/l").write_bytes(struct.pack(">HBBI", 0, 8, 1, 60) + labels)
        options = ["--epochs", "1", "-q", "-o", "out"]
        assert main(["train", "--data", "data/images-idx3-ubyte", "--target", "data/l", *options]) == 0
        trained = content("out")
        monkeypatch.chdir("data")
        assert main(["train", "--data", "images-idx3-ubyte", "--target", "./l", *options[:-1], "../out"]) == 0
        assert main(["train", "--config", "../out/config.toml", "-q", "-o", "../again"]) == 0
        monkeypatch.chdir(tmp_path)
        assert content("out") == trained
        assert content("again") == trained


class TestNames:
    """File names that are not UTF-8."""

    def test_data_folder_and_configuration_may_have_one(self):
        write_csv(NOT_UTF8)
        folder = NOT_UTF8.removesuffix(".csv")
        assert train(NOT_UTF8, "-o", folder) == 0
        Path("plain").mkdir()
        config = f"plain/{folder}.toml"
        os.rename(f"{folder}/config.toml", config)
        assert main(["train", "--config", config, "-q", "-o", "again"]) == 0
        command = json.loads(Path("again/metrics.json").read_text())["command"]
        assert command.startswith("nnsim train --data 'caf\\xe9.csv'")
        assert main(["predict", "again/model.safetensors", NOT_UTF8, "-q", "-o", f"{folder}/p"]) == 0
        assert Path(folder, "p").read_text().startswith("prediction,")

    def test_a_finished_run_of_one_is_recognised(self):
        write_csv(NOT_UTF8)
        train(NOT_UTF8)
        before = content("out")
        assert train(f"./{NOT_UTF8}") == 0
        assert content("out") == before

    @pytest.mark.parametrize("name", ["plain.csv", "日本.csv", NOT_UTF8, "file:x.csv", "per%cent.csv", 'quo"te.csv'])
    def test_what_a_configuration_calls_a_file_leads_back_to_it(self, name):
        Path("data").mkdir()
        Path("data", name).write_text("x")
        for folder in (Path(), Path("out"), Path("data")):
            text = data_paths.from_folder(f"data/{name}", folder)
            assert text.encode()
            folder.mkdir(exist_ok=True)
            assert os.path.samefile(data_paths.into_path(text, folder), f"data/{name}")


PLUGIN = """
from dataclasses import replace
import toy
from nnsim.data.datasets import fingerprint

axes = tuple(replace(axis, choices=None, file=True) if axis.name == "shape" else axis for axis in toy.study.axes)
inputs = lambda config: {f"{name}_sha256": fingerprint(name) for name in config["shape"]}
study = replace(toy.study, axes=axes, inputs=inputs)
"""


class TestStudies:
    """The data files of a study: an axis of this one takes their paths, and its table names them."""

    @pytest.fixture(autouse=True)
    def plugin(self):
        Path("plugin.py").write_text(PLUGIN)
        for name in ("my.csv", "second.csv"):
            Path(name).write_text(name)
        Path("elsewhere").mkdir()

    def study(self, data, *options, plugin="plugin.py"):
        return main(["study", "run", plugin, "--shape", str(data), "-q", "-o", "out", *options])

    def state(self, folder="out"):
        files = [*Path(folder, "chunks").iterdir(), Path(folder, "config.toml"), Path(folder, "trials.csv")]
        return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files if path.suffix != ".zip"} | {
            path.name.rpartition("-")[0]: b"" for path in files if path.suffix == ".zip"
        }

    def test_tables_hold_the_name_alone(self):
        assert self.study("./my.csv,square") == 0
        with open("out/trials.csv", newline="") as file:
            assert {row["shape"] for row in csv.DictReader(file)} == {"my.csv", "square"}

    @pytest.mark.parametrize("spelling", ["./my.csv", "absolute", "elsewhere/../my.csv"])
    def test_another_spelling_goes_on_in_the_folder(self, spelling, capsys):
        self.study("my.csv")
        before = {path: path.stat().st_mtime_ns for path in Path("out/chunks").iterdir()}
        assert self.study(Path("my.csv").absolute() if spelling == "absolute" else spelling) == 0
        assert {path: path.stat().st_mtime_ns for path in Path("out/chunks").iterdir()} == before

    def test_trials_and_tables_are_the_same_in_two_folders(self):
        self.study("my.csv")
        self.study(Path("my.csv").absolute(), "-o", "again")
        assert self.state("again") == self.state("out")

    def test_the_written_configuration_works_from_anywhere(self, tmp_path, monkeypatch):
        self.study("my.csv,second.csv", "--exclude", "shape=second.csv,size=2")
        state = self.state()
        monkeypatch.chdir("elsewhere")
        options = ["--config", "../out/config.toml", "-q", "-o", "../again"]
        assert main(["study", "run", "../plugin.py", *options]) == 0
        monkeypatch.chdir(tmp_path)
        assert self.state("again") == state

    def test_paths_in_a_file_begin_at_the_file(self):
        Path("elsewhere/c.toml").write_text('shape = "../my.csv,square"\noutput = "here"\n')
        assert main(["study", "run", "plugin.py", "--config", "elsewhere/c.toml", "-q"]) == 0
        assert Path("elsewhere/here/trials.csv").is_file()

    def test_shards_are_merged_from_anywhere(self, tmp_path, monkeypatch):
        self.study("my.csv", "-o", "whole")
        for shard in ("0/2", "1/2"):
            self.study("./my.csv", "--shard", shard)
        monkeypatch.chdir("elsewhere")
        assert main(["merge", "../out", "--study", "../plugin.py", "-q"]) == 0
        monkeypatch.chdir(tmp_path)
        assert self.state("out") == self.state("whole")

    def test_a_finished_run_is_verified_reproduced_and_compared_from_anywhere(self, monkeypatch, capsys):
        self.study("my.csv")
        monkeypatch.chdir("elsewhere")
        assert main(["verify", "../out", "--study", "../plugin.py", "-q"]) == 0
        assert main(["reproduce", "../out", "--study", "../plugin.py", "-q", "-o", "again"]) == 0
        capsys.readouterr()
        assert main(["compare", "../out", "again", "--study", "../plugin.py", "--json"]) == 0
        found = json.loads(capsys.readouterr().out)
        assert found["configuration"] == {}
        assert found["pairs"] == 4
        assert found["paired_apart_from"] == []

    def test_other_content_is_refused(self, capsys):
        self.study("my.csv")
        Path("my.csv").write_text("changed")
        assert self.study("my.csv") == 1
        assert "my.csv_sha256 is" in capsys.readouterr().err

    def test_two_files_of_one_name_are_refused(self, capsys):
        Path("elsewhere/my.csv").write_text("other")
        assert self.study("my.csv,elsewhere/my.csv") == 2
        assert "2 data files are called 'my.csv': give each a name of its own" in capsys.readouterr().err

    def test_data_in_the_way_of_a_table_are_refused(self, capsys):
        self.study("my.csv")
        os.link("out/trials.csv", "mine.csv")
        before = self.state()
        assert self.study("mine.csv", "--size", "1") == 2
        assert "the output 'out/trials.csv' would replace the input 'mine.csv'" in capsys.readouterr().err
        assert self.state() == before

    def test_a_name_that_is_not_utf8_is_escaped_in_results_and_found_again(self):
        os.rename("my.csv", NOT_UTF8)
        assert self.study(NOT_UTF8) == 0
        with open("out/trials.csv", newline="", encoding="utf-8") as file:
            assert {row["shape"] for row in csv.DictReader(file)} == {"caf\\xe9.csv"}
        os.rename("out/config.toml", "elsewhere/c.toml")
        os.rename(NOT_UTF8, f"elsewhere/{NOT_UTF8}")
        Path("elsewhere/c.toml").write_bytes(Path("elsewhere/c.toml").read_bytes().replace(b"../", b"./"))
        assert main(["study", "run", "plugin.py", "--config", "elsewhere/c.toml", "-q", "-o", "again"]) == 0
        assert Path("again/trials.csv").read_bytes() == Path("out/trials.csv").read_bytes()

    def test_a_column_is_not_taken_for_a_file_beside_it(self):
        Path("square").write_text("a file")
        assert self.study("square") == 0
        assert json.loads(Path("out/config.json").read_text())["run"]["files"] == {}
