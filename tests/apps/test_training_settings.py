"""Settings: text, TOML and command lines say the same."""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest

from nnsim.apps.settings import SETTINGS, Settings, command_line, read_toml, resolve, to_toml
from nnsim.core.errors import DataError, UnknownNameError, UsageError

SOME = {"data": 'my "own".csv', "hidden": "8,4", "batch_norm": True, "lr": "0.01", "loss_weights": "1,2.5", "epochs": 3}


def test_text_and_toml_values_are_read_alike():
    assert resolve({"hidden": "256,128", "lr": "1e-3"}) == resolve({"hidden": [256, 128], "lr": 0.001})


def test_hyphens_are_underscores():
    assert resolve({"batch-norm": True}).batch_norm


def test_names_with_commas_are_read_and_written_as_csv_does(tmp_path):
    settings = resolve({"drop": 'a,"b,c",none', "features": ["d", 'e "f"'], "thousands": " "})
    assert settings.drop == ("a", "b,c", "none")
    words = shlex.split(command_line(settings))
    assert resolve({"drop": words[words.index("--drop") + 1]}).drop == settings.drop
    (tmp_path / "c.toml").write_text(to_toml(settings), encoding="utf-8")
    assert read_toml(tmp_path / "c.toml") == settings


def test_tab_is_a_word_for_the_sign():
    assert resolve({"delimiter": "tab"}).delimiter == "\t"


def test_none_is_a_network_without_hidden_layers():
    assert resolve({"hidden": "none"}).hidden == ()


def test_what_is_not_given_is_the_base():
    assert resolve({"lr": None, "epochs": 2}, resolve({"lr": 0.5})) == resolve({"lr": 0.5, "epochs": 2})


def test_a_written_file_is_read_as_the_same_settings(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    settings = resolve(SOME)
    Path("c.toml").write_text(to_toml(settings), encoding="utf-8")
    assert read_toml(Path("c.toml")) == settings


def test_the_command_line_says_what_differs_from_the_defaults():
    words = shlex.split(command_line(resolve(SOME)))
    assert words == [
        "nnsim", "train", "--data", 'my "own".csv', "--hidden", "8,4", "--batch-norm", "--loss-weights", "1.0,2.5",
        "--lr", "0.01", "--epochs", "3",
    ]  # fmt: skip


def test_an_unknown_key_offers_the_nearest(tmp_path):
    (tmp_path / "c.toml").write_text("droput = 0.1")
    with pytest.raises(UnknownNameError, match="unknown setting 'droput': did you mean 'dropout'"):
        read_toml(tmp_path / "c.toml")


@pytest.mark.parametrize(
    ("name", "value", "wanted"),
    [
        ("epochs", "ten", "a whole number"),
        ("epochs", 1.5, "a whole number"),
        ("epochs", True, "a whole number"),
        ("lr", "fast", "a number"),
        ("hidden", "8,x", "whole numbers separated by commas"),
        ("batch_norm", "yes", "true or false"),
        ("data", 3, "a text"),
        ("hidden", [[1]], "whole numbers"),
    ],
)
def test_a_value_of_another_kind_is_refused(name, value, wanted):
    with pytest.raises(UsageError, match=f"--{name.replace('_', '-')} must be {wanted}"):
        resolve({name: value})


@pytest.mark.parametrize("content", [b"lr = ", b"\xff\xfe", b"lr = 1\nlr = 2"])
def test_a_file_that_is_no_toml_is_one_sentence(content, tmp_path):
    (tmp_path / "c.toml").write_bytes(content)
    with pytest.raises(DataError, match="is not TOML"):
        read_toml(tmp_path / "c.toml")


def test_every_setting_has_help_and_a_group():
    assert all(entry.metadata["help"].endswith(".") for entry in SETTINGS.values())


def test_defaults_are_of_their_own_kind():
    assert resolve(Settings().given) == Settings()
