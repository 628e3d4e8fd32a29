"""Where results go: pipes, devices and links, kept modes, no input, no stranger's folder, no empty name."""

from __future__ import annotations

import io
import os
import stat
import subprocess
import sys
import threading
from pathlib import Path

import pytest
import toy
from nnsim_cli.main import main

import nnsim
from nnsim.apps.settings import resolve
from nnsim.apps.train import run_training
from nnsim.core.atomic_files import is_stream, publish
from nnsim.core.errors import StoreError, UsageError
from nnsim.core.output_folders import claim_folder, named, refuse_inputs


@pytest.fixture(autouse=True)
def own_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    folder = tmp_path_factory.mktemp("model")
    run_training(resolve({"data": "iris", "epochs": "1", "hidden": "4"}), folder / "out")
    return folder / "out" / "model.safetensors"


def write_rows():
    Path("rows.csv").write_text("sepal length (cm),sepal width (cm),petal length (cm),petal width (cm)\n5,3,2,0.2\n")
    return "rows.csv"


class TestPublish:
    def test_a_pipe_is_written_to(self):
        os.mkfifo("pipe")
        read = []
        reader = threading.Thread(target=lambda: read.append(Path("pipe").read_bytes()))
        reader.start()
        publish(Path("pipe"), [b"one ", b"two"])
        reader.join()
        assert read == [b"one two"]
        assert stat.S_ISFIFO(os.stat("pipe").st_mode)
        assert os.listdir() == ["pipe"]

    def test_a_device_stays_one(self):
        publish(Path("/dev/null"), [b"gone"])
        assert stat.S_ISCHR(os.stat("/dev/null").st_mode)

    @pytest.mark.parametrize("name", ["-", "/dev/stdout", "/dev/fd/1", "/proc/self/fd/1"])
    def test_an_open_stream_is_gone_on_with(self, name, capfd):
        print("before")
        publish(Path(name), [b"written\n"])
        print("after")
        assert capfd.readouterr().out == "before\nwritten\nafter\n"
        assert os.listdir() == []

    def test_a_link_is_followed_and_stays(self):
        Path("real").mkdir()
        Path("real/target").write_text("old")
        os.symlink("real/target", "link")
        publish(Path("link"), [b"new"])
        assert os.readlink("link") == "real/target"
        assert Path("real/target").read_text() == "new"
        assert os.listdir("real") == ["target"]

    def test_a_link_to_nothing_makes_its_target(self):
        os.symlink("target", "link")
        publish(Path("link"), [b"new"])
        assert Path("target").read_text() == "new"

    @pytest.mark.parametrize("mode", [0o600, 0o640, 0o666, 0o444])
    def test_the_mode_of_a_replaced_file_is_kept(self, mode):
        Path("file").write_text("old")
        os.chmod("file", mode)
        publish(Path("file"), [b"new"])
        assert Path("file").read_text() == "new"
        assert stat.S_IMODE(os.stat("file").st_mode) == mode

    def test_the_owner_of_a_replaced_file_is_kept(self, monkeypatch):
        given = []
        monkeypatch.setattr(os, "fchown", lambda descriptor, user, group: given.append((user, group)))
        Path("file").write_text("old")
        publish(Path("file"), [b"new"])
        old = os.stat("file")
        assert given == [(old.st_uid, old.st_gid)]

    def test_who_may_not_give_files_away_still_writes(self, monkeypatch):
        def refuse(*arguments):
            raise PermissionError

        monkeypatch.setattr(os, "fchown", refuse)
        Path("file").write_text("old")
        publish(Path("file"), [b"new"])
        assert Path("file").read_text() == "new"

    def test_a_secret_is_not_readable_by_others_while_it_is_written(self):
        Path("file").write_text("old")
        os.chmod("file", 0o600)
        modes = []

        def blocks():
            modes.extend(stat.S_IMODE(path.stat().st_mode) for path in Path().iterdir())
            yield b"new"

        publish(Path("file"), blocks())
        assert modes == [0o600, 0o600]

    def test_a_new_file_has_the_usual_mode(self):
        publish(Path("file"), [b"new"])
        Path("other").write_text("")
        assert os.stat("file").st_mode == os.stat("other").st_mode

    def test_ordinary_files_and_folders_are_no_streams(self):
        Path("file").write_text("")
        assert not any(map(is_stream, (Path("file"), Path(), Path("nothing"))))


