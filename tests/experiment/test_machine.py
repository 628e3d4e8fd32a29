"""``nnsim info`` and ``nnsim cache``: what the machine is, and where compiled code is kept."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from importlib.metadata import PackageNotFoundError
from pathlib import Path
from typing import Any

import llvmlite.binding
import pytest
import toy
from nnsim_cli.main import main

from nnsim.core.errors import NnsimError
from nnsim.experiment.results import environment
from nnsim.kernels.compiling import compile_cache


def fail(*arguments: Any) -> Any:
    raise OSError("driver\nbroken")


class TestExtras:
    REQUIREMENTS = ("numpy>=2.0", "no-such-package[cu12]>=1; extra == 'cuda'", 'numpy>=2; extra == "test"')

    def test_what_is_missing_comes_with_its_command(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(environment, "requires", lambda package: list(self.REQUIREMENTS))
        assert environment.extras() == {
            "cuda": {"missing": ["no-such-package"], "install": "pip install 'nnsim[cuda]'"},
            "test": {"missing": [], "install": "pip install 'nnsim[test]'"},
        }

    def test_ours_are_found(self) -> None:
        assert {"bench", "cuda", "dask", "test"} <= environment.extras().keys()

    def test_from_sources_that_nobody_installed(self, monkeypatch: pytest.MonkeyPatch) -> None:
        def missing(package: str) -> Any:
            raise PackageNotFoundError(package)

        monkeypatch.setattr(environment, "requires", missing)
        monkeypatch.setattr(environment, "version", missing)
        assert environment.extras() == {}
        assert environment.versions()["nnsim"] is None


class TestInfo:
    @pytest.mark.parametrize(
        ("features", "bits"),
        [({"avx512f": True, "avx": True, "sse2": True}, 512), ({"avx512f": False, "avx": True}, 256),
         ({"sse2": True}, 128), ({"neon": True}, 128), ({}, None)],
    )  # fmt: skip
    def test_the_width_of_vectors(
        self, monkeypatch: pytest.MonkeyPatch, features: dict[str, bool], bits: int | None
    ) -> None:
        monkeypatch.setattr(llvmlite.binding, "get_host_cpu_features", lambda: features)
        assert environment.describe()["cpu"]["vector_bits"] == bits

    def test_json_is_the_whole_of_stdout(self, capsys: pytest.CaptureFixture[str]) -> None:
        assert main(["info", "--json"]) == 0
        facts = json.loads(capsys.readouterr().out)
        assert facts.keys() == {"versions", "platform", "cpu", "compile_cache", "gpu", "extras"}
        assert facts["cpu"]["usable"] >= 1
        assert facts["versions"]["python"] == sys.version.split()[0]

    def test_everything_is_shown(self, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(environment, "requires", lambda package: list(TestExtras.REQUIREMENTS))
        monkeypatch.setattr("nnsim.training.backend.find_spec", lambda name: None)
        monkeypatch.delenv("NUMBA_ENABLE_CUDASIM", raising=False)
        monkeypatch.setenv("COLUMNS", "200")
        assert main(["info"]) == 0
        out = capsys.readouterr().out
        for text in (
            "numba",
            "CPU",
            "usable",
            "compile cache",
            "cannot be used: the package numba-cuda is not installed",
        ):
            assert text in out
        assert "no-such-package missing: pip install 'nnsim[cuda]'" in out


@pytest.fixture
def no_cache(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compile_cache, "place", lambda: compile_cache.Place(None, "the disk is read-only"))


class TestCache:
    def test_path(self, capsys: pytest.CaptureFixture[str]) -> None:
        assert main(["cache", "path"]) == 0
        assert capsys.readouterr().out == f"{compile_cache.folder()}\n"

    @pytest.mark.usefixtures("no_cache")
    @pytest.mark.parametrize("command", ["path", "warm"])
    def test_without_one_it_says_why(self, capsys: pytest.CaptureFixture[str], command: str) -> None:
        assert main(["cache", command]) == 1
        assert capsys.readouterr().err == "nnsim: error: no compiled code is kept: the disk is read-only\n"

    @pytest.mark.usefixtures("no_cache")
    def test_info_says_why_too(self, capsys: pytest.CaptureFixture[str]) -> None:
        assert main(["info"]) == 0
        assert "none: the disk is read-only" in capsys.readouterr().out

    def test_clear_removes_every_state_and_nothing_else(
        self, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path))
        for name in ("nnsim-0123456789abcdef/cpu_1", "nnsim-fedcba9876543210", "nnsim-mine", "other"):
            (tmp_path / name).mkdir(parents=True)
            (tmp_path / name / "x.nbc").write_bytes(bytes(500_000))
        (tmp_path / "nnsim-00000000000000aa").symlink_to(tmp_path / "other")
        assert main(["cache", "clear"]) == 0
        assert capsys.readouterr().out == "removed the code of 2 versions, 1.0 MB\n"
        assert sorted(path.name for path in tmp_path.iterdir()) == ["nnsim-00000000000000aa", "nnsim-mine", "other"]
        assert (tmp_path / "other" / "x.nbc").is_file()

    def test_clear_of_nothing(
        self, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path / "nowhere"))
        assert main(["cache", "clear"]) == 0
        assert capsys.readouterr().out == "removed the code of 0 versions, 0.0 MB\n"

    def test_what_cannot_be_removed_is_one_sentence(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path))
        (tmp_path / "nnsim-0123456789abcdef").mkdir()
        monkeypatch.setattr("shutil.rmtree", fail)
        with pytest.raises(NnsimError, match=r"cannot remove '.*nnsim-0123456789abcdef'"):
            compile_cache.clear()

    def test_warm_compiles_what_the_studies_need(
        self, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        warmed: list[str] = []
        study = toy.study.__class__(**{**toy.study.__dict__, "warm_up": lambda: warmed.append("toy")})
        monkeypatch.setattr("nnsim.study.discovery.study_names", lambda: ["toy"])
        monkeypatch.setattr("nnsim.study.discovery.find_study", lambda name: study)
        assert main(["cache", "warm"]) == 0
        streams = capsys.readouterr()
        assert warmed == ["toy"]
        assert streams.out == f"{compile_cache.folder()}\n"
        assert streams.err.startswith("compiling kernels of study 'toy'\ncompiled in ")

    def test_warm_compiles_each_large_kernel_of_all_studies_once(
        self, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        compiled: list[str] = []
        monkeypatch.setattr("nnsim.training.precompile.LargeKernel.is_kept", lambda kernel: False)
        monkeypatch.setattr(
            "nnsim.experiment.executors.warm_up.compile_side_by_side", lambda names, jobs: compiled.extend(names)
        )
        names = ("evaluate float32", "logits float32")
        studies = {"one": replace(toy.study, kernels=names), "two": replace(toy.study, kernels=names[:1])}
        monkeypatch.setattr("nnsim.study.discovery.find_study", studies.__getitem__)
        assert main(["cache", "warm", "one", "two"]) == 0
        assert sorted(compiled) == sorted(names)
        assert capsys.readouterr().err.startswith("compiling large kernels on ")

    def test_warm_names_the_nearest_study(self, capsys: pytest.CaptureFixture[str]) -> None:
        assert main(["cache", "warm", "inti"]) == 2
        assert "did you mean 'init'" in capsys.readouterr().err
