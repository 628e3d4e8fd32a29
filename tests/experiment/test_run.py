"""From a configuration to finished tables: resolution, plan, execution, resumption, and what is read back."""

from __future__ import annotations

import dataclasses
import errno
import json
import os
import random
import signal
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import toy
from toy import CANONICAL, hashes

import nnsim
from nnsim.core.atomic_files import sha256_of
from nnsim.core.errors import DataError, StoreError, UnknownNameError, UsageError
from nnsim.core.progress import Progress
from nnsim.core.versions import ARITHMETIC_VERSION
from nnsim.experiment.config import resolve
from nnsim.experiment.csv_rows import SchemaError
from nnsim.experiment.executors.threads import run_chunks
from nnsim.experiment.plan import make_plan
from nnsim.experiment.results.status import IncompleteError
from nnsim.experiment.results.tables import write_tables
from nnsim.experiment.store import ChunkStore
from nnsim.runs.run import StudyResult, plan_study, run_study
from nnsim.study.declaration import Axis, Column, Study, Table


@pytest.fixture(autouse=True)
def measured() -> Iterator[list[str]]:
    """Ids of the trials that were measured during the test."""
    toy.measured.clear()
    yield toy.measured
    toy.measured.clear()


def run(folder: Path, study: Study = toy.study, **options: Any) -> StudyResult:
    return run_study(study, output=folder, **options)


def changed(**fields: Any) -> Study:
    return dataclasses.replace(toy.study, **fields)


class TestResolve:
    def test_presets_fill_what_is_not_set(self) -> None:
        config = resolve(toy.study, "quick", {"size": [3], "scale": None})
        assert config == {"shape": ("square", "cube"), "size": (3,), "scale": (0.1,), "repeats": 2, "pause": 0.0}

    @pytest.mark.parametrize(
        ("name", "given", "resolved"),
        [
            ("size", "5,30", (5, 30)),
            ("size", " 5 , 30,", (5, 30)),
            ("size", 5, (5,)),
            ("size", 5.0, (5,)),
            ("size", np.array([5, 30]), (5, 30)),
            ("size", np.int64(5), (5,)),
            ("scale", "1e-3,2", (0.001, 2.0)),
            ("scale", 1, (1.0,)),
            ("shape", "cube", ("cube",)),
            ("repeats", "7", 7),
        ],
    )
    def test_values_are_read_as_their_kind(self, name: str, given: Any, resolved: Any) -> None:
        value = resolve(toy.study, "quick", {name: given})[name]
        assert value == resolved
        assert json.loads(json.dumps(value)) == (list(resolved) if isinstance(resolved, tuple) else resolved)

    @pytest.mark.parametrize(
        ("axes", "sentence"),
        [
            ({"size": "0"}, "--size 0 is not allowed: it must be at least 1"),
            ({"size": -3}, "--size -3 is not allowed: it must be at least 1"),
            ({"scale": 0.0}, "--scale 0.0 is not allowed: it must be greater than 0"),
            ({"scale": "nan"}, "--scale must be a number, got 'nan'"),
            ({"scale": "inf"}, "--scale must be a number, got 'inf'"),
            ({"size": "3.7"}, "--size must be a whole number, got '3.7': the nearest is 4"),
            ({"size": True}, "--size must be a whole number, got 'True'"),
            ({"size": "many"}, "--size must be a whole number, got 'many'"),
            ({"size": ""}, "--size is empty: give at least one value"),
            ({"size": [1, 1.0]}, "--size names 1 twice"),
            ({"repeats": "1,2"}, "--repeats takes exactly one value, got 2"),
            ({"shape": "sqare"}, "unknown shape 'sqare': did you mean 'square'?"),
            ({"shape": 3}, "--shape must be a name, got '3'"),
            ({"sise": 3}, "unknown axis of study 'toy' 'sise': did you mean 'size'?"),
        ],
    )
    def test_what_cannot_be_used_is_one_sentence(self, axes: dict[str, Any], sentence: str) -> None:
        with pytest.raises(UsageError) as caught:
            resolve(toy.study, "quick", axes)
        assert str(caught.value).startswith(sentence)
        assert "\n" not in str(caught.value)

    def test_an_unknown_preset_offers_the_nearest(self) -> None:
        with pytest.raises(UnknownNameError, match="did you mean 'quick'"):
            resolve(toy.study, "quik", {})


