"""Settings: a TOML file under the environment under flags, and the resolved configuration that runs again."""

from __future__ import annotations

import dataclasses
import json
import shlex
import tomllib
from pathlib import Path
from typing import Any

import click
import pytest
import toy
from nnsim_cli.main import main
from nnsim_cli.settings import with_environment

from nnsim.core.atomic_files import sha256_of
from nnsim.experiment.config import resolve
from nnsim.experiment.config_files import read_assignments, to_toml
from nnsim.experiment.plan import make_plan

RUN = ("study", "run", toy.__file__)


@pytest.fixture
def dry(capsys: pytest.CaptureFixture[str]) -> Any:
    """Return a function that gives the plan of a command as JSON says it."""

    def plan(*arguments: str) -> dict[str, Any]:
        assert main([*RUN, "--dry-run", "--json", *arguments]) == 0
        return json.loads(capsys.readouterr().out)

    return plan


@pytest.fixture
def refused(capsys: pytest.CaptureFixture[str]) -> Any:
    """Return a function that gives the one sentence with which a command is refused."""

    def sentence(*arguments: str) -> str:
        assert main([*RUN, "--dry-run", *arguments]) == 2
        error = capsys.readouterr().err
        assert error.count("\n") == 1
        return error.removeprefix("nnsim: error: ").rstrip("\n")

    return sentence


@pytest.fixture
def toml(tmp_path: Path) -> Any:
    """Return a function that writes a TOML file and gives the two words that read it."""

    def write(content: str) -> tuple[str, str]:
        (tmp_path / "my.toml").write_text(content)
        return "--config", str(tmp_path / "my.toml")

    return write


