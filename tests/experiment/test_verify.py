"""Whether a run is what its manifest says: hostile manifests, every checksum, and trials that are measured again."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
import re
import shutil
from pathlib import Path
from typing import Any

import pytest
import toy
from finished_runs import edit, edit_manifest, verify
from nnsim_cli.main import main

from nnsim.core.atomic_files import sha256_of
from nnsim.core.errors import StoreError, UsageError
from nnsim.core.versions import ARITHMETIC_VERSION
from nnsim.experiment.results.result_folder import open_run, read_manifest, same_plan, study_of
from nnsim.experiment.results.verify import TrialDifference, Verification, choose_trials
from nnsim.runs.run import run_study
from nnsim.study.declaration import Study, Table

VERIFY = ("verify", "--study", toy.__file__, "-q")


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return run_study(toy.study, output=tmp_path_factory.mktemp("runs") / "toy").folder


@pytest.fixture
def folder(original: Path, tmp_path: Path) -> Path:
    """A copy of a finished run, to be damaged."""
    return Path(shutil.copytree(original, tmp_path / "run"))


def states(found: Verification) -> dict[str, str]:
    return {check.name: check.state for check in (*found.files, *found.chunks) if check.state != "same"}


def measuring(**cells: Any) -> Study:
    """Return the toy with other cells in each row of the table of trials."""

    def measure(trial: dict[str, Any]) -> dict[str, list[dict[str, Any]]]:
        rows = toy.measure(trial)
        return rows | {"trials": [rows["trials"][0] | cells]}

    return dataclasses.replace(toy.study, measure=measure)


def nearly(factor: float, canonical: bool) -> Study:
    """Return the toy with every share times `factor`."""

    def measure(trial: dict[str, Any]) -> dict[str, list[dict[str, Any]]]:
        rows = toy.measure(trial)
        return rows | {"layers": [row | {"share": row["share"] * factor} for row in rows["layers"]]}

    trials, layers = toy.study.tables
    tables = (trials, Table(layers.name, layers.columns, canonical=canonical))
    return dataclasses.replace(toy.study, measure=measure, tables=tables)


class TestManifest:
    """A manifest comes from anywhere: whatever is wrong with it is one sentence."""

    @pytest.mark.parametrize(
        ("entries", "sentence"),
        [
            ({"files": {"../x": "0" * 64}}, "names the file '../x' outside of its folder"),
            ({"files": {"figures/../../x": "0" * 64}}, "outside of its folder"),
            ({"files": {"/etc/passwd": "0" * 64}}, "outside of its folder"),
            ({"files": {"..\\x": "0" * 64}}, "outside of its folder"),
            ({"files": {"": "0" * 64}}, "outside of its folder"),
            ({"files": {"a\x1b[2J": "0" * 64}}, r"names the file 'a\\x1b\[2J'"),
            ({"files": {"trials.csv": "short"}}, "'files' must be the SHA-256 of each file"),
            ({"files": ["trials.csv"]}, "'files' must be"),
            ({"study": "../evil.py"}, "'study' must be the name of a study"),
            ({"study": None}, "'study' must be"),
            ({"preset": "huge"}, "'preset' must be one of quick, standard, paper"),
            ({"preset": ["quick"]}, "'preset' must be"),
            ({"config": {"two words": 1}}, "'config' must be"),
            ({"seed": -1}, "'seed' must be a whole number"),
            ({"seed": True}, "'seed' must be"),
            ({"arithmetic_version": "1"}, "'arithmetic_version' must be"),
        ],
    )
    def test_an_entry_that_cannot_be_is_named(self, folder: Path, entries: dict[str, Any], sentence: str) -> None:
        edit_manifest(folder, **entries)
        with pytest.raises(StoreError, match=sentence) as caught:
            open_run(folder)
        assert "\n" not in str(caught.value)

    @pytest.mark.parametrize(
        "content", [b"", b"{", b"\xff", b"[]", b"[" * 100_000], ids=["empty", "cut", "binary", "list", "deep"]
    )
    def test_a_damaged_one_is_refused(self, folder: Path, content: bytes) -> None:
        (folder / "manifest.json").write_bytes(content)
        with pytest.raises(StoreError, match="is damaged"):
            open_run(folder)

    def test_a_pipe_is_not_waited_for(self, folder: Path) -> None:
        (folder / "manifest.json").unlink()
        os.mkfifo(folder / "manifest.json")
        with pytest.raises(StoreError, match="is no regular file"):
            open_run(folder)

    def test_a_missing_one_is_refused(self, tmp_path: Path) -> None:
        with pytest.raises(StoreError, match="there is no manifest"):
            read_manifest(tmp_path / "manifest.json")

    @pytest.mark.parametrize(
        ("place", "sentence"),
        [("nowhere", "there is no folder"), ("file", "is a file"), ("empty", "holds no finished run")],
    )
    def test_what_is_no_finished_run_is_refused(self, tmp_path: Path, place: str, sentence: str) -> None:
        (tmp_path / "file").write_text("x")
        (tmp_path / "empty").mkdir()
        with pytest.raises(StoreError, match=sentence):
            open_run(tmp_path / place)


class TestPlanAgain:
    """Bits are compared only where they have to be the same."""

    def test_the_trials_are_those_of_the_run(self, folder: Path) -> None:
        ids = [line.partition(",")[0] for line in (folder / "trials.csv").read_text().splitlines()[1:]]
        assert [trial.id for trial in same_plan(open_run(folder), toy.study).trials] == ids

    @pytest.mark.parametrize(
        ("entries", "sentence"),
        [
            ({"arithmetic_version": 0}, f"has arithmetic version 0, this program has {ARITHMETIC_VERSION}"),
            ({"schema_version": 7}, "has schema version of study 'toy' 7, this program has 1"),
            ({"config": {"size": [1]}}, "axis shape is not set in the manifest"),
            ({"files": {"trials.csv": "0" * 64}}, "lacks the hash of 'layers.csv'"),
        ],
        ids=["arithmetic", "schema", "axis", "table"],
    )
    def test_what_is_not_the_same_here_is_refused(self, folder: Path, entries: dict[str, Any], sentence: str) -> None:
        edit_manifest(folder, **entries)
        with pytest.raises(StoreError, match=sentence):
            same_plan(open_run(folder), toy.study)

    def test_a_changed_input_file_is_refused(self, folder: Path) -> None:
        edit_manifest(folder, data_sha256="a")
        study = dataclasses.replace(toy.study, inputs=lambda config: {"data_sha256": "b"})
        with pytest.raises(StoreError, match=r'data_sha256 is "a" in the manifest of .* and "b" here'):
            same_plan(open_run(folder), study)

    def test_an_axis_of_another_version_offers_the_nearest(self, folder: Path) -> None:
        edit_manifest(folder, config={"sise": [1]})
        with pytest.raises(UsageError, match="did you mean 'size'"):
            same_plan(open_run(folder), toy.study)

    def test_a_file_is_loaded_only_where_the_caller_names_it(self, folder: Path) -> None:
        edit_manifest(folder, command=f"nnsim study run {toy.__file__}")
        with pytest.raises(UsageError, match="study 'toy' is not installed: if it is a file, name it with --study"):
            study_of(open_run(folder))
        assert study_of(open_run(folder), toy.__file__).name == "toy"

    def test_another_study_is_refused(self, folder: Path) -> None:
        with pytest.raises(UsageError, match=r"'init' is the study 'init', but .* is a run of 'toy'"):
            study_of(open_run(folder), "init")


class TestFiles:
    def test_an_untouched_run_verifies(self, folder: Path) -> None:
        found = verify(folder)
        assert found.holds
        assert states(found) == {}
        assert (found.trials, found.measured) == (8, 8)

    def test_nothing_is_changed(self, folder: Path) -> None:
        before = {path: path.stat().st_mtime_ns for path in (folder, *folder.rglob("*"))}
        verify(folder)
        assert {path: path.stat().st_mtime_ns for path in (folder, *folder.rglob("*"))} == before

    @pytest.mark.parametrize("name", ["trials.csv", "layers.csv", "timings.csv", "claims.csv", "report.html"])
    def test_one_flipped_bit_is_found(self, folder: Path, name: str) -> None:
        content = bytearray((folder / name).read_bytes())
        content[len(content) // 2] ^= 1
        (folder / name).write_bytes(content)
        found = verify(folder, trials=0)
        assert states(found) == {name: "changed"}
        assert not found.holds

    @pytest.mark.parametrize(("name", "state"), [("layers.csv", "missing"), ("report.html", "missing")])
    def test_a_missing_file_is_found(self, folder: Path, name: str, state: str) -> None:
        (folder / name).unlink()
        found = verify(folder)
        assert states(found) == {name: state}
        assert not found.holds

    def test_a_pipe_in_place_of_a_file_is_not_waited_for(self, folder: Path) -> None:
        (folder / "report.html").unlink()
        os.mkfifo(folder / "report.html")
        assert states(verify(folder)) == {"report.html": "unreadable"}

    def test_a_pipe_in_place_of_a_table_or_the_configuration_is_not_waited_for(self, folder: Path) -> None:
        for name in ("trials.csv", "config.json"):
            (folder / name).unlink()
            os.mkfifo(folder / name)
        found = verify(folder)
        assert states(found) == {"trials.csv": "unreadable", "config.json": "unreadable"}
        assert not found.holds

    def test_an_unknown_file_is_told_and_no_fault(self, folder: Path) -> None:
        (folder / "figures" / "mine").mkdir(parents=True)
        (folder / "figures" / "mine" / "notes.txt").write_text("x")
        found = verify(folder)
        assert states(found) == {"figures/mine/notes.txt": "unknown"}
        assert found.holds

    @pytest.mark.parametrize("content", [b"{", b"[]", b"{}"])
    def test_a_configuration_that_is_not_the_runs_is_found(self, folder: Path, content: bytes) -> None:
        (folder / "config.json").write_bytes(content)
        found = verify(folder)
        assert states(found) == {"config.json": "changed"}
        assert not found.holds


class TestRows:
    """A forged manifest can bless any table: what a sample of trials never meets is checked too."""

    @pytest.mark.parametrize(
        "forge",
        [
            lambda lines: [*lines, b"f" * 16 + lines[-1][16:]],
            lambda lines: [lines[0], *reversed(lines[1:])],
            lambda lines: [lines[0].replace(b"share", b"loss"), *lines[1:]],
        ],
        ids=["invented-trial", "other-order", "other-column"],
    )
    def test_rows_that_are_not_of_the_plan_are_found(self, folder: Path, forge: Any) -> None:
        shutil.rmtree(folder / "chunks")
        table = folder / "layers.csv"
        table.write_bytes(b"".join(forge(table.read_bytes().splitlines(keepends=True))))
        edit_manifest(folder, files=open_run(folder).files | {"layers.csv": sha256_of(table)})
        found = verify(folder, trials=0)
        assert states(found) == {"columns and trials of layers.csv": "changed"}
        assert not found.holds


class TestChunks:
    def test_each_damaged_chunk_is_found(self, folder: Path) -> None:
        for path in (folder / "chunks").iterdir():
            content = path.read_bytes()
            path.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
            found = verify(folder, trials=0)
            number = path.name.partition("-")[0]
            assert states(found) == {f"chunks/{number}": "missing", f"chunks/{path.name}": "damaged"}
            assert not found.holds
            path.write_bytes(content)

    def test_a_missing_chunk_is_found(self, folder: Path) -> None:
        min((folder / "chunks").iterdir()).unlink()
        found = verify(folder)
        assert states(found) == {"chunks/000000": "missing"}
        assert not found.holds

    def test_chunks_of_other_tables_are_found(self, folder: Path) -> None:
        """Every checksum of file and chunk is right, but the table is not made of these chunks."""
        edit(folder / "layers.csv", b",1,0.0333", b",1,0.0334")
        files = open_run(folder).files | {"layers.csv": sha256_of(folder / "layers.csv")}
        edit_manifest(folder, files=files)
        assert states(verify(folder, trials=0)) == {"layers.csv from chunks/": "changed"}

    def test_foreign_files_are_told_and_no_fault(self, folder: Path) -> None:
        content = b"mine"
        named = f"000000-{'0' * 16}-{hashlib.sha256(content).hexdigest()}.zip"
        for name in ("notes.txt", named):
            (folder / "chunks" / name).write_bytes(content)
        found = verify(folder)
        assert states(found) == {"chunks/notes.txt": "unknown", f"chunks/{named}": "unknown"}
        assert found.holds

    def test_a_run_whose_chunks_are_gone_verifies_by_its_tables(self, folder: Path) -> None:
        shutil.rmtree(folder / "chunks")
        found = verify(folder)
        assert found.holds
        assert found.chunks == ()
        assert not (folder / "chunks").exists()


class TestMeasuringAgain:
    def test_one_bit_of_one_cell_is_found(self, folder: Path) -> None:
        edit(folder / "trials.csv", b",0.06666666666666667,", b",0.06666666666666668,")
        found = verify(folder, trials=None)
        trial = (folder / "trials.csv").read_text().splitlines()
        changed = next(line for line in trial if "0.06666666666666668" in line).partition(",")[0]
        cells = {"area": ("0.06666666666666668", "0.06666666666666667")}
        assert found.differences == (TrialDifference(changed, "trials", cells),)
        assert not found.holds

    def test_a_forged_table_with_a_right_checksum_is_found(self, folder: Path) -> None:
        shutil.rmtree(folder / "chunks")
        edit(folder / "layers.csv", b",1,0.0333", b",1,0.0334")
        edit_manifest(folder, files=open_run(folder).files | {"layers.csv": sha256_of(folder / "layers.csv")})
        found = verify(folder, trials=None)
        assert states(found) == {}
        assert [difference.table for difference in found.differences] == ["layers"]
        assert not found.holds

    def test_a_study_that_measures_otherwise_is_found_in_every_trial_of_the_sample(self, folder: Path) -> None:
        found = verify(folder, measuring(area=1.0), trials=3)
        assert (found.measured, len(found.differences)) == (3, 3)
        assert not found.holds

    def test_a_lost_row_is_found(self, folder: Path) -> None:
        lines = (folder / "layers.csv").read_bytes().splitlines(keepends=True)
        (folder / "layers.csv").write_bytes(b"".join(lines[:2] + lines[3:]))
        difference = verify(folder).differences[0]
        assert difference.table == "layers"
        assert difference.cells["layer"] == (None, "2")

    def test_a_damaged_name_of_a_trial_spoils_no_other_trial(self, folder: Path) -> None:
        lines = (folder / "trials.csv").read_bytes().splitlines(keepends=True)
        (folder / "trials.csv").write_bytes(b"".join([*lines[:2], b"x" + lines[2][1:], *lines[3:]]))
        assert len(verify(folder).differences) == 1

    @pytest.mark.parametrize("content", [b'"' * 99, b"\x00\xff\r,\r", b""], ids=["quotes", "binary", "empty"])
    def test_a_table_of_rubbish_is_no_crash(self, folder: Path, content: bytes) -> None:
        (folder / "layers.csv").write_bytes(content)
        assert len(verify(folder).differences) == 8

    def test_a_trial_that_failed_fails_again_in_the_same_way(self, tmp_path: Path) -> None:
        run_study(toy.study, output=tmp_path / "run", shape=["broken"])
        assert verify(tmp_path / "run").holds

    @pytest.mark.parametrize(("factor", "holds"), [(1.0, True), (1 + 1e-10, True), (1 + 1e-7, False)])
    def test_tables_that_are_not_canonical_are_compared_to_nine_digits(
        self, folder: Path, factor: float, holds: bool
    ) -> None:
        found = verify(folder, nearly(factor, canonical=False))
        assert found.to_nine_digits == ("layers.csv",)
        assert found.holds == holds

    def test_canonical_ones_to_the_last_bit(self, folder: Path) -> None:
        assert len(verify(folder, nearly(1 + 1e-10, canonical=True)).differences) == 8

    def test_the_number_of_jobs_never_shows(self, folder: Path) -> None:
        assert verify(folder, jobs=2, trials=5) == verify(folder, jobs=1, trials=5)

    def test_nothing_is_measured_if_none_is_asked_for(self, folder: Path) -> None:
        toy.measured.clear()
        assert verify(folder, trials=0).measured == 0
        assert toy.measured == []

    @pytest.mark.parametrize("options", [{"trials": -1}, {"sample": -1}, {"jobs": 0}])
    def test_a_number_that_cannot_be_is_refused(self, folder: Path, options: dict[str, int]) -> None:
        with pytest.raises(UsageError, match="must be a whole number"):
            verify(folder, **options)


class TestSample:
    def test_each_kind_comes_before_a_second_of_any(self) -> None:
        kinds = ["common"] * 500 + ["rare"] + ["common"] * 500
        for sample in range(20):
            assert 500 in choose_trials(kinds, 2, sample)

    def test_the_number_draws_the_sample(self) -> None:
        kinds = ["x"] * 1000
        assert choose_trials(kinds, 5, 1) == choose_trials(kinds, 5, 1) != choose_trials(kinds, 5, 2)

    def test_more_than_all_is_all(self) -> None:
        assert choose_trials(["x"] * 3, 10, 0) == {0, 1, 2}


class TestCommand:
    def test_a_run_that_verifies(self, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        assert main([*VERIFY, str(folder), "--all"]) == 0
        out = capsys.readouterr().out
        assert "trials: 8 of 8 measured again\n" in out
        assert out.endswith("\nverified\n")

    def test_a_difference_is_exit_code_4(self, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        edit(folder / "trials.csv", b",0.06666666666666667,", b",0.06666666666666668,")
        assert main([*VERIFY, str(folder)]) == 4
        out = capsys.readouterr().out
        assert "0.06666666666666668" in out
        assert re.search(r"\nnot verified: 1 of \d+ files differ, 1 of 8 trials differ\n$", out)

    def test_text_from_a_damaged_file_is_no_command_to_a_terminal(
        self, folder: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        edit(folder / "layers.csv", b",1,0.0", b",\x1b[2J1,0.0")
        (folder / "\x1b[2J").write_text("x")
        (folder / os.fsdecode(b"\xff")).write_text("x")
        assert main([*VERIFY, str(folder), "--all"]) == 4
        out = capsys.readouterr().out
        assert "\x1b[2J" not in out
        assert out.count("\\x1b[2J") == 2

    def test_json_is_the_whole_of_stdout(self, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        (folder / "report.html").unlink()
        assert main([*VERIFY, str(folder), "--json", "--trials", "2"]) == 4
        outcome = json.loads(capsys.readouterr().out)
        assert outcome["holds"] is False
        assert outcome["files"]["report.html"] == "missing"
        assert outcome["measured_again"] == 2
        assert outcome["differences"] == []

    @pytest.mark.parametrize(
        ("entries", "code", "sentence"),
        [
            ({"arithmetic_version": 9}, 1, f"arithmetic version 9, this program has {ARITHMETIC_VERSION}"),
            ({"files": {"../x": "0" * 64}}, 1, "outside of its folder"),
        ],
    )
    def test_what_cannot_be_compared_is_one_sentence(
        self, folder: Path, capsys: pytest.CaptureFixture[str], entries: dict[str, Any], code: int, sentence: str
    ) -> None:
        edit_manifest(folder, **entries)
        assert main([*VERIFY, str(folder)]) == code
        streams = capsys.readouterr()
        assert streams.out == ""
        assert sentence in streams.err
        assert streams.err.count("\n") == 1

    def test_a_study_that_is_not_installed(self, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        assert main(["verify", str(folder)]) == 2
        assert "name it with --study FILE" in capsys.readouterr().err