class TestDeclaration:
    @pytest.mark.parametrize("name", ["list", "show", "run", "all", "check", "new", "My Study", "../up", ""])
    def test_a_study_needs_a_free_plain_name(self, name: str) -> None:
        with pytest.raises(ValueError, match="cannot be called"):
            changed(name=name)

    def test_a_study_needs_a_table_of_trials(self) -> None:
        with pytest.raises(ValueError, match="needs a table called 'trials'"):
            changed(tables=(Table("layers", ()),))

    def test_the_table_of_trials_needs_a_status(self) -> None:
        columns = (Column("kind", "text", "", ""), Column("reason", "text", "", ""))
        with pytest.raises(ValueError, match="lacks the column 'status'"):
            changed(tables=(Table("trials", columns),))

    @pytest.mark.parametrize("name", ["seed", "jobs", "two words"])
    def test_an_axis_needs_a_free_plain_name(self, name: str) -> None:
        with pytest.raises(ValueError, match="an axis cannot be called"):
            toy.axis(name, int, (1,))

    def test_an_axis_needs_all_presets(self) -> None:
        with pytest.raises(ValueError, match="needs values for exactly quick, standard, paper"):
            Axis("size", int, "", {"quick": (1,)})

    def test_a_table_has_no_column_twice(self) -> None:
        with pytest.raises(ValueError, match="a column twice"):
            Table("layers", (Column("trial", "text", "", ""),))


class TestPlan:
    def test_identity_of_a_trial_is_its_content(self) -> None:
        first, second = (plan_study(toy.study, size=size) for size in ([1, 2], [2, 3]))
        by_settings = {str(trial.settings): trial.id for trial in first.trials}
        shared = [trial for trial in second.trials if str(trial.settings) in by_settings]
        assert len(shared) == 4
        assert all(by_settings[str(trial.settings)] == trial.id for trial in shared)

    @pytest.mark.parametrize(
        "other",
        [
            plan_study(toy.study, seed=1),
            plan_study(changed(name="other")),
            plan_study(changed(schema_version=2)),
            plan_study(toy.study, scale=0.2),
        ],
        ids=["seed", "study", "schema", "setting"],
    )
    def test_whatever_matters_changes_every_identity(self, other: Any) -> None:
        mine = {trial.id for trial in plan_study(toy.study).trials}
        assert mine.isdisjoint(trial.id for trial in other.trials)

    def test_chunks_follow_the_expected_cost(self) -> None:
        plan = make_plan(toy.study, resolve(toy.study, "quick", {}), chunk_seconds=3.0)
        assert [len(chunk.trials) for chunk in plan.chunks] == [3, 3, 2]

    def test_a_long_trial_is_a_chunk_of_its_own(self) -> None:
        plan = make_plan(changed(cost=lambda settings: 100.0), resolve(toy.study, "quick", {}))
        assert [len(chunk.trials) for chunk in plan.chunks] == [1] * 8

    @pytest.mark.parametrize("seed", [-1, 2**63, 0.5, True, "1"])
    def test_a_seed_out_of_range_is_refused(self, seed: Any) -> None:
        with pytest.raises(UsageError, match="seed must be a whole number"):
            plan_study(toy.study, seed=seed)

    def test_a_configuration_without_trials_is_refused(self) -> None:
        with pytest.raises(UsageError, match="no trial left"):
            plan_study(changed(trials=lambda config: []))

    def test_the_same_trial_twice_is_a_mistake_of_the_study(self) -> None:
        with pytest.raises(ValueError, match="the same trial 2 times"):
            plan_study(changed(trials=lambda config: 2 * toy.trials(config)[:1]))


