"""The command line: what goes to which stream, exit codes, and what a user sees when something is wrong."""

from __future__ import annotations

import csv
import errno
import io
import json
import os
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path
from unittest.mock import Mock

import pytest
import toy
from nnsim_cli import progress as cli_progress
from nnsim_cli.main import main

from nnsim.core.atomic_files import sha256_of

TOY = toy.__file__
RUN = ("study", "run", TOY)
HEAVY = ("numba", "llvmlite", "pandas", "matplotlib", "scipy", "sklearn", "rich")


def start(*arguments: str, folder: Path, **options: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", "import sys; from nnsim_cli.main import main; sys.exit(main())", *arguments]
    pipe = subprocess.PIPE
    return subprocess.Popen(command, cwd=folder, stdout=pipe, stderr=pipe, text=True, env=os.environ | options)


def chunks(folder: Path) -> list[Path]:
    return sorted((folder / "chunks").glob("*.zip"))


class TestRun:
    def test_verdicts_and_report_on_stdout_progress_on_stderr(
        self, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        assert main([*RUN, "-o", str(tmp_path / "out")]) == 0
        streams = capsys.readouterr()
        assert "Holds: Sizes stay under ten" in streams.out
        assert "trials: 8 done" in streams.out
        assert str(tmp_path / "out" / "report.html") in streams.out
        assert "8/8 trials" in streams.err
        assert "Sizes stay" not in streams.err

    def test_axes_and_seed_are_options(self, tmp_path: Path) -> None:
        options = ["--size", "3,4", "--shape", "cube", "--repeats", "1", "--seed", "7", "--jobs", "2"]
        assert main([*RUN, "-o", str(tmp_path), *options]) == 0
        saved = json.loads((tmp_path / "config.json").read_text())
        assert saved["config"] == {"shape": ["cube"], "size": [3, 4], "scale": [0.1], "repeats": 1, "pause": 0.0}
        assert saved["seed"] == 7

    def test_quiet_says_nothing_on_stderr(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        assert main([*RUN, "-o", str(tmp_path), "-q"]) == 0
        assert capsys.readouterr().err == ""

    def test_json_is_the_whole_of_stdout(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        assert main([*RUN, "-o", str(tmp_path), "--json"]) == 0
        outcome = json.loads(capsys.readouterr().out)
        assert outcome["trials"] == {"done": 8}
        assert outcome["claims"][0]["verdict"] == "holds"
        assert all(Path(name).is_file() for name in outcome["files"])

    def test_figure_formats_are_chosen(self, tmp_path: Path) -> None:
        assert main([*RUN, "-o", str(tmp_path), "--figure-format", "svg,pdf"]) == 0
        assert {path.suffix for path in (tmp_path / "figures").iterdir()} == {".svg", ".pdf"}

    def test_strict_turns_a_failed_claim_into_4(self, tmp_path: Path) -> None:
        assert main([*RUN, "-o", str(tmp_path), "--size", "12"]) == 0
        assert main([*RUN, "-o", str(tmp_path), "--size", "12", "--strict"]) == 4

    def test_failed_trials_are_reported_with_code_3(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        assert main([*RUN, "-o", str(tmp_path), "--shape", "broken,square", "--strict"]) == 3
        streams = capsys.readouterr()
        assert "trials: 4 done, 0 diverged, 4 failed" in streams.out
        assert streams.err.count("ZeroDivisionError: a broken shape") == 1
        assert "4 trials failed" in streams.err

    def test_verbose_shows_every_traceback(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        main([*RUN, "-o", str(tmp_path), "--shape", "broken", "-v"])
        assert capsys.readouterr().err.count("ZeroDivisionError: a broken shape") == 4

    def test_a_second_call_measures_nothing(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        main([*RUN, "-o", str(tmp_path)])
        before = [(path, path.stat().st_mtime_ns) for path in chunks(tmp_path)]
        capsys.readouterr()
        assert main([*RUN, "-o", str(tmp_path)]) == 0
        assert [(path, path.stat().st_mtime_ns) for path in chunks(tmp_path)] == before
        assert "/8 trials" not in capsys.readouterr().err


class TestDryRun:
    def test_it_counts_and_estimates_and_writes_nothing(
        self, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.chdir(tmp_path)
        assert main([*RUN, "--dry-run", "--jobs", "2", "--size", "1,2,3"]) == 0
        out = capsys.readouterr().out
        assert "12 trials in 6 chunks into nnsim-results/toy-quick" in out
        assert "about 6.0 s with 2 jobs (12 s on one core)" in out
        assert list(tmp_path.iterdir()) == []

    def test_json(self, capsys: pytest.CaptureFixture[str]) -> None:
        assert main([*RUN, "--dry-run", "--json", "--jobs", "64"]) == 0
        outcome = json.loads(capsys.readouterr().out)
        assert outcome["trials"] == {"solid": 8}
        assert outcome["seconds"] == 2.0  # eight seconds in four chunks: more jobs than chunks do not help

    def test_a_wrong_value_is_refused(self, capsys: pytest.CaptureFixture[str]) -> None:
        assert main([*RUN, "--dry-run", "--size", "0"]) == 2
        assert capsys.readouterr().err == "nnsim: error: --size 0 is not allowed: it must be at least 1\n"


class TestWrongUse:
    @pytest.mark.parametrize(
        ("arguments", "sentence"),
        [
            (("--shape", "sqare"), "unknown shape 'sqare': did you mean 'square'? known are"),
            (("--size", "-3"), "--size -3 is not allowed: it must be at least 1"),
            (("--size", "x"), "--size must be a whole number, got 'x'"),
            (("--jobs", "0"), "jobs must be a whole number of at least 1, got '0'"),
            (("--seed", "-1"), "seed must be a whole number of at least 0"),
            (("--figure-format", "jpg"), "unknown figure format 'jpg'"),
        ],
        ids=["name", "minimum", "number", "jobs", "seed", "format"],
    )
    def test_a_value_that_cannot_be_used(
        self, tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], sentence: str
    ) -> None:
        assert main([*RUN, "-o", str(tmp_path / "out"), *arguments]) == 2
        error = capsys.readouterr().err
        assert error.startswith(f"nnsim: error: {sentence}")
        assert error.count("\n") == 1
        assert not (tmp_path / "out").exists()

    @pytest.mark.parametrize(
        ("arguments", "sentence"),
        [
            (("--sise", "3"), "No such option '--sise'"),
            (("--preset", "quik"), "Invalid value for '--preset'"),
            (("--seed", "x"), "Invalid value for '--seed'"),
        ],
        ids=["option", "preset", "seed"],
    )
    def test_what_click_refuses(
        self, capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], sentence: str
    ) -> None:
        assert main([*RUN, *arguments]) == 2
        assert sentence in capsys.readouterr().err

    @pytest.mark.parametrize("arguments", [("study", "inti"), ("study", "show", "inti"), ("study", "run", "inti")])
    def test_an_unknown_study_offers_the_nearest(
        self, capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...]
    ) -> None:
        assert main(arguments) == 2
        assert capsys.readouterr().err.startswith("nnsim: error: unknown study 'inti': did you mean 'init'?")

    def test_an_output_that_is_a_file(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        (tmp_path / "file").write_text("mine")
        assert main([*RUN, "-o", str(tmp_path / "file")]) == 1
        assert "is a file" in capsys.readouterr().err
        assert (tmp_path / "file").read_text() == "mine"

    def test_an_output_that_cannot_be_written(
        self, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def refuse(*arguments: object, **options: object) -> None:
            raise PermissionError(errno.EACCES, "Permission denied")

        monkeypatch.setattr(os, "mkdir", refuse)  # root may write anywhere, so the refusal is simulated
        assert main([*RUN, "-o", str(tmp_path / "out")]) == 1
        assert capsys.readouterr().err == f"nnsim: error: cannot write '{tmp_path / 'out'}': permission denied\n"

    def test_an_output_of_another_configuration(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        main([*RUN, "-o", str(tmp_path)])
        digest = sha256_of(tmp_path / "trials.csv")
        capsys.readouterr()
        assert main([*RUN, "-o", str(tmp_path), "--seed", "1"]) == 1
        assert "seed is 0 there and 1 here" in capsys.readouterr().err
        assert sha256_of(tmp_path / "trials.csv") == digest

    def test_a_full_disk(
        self, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def full(descriptor: int) -> None:
            raise OSError(errno.ENOSPC, "No space left on device")

        (tmp_path / "out").mkdir()
        monkeypatch.setattr(os, "fsync", full)
        assert main([*RUN, "-o", str(tmp_path / "out"), "-q"]) == 1
        error = capsys.readouterr().err
        assert error == (
            f"nnsim: error: the disk of '{tmp_path / 'out'}' is full: "
            "free some space and run the same command again to go on\n"
        )

    def test_a_full_standard_output(self, tmp_path: Path) -> None:
        command = [sys.executable, "-c", "import sys; from nnsim_cli.main import main; sys.exit(main())", "--help"]
        with Path("/dev/full").open("w") as full:
            done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True, check=False)
        assert done.returncode == 1
        assert done.stderr.startswith("nnsim: error: the disk is full")
        assert "Traceback" not in done.stderr

    def test_a_reader_that_goes_away_is_no_news(self, tmp_path: Path) -> None:
        process = start("study", "show", TOY, folder=tmp_path)
        assert process.stdout is not None
        process.stdout.close()
        assert process.stderr is not None
        assert process.stderr.read() == ""
        assert process.wait(60) == 1
        process.stderr.close()


class TestStop:
    """A run of eighty short trials is stopped from outside as soon as its first chunk is there."""

    SLOW = (*RUN, "--repeats", "20", "--pause", "0.05", "--jobs", "2", "-o", "out")

    def stop(self, folder: Path, number: int, *arguments: str) -> tuple[int, str]:
        process = start(*arguments, folder=folder, TOY_SLOWNESS="20")  # however late the signal comes, it is not done
        while not chunks(folder / "out") and process.poll() is None:
            time.sleep(0.02)
        process.send_signal(number)
        _, error = process.communicate(timeout=300)
        return process.returncode, error

    @pytest.mark.parametrize(
        ("number", "code"),
        [(signal.SIGINT, 130), (signal.SIGTERM, 75), (signal.SIGUSR1, 75)],
        ids=["ctrl-c", "term", "usr1"],
    )
    def test_a_stopped_run_goes_on(self, tmp_path: Path, number: int, code: int) -> None:
        returned, error = self.stop(tmp_path, number, *self.SLOW)
        assert returned == code, error
        assert f"stopped; what is finished is kept, go on with: {shlex.join(['nnsim', *self.SLOW])}\n" in error
        assert "Traceback" not in error
        kept = {path: path.stat().st_mtime_ns for path in chunks(tmp_path / "out")}
        assert 1 <= len(kept) < 40

        again = start(*self.SLOW, folder=tmp_path)
        assert "80/80 trials" in again.communicate(timeout=300)[1]
        assert again.returncode == 0
        assert len(chunks(tmp_path / "out")) == 40
        assert {path: path.stat().st_mtime_ns for path in kept} == kept

    def test_a_trial_that_takes_for_ever_does_not_hold_it(self, tmp_path: Path) -> None:
        process = start(*RUN, "--pause", "3600", "--jobs", "2", "-o", "out", folder=tmp_path)
        while not (tmp_path / "out" / "chunks").is_dir():
            time.sleep(0.02)
        time.sleep(0.5)
        process.send_signal(signal.SIGINT)
        assert process.communicate(timeout=300)[1].endswith("--jobs 2 -o out\n")
        assert process.returncode == 130

    @pytest.mark.parametrize("command", ["bench W1", "verify out", "lr-find --data digits"])
    def test_a_command_that_keeps_nothing_does_not_say_so(
        self, command: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        monkeypatch.setattr("nnsim_cli.main.nnsim.main", Mock(side_effect=KeyboardInterrupt))
        assert main(command.split()) == 130
        assert capsys.readouterr().err == f"nnsim: stopped; begin anew with: nnsim {command}\n"

    def test_a_command_gives_the_handlers_back(self) -> None:
        numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1)
        before = [signal.getsignal(number) for number in numbers]
        main(["--version"])
        assert [signal.getsignal(number) for number in numbers] == before

    @pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 75)], ids=["ctrl-c", "term"])
    def test_a_main_thread_that_runs_no_python_does_not_hold_it(self, tmp_path: Path, number: int, code: int) -> None:
        """As inside a compiler: one long C call keeps the handler from running."""
        program = (
            "import hashlib, os, sys, threading; from nnsim_cli import main; "
            "threading.Timer(0.5, os.kill, (os.getpid(), int(sys.argv[1]))).start(); "
            "main._exit_code = lambda *_: hashlib.pbkdf2_hmac('sha256', b'', b'', 10**9); "
            "main.main(['study', 'x y'])"
        )
        command = [sys.executable, "-c", program, str(int(number))]
        process = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)
        sentence = "nnsim: stopped; what is finished is kept, go on with: nnsim study 'x y'\n"
        assert (process.returncode, process.stderr) == (code, sentence)


class TestExplain:
    def test_help_is_instant_because_it_imports_nothing_heavy(self) -> None:
        code = (
            "import sys; from nnsim_cli.main import main; main(['--help']); "
            f"sys.exit(', '.join(set(sys.modules) & {set(HEAVY)}))"
        )
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
        assert done.stderr == "\n"
        assert "study" in done.stdout

    @pytest.mark.parametrize("option", ["-h", "--help"])
    def test_help_of_a_study_names_its_axes(self, capsys: pytest.CaptureFixture[str], option: str) -> None:
        assert main([*RUN, option]) == 0
        out = capsys.readouterr().out
        assert "Does the engine work?" in out
        assert "--size N,..." in out
        assert "quick: 1,2" in out

    def test_help_of_the_group_names_the_studies(self, capsys: pytest.CaptureFixture[str]) -> None:
        assert main(["study", "--help"]) == 0
        assert "init" in capsys.readouterr().out

    def test_version(self, capsys: pytest.CaptureFixture[str]) -> None:
        import nnsim

        assert main(["--version"]) == 0
        assert capsys.readouterr().out == f"nnsim, version {nnsim.__version__}\n"

    def test_show_tells_everything(self, capsys: pytest.CaptureFixture[str]) -> None:
        assert main(["study", "show", TOY]) == 0
        out = capsys.readouterr().out
        for text in (toy.study.question, toy.study.expect, toy.study.falsify, toy.study.misreading, "Nobody 2000"):
            assert text in out
        for text in ("Sizes stay under ten.", "--scale", "> 0", "square, cube", "standard", "8.0 s", "layers"):
            assert text in out

    def test_show_columns_is_the_dictionary(self, capsys: pytest.CaptureFixture[str]) -> None:
        assert main(["study", "show", TOY, "--columns"]) == 0
        rows = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
        assert {"table": "trials", "name": "area", "kind": "float", "unit": "m^2", "description": "its area"} in rows
        assert {row["table"] for row in rows} == {"trials", "layers", "timings"}

    def test_list_names_the_studies(self, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("nnsim.study.discovery.study_names", lambda: [TOY])
        assert main(["study", "list"]) == 0
        assert "Does the engine work?" in capsys.readouterr().out

    @pytest.mark.parametrize("no_color", ["1", ""], ids=["no-color", "color"])
    def test_no_color_is_honoured(self, tmp_path: Path, no_color: str) -> None:
        options = {"NO_COLOR": no_color, "FORCE_COLOR": "1", "TERM": "xterm-256color"}
        process = start(*RUN, "-q", "-o", "out", folder=tmp_path, **options)
        out, _ = process.communicate(timeout=300)
        assert ("\x1b[32m" in out) is (no_color == "")


class TestProgress:
    @pytest.mark.parametrize(
        ("seconds", "text"),
        [(0.04, "0.0 s"), (4.2, "4.2 s"), (45.4, "45 s"), (99.6, "1.7 min"), (720, "12 min"), (12240, "3.4 h")],
    )
    def test_duration(self, seconds: float, text: str) -> None:
        assert cli_progress.duration(seconds) == text

    def test_time_left_follows_the_cost_not_the_count(self, monkeypatch: pytest.MonkeyPatch) -> None:
        clock = iter([0.0, 10.0])
        monkeypatch.setattr(cli_progress.time, "monotonic", lambda: next(clock))
        meter = cli_progress.Meter(trials=5, finished=1, seconds=100.0)
        meter.add(20.0)
        assert str(meter) == "2/5 trials, 0.1/s, 40 s left"

    def test_a_log_gets_a_line_at_most_every_half_minute(
        self, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        now = [0.0]
        monkeypatch.setattr(cli_progress.time, "monotonic", lambda: now[0])
        listener = cli_progress.LineProgress()
        listener.begin(100, 0, 100.0)
        for second in range(100):
            now[0] = float(second)
            listener.advance(1.0)
        listener.end()
        lines = capsys.readouterr().err.splitlines()
        assert [line.split()[0] for line in lines] == ["31/100", "61/100", "91/100", "100/100"]

    def test_the_bar_counts(self, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("sys.stderr.isatty", lambda: True, raising=False)
        listener = cli_progress.make_progress(quiet=False)
        assert isinstance(listener, cli_progress.BarProgress)
        listener.phase("compiling [bold]")
        listener.begin(2, 1, 1.0)
        listener.advance(1.0)
        listener.end()
        streams = capsys.readouterr()
        assert "2/2 trials" in streams.err
        assert "compiling [bold]" in streams.err
        assert streams.out == ""

    def test_quiet_says_nothing_but_notes(self, capsys: pytest.CaptureFixture[str]) -> None:
        progress = cli_progress.make_progress(quiet=True)
        progress.phase("loading kernels")
        progress.advance(1.0)
        progress.note("a row is left out")
        assert capsys.readouterr().err == "nnsim: a row is left out\n"
