"""A run once more from its manifest: the same tables, what is refused, and what a data file has to do with it."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import toy
from finished_runs import edit_manifest
from nnsim_cli.main import main

from nnsim.core.atomic_files import sha256_of
from nnsim.core.errors import StoreError, UsageError
from nnsim.core.versions import ARITHMETIC_VERSION
from nnsim.experiment.results.result_folder import open_run, read_manifest
from nnsim.runs.reproduce import reproduce
from nnsim.runs.run import run_study

TOY = toy.__file__
REPRODUCE = ("reproduce", "--study", TOY, "-q")
AXES: dict[str, Any] = {"size": [1, 3], "shape": ["cube"], "seed": 5}


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return run_study(toy.study, "standard", output=tmp_path_factory.mktemp("runs") / "toy", **AXES).folder


@pytest.fixture
def manifest(original: Path, tmp_path: Path) -> Path:
    """A manifest alone in a folder: nothing else of the run is at hand."""
    (tmp_path / "paper").mkdir()
    return Path(shutil.copy(original / "manifest.json", tmp_path / "paper"))


def study_file(folder: Path, change: str) -> str:
    """Write a study that is the toy but for one line, which may change `study`."""
    path = folder / "changed.py"
    path.write_text(f"import dataclasses\nimport toy\nstudy = toy.study\n{change}\n")
    return str(path)


OTHER_BITS = """
def measure(trial):
    rows = toy.measure(trial)
    return rows | {"layers": [row | {"share": row["share"] * (1 + 2**-50)} for row in rows["layers"]]}