class TestPrecedence:
    def test_a_file_sets_axes_and_options(self, dry: Any, toml: Any) -> None:
        plan = dry(*toml('size = [3, 4]\nscale = "log:0.1:10:3"\nrepeats = 1\nseed = 7\njobs = 2\n'))
        assert (plan["axes"]["size"], plan["axes"]["scale"], plan["axes"]["repeats"]) == ([3, 4], [0.1, 1.0, 10.0], 1)
        assert (plan["seed"], plan["jobs"]) == (7, 2)

    def test_the_environment_overrides_the_file(self, dry: Any, toml: Any, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("NNSIM_STUDY_TOY_SIZE", "5,6")
        monkeypatch.setenv("NNSIM_STUDY_TOY_SEED", "8")
        plan = dry(*toml("size = 3\nseed = 7\nrepeats = 1"))
        assert (plan["axes"]["size"], plan["seed"], plan["axes"]["repeats"]) == ([5, 6], 8, 1)

    def test_one_studys_variables_are_not_anothers(self) -> None:
        shared = click.Option(["--seed"], type=int)
        other = dataclasses.replace(toy.study, name="other")
        named = {study.name: with_environment(study, [shared])[0].envvar for study in (toy.study, other)}
        assert named == {"toy": "NNSIM_STUDY_TOY_SEED", "other": "NNSIM_STUDY_OTHER_SEED"}
        assert shared.envvar is None

    @pytest.mark.parametrize("flag", [("--size", "9"), ("--set", "size=9")])
    def test_flags_override_the_environment(
        self, dry: Any, toml: Any, monkeypatch: pytest.MonkeyPatch, flag: tuple[str, ...]
    ) -> None:
        monkeypatch.setenv("NNSIM_STUDY_TOY_SIZE", "5,6")
        assert dry(*toml("size = 3"), *flag)["axes"]["size"] == [9]

    def test_the_file_may_stand_behind_the_flags(self, dry: Any, toml: Any) -> None:
        assert dry("--size", "9", *toml("size = 3"))["axes"]["size"] == [9]

    def test_what_nobody_sets_is_the_presets(self, dry: Any, toml: Any) -> None:
        assert dry(*toml(""))["axes"] == dry()["axes"]


class TestRules:
    """Zip and exclude from a file, from the environment and as flags."""

    FLAGS = ("--zip", "size,scale", "--exclude", "shape=cube,size=2", "--exclude", "shape=square,size=1")

    def test_flags_and_file_say_the_same(self, dry: Any, toml: Any) -> None:
        by_flags = dry("--size", "1,2,3", "--scale", "lin:1:3:3", *self.FLAGS)
        by_file = dry(
            *toml(
                'size = "range:1:4"\nscale = [1, 2.0, 3]\nzip = [["size", "scale"]]\n'
                'exclude = [{shape = "cube", size = 2}, {shape = "square", size = 1}]'
            )
        )
        assert by_file == by_flags
        assert by_flags["trials"] == {"solid": 8}
        assert by_flags["axes"]["zip"] == [["size", "scale"]]

    def test_one_rule_needs_no_list(self, dry: Any, toml: Any) -> None:
        assert dry(*toml("exclude = {size = 2}"))["axes"]["exclude"] == [{"size": 2}]

    def test_the_environment_separates_rules_by_blanks(self, dry: Any, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("NNSIM_STUDY_TOY_EXCLUDE", "shape=cube,size=2 shape=square,size=1")
        assert dry()["trials"] == {"solid": 4}

    def test_a_dry_run_shows_them(self, capsys: pytest.CaptureFixture[str]) -> None:
        assert main([*RUN, "--dry-run", "--exclude", "shape=cube,size=2"]) == 0
        assert "shape=cube,size=2" in capsys.readouterr().out

    def test_nothing_left_is_one_sentence(self, refused: Any) -> None:
        assert refused("--exclude", "size=1", "--exclude", "size=2").startswith("study 'toy' has no trial left")


class TestWrongUse:
    @pytest.mark.parametrize(
        ("content", "sentence"),
        [
            ("sise = 3", "' 'sise': did you mean 'size'? known are"),
            ('study = "init"', "is for the study 'init', not for 'toy'"),
            ("size = [1", "is no TOML: "),
            ("size = 1\nsize = 2", "is no TOML: "),
            ("seed = 3.5", "the setting seed must be a whole number, got '3.5'"),
            ("seed = true", "the setting seed must be a whole number, got 'True'"),
            ("output = 3", "the setting output must be a text, got '3'"),
            ("preset = 1", "the setting preset must be a text, got '1'"),
            ('preset = "quik"', "Invalid value for '--preset'"),
            ("strict = 1", "the setting strict must be true or false, got '1'"),
            ("size = [1.5]", "--size must be a whole number, got '1.5'"),
            ("size = {a = 1}", "--size must be a whole number, got "),
            ("shape = {cube = 1}", "--shape must be a name, got "),
            ("size = []", "--size is empty: give at least one value"),
            ("[axes]\nsize = 3", "'axes': "),
            ("set = 3", "'set': "),
        ],
    )
    def test_a_file_that_cannot_be_used(self, refused: Any, toml: Any, content: str, sentence: str) -> None:
        assert sentence in refused(*toml(content))

    def test_a_missing_file(self, refused: Any, tmp_path: Path) -> None:
        path = tmp_path / "no.toml"
        assert refused("--config", str(path)) == f"cannot read the configuration '{path}': no such file or directory"

    def test_a_folder(self, refused: Any, tmp_path: Path) -> None:
        assert refused("--config", str(tmp_path)) == f"cannot read the configuration '{tmp_path}': is a directory"

    def test_bytes_that_are_no_text(self, refused: Any, tmp_path: Path) -> None:
        (tmp_path / "my.toml").write_bytes(b"size = \xff")
        assert "is not UTF-8 text" in refused("--config", str(tmp_path / "my.toml"))

    def test_an_unknown_variable_offers_the_nearest(self, refused: Any, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("NNSIM_STUDY_TOY_SISE", "3")
        sentence = "unknown setting in the variable NNSIM_STUDY_TOY_SISE, 'sise': did you mean 'size'? known are"
        assert refused().startswith(sentence)

    def test_variables_of_a_study_with_a_longer_name_are_its_own(
        self, dry: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("NNSIM_STUDY_TOY_STORY_WIDTH", "3")
        monkeypatch.setattr("nnsim.study.discovery.study_names", lambda: ["toy-story"])
        assert dry()["seed"] == 0

    @pytest.mark.parametrize(
        ("flags", "sentence"),
        [
            (("--set", "sise=3"), "unknown axis of study 'toy' 'sise': did you mean 'size'?"),
            (("--set", "size"), "--set takes an axis and its value, as in --set depth=5,30, got 'size'"),
            (("--set", "size=1", "--set", "size=2"), "--set gives the axis size twice"),
            (("--set", "size=1", "--size", "2"), "--size and --set size set the same axis: give one of them"),
            (("--set", "size=0"), "--size 0 is not allowed: it must be at least 1"),
        ],
    )
    def test_an_assignment_that_cannot_be_used(self, refused: Any, flags: tuple[str, ...], sentence: str) -> None:
        assert refused(*flags).startswith(sentence)

    def test_an_assignment_may_name_an_axis_with_hyphens(self) -> None:
        axes = (toy.axis("step_size", int, (1,)),)
        assert read_assignments(dataclasses.replace(toy.study, axes=axes), ["step-size=3"]) == {"step_size": "3"}


class TestRoundTrip:
    OPTIONS = (
        "--size", "range:1:4", "--scale", "log:1e-3:0.7:3", "--zip", "size,scale", "--exclude", "shape=cube,size=2",
        "--seed", "5", "--repeats", "1",
    )  # fmt: skip

    def test_the_written_configuration_runs_the_same_trials(self, tmp_path: Path) -> None:
        assert main([*RUN, "-q", "-o", str(tmp_path / "a"), *self.OPTIONS]) == 0
        assert main([*RUN, "-q", "-o", str(tmp_path / "b"), "--config", str(tmp_path / "a" / "config.toml")]) == 0
        for name in ("trials.csv", "layers.csv", "config.toml"):
            assert sha256_of(tmp_path / "a" / name) == sha256_of(tmp_path / "b" / name), name

    def test_the_written_configuration_goes_on_in_its_own_folder(self, tmp_path: Path) -> None:
        assert main([*RUN, "-q", "-o", str(tmp_path), *self.OPTIONS]) == 0
        assert main([*RUN, "-q", "-o", str(tmp_path), "--config", str(tmp_path / "config.toml")]) == 0

    def test_the_command_in_the_manifest_runs_the_same_trials(self, tmp_path: Path) -> None:
        assert main([*RUN, "-q", "-o", str(tmp_path / "a"), *self.OPTIONS]) == 0
        command = json.loads((tmp_path / "a" / "manifest.json").read_text())["command"]
        assert "--zip size,scale --exclude shape=cube,size=2" in command
        assert main([*shlex.split(command)[1:], "-q", "-o", str(tmp_path / "b")]) == 0
        assert sha256_of(tmp_path / "a" / "trials.csv") == sha256_of(tmp_path / "b" / "trials.csv")

    @pytest.mark.parametrize("name", ['a "quoted" \\ name', "tab\tline\nend", "naïve 🎈", "\x7f\x01", ""])
    def test_any_text_comes_back(self, name: str) -> None:
        axis = toy.axis("shape", str, ("x",), scalar=True)
        study = dataclasses.replace(toy.study, axes=(axis,), trials=lambda config: [{"kind": "x", **config}])
        plan = make_plan(study, resolve(study, "quick", {"shape": name}))
        assert tomllib.loads(to_toml(plan, "quick", Path()).decode())["shape"] == name

    @pytest.mark.parametrize("number", [1e-7, 1e22, 0.1, 5e-324, 1.7976931348623157e308, 3.0])
    def test_any_number_comes_back(self, number: float) -> None:
        plan = make_plan(toy.study, resolve(toy.study, "quick", {"scale": number}))
        assert tomllib.loads(to_toml(plan, "quick", Path()).decode())["scale"] == [number]
