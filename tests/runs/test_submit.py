"""Submission to Slurm with a Slurm that is not there, refuses, hangs or answers: a fake of its commands on the PATH."""

from __future__ import annotations

import json
import shlex
import subprocess
from pathlib import Path

import pytest
import toy
from nnsim_cli.main import main

from nnsim.core.atomic_files import sha256_of
from nnsim.experiment.slurm import commands
from nnsim.experiment.slurm.scripts import compressed
from nnsim.runs.run import run_shard

SUBMIT = ("submit", toy.__file__)
MISSING = ("submit", "--study", toy.__file__, "--missing")
COUNTING = 'echo x >> "$0.calls"; cp "$2" "$0.$(wc -l < "$0.calls")"; echo $((100 + $(wc -l < "$0.calls")))'


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder first on the PATH, with an empty queue and an ``sbatch`` that accepts everything."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")
    monkeypatch.setattr(commands, "BACK_OFF", (0.0, 0.0))
    program(folder, "sbatch", COUNTING)
    program(folder, "squeue", "exit 0")
    return folder


def program(folder: Path, name: str, script: str) -> None:
    (folder / name).write_text(f"#!/bin/bash\n{script}\n")
    (folder / name).chmod(0o755)


def submitted(programs: Path, number: int) -> str:
    return (programs / f"sbatch.{number}").read_text()


def calls(programs: Path) -> int:
    path = programs / "sbatch.calls"
    return len(path.read_text().splitlines()) if path.exists() else 0


