"""CSV in the forms that people have: separators, compression, standard input; as fast for numbers as before."""

from __future__ import annotations

import gzip
import io
import json
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from nnsim_cli.main import main

from nnsim.core.errors import DataError, UsageError
from nnsim.data.csv_files import CsvFile
from nnsim.data.data_files import DataFile
from nnsim.data.dialects import Dialect
from nnsim.data.readers import Reading, read

PLAIN = "a,b,y\n1.5,2,p\n3,4,q\n"


def held(path: Path, reading: Reading | None = None) -> list[list[float]]:
    return read(path, "y", reading=reading).X.tolist()


@pytest.mark.parametrize("sign", [",", ";", "\t"])
def test_the_sign_between_columns_is_found_in_the_header(sign, tmp_path):
    (tmp_path / "a.csv").write_text(PLAIN.replace(",", sign))
    assert held(tmp_path / "a.csv") == [[1.5, 2], [3, 4]]


def test_decimal_commas_go_with_semicolons(tmp_path):
    (tmp_path / "a.csv").write_text("a;b;y\n1,5;2;p\n3;4;q\n")
    assert held(tmp_path / "a.csv", Reading(Dialect(decimal=","))) == [[1.5, 2], [3, 4]]


def test_where_the_header_has_several_signs_the_first_row_decides(tmp_path):
    (tmp_path / "a.csv").write_text("a;b,y\n1,p\n2,q\n")
    assert [feature.name for feature in read(tmp_path / "a.csv", "y").features] == ["a;b"]


def test_where_several_signs_fit_the_user_says_which(tmp_path):
    (tmp_path / "a.csv").write_text("a;b,y\n1;2,p\n3;4,q\n")
    with pytest.raises(UsageError, match="by commas or semicolons: say which with --delimiter"):
        read(tmp_path / "a.csv", "y")
    table = read(tmp_path / "a.csv", "y", reading=Reading(Dialect(delimiter=",")))
    assert [feature.name for feature in table.features] == ["a;b"]


def test_any_sign_can_be_said(tmp_path):
    (tmp_path / "a.csv").write_text(PLAIN.replace(",", "|"))
    assert held(tmp_path / "a.csv", Reading(Dialect(delimiter="|"))) == [[1.5, 2], [3, 4]]


@pytest.mark.parametrize("name", ["a.csv.gz", "a.csv", "A.CSV.GZ"])
def test_gzip_is_told_by_content(name, tmp_path):
    (tmp_path / name).write_bytes(gzip.compress(PLAIN.encode()))
    assert held(tmp_path / name) == [[1.5, 2], [3, 4]]


def test_a_file_of_tabs_is_read_by_its_name(tmp_path):
    (tmp_path / "a.tsv").write_text("a,b\ty\n1\tp\n2\tq\n")
    assert held(tmp_path / "a.tsv") == [[1], [2]]


@pytest.mark.parametrize("keep", [5, 20, -9])
def test_damaged_gzip_is_one_sentence(keep, tmp_path):
    (tmp_path / "a.csv.gz").write_bytes(gzip.compress(PLAIN.encode() * 50)[:keep])
    with pytest.raises(DataError, match="damaged gzip"):
        read(tmp_path / "a.csv.gz", "y")


def test_a_column_that_turns_into_text_late_is_text_from_the_start(tmp_path):
    (tmp_path / "a.csv").write_text("a,y\nNA,p\n,q\nred,p\n")
    table = read(tmp_path / "a.csv", "y", reading=Reading(missing="most_frequent"))
    assert table.features[0].words == ("NA", "red")
    assert np.isnan(table.X[1, 0])


def test_numbers_are_read_in_one_pass(tmp_path, monkeypatch):
    passes = []
    monkeypatch.setattr(CsvFile, "read", lambda *a, whole=CsvFile.read: passes.append(1) or whole(*a))
    (tmp_path / "a.csv").write_text(PLAIN)
    read(tmp_path / "a.csv", "y")
    assert len(passes) == 1


# Standard input


def pipe(monkeypatch, content: bytes) -> None:
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BytesIO(content), isatty=lambda: False))


ROWS = "a,b,y\n" + "".join(f"{n % 7},{n % 5},{'pq'[n % 2]}\n" for n in range(40))
TRAIN = ["train", "--data", "-", "--target", "y", "--epochs", "2", "-o", "out", "-q"]


@pytest.mark.parametrize("content", [ROWS.encode(), gzip.compress(ROWS.encode())], ids=["plain", "gzip"])
def test_training_and_prediction_read_standard_input(content, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    pipe(monkeypatch, content)
    assert main([*TRAIN, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["rows"]["train"] == 28
    pipe(monkeypatch, content)
    assert main(["predict", "out/model.safetensors", "-", "-q"]) == 0
    assert len(capsys.readouterr().out.splitlines()) == 41


def test_the_same_bytes_go_on_and_others_are_refused(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    pipe(monkeypatch, ROWS.encode())
    main(TRAIN)
    pipe(monkeypatch, ROWS.encode())
    assert main(["train", "--config", "out/config.toml", "-o", "out", "-q"]) == 0
    pipe(monkeypatch, ROWS.encode() + b"1,1,p\n")
    assert main(["train", "--config", "out/config.toml", "-o", "out", "-q"]) == 2
    assert "'standard input' has changed" in capsys.readouterr().err


@pytest.mark.parametrize(("content", "sentence"), [(b"", "'standard input' is empty"), (None, "nothing is piped in")])
def test_without_input_there_is_one_sentence(content, sentence, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    if content is None:
        monkeypatch.setattr(sys, "stdin", SimpleNamespace(isatty=lambda: True))
    else:
        pipe(monkeypatch, content)
    assert main(TRAIN) in {1, 2}
    assert sentence in capsys.readouterr().err


def test_a_data_file_of_standard_input_is_not_looked_up_on_disk():
    assert read(DataFile(Path("-"), PLAIN.encode()), "y").X.tolist() == [[1.5, 2], [3, 4]]