study = dataclasses.replace(study, measure=measure)
"""
NOT_CANONICAL = """
trials, layers = study.tables
study = dataclasses.replace(study, tables=(trials, dataclasses.replace(layers, canonical=False)))
"""


class TestReproduce:
    def test_the_tables_are_the_same(self, manifest: Path, original: Path) -> None:
        found = reproduce(read_manifest(manifest), TOY)
        assert found.holds
        assert [(file.name, file.same) for file in found.files] == [("trials.csv", True), ("layers.csv", True)]
        assert sha256_of(found.run.folder / "layers.csv") == sha256_of(original / "layers.csv")

    def test_the_new_manifest_tells_of_the_same_run(self, original: Path, tmp_path: Path) -> None:
        again = reproduce(open_run(original), TOY, output=tmp_path / "out").run.manifest
        before = open_run(original).manifest
        assert [again[name] for name in ("study", "config", "seed", "preset", "trials")] == [
            before[name] for name in ("study", "config", "seed", "preset", "trials")
        ]

    def test_it_goes_beside_the_folder_of_the_manifest(self, manifest: Path) -> None:
        found = reproduce(read_manifest(manifest), TOY)
        assert found.run.folder == manifest.parent.parent / "paper-reproduced"
        assert [path.name for path in manifest.parent.iterdir()] == ["manifest.json"]

    def test_other_bits_are_found(self, manifest: Path, tmp_path: Path) -> None:
        found = reproduce(read_manifest(manifest), study_file(tmp_path, OTHER_BITS))
        assert {file.name: file.same for file in found.files} == {"trials.csv": True, "layers.csv": False}
        assert not found.holds

    def test_other_bits_of_a_table_that_is_not_canonical_are_no_fault(self, manifest: Path, tmp_path: Path) -> None:
        found = reproduce(read_manifest(manifest), study_file(tmp_path, OTHER_BITS + NOT_CANONICAL))
        assert [(file.name, file.canonical, file.same) for file in found.files][1] == ("layers.csv", False, False)
        assert found.holds

    def test_what_has_to_be_the_same_is_said_by_the_study_and_not_by_the_manifest(
        self, manifest: Path, tmp_path: Path
    ) -> None:
        edit_manifest(manifest.parent, canonical_files=[])
        assert not reproduce(read_manifest(manifest), study_file(tmp_path, OTHER_BITS)).holds

    def test_a_finished_run_is_never_taken_for_a_reproduction(self, original: Path) -> None:
        with pytest.raises(StoreError, match="holds a finished run, and nothing would be measured again"):
            reproduce(open_run(original), TOY, output=original)

    def test_a_stopped_reproduction_goes_on(self, manifest: Path) -> None:
        folder = reproduce(read_manifest(manifest), TOY).run.folder
        (folder / "manifest.json").unlink()
        chunks = sorted((folder / "chunks").iterdir())
        assert reproduce(read_manifest(manifest), TOY).holds
        assert sorted((folder / "chunks").iterdir()) == chunks

    @pytest.mark.parametrize(
        ("entries", "sentence"),
        [
            ({"arithmetic_version": 3}, f"arithmetic version 3, this program has {ARITHMETIC_VERSION}"),
            ({"schema_version": 0}, "schema version of study 'toy' 0, this program has 1"),
            ({"data_sha256": None, "files": {}}, "lacks the hash of 'trials.csv'"),
        ],
        ids=["arithmetic", "schema", "table"],
    )
    def test_another_version_is_refused_before_anything_runs(
        self, manifest: Path, entries: dict[str, Any], sentence: str
    ) -> None:
        edit_manifest(manifest.parent, **entries)
        with pytest.raises(StoreError, match=sentence):
            reproduce(read_manifest(manifest), TOY)
        assert not (manifest.parent.parent / "paper-reproduced").exists()

    @pytest.mark.parametrize("name", ["output", "jobs", "progress", "preset"])
    def test_a_manifest_sets_axes_and_nothing_else(self, manifest: Path, name: str) -> None:
        edit_manifest(manifest.parent, config=read_manifest(manifest).config | {name: "x"})
        with pytest.raises(UsageError, match=f"unknown axis of study 'toy' '{name}'"):
            reproduce(read_manifest(manifest), TOY)


class TestDataFile:
    """The init study, whose data are a user's own file."""

    @pytest.fixture
    def run(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
        monkeypatch.chdir(tmp_path)
        values = np.arange(120.0).reshape(40, 3)
        np.savetxt("my.csv", values % 7, delimiter=",", header="a,b,y", comments="")
        few = {"depth": [2], "probe_depth": [2], "scheme": ["he_normal"], "activation": ["relu"], "width": 4}
        tiny = {"seeds": 1, "probe_seeds": 1, "fluctuation_nets": 1, "epochs": 1, "learning_rate": [0.1]}
        fast = {"batch_size": 4, "gain_activation": ["tanh"], "data": "my.csv", "target": "y"}
        run_study("init", output="run", jobs=1, **few, **tiny, **fast)
        return tmp_path / "run"

    def test_it_is_found_by_its_name_and_checked_by_its_hash(
        self, run: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        assert main(["reproduce", str(run), "-q"]) == 0
        assert main(["verify", str(run), "-q"]) == 0
        capsys.readouterr()

        data = run.parent / "my.csv"
        data.write_text(data.read_text().replace("6", "5"))
        for command in ("reproduce", "verify"):
            assert main([command, str(run), "-q"]) == 1
            error = capsys.readouterr().err
            assert "data_sha256 is" in error
            assert error.count("\n") == 1

        data.unlink()
        for command in ("reproduce", "verify"):
            assert main([command, str(run), "-q"]) == 1
            assert capsys.readouterr().err == "nnsim: error: there is no file 'my.csv'\n"


class TestCommand:
    @pytest.mark.parametrize("name", ["", "manifest.json"], ids=["folder", "file"])
    def test_a_manifest_or_its_folder(self, manifest: Path, capsys: pytest.CaptureFixture[str], name: str) -> None:
        assert main([*REPRODUCE, str(manifest.parent / name)]) == 0
        out = capsys.readouterr().out
        assert "trials.csv   same" in out
        assert out.endswith(f"reproduced: {manifest.parent.parent / 'paper-reproduced'}\n")

    def test_a_difference_is_exit_code_4(
        self, manifest: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        assert main(["reproduce", str(manifest), "-q", "--study", study_file(tmp_path, OTHER_BITS)]) == 4
        out = capsys.readouterr().out
        assert "layers.csv   different" in out
        assert "\nnot reproduced: " in out

    def test_json_is_the_whole_of_stdout(self, manifest: Path, capsys: pytest.CaptureFixture[str]) -> None:
        assert main([*REPRODUCE, str(manifest), "--json"]) == 0
        outcome = json.loads(capsys.readouterr().out)
        assert outcome["holds"] is True
        assert [file["name"] for file in outcome["files"]] == ["trials.csv", "layers.csv"]
        assert all(file["sha256"] == file["original_sha256"] for file in outcome["files"])

    @pytest.mark.parametrize(
        ("content", "sentence"),
        [("{", "is damaged: it is no JSON"), ('{"study": "../x"}', "'study' must be the name of a study")],
    )
    def test_a_damaged_manifest_is_one_sentence(
        self, manifest: Path, capsys: pytest.CaptureFixture[str], content: str, sentence: str
    ) -> None:
        manifest.write_text(content)
        assert main([*REPRODUCE, str(manifest)]) == 1
        error = capsys.readouterr().err
        assert sentence in error
        assert error.count("\n") == 1

    def test_no_manifest_at_all(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        assert main([*REPRODUCE, str(tmp_path / "nothing")]) == 1
        assert capsys.readouterr().err == f"nnsim: error: there is no manifest '{tmp_path / 'nothing'}'\n"