class TestSubmit:
    def test_it_submits_an_array_and_a_merge_that_waits_for_it(
        self, programs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        out = tmp_path / "out"
        assert main([*SUBMIT, "--shards", "4", "--max-running", "2", "-o", str(out)]) == 0
        assert capsys.readouterr().out.startswith("shards 0-3 are job 101, their merge is job 102\n")
        assert "#SBATCH --array=0-3%2\n" in submitted(programs, 1)
        assert "#SBATCH --dependency=afterany:101\n" in submitted(programs, 2)
        assert f" merge {out} --study {toy.__file__} --quiet\n" in submitted(programs, 2)
        assert (out / "slurm" / "log").is_dir()

    def test_every_option_reaches_the_script(self, programs: Path, tmp_path: Path) -> None:
        options = {"partition": "cpu,long", "time": "1-2:03:04", "account": "me", "qos": "low", "mem": "4G"}
        words = [word for name, value in options.items() for word in (f"--{name}", value)]
        words += ["--cpus", "3", "--job-name", "mine", "--log", str(tmp_path / "100 % log")]
        assert main([*SUBMIT, "--shards", "4", *words, "-o", str(tmp_path / "out")]) == 0
        script = submitted(programs, 1)
        for name, value in (options | {"cpus-per-task": "3", "job-name": "mine", "signal": "B:USR1@60"}).items():
            assert f"#SBATCH --{name}={value}\n" in script
        assert f"#SBATCH --output='{tmp_path}/100 %% log/shard-%A_%a.log'\n" in script

    def test_axes_and_seed_reach_the_worker(self, programs: Path, tmp_path: Path) -> None:
        assert main([*SUBMIT, "--shards", "2", "--set", "size=3,4", "--seed", "7", "-o", str(tmp_path / "out")]) == 0
        (line,) = [line for line in submitted(programs, 1).splitlines() if line.endswith(" &")]
        words = shlex.split(line)
        assert words[words.index("--size") + 1] == "3,4"
        assert words[words.index("--seed") + 1] == "7"

    def test_a_dry_run_shows_the_scripts_and_writes_nothing(
        self, programs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        out = tmp_path / "it's $HOME"
        assert main([*SUBMIT, "--shards", "4", "--dry-run", "-o", str(out)]) == 0
        text = capsys.readouterr().out
        assert f"--output {shlex.quote(str(out))} --quiet" in text
        assert "#SBATCH --dependency=afterany:" in text
        assert not out.exists()
        assert calls(programs) == 0

    def test_the_scripts_are_sound_shell(self, programs: Path, tmp_path: Path) -> None:
        main([*SUBMIT, "--shards", "4", "-o", str(tmp_path / "it's $(mine)")])
        for number in (1, 2):
            assert subprocess.run(["bash", "-n", programs / f"sbatch.{number}"]).returncode == 0

    @pytest.mark.parametrize(
        ("options", "words"),
        [
            (("--partition", "x; rm -rf ~"), "--partition must be names of letters, digits and . _ + -"),
            (("--partition", "x\n#SBATCH --uid=0"), "--partition must be names"),
            (("--partition", "-x"), "--partition must be names"),
            (("--account", "$(id)"), "--account must be letters"),
            (("--qos", "a b"), "--qos must be letters"),
            (("--job-name", "../x"), "--job-name must be letters"),
            (("--mem", "lots"), "--mem must be a number and K, M, G or T"),
            (("--time", "soon"), "--time must be minutes, hours:minutes:seconds"),
            (("--time", "1:2:3:4"), "--time must be minutes"),
            (("--time", "2"), "--time 2 is too short"),
            (("--cpus", "0"), "--cpus must be a whole number of at least 1, got 0"),
            (("--max-running", "-1"), "--max-running must be a whole number of at least 1, got -1"),
            (("--shards", "0"), "--shards must be a whole number of at least 1, got 0"),
            (("--shards", "5"), "--shards 5 is more than there are chunks of work: the most is 4"),
            (("--log", "a\nb"), "the path of the log must have no backslash and no line break"),
        ],
    )
    def test_what_cannot_be_used_is_one_sentence(
        self,
        programs: Path,
        tmp_path: Path,
        capsys: pytest.CaptureFixture[str],
        options: tuple[str, ...],
        words: str,
    ) -> None:
        assert main([*SUBMIT, "--shards", "4", *options, "-o", str(tmp_path / "out")]) == 2
        error = capsys.readouterr().err
        assert error.startswith(f"nnsim: error: {words}")
        assert error.count("\n") == 1
        assert not (tmp_path / "out").exists()
        assert calls(programs) == 0

    @pytest.mark.parametrize(
        "arguments", [("--dry-run",), ("--study", "x.py"), ("--missing", "x", toy.__file__, "--shards", "1")]
    )
    def test_neither_or_both_of_study_and_missing_is_wrong(
        self, programs: Path, capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...]
    ) -> None:
        assert main(["submit", *arguments]) == 2
        assert "give the study first" in capsys.readouterr().err


class TestTrouble:
    def submit(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> tuple[int, str]:
        code = main([*SUBMIT, "--shards", "4", "-o", str(tmp_path / "out")])
        error = capsys.readouterr().err
        assert error.count("\n") <= 1
        return code, error

    @pytest.mark.parametrize("name", ["sbatch", "squeue"])
    def test_without_slurm(
        self, programs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:  # fmt: skip
        monkeypatch.setenv("PATH", str(programs))
        program(programs, "squeue", "exit 0")
        (programs / name).unlink()
        code, error = self.submit(tmp_path, capsys)
        assert code == 1
        assert f"{name} is not on the PATH: submit from a login node" in error

    def test_a_refusal_is_not_tried_again(
        self, programs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        program(
            programs, "sbatch", 'echo x >> "$0.calls"; echo "sbatch: error: invalid partition specified" >&2; exit 1'
        )
        assert self.submit(tmp_path, capsys) == (
            1, "nnsim: error: sbatch refused the job: invalid partition specified\n",
        )  # fmt: skip
        assert calls(programs) == 1

    def test_a_busy_controller_is_asked_again(
        self, programs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        busy = 'echo "Unable to contact slurm controller" >&2; exit 1'
        program(programs, "sbatch", f'if [ ! -e "$0.busy" ]; then touch "$0.busy"; {busy}; fi; {COUNTING}')
        assert self.submit(tmp_path, capsys) == (0, "")
        assert calls(programs) == 2

    @pytest.mark.parametrize("silence", ['echo "Socket timed out" >&2; exit 1', "exec sleep 60"])
    def test_no_answer_and_no_job_is_said_with_how_to_find_out(
        self, programs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], silence: str,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:  # fmt: skip
        monkeypatch.setattr(commands, "PATIENCE", 0.5)
        program(programs, "sbatch", f'echo x >> "$0.calls"; {silence}')
        code, error = self.submit(tmp_path, capsys)
        assert code == 1
        assert "may be submitted or not: find out with: squeue --me --format='%i %j %k' | grep nnsim-" in error
        assert calls(programs) == 1

    def test_no_answer_but_a_job_in_the_queue_is_that_job(
        self, programs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        mark = f"grep -ho 'nnsim-[0-9a-f-]*-shards' {programs}/sbatch.1"
        lost = 'if [ $(wc -l < "$0.calls") = 1 ]; then echo "Socket timed out" >&2; exit 1; fi'
        program(programs, "sbatch", COUNTING.replace("; echo $((", f"; {lost}; echo $(("))
        program(programs, "squeue", f'[ ! -e {programs}/sbatch.1 ] || echo "77 $({mark})"')
        assert self.submit(tmp_path, capsys) == (0, "")
        assert "#SBATCH --dependency=afterany:77\n" in submitted(programs, 2)

    def test_a_merge_that_is_refused_leaves_the_id_of_the_array(
        self, programs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        program(programs, "sbatch", 'case "$2" in *merge.sh) echo no >&2; exit 1;; esac; echo 101')
        code, error = self.submit(tmp_path, capsys)
        assert code == 1
        assert (
            f"submitted as job 101, their merge is not; when they have ended, run: nnsim merge {tmp_path}/out --study "
            in error
        )

    def test_jobs_in_the_queue_are_not_submitted_twice(
        self, programs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        self.submit(tmp_path, capsys)
        mark = f"grep -ho 'nnsim-[0-9a-f-]*-shards' {programs}/sbatch.1"
        program(programs, "squeue", f'echo "101 $({mark})"; echo "5 nnsim-of-another"; echo "6 (null)"')
        code, error = self.submit(tmp_path, capsys)
        assert code == 1
        assert error.endswith("are in the queue already: wait for them, or end them with: scancel 101\n")
        assert calls(programs) == 2


class TestMissing:
    @pytest.fixture
    def folder(self, programs: Path, tmp_path: Path) -> Path:
        """A submitted run of ten chunks, of which shards 0, 2, 3, 4 are measured."""
        out = tmp_path / "out"
        assert main([*SUBMIT, "--shards", "10", "--size", "range:1:6", "--qos", "low", "-o", str(out)]) == 0
        for index in (0, 2, 3, 4):
            run_shard(toy.__file__, shard=f"{index}/10", output=out, size="range:1:6")
        return out

    def test_only_shards_with_missing_or_damaged_chunks_go_again(
        self, programs: Path, folder: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        damaged = sorted((folder / "chunks").glob("*.zip"))[2]
        damaged.write_bytes(damaged.read_bytes()[:-1])
        capsys.readouterr()
        assert main([*MISSING, str(folder)]) == 0
        assert capsys.readouterr().out.startswith("shards 1,3,5-9 are job 103, their merge is job 104\n")
        assert "#SBATCH --array=1,3,5-9\n" in submitted(programs, 3)
        assert "#SBATCH --qos=low\n" in submitted(programs, 3)

    def test_nothing_missing_is_said(self, programs: Path, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        run_shard(toy.__file__, shard="0/1", output=folder, size="range:1:6")
        capsys.readouterr()
        assert main([*MISSING, str(folder)]) == 0
        assert capsys.readouterr().out == f"nothing is missing in {folder}\n"
        assert calls(programs) == 2

    def test_as_json(self, programs: Path, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        capsys.readouterr()
        assert main([*MISSING, str(folder), "--json"]) == 0
        outcome = json.loads(capsys.readouterr().out)
        assert outcome == {"output": str(folder), "shards": "1,5-9", "jobs": {"array": "103", "merge": "104"}}

    def test_a_hostile_request_file_is_refused(
        self, programs: Path, folder: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        path = folder / "slurm" / "request.json"
        path.write_text(json.dumps(json.loads(path.read_text()) | {"partition": "x; rm -rf ~"}))
        assert main([*MISSING, str(folder)]) == 1
        assert "request.json' is damaged" in capsys.readouterr().err
        assert calls(programs) == 2

    @pytest.mark.parametrize("options", [(), ("--study", "changed.py")], ids=["none", "another"])
    def test_no_file_is_run_that_the_user_did_not_name(
        self,
        programs: Path,
        folder: Path,
        capsys: pytest.CaptureFixture[str],
        monkeypatch: pytest.MonkeyPatch,
        options: tuple[str, ...],
    ) -> None:
        monkeypatch.chdir(folder.parent)
        Path("changed.py").write_text(Path(toy.__file__).read_text() + "# changed\n")
        assert main(["submit", "--missing", str(folder), *options]) == 2
        assert sha256_of(Path(toy.__file__)) in capsys.readouterr().err
        assert calls(programs) == 2

    def test_the_file_in_a_request_is_not_the_one_that_runs(self, programs: Path, folder: Path) -> None:
        path = folder / "slurm" / "request.json"
        request = json.loads(path.read_text())
        path.write_text(json.dumps(request | {"command": ["study", "run", "/tmp/evil.py", *request["command"][3:]]}))
        assert main([*MISSING, str(folder)]) == 0
        assert "evil" not in submitted(programs, 3) + submitted(programs, 4)
        assert f"study run {toy.__file__} " in submitted(programs, 3)

    @pytest.mark.parametrize("command", [["cache", "warm", "x.py"], ["study", "run"], ["study", "--help"], [1, 2], []])
    def test_a_request_for_another_command_is_refused(
        self, programs: Path, folder: Path, capsys: pytest.CaptureFixture[str], command: list[str]
    ) -> None:
        path = folder / "slurm" / "request.json"
        path.write_text(json.dumps(json.loads(path.read_text()) | {"command": command}))
        assert main([*MISSING, str(folder)]) == 1
        assert "request.json' is damaged" in capsys.readouterr().err
        assert calls(programs) == 2

    def test_a_run_that_was_not_submitted_is_refused(
        self, programs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        run_shard(toy.__file__, shard="0/2", output=tmp_path / "other")
        assert main(["submit", "--missing", str(tmp_path / "other")]) == 1
        assert "was not filled by nnsim submit" in capsys.readouterr().err


class TestScript:
    """The array script, run by a shell as Slurm would, with a worker that is told by a signal."""

    @pytest.mark.parametrize(
        ("worker", "restarts", "code", "requeued"),
        [
            ("exit 0", 0, 0, False),
            ("exit 75", 0, 75, True),
            ("exit 75", 20, 75, False),
            ("exit 3", 0, 3, False),
            ("kill -9 $$", 0, 137, False),
            ("trap 'exit 75' USR1; kill -USR1 $PPID; while :; do sleep 0.1; done", 0, 75, True),
            ("trap 'exit 75' TERM; kill -TERM $PPID; while :; do sleep 0.1; done", 0, 75, False),
            ("kill -USR1 $PPID; while :; do sleep 0.1; done", 0, 75, True),
        ],
    )
    def test_only_what_was_stopped_goes_back_into_the_queue(
        self,
        programs: Path,
        tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
        worker: str,
        restarts: int,
        code: int,
        requeued: bool,
    ) -> None:
        program(programs, "python", worker)
        program(programs, "scontrol", f'echo "$@" > {tmp_path}/requeued')
        monkeypatch.setattr("sys.executable", str(programs / "python"))
        assert main([*SUBMIT, "--shards", "4", "-o", str(tmp_path / "out")]) == 0
        variables = {"SLURM_ARRAY_JOB_ID": "7", "SLURM_ARRAY_TASK_ID": "2", "SLURM_RESTART_COUNT": str(restarts)}
        done = subprocess.run(["bash", programs / "sbatch.1"], env=variables | {"PATH": f"{programs}:/usr/bin:/bin"})
        assert done.returncode == code
        asked = tmp_path / "requeued"
        assert (asked.read_text() if asked.exists() else "") == ("requeue 7_2\n" if requeued else "")

    def test_a_signal_before_there_is_a_worker_reaches_it(
        self, programs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        program(programs, "python", "exec sleep 30")
        monkeypatch.setattr("sys.executable", str(programs / "python"))
        assert main([*SUBMIT, "--shards", "4", "-o", str(tmp_path / "out")]) == 0
        script, listening = (programs / "sbatch.1").read_text(), "tell TERM' TERM\n"
        assert listening in script
        early = script.replace(listening, f"{listening}kill -TERM $$\n")
        done = subprocess.run(["bash", "-c", early], env={"PATH": f"{programs}:/usr/bin:/bin"}, timeout=20)
        assert done.returncode == 75


@pytest.mark.parametrize(
    ("numbers", "text"), [([3, 7, 8, 9], "3,7-9"), ([0], "0"), ([1, 0], "0-1"), ([0, 2, 4], "0,2,4"), ([5, 5], "5")]
)
def test_numbers_are_listed_as_slurm_lists_them(numbers: list[int], text: str) -> None:
    assert compressed(numbers) == text
