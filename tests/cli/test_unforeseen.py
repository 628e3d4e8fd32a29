"""What no command foresees: errors of ours, too little memory, no home, odd terminals and odd byte orders."""

from __future__ import annotations

import io
import os
import re
import stat
import subprocess
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import toy
from nnsim_cli.main import main

from nnsim.apps.settings import read_toml as read_training_toml
from nnsim.apps.sklearn import MLPClassifier
from nnsim.core.errors import MemoryShortageError
from nnsim.experiment.config_files import read_toml as read_study_toml
from nnsim.networks import memory
from nnsim.networks.initializers import initialize
from nnsim.networks.spec import NetworkSpec


@pytest.fixture(autouse=True)
def own_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))


class TestFault:
    """An exception that is none of ours."""

    @pytest.fixture(autouse=True)
    def broken(self, monkeypatch):
        def fail(*arguments, **options):
            raise KeyError("what\nnobody expects")

        monkeypatch.setattr("nnsim.experiment.results.environment.describe", fail)

    def test_it_is_one_sentence_and_code_1(self, capsys):
        assert main(["info"]) == 1
        error = capsys.readouterr().err
        assert error.count("\n") == 1
        assert error.startswith(
            "nnsim: error: nobody foresaw this: KeyError: 'what\\nnobody expects'; its traceback is"
        )

    def test_the_file_that_it_names_holds_the_traceback_for_its_owner_alone(self, capsys):
        main(["info", "--json"])
        path = Path(re.search("is in '(.*)', and", capsys.readouterr().err)[1])
        text = path.read_text(encoding="utf-8")
        assert text.startswith("nnsim info --json\n")
        assert "KeyError: 'what\\nnobody expects'" in text.splitlines()[-1]
        assert stat.S_IMODE(path.stat().st_mode) == 0o600

    @pytest.mark.parametrize("words", [["--debug", "info"], ["info", "--debug"], ["info", "--debug", "--json"]])
    def test_debug_shows_it_wherever_it_stands_and_writes_no_file(self, words, capsys):
        assert main(words) == 1
        assert "Traceback (most recent call last)" in capsys.readouterr().err
        assert os.listdir() == []

    def test_without_a_place_for_the_file_the_sentence_names_debug(self, monkeypatch, capsys):
        monkeypatch.setattr(tempfile, "tempdir", "/nowhere")
        assert main(["info"]) == 1
        assert capsys.readouterr().err.endswith("; --debug shows its traceback\n")


def test_debug_is_explained(capsys):
    main(["--help"])
    assert "--debug" in capsys.readouterr().out


class TestMemory:
    HUGE = ("--hidden", "100000,100000")

    @pytest.fixture(autouse=True)
    def small_machine(self, monkeypatch):
        monkeypatch.setattr(memory, "memory_limit", lambda: 2**33)

    @pytest.mark.parametrize(
        ("command", "size"),
        [("train --data iris -o out", "149.0"), ("lr-find --data iris", "149.0"), ("gradcheck", "74.5")],
    )
    def test_a_network_that_does_not_fit_is_one_sentence_with_its_size(self, command, size, capsys):
        assert main([*command.split(), *self.HUGE]) == 1
        error = capsys.readouterr().err
        assert f"parameters takes at least {size} GiB of memory, and there are 8.0 GiB" in error
        assert error.count("\n") == 1
        assert os.listdir() == []

    def test_an_estimator_raises_the_same(self):
        with pytest.raises(MemoryShortageError, match="GiB"):
            MLPClassifier((100000, 100000)).fit(np.eye(4), [0, 1, 0, 1])

    def test_one_that_fits_is_let_through(self):
        spec = NetworkSpec((4, 8, 3))
        assert initialize(spec, "he_normal", 0).size == spec.n_parameters

    def test_an_allocation_that_fails_is_one_sentence(self, monkeypatch, capsys):
        def fail():
            raise MemoryError

        monkeypatch.setattr("nnsim.experiment.results.environment.describe", fail)
        assert main(["info"]) == 1
        assert capsys.readouterr().err == "nnsim: error: there is not enough memory\n"