class TestInputs:
    """An input or the model is never the output."""

    @pytest.mark.parametrize("alias", [None, os.symlink, os.link], ids=["itself", "link", "hard-link"])
    @pytest.mark.parametrize("which", ["model", "data"])
    def test_predict_refuses_both_by_any_name(self, which, alias, model, capsys):
        data, copy = Path(write_rows()), Path("copy.safetensors")
        copy.write_bytes(model.read_bytes())
        target = {"model": copy, "data": data}[which]
        content, output = target.read_bytes(), target
        if alias:
            output = Path("alias")
            alias(target, output)
        assert main(["predict", str(copy), str(data), "-q", "-o", str(output)]) == 2
        assert f"the output '{output}' would replace the input '{target}'" in capsys.readouterr().err
        assert target.read_bytes() == content

    def test_standard_input_from_a_file_is_known(self, monkeypatch):
        Path("rows").write_text("x")
        with open("rows") as file:
            kept = os.dup(0)
            os.dup2(file.fileno(), 0)
            try:
                with pytest.raises(UsageError, match="would replace the input '-'"):
                    refuse_inputs([Path("rows")], [Path("-")])
            finally:
                os.dup2(kept, 0)
                os.close(kept)

    @pytest.mark.parametrize(("command", "table"), [("train", "history.csv"), ("lr-find", "lr-find.csv")])
    def test_data_in_the_way_of_a_table_are_refused(self, command, table, capsys):
        Path("out").mkdir()
        data = Path("out", table)
        data.write_text("a,label\n" + "".join(f"{n},{n % 2}\n" for n in range(60)))
        before = data.read_bytes()
        assert main([command, "--data", str(data), "--target", "label", "-o", "out"]) == 2
        assert "would replace the input" in capsys.readouterr().err
        assert data.read_bytes() == before
        assert os.listdir("out") == [table]


class TestPredictions:
    """Where ``nnsim predict`` and ``nnsim bench`` write."""

    def answers(self, model, *options):
        return main(["predict", str(model), write_rows(), "-q", *options])

    def test_a_dash_is_standard_output(self, model, capsys):
        self.answers(model)
        plain = capsys.readouterr().out
        assert self.answers(model, "-o", "-") == 0
        assert capsys.readouterr().out == plain
        assert not Path("-").exists()

    def test_a_pipe_stays_and_gets_the_answers(self, model):
        os.mkfifo("pipe")
        read = []
        reader = threading.Thread(target=lambda: read.append(Path("pipe").read_text()))
        reader.start()
        assert self.answers(model, "-o", "pipe") == 0
        reader.join()
        assert read[0].startswith("prediction,")

    def test_appending_to_a_log_through_dev_stdout_keeps_the_log(self, model):
        Path("log").write_text("kept\n")
        command = [sys.executable, "-m", "nnsim_cli", "predict", str(model), write_rows(), "-q", "-o", "/dev/stdout"]
        with open("log", "a") as log:
            assert subprocess.run(command, stdout=log, check=False).returncode == 0
        assert Path("log").read_text().startswith("kept\nprediction,")

    def test_a_pipe_that_nobody_reads_any_more_is_no_news(self, model):
        shell = f'"{sys.executable}" -m nnsim_cli predict "{model}" {write_rows()} -q -o /dev/stdout | true'
        done = subprocess.run(shell, shell=True, capture_output=True, check=False)
        assert done.stderr == b""

    def test_classes_that_the_terminal_lacks_are_escaped(self, monkeypatch):
        rows = [("日本", 1), ("α", 2), ("b", 3)] * 20
        Path("t.csv").write_text("label,x\n" + "".join(f"{name},{x}\n" for name, x in rows), encoding="utf-8")
        main(["train", "--data", "t.csv", "--target", "label", "--epochs", "1", "-q", "-o", "out"])
        monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(io.BytesIO(), encoding="latin-1"))
        assert main(["predict", "out/model.safetensors", "t.csv", "-q"]) == 0
        header = sys.stdout.buffer.getvalue().decode("latin-1").splitlines()[0]
        assert header == "prediction,probability of b,probability of \\u03b1,probability of \\u65e5\\u672c"

    @pytest.mark.parametrize("output", ["-", "/dev/null", "pipe", "link"])
    def test_bench_takes_a_stream_or_a_link_as_its_file(self, output, monkeypatch, capfd):
        os.mkfifo("pipe")
        os.symlink("new.csv", "link")
        threading.Thread(target=lambda: Path("pipe").read_bytes(), daemon=True).start()
        monkeypatch.setattr("nnsim.benchmarks.measure.bench", lambda *arguments: [])
        assert main(["bench", "W1", "-q", "-o", output]) == 0
        assert os.path.lexists("link")
        assert stat.S_ISFIFO(os.stat("pipe").st_mode)

    def test_bench_refuses_a_folder_before_it_measures(self, capsys):
        assert main(["bench", "W1", "-o", "."]) == 2
        assert "is a folder: name a file" in capsys.readouterr().err


