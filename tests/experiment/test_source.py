"""A study in a file is known by the SHA-256 of its text, and no result folder decides which program is loaded."""

from __future__ import annotations

import json
import os
import py_compile
import shutil
from importlib.util import cache_from_source
from pathlib import Path

import pytest
import toy
from nnsim_cli.main import main
from toy import hashes

from nnsim.core.atomic_files import sha256_of
from nnsim.core.errors import StoreError, UsageError
from nnsim.experiment.store import read_identity
from nnsim.runs.merge import merge_study
from nnsim.runs.run import run_study
from nnsim.study.discovery import find_study

TRAP = "from pathlib import Path\nPath(__file__).with_name('ran').touch()\n"


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A study in a file that leaves a trace where it is loaded; the working folder is elsewhere."""
    path = tmp_path / "authors" / "mine.py"
    path.parent.mkdir()
    path.write_text(TRAP + Path(toy.__file__).read_text().replace("from __future__ import annotations", ""))
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    return path


@pytest.fixture
def folder(file: Path) -> Path:
    """A finished run of the study in `file`, elsewhere."""
    out = file.parent.parent / "runs" / "out"
    run_study(str(file), output=out)
    file.with_name("ran").unlink()
    return out


@pytest.fixture
def other(file: Path) -> Path:
    """Another study in a file, of the same name."""
    path = file.with_name("other.py")
    path.write_text(file.read_text() + "# changed\n")
    return path


READERS = ("merge", "verify", "reproduce")


class TestRecord:
    def test_folder_and_manifest_tell_the_sha256(self, file: Path, folder: Path) -> None:
        assert read_identity(folder)["source_sha256"] == sha256_of(file)
        assert json.loads((folder / "manifest.json").read_text())["source_sha256"] == sha256_of(file)

    def test_an_installed_study_has_none(self) -> None:
        assert find_study("perceptron").source_sha256 == ""

    def test_tables_do_not_depend_on_it(self, folder: Path, tmp_path: Path) -> None:
        run_study(toy.study, output=tmp_path / "object")
        assert hashes(folder) == hashes(tmp_path / "object")

    def test_what_is_hashed_is_what_runs(self, file: Path, tmp_path: Path) -> None:
        """Compiled code beside a file must not stand in for it."""
        trap = tmp_path / "trap.py"
        trap.write_text("raise ValueError('the wrong code')".ljust(file.stat().st_size))
        os.utime(file, ns=(0, trap.stat().st_mtime_ns))
        py_compile.compile(str(trap), cache_from_source(str(file)), doraise=True)
        assert find_study(str(file)).name == "toy"


class TestNoFolderDecides:
    @pytest.mark.parametrize("command", READERS)
    def test_nothing_is_loaded_unless_the_user_names_it(
        self, file: Path, folder: Path, capsys: pytest.CaptureFixture[str], command: str
    ) -> None:
        assert main([command, str(folder), "-q"]) == 2
        error = capsys.readouterr().err
        assert "no folder decides which program is loaded" in error
        assert sha256_of(file) in error
        assert error.count("\n") == 1
        assert not file.with_name("ran").exists()

    @pytest.mark.parametrize("command", READERS)
    def test_a_file_beside_the_folder_is_offered_and_not_loaded(
        self, file: Path, folder: Path, capsys: pytest.CaptureFixture[str], command: str
    ) -> None:
        beside = Path(shutil.move(file, folder.parent / "my study.py"))
        assert main([command, str(folder), "-q"]) == 2
        assert f"so if you trust it add: --study '{beside}'" in capsys.readouterr().err
        assert not beside.with_name("ran").exists()

    @pytest.mark.parametrize("command", READERS)
    def test_the_right_file_is_taken_wherever_it_is(self, file: Path, folder: Path, command: str) -> None:
        moved = Path(shutil.move(file, folder.parent / "renamed.py"))
        assert main([command, str(folder), "-q", "--study", str(moved)]) == 0

    @pytest.mark.parametrize("command", READERS)
    def test_another_file_is_refused_with_both_sums(
        self, file: Path, folder: Path, other: Path, capsys: pytest.CaptureFixture[str], command: str
    ) -> None:
        assert main([command, str(folder), "-q", "--study", str(other)]) == 2
        error = capsys.readouterr().err
        assert sha256_of(file) in error
        assert sha256_of(other) in error
        assert error.count("\n") == 1

    def test_a_folder_without_the_sum_loads_nothing_either(self, file: Path, folder: Path) -> None:
        from nnsim.experiment import store

        config = json.loads((folder / "config.json").read_text())
        del config["source_sha256"]
        config["sha256"] = store._checksum(config)
        (folder / "config.json").write_text(json.dumps(config))
        with pytest.raises(UsageError, match="name that file with --study FILE"):
            merge_study(folder)
        assert not file.with_name("ran").exists()

    def test_status_loads_nothing(self, file: Path, folder: Path) -> None:
        assert main(["status", str(folder)]) == 0
        assert not file.with_name("ran").exists()


class TestSharing:
    def test_a_changed_file_does_not_go_on_in_the_folder(self, folder: Path, other: Path) -> None:
        with pytest.raises(StoreError, match=r"source_sha256 is .* or take the study's file back to what it was"):
            run_study(str(other), output=folder)

    def test_nor_does_its_shard(self, file: Path, other: Path, capsys: pytest.CaptureFixture[str]) -> None:
        assert main(["study", "run", str(file), "--shard", "0/2", "-o", "out"]) == 0
        assert main(["study", "run", str(other), "--shard", "1/2", "-o", "out"]) == 1
        error = capsys.readouterr().err
        assert sha256_of(file) in error
        assert sha256_of(other) in error

    def test_a_study_without_a_file_may_go_on(self, folder: Path) -> None:
        assert run_study(toy.study, output=folder).manifest["trials"] == {"done": 8}


class TestCompare:
    def test_either_file_of_two_runs_is_taken_and_the_difference_told(
        self, file: Path, folder: Path, other: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        run_study(str(other), output=folder.with_name("two"))
        for named in (file, other):
            assert main(["compare", str(folder), str(folder.with_name("two")), "--study", str(named), "--json"]) == 0
            outcome = json.loads(capsys.readouterr().out)
            assert outcome["configuration"] == {"source_sha256": [sha256_of(file), sha256_of(other)]}
            assert outcome["not_paired"] == ""

    def test_a_file_of_neither_is_refused(
        self, folder: Path, file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        assert main(["compare", str(folder), str(folder), "--study", toy.__file__]) == 2
        assert sha256_of(Path(toy.__file__)) in capsys.readouterr().err

    def test_nothing_is_loaded_unless_the_user_names_it(self, file: Path, folder: Path) -> None:
        assert main(["compare", str(folder), str(folder)]) == 2
        assert not file.with_name("ran").exists()
