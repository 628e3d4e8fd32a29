"""Names where a user looks for them: in lists, in help, in a study's page and behind Tab."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from nnsim_cli.completion import TRAINING_CHOICES
from nnsim_cli.main import main

from nnsim.core.vocabulary import VOCABULARY
from nnsim.data.datasets import DATASETS
from nnsim.kernels.formulas.activations import ACTIVATIONS
from nnsim.kernels.formulas.losses import LOSSES
from nnsim.kernels.formulas.optimizers import OPTIMIZERS
from nnsim.networks.initializers import SCHEMES
from nnsim.networks.spec import DTYPES
from nnsim.study.declaration import Axis, presets
from nnsim.study.discovery import find_study, study_names
from nnsim.training.recipe import WATCHED
from nnsim.training.schedules import SCHEDULES

REGISTRIES = {
    "activations": ACTIVATIONS,
    "schemes": SCHEMES,
    "optimizers": OPTIMIZERS,
    "schedules": SCHEDULES,
    "datasets": DATASETS,
}


@pytest.mark.parametrize("kind", VOCABULARY)
def test_the_vocabulary_is_that_of_the_registries(kind: str) -> None:
    assert list(VOCABULARY[kind]) == list(REGISTRIES[kind])


def test_the_choices_of_a_training_are_those_that_exist() -> None:
    assert {name: set(choices) for name, choices in TRAINING_CHOICES.items()} == {
        "loss": set(LOSSES),
        "dtype": set(DTYPES),
        "watch": set(WATCHED),
    }


class TestList:
    @pytest.mark.parametrize("kind", [*VOCABULARY, "studies"])
    def test_each_name_has_a_meaning(self, kind: str, capsys: pytest.CaptureFixture[str]) -> None:
        assert main(["list", kind, "--json"]) == 0
        entries = json.loads(capsys.readouterr().out)
        assert [entry["name"] for entry in entries] == (study_names() if kind == "studies" else list(REGISTRIES[kind]))
        assert all(entry["meaning"] and "\n" not in entry["meaning"] for entry in entries)

    def test_as_a_table(self, capsys: pytest.CaptureFixture[str]) -> None:
        assert main(["list", "activations"]) == 0
        lines = capsys.readouterr().out.splitlines()
        assert any(line.split()[:2] == ["relu", "max(z,"] for line in lines)

    def test_an_unknown_kind_names_those_that_exist(self, capsys: pytest.CaptureFixture[str]) -> None:
        assert main(["list", "colours"]) == 2
        assert "'activations', 'schemes', 'optimizers', 'schedules', 'datasets', 'studies'" in capsys.readouterr().err

    def test_alone_it_says_which_there_are(self, capsys: pytest.CaptureFixture[str]) -> None:
        assert main(["list"]) == 0
        assert "activations|schemes|" in capsys.readouterr().out.replace("\n", "").replace(" ", "")


class TestHelp:
    @pytest.mark.parametrize(
        ("command", "kinds"),
        [
            ("train", ["activations", "schemes", "optimizers", "schedules", "datasets"]),
            ("lr-find", ["activations", "schemes", "optimizers", "datasets"]),
            ("gradcheck", ["activations", "schemes"]),
            ("study init", ["activations", "schemes", "datasets"]),
            ("study optimizer", ["optimizers", "datasets"]),
            ("study learning-rate", ["datasets"]),
        ],
    )
    def test_an_option_names_what_it_takes(
        self, command: str, kinds: list[str], capsys: pytest.CaptureFixture[str]
    ) -> None:
        assert main([*command.split(), "--help"]) == 0
        text = " ".join(capsys.readouterr().out.split())
        assert all(", ".join(VOCABULARY[kind]) in text for kind in kinds)

    def test_so_does_the_page_of_a_study(self, capsys: pytest.CaptureFixture[str]) -> None:
        assert main(["study", "show", "init"]) == 0
        words = set(capsys.readouterr().out.replace(",", " ").split())
        assert {*ACTIVATIONS, *SCHEMES, *DATASETS} <= words

    def test_it_imports_nothing_heavy(self) -> None:
        code = (
            "import sys; from nnsim_cli.main import main; main(['train', '--help']); "
            "sys.exit(' '.join({'numba', 'numpy', 'pandas'} & set(sys.modules)))"
        )
        assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stderr == "\n"

    def test_an_axis_of_unknown_names_is_refused(self) -> None:
        with pytest.raises(ValueError, match="has names 'colours', allowed are activations"):
            Axis("paint", str, "paint", presets("a", "a", "a"), names="colours")

    @pytest.mark.parametrize("name", study_names())
    def test_axes_are_said_to_take_names_that_they_take(self, name: str) -> None:
        for axis in find_study(name).axes:
            values = axis.values["quick"] if not axis.scalar else [axis.values["quick"]]
            if axis.names:
                assert {str(value).split(":")[0] for value in values} <= set(VOCABULARY[axis.names])


class TestCompletion:
    def offered(self, line: str, folder: Path) -> list[tuple[str, str]]:
        """Return what bash would get for a line whose last word is being typed: pairs of type and text."""
        words = ["nnsim", *line.split(" ")]
        variables = {
            "_NNSIM_COMPLETE": "bash_complete",
            "COMP_WORDS": " ".join(words),
            "COMP_CWORD": str(len(words) - 1),
        }
        code = "import sys; from nnsim_cli.main import main; sys.exit(main([]))"
        command = [sys.executable, "-c", code]
        done = subprocess.run(command, cwd=folder, env=os.environ | variables, capture_output=True, text=True)
        assert done.stderr == ""
        return [(kind, text) for kind, _, text in (entry.partition(",") for entry in done.stdout.splitlines())]

    @pytest.mark.parametrize(
        ("line", "text"),
        [
            ("stu", "study"),
            ("study vani", "vanishing-gradient"),
            ("study show per", "perceptron"),
            ("study run per", "perceptron"),
            ("submit per", "perceptron"),
            ("cache warm per", "perceptron"),
            ("study all --only init,per", "init,perceptron"),
            ("merge out --study per", "perceptron"),
            ("study init --pre", "--preset"),
            ("study init --preset pa", "paper"),
            ("study init --activation relu,lea", "relu,leaky_relu"),
            ("study init --figure-format png,s", "png,svg"),
            ("study optimizer --optimizer adam", "adamw"),
            ("train --activation ge", "gelu_tanh"),
            ("train --init he_n", "he_normal"),
            ("train --schedule cos", "cosine_restarts"),
            ("train --data dig", "digits"),
            ("train --loss hu", "huber"),
            ("train --dtype float6", "float64"),
            ("train --watch m", "metric"),
            ("list sche", "schemes"),
        ],
    )
    def test_a_name_is_offered(self, line: str, text: str, tmp_path: Path) -> None:
        assert ("plain", text) in self.offered(line, tmp_path)

    @pytest.mark.parametrize("line", ["study run m", "study show m", "train --data m", "train --config m", "merge m"])
    def test_files_are_offered(self, line: str, tmp_path: Path) -> None:
        assert ("file", "m") in self.offered(line, tmp_path)

    def test_bash_shows_names_though_a_file_will_do(self, tmp_path: Path) -> None:
        kinds = [kind for kind, _ in self.offered("study in", tmp_path)]
        assert (kinds[0], set(kinds[1:])) == ("file", {"plain"})  # its script forgets what stands before a file

    def test_tab_runs_no_study_in_a_file(self, tmp_path: Path) -> None:
        (tmp_path / "mine.py").write_text("open('ran', 'w')\n")
        for line in ("study run mine.py --s", "study mine.py --s", "submit mine.py --s"):
            self.offered(line, tmp_path)
        assert not (tmp_path / "ran").exists()
