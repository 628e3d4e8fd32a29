"""Results are kept while no source changes, and only whole ones."""

from __future__ import annotations

import json
from pathlib import Path

import kept
import pytest

from nnsim.kernels.compiling import compile_cache


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the folder of compiled kernels, an empty one."""
    monkeypatch.setattr(compile_cache, "folder", lambda: tmp_path)
    return tmp_path


def write(folder: Path) -> None:
    """Fill a folder, and count how often."""
    marks.append(folder)
    (folder / "result").write_text("done")


marks: list[Path] = []


def test_a_result_is_made_once_for_each_name() -> None:
    marks.clear()
    places = [kept.folder(write, name, 1) for name in ("a", "b", "a")]
    assert len(marks) == 2
    assert places[0] == places[2] != places[1]
    assert all((place / "result").read_text() == "done" for place in places if place is not None)


def test_an_edit_has_it_made_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = tmp_path / "source"
    source.mkdir()
    monkeypatch.setattr(kept, "SOURCES", (source,))
    states = set()
    for text in ("x = 1", "x = 2", "x = 1"):
        (source / "module.py").write_text(text)
        states.add(kept.state.__wrapped__())
    assert len(states) == 2


def test_what_fails_halfway_is_not_kept(cache: Path) -> None:
    def fail(folder: Path) -> None:
        write(folder)
        raise ArithmeticError

    with pytest.raises(ArithmeticError):
        kept.folder(fail, "a")
    assert not list(cache.rglob("result"))


def test_a_check_that_passed_is_not_run_again() -> None:
    marks.clear()
    for _ in range(3):
        kept.passed(lambda: marks.append(Path()), "a")
    assert len(marks) == 1


def test_a_check_that_failed_is_run_again() -> None:
    def fail() -> None:
        raise ArithmeticError

    for _ in range(3):
        with pytest.raises(ArithmeticError):
            kept.passed(fail, "a")


def test_without_a_cache_a_check_is_run_each_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compile_cache, "folder", lambda: None)
    marks.clear()
    for _ in range(2):
        kept.passed(lambda: marks.append(Path()), "a")
    assert len(marks) == 2


def test_without_a_cache_it_is_made_each_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compile_cache, "folder", lambda: None)
    marks.clear()
    assert kept.folder(write, "a") is None
    assert not marks


def test_a_script_that_fails_says_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kept, "TESTS", tmp_path)
    (tmp_path / "script.py").write_text("import os\nprint(os.environ['ANSWER'])")
    assert kept.json_of("script.py", ANSWER=json.dumps([42])) == [42]
    with pytest.raises(AssertionError, match="KeyError"):
        kept.json_of("script.py")
