"""Shards, merge and status: a study measured in pieces, by whoever, gives what one undisturbed run gives."""

from __future__ import annotations

import json
import shlex
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import toy
from nnsim_cli.main import main
from toy import hashes

from nnsim.core.errors import StoreError, UsageError
from nnsim.experiment.executors.threads import FailedTrialError
from nnsim.experiment.results.status import IncompleteError, read_status
from nnsim.experiment.shard import Shard
from nnsim.runs.merge import merge_study
from nnsim.runs.run import plan_study, run_shard, run_study

RUN = ("study", "run", toy.__file__)
MERGE = ("merge", "--study", toy.__file__)


@pytest.fixture(autouse=True)
def measured() -> Iterator[list[str]]:
    """Ids of the trials that were measured during the test."""
    toy.measured.clear()
    yield toy.measured
    toy.measured.clear()


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of one undisturbed run."""
    folder = tmp_path_factory.mktemp("whole")
    run_study(toy.study, output=folder)
    return folder


def content(folder: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def chunks(folder: Path) -> list[Path]:
    return sorted((folder / "chunks").glob("*.zip"))


class TestShard:
    @pytest.mark.parametrize(
        ("text", "sentence"),
        [
            ("4/4", "shard '4/4' does not exist: shards count from 0, the last is 3/4"),
            ("0/0", "shard '0/0' is a share of nothing: the smallest is 0/1"),
            ("-1/4", "shard must be i/N with i from 0 to N - 1, such as 0/8, got '-1/4'"),
            ("1", "shard must be i/N with i from 0 to N - 1, such as 0/8, got '1'"),
            ("1/2/3", "shard must be i/N with i from 0 to N - 1, such as 0/8, got '1/2/3'"),
            ("1/2\n", "shard must be i/N with i from 0 to N - 1, such as 0/8, got '1/2\n'"),
        ],
    )
    def test_one_that_does_not_exist_is_one_sentence(self, text: str, sentence: str) -> None:
        with pytest.raises(UsageError) as caught:
            Shard.parse(text)
        assert str(caught.value) == sentence

    @pytest.mark.parametrize("count", [1, 2, 3, 7])
    def test_every_chunk_belongs_to_exactly_one(self, count: int) -> None:
        plan = plan_study(toy.study)
        shares = [chunk.number for index in range(count) for chunk in Shard(index, count).of(plan.chunks)]
        assert sorted(shares) == [chunk.number for chunk in plan.chunks]

    def test_it_measures_its_own_chunks_and_writes_no_table(self, tmp_path: Path, measured: list[str]) -> None:
        result = run_shard(toy.study, shard="1/2", output=tmp_path)
        mine = [trial.id for chunk in plan_study(toy.study).chunks if chunk.number % 2 == 1 for trial in chunk.trials]
        assert sorted(measured) == sorted(mine)
        assert (result.trials, result.chunks, result.failures) == (4, 2, ())
        assert sorted(path.name for path in tmp_path.iterdir()) == ["chunks", "config.json"]

    def test_a_second_call_measures_nothing(self, tmp_path: Path, measured: list[str]) -> None:
        run_shard(toy.study, shard="1/2", output=tmp_path)
        measured.clear()
        run_shard(toy.study, shard="1/2", output=tmp_path)
        assert not measured

    def test_one_without_chunks_is_done_at_once(self, tmp_path: Path, measured: list[str]) -> None:
        assert run_shard(toy.study, shard="6/7", output=tmp_path).chunks == 0
        assert not measured

    def test_another_configuration_is_refused(self, tmp_path: Path) -> None:
        run_shard(toy.study, shard="0/2", output=tmp_path)
        before = content(tmp_path)
        with pytest.raises(StoreError, match="seed is 0 there and 1 here"):
            run_shard(toy.study, shard="1/2", output=tmp_path, seed=1)
        assert content(tmp_path) == before

    def test_the_command_says_what_is_next(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        folder = tmp_path / "my folder"
        assert main([*RUN, "--shard", "0/2", "-o", str(folder)]) == 0
        out = capsys.readouterr().out
        assert f"shard 0/2 is done: 2 chunks with 4 trials are in {folder}" in out
        assert f"once all shards are done: nnsim merge '{folder}' --study {toy.__file__}\n" in out

    def test_its_outcome_as_json(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        assert main([*RUN, "--shard", "0/2", "-o", str(tmp_path), "--json", "--shape", "broken"]) == 3
        outcome = json.loads(capsys.readouterr().out)
        assert outcome["shard"] == "0/2"
        assert len(outcome["failures"]) == outcome["trials"]

    @pytest.mark.parametrize(
        ("arguments", "sentence"),
        [
            (("--shard", "4/4"), "shard '4/4' does not exist: shards count from 0, the last is 3/4"),
            (("--dry-run", "--shard", "4/4"), "shard '4/4' does not exist: shards count from 0, the last is 3/4"),
            (("--shard", "0/4", "--strict"), "a shard judges and draws nothing: give --strict to nnsim merge"),
            (
                ("--shard", "0/4", "--figure-format", "pdf"),
                "a shard judges and draws nothing: give --figure-format to nnsim merge",
            ),
        ],
        ids=["range", "dry-run", "strict", "figures"],
    )
    def test_wrong_use_is_one_sentence(
        self, tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], sentence: str
    ) -> None:
        assert main([*RUN, *arguments, "-o", str(tmp_path / "new")]) == 2
        assert capsys.readouterr().err == f"nnsim: error: {sentence}\n"
        assert not (tmp_path / "new").exists()


class TestMerge:
    def test_shards_and_merge_give_what_one_run_gives(self, tmp_path: Path, whole: Path) -> None:
        for index in (2, 0, 1):
            assert main([*RUN, "--shard", f"{index}/3", "-o", str(tmp_path), "-q"]) == 0
        assert main([*MERGE, str(tmp_path)]) == 0
        assert hashes(tmp_path) == hashes(whole)
        names = {path.name for path in whole.iterdir()}
        assert {path.name for path in tmp_path.iterdir()} == names

    def test_it_needs_no_option_of_the_run(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        options = ["--size", "3,4", "--shape", "cube", "--scale", "0.3,1e-7", "--seed", "7", "--preset", "standard"]
        assert main([*RUN, *options, "-o", str(tmp_path / "one")]) == 0
        assert main([*RUN, *options, "-o", str(tmp_path / "two"), "--shard", "0/1"]) == 0
        assert main([*MERGE, str(tmp_path / "two"), "--figure-format", "svg"]) == 0
        assert hashes(tmp_path / "one") == hashes(tmp_path / "two")
        assert {path.suffix for path in (tmp_path / "two" / "figures").iterdir()} == {".svg"}
        manifest = json.loads((tmp_path / "two" / "manifest.json").read_text())
        assert manifest["command"] == shlex.join(["nnsim", *RUN, "--preset", "standard", *_in_order(options)])
        assert manifest["preset"] == "standard"

    def test_it_works_from_another_folder(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, measured: list[str]
    ) -> None:
        shutil.copy(toy.__file__, tmp_path / "mine.py")
        monkeypatch.chdir(tmp_path)
        assert main(["study", "run", "mine.py", "--shard", "0/1", "-o", "out"]) == 0
        (tmp_path / "elsewhere").mkdir()
        monkeypatch.chdir(tmp_path / "elsewhere")
        assert main(["merge", "../out", "--study", "../mine.py"]) == 0

    def test_missing_work_is_exit_3_and_nothing_is_written(
        self, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        main([*RUN, "--shard", "1/3", "-o", str(tmp_path)])
        capsys.readouterr()
        before = content(tmp_path)
        assert main([*MERGE, str(tmp_path)]) == 3
        assert content(tmp_path) == before
        command = shlex.join(["nnsim", *RUN, "--preset", "quick", "--seed", "0"])
        assert capsys.readouterr().err == (
            f"nnsim: error: 3 of 4 chunks (6 of 8 trials) of '{tmp_path}' are missing, of shards 0/3, 2/3; "
            f"nothing is written; measure them with: {command} -o {tmp_path} --shard 0/3\n"
        )

    def test_many_missing_shards_are_counted(self, tmp_path: Path) -> None:
        run_shard(toy.study, shard="19/20", output=tmp_path, size=range(1, 11))
        with pytest.raises(IncompleteError, match=r"of shards 0/20, 1/20, .*, 7/20 and 11 more;") as caught:
            merge_study(tmp_path, study=toy.study)
        assert caught.value.missing == tuple(range(19))
        assert caught.value.trials == 38

    def test_a_finished_report_stays_where_a_chunk_got_damaged(self, tmp_path: Path, whole: Path) -> None:
        shutil.copytree(whole, tmp_path / "out")
        damaged = chunks(tmp_path / "out")[1]
        damaged.write_bytes(damaged.read_bytes()[:-1])
        before = content(tmp_path / "out")
        with pytest.raises(IncompleteError, match=r"1 of 4 chunks \(2 of 8 trials\) of .* are damaged;"):
            merge_study(tmp_path / "out", study=toy.study)
        assert content(tmp_path / "out") == before

    def test_missing_and_damaged_chunks_are_told_apart(self, tmp_path: Path) -> None:
        run_shard(toy.study, shard="0/2", output=tmp_path)
        damaged = chunks(tmp_path)[0]
        damaged.write_bytes(damaged.read_bytes()[:-1])
        with pytest.raises(IncompleteError, match=r"3 of 4 chunks .* are missing \(2\) or damaged \(1\), of shards"):
            merge_study(tmp_path, study=toy.study)

    def test_failed_trials_are_rows_and_exit_3(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        main([*RUN, "--shard", "0/1", "-o", str(tmp_path), "--shape", "broken,square"])
        assert main([*MERGE, str(tmp_path)]) == 3
        streams = capsys.readouterr()
        assert "trials: 4 done, 0 diverged, 4 failed" in streams.out
        assert "4 trials failed" in streams.err

    def test_the_better_of_two_files_of_one_chunk_is_taken(self, tmp_path: Path) -> None:
        """A second attempt was killed between its rename and the removal of the first."""
        run_study(toy.study, output=tmp_path, shape="broken")
        failed = chunks(tmp_path)
        kept = {path: path.read_bytes() for path in failed}
        repaired = _repaired()
        for path in failed:
            path.unlink()
        run_study(repaired, output=tmp_path, shape="broken")
        good = hashes(tmp_path)
        for path, before in kept.items():
            path.write_bytes(before)
        merge_study(tmp_path, study=repaired)
        assert hashes(tmp_path) == good

    @pytest.mark.parametrize("name", ["nothing", "file"])
    def test_what_is_no_run_is_refused(self, tmp_path: Path, name: str) -> None:
        (tmp_path / "file").write_text("x")
        with pytest.raises(StoreError, match="not a result folder of nnsim"):
            merge_study(tmp_path / name)
        assert [path.name for path in tmp_path.iterdir()] == ["file"]

    def test_a_study_that_changed_is_refused(self, tmp_path: Path) -> None:
        import dataclasses

        run_shard(toy.study, shard="0/1", output=tmp_path)
        with pytest.raises(StoreError, match="schema_version is 1 there and 2 here"):
            merge_study(tmp_path, study=dataclasses.replace(toy.study, schema_version=2))


class TestStatus:
    def test_of_a_run_half_way(self, tmp_path: Path, capsys: pytest.CaptureFixture[str], measured: list[str]) -> None:
        main([*RUN, "--shard", "1/4", "-o", str(tmp_path)])
        main([*RUN, "--shard", "2/4", "-o", str(tmp_path)])
        damaged = chunks(tmp_path)[0]
        damaged.write_bytes(damaged.read_bytes()[:-1])
        before = content(tmp_path)
        capsys.readouterr()
        assert main(["status", str(tmp_path), "--json"]) == 0
        outcome = json.loads(capsys.readouterr().out)
        assert outcome["trials"] == {"total": 8, "done": 2, "failed": 0}
        assert outcome["chunks"] == {"total": 4, "missing": [0, 1, 3], "damaged": [damaged.name]}
        assert outcome["shards"] == {"total": 4, "missing": ["0/4", "1/4", "3/4"]}
        assert not outcome["merged"]
        assert content(tmp_path) == before

    def test_of_a_finished_run(self, whole: Path, capsys: pytest.CaptureFixture[str]) -> None:
        assert main(["status", str(whole)]) == 0
        lines = capsys.readouterr().out.splitlines()
        assert lines[:3] == [
            "trials: 8 of 8 done, 0 of them failed",
            "chunks: 0 of 4 missing; 0 damaged",
            "tables and report: written",
        ]
        assert lines[3].startswith("last activity: 20")

    def test_failed_trials_are_counted(self, tmp_path: Path) -> None:
        run_study(toy.study, output=tmp_path, shape=["broken", "square"])
        assert read_status(tmp_path).trials_failed == 4

    def test_it_needs_no_study(self, tmp_path: Path) -> None:
        shutil.copy(toy.__file__, tmp_path / "mine.py")
        main(["study", "run", str(tmp_path / "mine.py"), "--shard", "0/1", "-o", str(tmp_path / "out")])
        (tmp_path / "mine.py").unlink()
        assert main(["status", str(tmp_path / "out")]) == 0

    def test_a_folder_without_a_run_is_refused(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        assert main(["status", str(tmp_path)]) == 1
        assert "is not a result folder of nnsim" in capsys.readouterr().err

    def test_a_foreign_file_is_no_chunk(self, tmp_path: Path) -> None:
        run_shard(toy.study, shard="0/2", output=tmp_path)
        run_shard(toy.study, shard="0/1", output=tmp_path / "other", seed=1)
        for path in chunks(tmp_path / "other"):
            shutil.copy(path, tmp_path / "chunks" / path.name.replace("000003", "000009"))
        (tmp_path / "chunks" / "notes.txt").write_text("mine")
        assert max(read_status(tmp_path).missing) == 3


class TestFailFast:
    def test_the_first_failed_trial_ends_the_run(self, tmp_path: Path, measured: list[str]) -> None:
        with pytest.raises(FailedTrialError, match=r"ZeroDivisionError: a broken shape|has no area") as caught:
            run_study(toy.study, output=tmp_path, shape="broken", repeats=20, jobs=1, fail_fast=True)
        assert len(measured) == 1
        assert caught.value.failure.trial == measured[0]
        assert not chunks(tmp_path)

    def test_finished_work_is_kept(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, measured: list[str]) -> None:
        monkeypatch.setattr("nnsim.runs.run.shuffled", list)
        shapes = ["square", "broken"]
        with pytest.raises(FailedTrialError):
            run_study(toy.study, output=tmp_path, shape=shapes, jobs=1, fail_fast=True)
        assert len(chunks(tmp_path)) == 2
        measured.clear()
        result = run_study(toy.study, output=tmp_path, shape=shapes)
        assert len(measured) == 4
        assert result.manifest["trials"] == {"done": 4, "error": 4}

    @pytest.mark.parametrize("share", [(), ("--shard", "0/2")], ids=["run", "shard"])
    def test_exit_code_traceback_and_sentence(
        self, tmp_path: Path, capsys: pytest.CaptureFixture[str], share: tuple[str, ...]
    ) -> None:
        assert main([*RUN, *share, "--fail-fast", "--jobs", "1", "--shape", "broken", "-o", str(tmp_path)]) == 3
        error = capsys.readouterr().err
        assert error.count("Traceback") == 1
        last = error.splitlines()[-1]
        assert last.startswith("nnsim: error: trial ")
        assert "the same command without --fail-fast goes on" in last


def _in_order(options: list[str]) -> list[str]:
    """Return the options as the recorded command has them: axes as declared, then the seed."""
    pairs = dict(zip(options[::2], options[1::2], strict=True))
    names = ("--shape", "--size", "--scale", "--seed")
    return [word for name in names for word in (name, {"--scale": "0.3,1e-07"}.get(name, pairs[name]))]


def _repaired() -> Any:
    import dataclasses

    def measure(trial: dict[str, Any]) -> dict[str, Any]:
        rows = toy.measure({**trial, "shape": "square"})
        rows["trials"][0]["shape"] = "broken"
        return rows

    return dataclasses.replace(toy.study, measure=measure)