class TestRun:
    def test_the_folder_holds_everything(self, tmp_path: Path) -> None:
        result = run(tmp_path)
        written = {path.relative_to(tmp_path).as_posix() for path in result.files}
        expected = {"trials", "layers", "timings", "summary", "claims", "columns"}
        assert {f"{name}.csv" for name in expected} | {"report.html", "manifest.json"} <= written
        assert all(path.is_file() for path in result.files)
        assert not list(tmp_path.rglob("*.nnsim-tmp"))

    def test_rows_are_in_the_order_of_the_trials(self, tmp_path: Path) -> None:
        result = run(tmp_path, jobs=2)
        assert list(result.tables["trials"]["trial"]) == [trial.id for trial in plan_study(toy.study).trials]
        assert list(result.tables["layers"]["layer"]) == [1, 2] * 8

    def test_the_number_of_jobs_never_shows(self, tmp_path: Path) -> None:
        run(tmp_path / "one", jobs=1)
        run(tmp_path / "two", jobs=2)
        assert hashes(tmp_path / "one") == hashes(tmp_path / "two")

    @pytest.mark.parametrize("chunk_seconds", [1.0, 3.0, 100.0])
    def test_neither_order_nor_chunking_shows(self, tmp_path: Path, chunk_seconds: float) -> None:
        run(tmp_path / "usual")
        plan = make_plan(toy.study, resolve(toy.study, "quick", {}), chunk_seconds=chunk_seconds)
        store = ChunkStore(tmp_path / "other")
        run_chunks(plan, random.Random(1).sample(plan.chunks, len(plan.chunks)), store, jobs=2)
        paths = [path for path in map(store.find, plan.chunks) if path is not None]
        write_tables(tmp_path / "other", toy.study, store, paths)
        assert hashes(tmp_path / "usual") == hashes(tmp_path / "other")

    def test_the_seed_reaches_the_measurement(self, tmp_path: Path) -> None:
        areas = [run(tmp_path / str(seed), seed=seed).tables["trials"]["area"] for seed in (0, 5)]
        np.testing.assert_allclose(areas[1] - areas[0], 5.0)

    def test_a_diverged_trial_is_a_row(self, tmp_path: Path) -> None:
        result = run(tmp_path, scale=[1.0, 1e301])
        assert result.manifest["trials"] == {"diverged": 8, "done": 8}
        assert result.tables["trials"].query("status == 'diverged'")["reason"].unique().tolist() == ["=1+1"]
        assert ",'=1+1\n" in (tmp_path / "trials.csv").read_text()
        assert not result.failures

    def test_a_trial_that_raises_is_a_row_and_is_reported(self, tmp_path: Path) -> None:
        result = run(tmp_path, shape=["square", "broken"])
        failed = result.tables["trials"].query("status == 'error'")
        assert failed["reason"].unique().tolist() == ["ZeroDivisionError: a broken shape has no area"]
        assert failed["size"].tolist() == [1, 1, 2, 2]
        assert [failure.trial for failure in result.failures] == failed["trial"].tolist()
        assert "in measure" in result.failures[0].traceback

    def test_what_the_users_input_lacks_ends_the_run(self, tmp_path: Path) -> None:
        with pytest.raises(DataError, match=r"missing\.csv"):
            run(tmp_path, shape="missing")

    @pytest.mark.parametrize(
        ("rows", "sentence"),
        [
            ({"trials": [], "layers": []}, "0 rows of table 'trials'"),
            ({"other": []}, "unknown table 'other'"),
            ({"trials": [{"status": "fine"}]}, "status 'fine', allowed are done, diverged, error"),
            ({"trials": [{"status": "done"}]}, "lacks the column 'area'"),
        ],
        ids=["no-row", "unknown-table", "unknown-status", "missing-column"],
    )
    def test_a_study_that_breaks_its_own_schema_is_told(self, tmp_path: Path, rows: Any, sentence: str) -> None:
        with pytest.raises(SchemaError, match=sentence):
            run(tmp_path, changed(measure=lambda trial: rows))

    @pytest.mark.parametrize("jobs", [0, -1, 1.5, "two"])
    def test_jobs_out_of_range_are_refused(self, tmp_path: Path, jobs: Any) -> None:
        with pytest.raises(UsageError, match="jobs must be a whole number of at least 1"):
            run(tmp_path / "new", jobs=jobs)
        assert not (tmp_path / "new").exists()

    def test_an_unknown_figure_format_is_refused_before_any_work(self, tmp_path: Path, measured: list[str]) -> None:
        with pytest.raises(UnknownNameError, match="did you mean 'svg'"):
            run(tmp_path / "new", figure_formats=["svgz"])
        assert not measured

    def test_kernels_are_compiled_before_the_trials(self, tmp_path: Path, measured: list[str]) -> None:
        seen: list[int] = []
        run(tmp_path, changed(warm_up=lambda: seen.append(len(measured))))
        assert seen == [0]

    def test_the_default_folder_is_named_after_study_and_preset(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.chdir(tmp_path)
        assert run_study(toy.study, "standard").folder == Path("nnsim-results/toy-standard")


class TestResume:
    def test_a_second_call_measures_nothing_and_changes_nothing(self, tmp_path: Path, measured: list[str]) -> None:
        run(tmp_path)
        before = hashes(tmp_path)
        measured.clear()
        run(tmp_path)
        assert not measured
        assert hashes(tmp_path) == before

    def test_a_lost_chunk_is_measured_again_alone(self, tmp_path: Path, measured: list[str]) -> None:
        run(tmp_path)
        before = hashes(tmp_path)
        lost = min((tmp_path / "chunks").iterdir())
        lost.unlink()
        measured.clear()
        run(tmp_path)
        assert sorted(measured) == sorted(trial.id for trial in plan_study(toy.study).chunks[0].trials)
        assert hashes(tmp_path) == before

    def test_a_damaged_chunk_is_measured_again_and_replaced(self, tmp_path: Path, measured: list[str]) -> None:
        run(tmp_path)
        before = hashes(tmp_path)
        damaged = min((tmp_path / "chunks").iterdir())
        damaged.write_bytes(damaged.read_bytes()[:-7])
        measured.clear()
        run(tmp_path)
        assert len(measured) == 2
        assert hashes(tmp_path) == before
        assert len(list((tmp_path / "chunks").iterdir())) == 4

    def test_a_chunk_that_goes_missing_while_others_run_is_an_error(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        run(tmp_path)
        before = hashes(tmp_path)
        min((tmp_path / "chunks").iterdir()).unlink()
        monkeypatch.setattr("nnsim.runs.run.run_chunks", lambda *arguments, **options: [])  # nothing brings it back
        with pytest.raises(IncompleteError, match=r"1 of 4 chunks \(2 of 8 trials\) of .* are missing;"):
            run(tmp_path)
        assert hashes(tmp_path) == before
        assert not (tmp_path / "manifest.json").exists()  # a manifest says that a run is finished

    def test_a_failed_trial_is_tried_again(self, tmp_path: Path, measured: list[str]) -> None:
        run(tmp_path, shape=["square", "broken"])
        measured.clear()
        run(tmp_path, shape=["square", "broken"])
        assert len(measured) == 4

    def test_a_full_disk_keeps_what_is_finished(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, measured: list[str]
    ) -> None:
        run(tmp_path / "whole")
        measured.clear()
        usual = os.fsync
        room = iter([True] * 10)  # two new folders; config.json and three chunks, each with its folder

        def fill_up(descriptor: int) -> None:
            if not next(room, False):
                raise OSError(errno.ENOSPC, "No space left on device")
            usual(descriptor)

        with monkeypatch.context() as patch:
            patch.setattr(os, "fsync", fill_up)
            with pytest.raises(StoreError, match="full"):
                run(tmp_path / "cut", jobs=1)
        kept = list((tmp_path / "cut" / "chunks").iterdir())
        assert len(kept) == 3
        measured.clear()
        run(tmp_path / "cut")
        assert len(measured) == 2
        assert hashes(tmp_path / "cut") == hashes(tmp_path / "whole")

    def test_ctrl_c_keeps_what_is_finished(self, tmp_path: Path, measured: list[str]) -> None:
        class Impatient(Progress):
            def advance(self, seconds: float, count: int = 1, note: str = "") -> None:
                if len(measured) == 3:
                    signal.pthread_kill(threading.main_thread().ident, signal.SIGINT)  # type: ignore[arg-type]

        with pytest.raises(KeyboardInterrupt):
            run(tmp_path, jobs=1, pause=0.05, progress=Impatient())
        assert 3 <= len(measured) < 8
        finished = len(list((tmp_path / "chunks").iterdir()))
        assert 1 <= finished < 4
        measured.clear()
        result = run(tmp_path, pause=0.05)
        assert len(measured) == 8 - 2 * finished
        assert result.manifest["trials"] == {"done": 8}

    def test_another_configuration_is_refused_and_nothing_changes(self, tmp_path: Path, measured: list[str]) -> None:
        run(tmp_path)
        before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
        measured.clear()
        with pytest.raises(StoreError, match=r"size is \[1, 2\] there and \[3\] here"):
            run(tmp_path, size=3)
        assert not measured
        assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before


class TestProgress:
    def test_every_trial_is_counted_once(self, tmp_path: Path) -> None:
        told: list[Any] = []

        class Listener(Progress):
            def begin(self, trials: int, finished: int, seconds: float) -> None:
                told.append((trials, finished, seconds))

            def advance(self, seconds: float, count: int = 1, note: str = "") -> None:
                told.append(seconds)

            def end(self) -> None:
                told.append("end")

        run(tmp_path)
        min((tmp_path / "chunks").iterdir()).unlink()
        run(tmp_path, progress=Listener())
        assert told == [(8, 6, 2.0), 1.0, 1.0, "end"]


class TestManifest:
    def test_hashes_are_those_of_the_files(self, tmp_path: Path) -> None:
        manifest = run(tmp_path).manifest
        assert manifest == json.loads((tmp_path / "manifest.json").read_text())
        assert set(CANONICAL) <= manifest["files"].keys()
        assert all(sha256_of(tmp_path / name) == digest for name, digest in manifest["files"].items())

    def test_it_says_where_the_result_comes_from(self, tmp_path: Path) -> None:
        manifest = run(tmp_path, seed=3, size=[1, 2]).manifest
        assert manifest["command"] == "nnsim study toy --preset quick --size 1,2 --seed 3"
        assert manifest["config"]["size"] == [1, 2]
        assert (manifest["seed"], manifest["arithmetic_version"], manifest["schema_version"]) == (
            3,
            ARITHMETIC_VERSION,
            1,
        )
        assert {"python", "numba", "llvmlite", "numpy", "nnsim"} <= manifest["versions"].keys()
        assert manifest["cpu"]["compiled_for"]
        assert manifest["canonical_files"] == list(CANONICAL)

    def test_times_stay_out_of_canonical_tables(self, tmp_path: Path) -> None:
        timings = run(tmp_path, pause=0.01).tables["timings"]
        assert len(timings) == 8
        assert (timings["seconds"] >= 0.01).all()


class TestLoad:
    def test_all_tables_come_back_with_their_types(self, tmp_path: Path) -> None:
        result = run(tmp_path)
        tables = nnsim.load(tmp_path)
        assert tables.keys() == {"trials", "layers", "timings", "summary", "claims", "columns"}
        for name, table in result.tables.items():
            assert tables[name].equals(table), name
        assert tables["trials"].dtypes[["size", "area", "even"]].astype(str).tolist() == ["int64", "float64", "bool"]

    def test_every_column_is_in_the_dictionary(self, tmp_path: Path) -> None:
        run(tmp_path)
        tables = nnsim.load(tmp_path)
        described = set(zip(tables["columns"]["table"], tables["columns"]["name"], strict=True))
        present = {(name, column) for name, table in tables.items() if name != "columns" for column in table.columns}
        assert present == described
        assert (tables["columns"]["description"] != "").all()

    def test_a_folder_without_results_is_refused(self, tmp_path: Path) -> None:
        with pytest.raises(StoreError, match=r"is not a result folder of nnsim: it has no config\.json"):
            nnsim.load(tmp_path)

    def test_a_file_is_refused(self, tmp_path: Path) -> None:
        (tmp_path / "file").write_text("x")
        with pytest.raises(StoreError, match="is a file"):
            nnsim.load(tmp_path / "file")

    def test_an_unfinished_run_is_refused(self, tmp_path: Path) -> None:
        run(tmp_path)
        (tmp_path / "manifest.json").unlink()
        with pytest.raises(StoreError, match="not finished: run its command again"):
            nnsim.load(tmp_path)

    def test_a_damaged_table_is_refused(self, tmp_path: Path) -> None:
        run(tmp_path)
        (tmp_path / "layers.csv").write_bytes(b"trial,layer,share\nx,not-a-number,1\n")
        with pytest.raises(StoreError, match=r"cannot read the table .*layers\.csv"):
            nnsim.load(tmp_path)
