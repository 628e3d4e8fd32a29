"""Where studies come from: a user's file or a package, and one sentence for each way in which it can be broken."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any

import pytest
import toy
from nnsim_cli.main import main

from nnsim.core.errors import UnknownNameError, UsageError
from nnsim.study import discovery
from nnsim.study.discovery import find_study, study_names


@pytest.fixture(autouse=True)
def usual_imports(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(sys, "path", list(sys.path))
    before = set(sys.modules)
    yield
    for name in set(sys.modules) - before:
        if name.startswith(("nnsim_study_", "neighbour")):
            del sys.modules[name]


@pytest.fixture
def packages(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Return a function that installs these entry points and no others."""

    def install(*entries: tuple[str, str]) -> None:
        found = [EntryPoint(name, value, discovery.GROUP) for name, value in entries]
        monkeypatch.setattr(discovery, "entry_points", lambda group: found)

    return install


class TestFiles:
    def test_a_study_is_found_in_a_file(self) -> None:
        assert find_study(toy.__file__).name == "toy"

    @pytest.mark.parametrize(
        ("content", "sentence"),
        [
            (None, "there is no study file '{}'"),
            ("study = 3", "'{}' provides no study: it must define study = nnsim.study.declaration.Study(...)"),
            ("", "'{}' provides no study: it must define study = nnsim.study.declaration.Study(...)"),
            ("x = 1\nstudy = (", "the study file '{}' cannot be imported: '(' was never closed, line 2"),
            ("x = 1\n\n1 / 0", "the study file '{}' cannot be imported: ZeroDivisionError: division by zero, line 3"),
            ("import no_such_module", "the study file '{}' cannot be imported: ModuleNotFoundError: No module named "
             "'no_such_module', line 1"),
            ("raise SystemExit('bye')", "the study file '{}' cannot be imported: SystemExit: bye, line 1"),
            ("raise ValueError('2\\nlines')", "the study file '{}' cannot be imported: ValueError: 2 lines, line 1"),
            ("import dataclasses, toy\n\nstudy = dataclasses.replace(toy.study, name='../up')",
             "the study file '{}' cannot be imported: ValueError: a study cannot be called '../up', line 3"),
        ],
        ids=["none", "no-study", "empty", "syntax", "raises", "import", "exit", "two-lines", "bad-name"],
    )  # fmt: skip
    def test_a_broken_file_is_one_sentence(
        self,
        tmp_path: Path,
        capsys: pytest.CaptureFixture[str],
        monkeypatch: pytest.MonkeyPatch,
        content: str | None,
        sentence: str,
    ) -> None:
        monkeypatch.delitem(sys.modules, "nnsim_study_mine", raising=False)  # another test's
        path = tmp_path / "mine.py"
        if content is not None:
            path.write_text(content)
        assert main(["study", "run", str(path)]) == 2
        assert capsys.readouterr().err == f"nnsim: error: {sentence.format(path)}\n"
        assert "nnsim_study_mine" not in sys.modules or content in {"study = 3", ""}

    @pytest.mark.parametrize("content", [b"x = '\xff'", b"x = 1\0"], ids=["no-utf-8", "zero-byte"])
    def test_a_file_that_is_no_text_is_one_sentence(
        self, tmp_path: Path, capsys: pytest.CaptureFixture[str], content: bytes
    ) -> None:
        (tmp_path / "mine.py").write_bytes(content)
        assert main(["study", "run", str(tmp_path / "mine.py")]) == 2
        error = capsys.readouterr().err
        assert error.startswith(f"nnsim: error: the study file '{tmp_path / 'mine.py'}' cannot be imported: ")
        assert error.count("\n") == 1

    def test_a_folder_is_no_file(self, tmp_path: Path) -> None:
        (tmp_path / "mine.py").mkdir()
        with pytest.raises(UsageError, match="there is no study file"):
            find_study(str(tmp_path / "mine.py"))

    def test_a_file_may_import_its_neighbours(self, tmp_path: Path) -> None:
        (tmp_path / "neighbour.py").write_text("import toy\nhelp = toy.study\n")
        (tmp_path / "mine.py").write_text("from neighbour import help as study\n")
        assert find_study(str(tmp_path / "mine.py")).name == "toy"

    def test_a_neighbour_does_not_hide_pythons_modules(self, tmp_path: Path) -> None:
        (tmp_path / "this.py").write_text("raise ValueError('the wrong one')")
        (tmp_path / "mine.py").write_text("import toy\nimport colorsys\nstudy = toy.study\n")
        (tmp_path / "colorsys.py").write_text("raise ValueError('the wrong one')")
        sys.modules.pop("colorsys", None)
        assert find_study(str(tmp_path / "mine.py")).name == "toy"


class TestPackages:
    def test_an_unknown_study_offers_the_nearest(self) -> None:
        with pytest.raises(UnknownNameError, match="did you mean 'init'"):
            find_study("inti")

    def test_a_name_that_leaves_the_folder_is_no_study(
        self, packages: Callable[..., None], capsys: pytest.CaptureFixture[str]
    ) -> None:
        packages(("../toy", "toy:study"), ("toy", "toy:study"))
        assert study_names() == ["toy"]
        assert main(["study", "../toy"]) == 2
        assert capsys.readouterr().err == "nnsim: error: unknown study '../toy': did you mean 'toy'? known are toy\n"

    def test_a_package_offers_a_study(self, packages: Callable[..., None]) -> None:
        packages(("toy", "toy:study"))
        assert find_study("toy") is toy.study

    @pytest.mark.parametrize(
        ("entries", "sentence"),
        [
            ([("x", "no_such_module:study")], "the study 'x' (no_such_module:study) cannot be imported: Module"),
            ([("x", "toy:no_such_name")], "the study 'x' (toy:no_such_name) cannot be imported: AttributeError"),
            ([("x", "toy:trials")], "'x' provides no study"),
            ([("x", "toy:study")], "the study 'x' (toy:study) calls itself 'toy': both must be the same"),
            ([("x", "toy:study")] * 2, "the study 'x' is offered more than once"),
        ],
        ids=["module", "attribute", "no-study", "name", "twice"],
    )
    def test_a_broken_package_is_one_sentence(
        self, packages: Callable[..., None], entries: list[tuple[str, str]], sentence: str
    ) -> None:
        packages(*entries)
        with pytest.raises(UsageError) as caught:
            find_study("x")
        assert str(caught.value).startswith(sentence)
        assert "\n" not in str(caught.value)

    def test_a_broken_package_hides_no_other(
        self, packages: Callable[..., None], capsys: pytest.CaptureFixture[str]
    ) -> None:
        packages(("broken", "no_such_module:study"), ("toy", "toy:study"))
        assert main(["study", "list"]) == 0
        streams: Any = capsys.readouterr()
        assert "Does the engine work?" in streams.out
        assert streams.err.startswith("nnsim: the study 'broken' (no_such_module:study) cannot be imported: ")