def test_the_limit_of_a_container_counts(tmp_path, monkeypatch):
    monkeypatch.setattr(memory, "CONTROL_GROUP", tmp_path / "memory.max")
    free = memory.memory_limit()
    (tmp_path / "memory.max").write_text("4096\n")
    assert memory.memory_limit() == 4096
    (tmp_path / "memory.max").write_text("max\n")
    assert memory.memory_limit() == free


class TestTerminal:
    """Streams that are not UTF-8: what they lack is escaped."""

    def printed(self, monkeypatch, encoding, *words):
        streams = [io.TextIOWrapper(io.BytesIO(), encoding=encoding) for _ in range(2)]
        monkeypatch.setattr(sys, "stdout", streams[0])
        monkeypatch.setattr(sys, "stderr", streams[1])
        code = main(words)
        return code, [stream.buffer.getvalue().decode(encoding) for stream in streams]

    @pytest.mark.parametrize("encoding", ["latin-1", "ascii", "cp1252", "utf-8"])
    def test_greek_in_a_study_and_the_rules_of_its_tables_are_never_refused(self, encoding, monkeypatch):
        study = replace(toy.study, question="is α < β?")
        monkeypatch.setattr("nnsim.study.discovery.find_study", lambda name: study)
        code, (out, error) = self.printed(monkeypatch, encoding, "study", "show", "toy")
        assert (code, error) == (0, "")
        assert ("α < β" if encoding == "utf-8" else "\\u03b1 < \\u03b2") in out

    @pytest.mark.parametrize("encoding", ["latin-1", "ascii", "utf-8"])
    def test_a_sentence_about_a_name_that_is_not_utf8_is_shown_escaped(self, encoding, monkeypatch):
        code, (_, error) = self.printed(monkeypatch, encoding, "status", "日本\udce9")
        assert code == 1
        assert ("'日本\\udce9'" if encoding == "utf-8" else "'\\u65e5\\u672c\\udce9'") in error

    def test_the_real_streams_are_covered(self):
        command = [sys.executable, "-m", "nnsim_cli", "status", "日本"]
        environment = os.environ | {"PYTHONIOENCODING": "ascii"}
        done = subprocess.run(command, capture_output=True, env=environment, check=False)
        assert b"'\\u65e5\\u672c' is not a result folder" in done.stderr

    @pytest.mark.parametrize("words", ["--version", "info"])
    def test_closed_streams_are_no_fault(self, words):
        done = subprocess.run(f'exec "{sys.executable}" -m nnsim_cli {words} >&- 2>&-', shell=True, check=False)
        assert done.returncode == 0


WITHOUT_HOME = """
import pwd, sys
def unknown(uid): raise KeyError(uid)
pwd.getpwuid = unknown
from nnsim.kernels.compiling.compile_cache import base
import nnsim.report.figures
print(base())
"""


def without(*variables):
    return {name: value for name, value in os.environ.items() if name not in variables}


def test_a_user_without_a_home_or_a_name_is_served():
    environment = without("HOME", "XDG_CACHE_HOME", "NUMBA_CACHE_DIR", "SLURM_JOB_ID", "USER", "LOGNAME")
    command = [sys.executable, "-c", WITHOUT_HOME]
    done = subprocess.run(command, capture_output=True, env=environment, text=True, check=False)
    assert done.stdout.endswith(f"/nnsim-cache-{os.getuid()}\n")
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("backend", ["module://a_package_that_is_not_there.backend", "no_backend", "svg"])
def test_figures_need_no_backend_of_a_notebook(backend):
    program = (
        "import os\n"
        "from nnsim.report.figures import Figure, encode\n"
        "assert encode(Figure(), 'png').startswith(b'\\x89PNG')\n"
        "print(os.environ['MPLBACKEND'])"
    )
    environment = os.environ | {"MPLBACKEND": backend}
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, env=environment, text=True, check=False)
    assert (done.stdout, done.stderr) == (f"{backend}\n", "")


@pytest.mark.parametrize("read", [read_training_toml, read_study_toml])
def test_a_byte_order_mark_before_toml_is_no_part_of_it(read, tmp_path):
    (tmp_path / "c.toml").write_bytes(b"\xef\xbb\xbfseed = 7\n")
    settings = read(tmp_path / "c.toml")
    assert (settings["seed"] if isinstance(settings, dict) else settings.seed) == 7