COMMANDS = {
    "train": ["train", "--data", "iris", "--epochs", "1"],
    "lr-find": ["lr-find", "--data", "iris", "--steps", "20"],
    "study": ["study", "run", toy.__file__],
    "shard": ["study", "run", toy.__file__, "--shard", "0/2"],
    "all": ["study", "all", "--only", "perceptron"],
}
FOLDERS = pytest.mark.parametrize("command", COMMANDS.values(), ids=COMMANDS)


class TestFolders:
    @FOLDERS
    def test_a_strangers_folder_is_not_taken_over(self, command, capsys):
        Path("mine").mkdir()
        for name in ("index.html", "claims.csv", "history.csv", "lr-find.csv"):
            Path("mine", name).write_text("years of work")
        assert main([*command, "-o", "mine"]) == 1
        error = capsys.readouterr().err.splitlines()[-1]
        assert error.startswith("nnsim: error: output 'mine' is not empty and holds no results of nnsim (it has '")
        assert {path.read_text() for path in Path("mine").iterdir()} == {"years of work"}

    @FOLDERS
    @pytest.mark.parametrize("output", ["file", "/dev/null", "-", "pipe"])
    def test_what_is_no_folder_is_refused(self, command, output, capsys):
        Path("file").write_text("mine")
        os.mkfifo("pipe")
        assert main([*command, "-o", output]) == 1
        assert f"output '{output}' is " in capsys.readouterr().err.splitlines()[-1]
        assert sorted(os.listdir()) == ["file", "pipe"]

    @FOLDERS
    def test_an_empty_name_is_refused_beside_own_files(self, command, capsys):
        Path("mine.txt").write_text("mine")
        assert main([*command, "-o", ""]) == 2
        assert "the name of the output is empty" in capsys.readouterr().err
        assert os.listdir() == ["mine.txt"]

    @pytest.mark.parametrize("command", [["predict", "m", "d"], ["bench"], ["reproduce", "m"]], ids=" ".join)
    def test_so_it_is_of_the_other_commands(self, command, capsys):
        assert main([*command, "-o", ""]) == 2
        assert "the name of the output is empty" in capsys.readouterr().err

    def test_the_library_refuses_an_empty_name_too(self):
        with pytest.raises(UsageError, match="name of the output is empty"):
            nnsim.run_study(toy.study, output="")
        with pytest.raises(UsageError, match="name of the output is empty"):
            run_training(resolve({"data": "iris"}), "")
        assert os.listdir() == []

    def test_a_folder_of_another_kind_of_run_is_not_taken_over(self, capsys):
        nnsim.run_study(toy.study, output="study")
        assert main([*COMMANDS["train"], "-q", "-o", "study"]) == 1
        assert "'study/config.toml' is damaged, or no training's" in capsys.readouterr().err
        assert main([*COMMANDS["train"], "-q", "-o", "training"]) == 0
        assert main([*COMMANDS["study"], "-q", "-o", "training"]) == 1

    def test_somebody_elses_configuration_is_neither_read_as_ours_nor_replaced(self, capsys):
        Path("web").mkdir()
        Path("web/config.json").write_text('{"port": 80}')
        assert main([*COMMANDS["study"], "-o", "web"]) == 1
        assert "'web/config.json' is damaged, or somebody else's: name another folder" in capsys.readouterr().err
        assert os.listdir("web") == ["config.json"]

    def test_a_linked_folder_is_filled_where_it_is(self):
        os.symlink("real", "link")
        assert main([*COMMANDS["lr-find"], "-o", "link"]) == 0
        assert main([*COMMANDS["lr-find"], "-o", "link"]) == 0  # it is ours
        assert sorted(os.listdir("real")) == ["lr-find.csv", "lr-find.png"]

    def test_claiming_leaves_what_is_ours(self):
        Path("out").mkdir()
        Path("out/kept").write_text("")
        claim_folder(Path("out"), lambda folder: True)
        with pytest.raises(StoreError, match="holds no results of nnsim"):
            claim_folder(Path("out"), lambda folder: False)
        assert named("out") == Path("out")
