"""Columns of a file as inputs: chosen, filled in, spelled out; what training rows teach is kept and used again."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from nnsim_cli.main import main

from nnsim.apps.model_file import load_model
from nnsim.core.errors import DataError, UnknownNameError, UsageError
from nnsim.data.datasets import load, split
from nnsim.data.features import Feature, encode, expand, from_record, input_names, learn, to_record
from nnsim.data.readers import MOST_WORDS, Reading, Table, read, read_features

COLOURS = Feature("colour", "text", ("blue", "red"))
MIXED = "size,colour,new,y\n1,red,yes,a\n,blue,no,b\n3,,NO,a\n4,red,,b\n"
MEAN = Reading(missing="mean")


def table(folder: Path, text: str, reading: Reading | None = None) -> Table:
    (folder / "a.csv").write_text(text, encoding="utf-8")
    return read(folder / "a.csv", "y", reading=reading)


# Reading


def test_columns_are_numbers_words_and_truth_with_gaps(tmp_path):
    held = table(tmp_path, MIXED, MEAN)
    assert [(f.name, f.kind, f.words) for f in held.features] == [
        ("size", "number", ()), ("colour", "text", ("blue", "red")), ("new", "truth", ()),
    ]  # fmt: skip
    nan = math.nan
    np.testing.assert_array_equal(held.X, [[1, 1, 1], [nan, 0, 0], [3, nan, 0], [4, 1, nan]])


def test_what_became_of_columns_without_numbers_is_said(tmp_path):
    notes = " ".join(table(tmp_path, MIXED, MEAN).notes)
    assert "each word becomes an input of: colour (2)" in notes
    assert "read as 0 and 1: new" in notes


def test_columns_are_chosen_and_dropped(tmp_path):
    text = "a,b,c,y\n1,2,x,p\n3,4,x,q\n"
    assert [f.name for f in table(tmp_path, text, Reading(dropped=("c", "a"))).features] == ["b"]
    assert [f.name for f in table(tmp_path, text, Reading(chosen=("b", "a"))).features] == ["a", "b"]


@pytest.mark.parametrize(
    "reading", [{"chosen": ("size", "color")}, {"dropped": ("color",)}, {"categorical": ("color",)}]
)
def test_a_column_that_is_not_there_offers_the_nearest(reading, tmp_path):
    with pytest.raises(UnknownNameError, match="'color': did you mean 'colour'"):
        table(tmp_path, MIXED, Reading(**reading))


def test_no_feature_left_is_refused(tmp_path):
    with pytest.raises(DataError, match="has no feature"):
        table(tmp_path, "a,y\n1,p\n2,q\n", Reading(dropped=("a",)))


@pytest.mark.parametrize(
    ("cells", "row", "remedy"),
    [
        (["1", "", "3"], 3, "--missing mean"),
        (["1", "NA", "3"], 3, "--missing mean"),
        (["x", "", "z"], 3, "--missing mean"),
        (["yes", "no", "NA"], 4, "--missing mean"),
        (["1", "2", "old"], 4, "--categorical a.*--drop a"),
        (["x", "y", "1"], 2, "--categorical a"),
        (["1", "1,5", "3"], 3, "read it with --decimal ,"),
        (["1,100", "2,200", "3,300"], 2, "read it with --thousands ,"),
        (["1", "inf", "3"], 3, "expected a finite number"),
        (["inf", "-inf", "inf"], 2, "expected a finite number"),
        (["1", "1e999", "3"], 3, "expected a finite number"),
    ],
)
def test_a_cell_that_is_missing_or_foreign_is_named_with_a_remedy(cells, row, remedy, tmp_path):
    lines = "".join(f'"{cell}",{label}\n' for cell, label in zip(cells, "pqp", strict=True))
    with pytest.raises(DataError, match=rf"row {row}, column 'a' .*{remedy}"):
        table(tmp_path, "a,y\n" + lines)


def test_a_named_column_is_text_whatever_it_holds(tmp_path):
    held = table(tmp_path, "a,y\n1,p\nold,q\n1.0,q\n", Reading(categorical=("a",)))
    assert held.features[0].words == ("1", "1.0", "old")


def test_text_is_refused_on_demand(tmp_path):
    with pytest.raises(DataError, match="row 2, column 'colour'"):
        table(tmp_path, MIXED, Reading(categorical="refuse", missing="mean"))


def test_a_column_of_names_is_no_category_unless_it_is_named(tmp_path):
    text = "a,y\n" + "".join(f"name{number},{'pq'[number % 2]}\n" for number in range(MOST_WORDS + 1))
    with pytest.raises(UsageError, match=f"holds {MOST_WORDS + 1} different texts.*--drop a.*--categorical a"):
        table(tmp_path, text)
    assert table(tmp_path, text, Reading(categorical=("a",))).features[0].width == MOST_WORDS + 1


def test_missing_numbers_of_an_array_wait_for_a_strategy(tmp_path):
    np.savez(tmp_path / "a.npz", X=[[1.0, np.nan], [2, 3]], y=[0, 1])
    with pytest.raises(DataError, match=r"X\[0, 1\] .* is nan.*--missing mean"):
        read(tmp_path / "a.npz")
    assert np.isnan(read(tmp_path / "a.npz", reading=MEAN).X[0, 1])


def test_columns_of_an_array_are_dropped_by_number(tmp_path):
    np.savez(tmp_path / "a.npz", X=np.arange(6).reshape(2, 3), y=[0, 1])
    assert read(tmp_path / "a.npz", reading=Reading(dropped=("x1",))).X.tolist() == [[0, 2], [3, 5]]


# What training rows teach


@pytest.mark.parametrize(("strategy", "fill"), [("mean", 3.0), ("median", 2.0), ("most_frequent", 1.0)])
def test_a_gap_is_filled_with_what_the_rows_hold(strategy, fill):
    (number,) = learn([Feature("a")], np.array([[1.0], [1], [2], [np.nan], [3], [8]]), strategy)
    assert number.fill == fill


def test_a_gap_in_text_is_the_most_frequent_word():
    (text,) = learn([COLOURS], np.array([[1.0], [1], [0], [np.nan]]), "mean")
    assert text.fill == 1
    assert expand([text], np.array([[np.nan], [0]])).tolist() == [[0, 1], [1, 0]]


def test_words_that_the_rows_lack_get_no_input():
    (text,) = learn([Feature("c", "text", ("blue", "green", "red"))], np.array([[2.0], [0], [2]]), "most_frequent")
    assert (text.words, text.fill) == (("blue", "red"), 1)
    assert input_names([text]) == ("c=blue", "c=red")


def test_a_column_that_is_missing_in_all_training_rows_is_refused():
    with pytest.raises(DataError, match="'a' is missing in all training rows: --drop a"):
        learn([Feature("a")], np.array([[np.nan], [np.nan]]), "mean")


def test_only_training_rows_teach(tmp_path):
    rows = [f"{number},{'red' if number % 2 else 'blue'},{number}.5\n" for number in range(40)]
    (tmp_path / "a.csv").write_text("a,c,y\n" + "".join(rows))
    data = load(str(tmp_path / "a.csv"), key=1, target="y", reading=MEAN)
    plain = split(data, key=1)
    held_out = ~np.isin(data.y[:, 0], plain.target_scaling.undo(plain.y_train).round(9)[:, 0])
    data.X[held_out, 0] = 17  # near, so that nothing is too far away
    assert split(data, key=1).features == plain.features


def test_features_are_kept_as_json_and_read_again():
    kept = (Feature("a", fill=0.5), Feature("c", "text", ("blue", "red"), 1.0), Feature("t", "truth"))
    assert from_record(json.loads(json.dumps(to_record(kept)))) == kept


@pytest.mark.parametrize(
    "change",
    [
        {"kind": "code"},
        {"words": ["x", "x"]},
        {"words": []},
        {"words": ["\x1b"]},
        {"fill": "x"},
        {"more": 1},
        {"name": 1},
    ],
    ids=str,
)
def test_a_hostile_record_is_refused(change):
    with pytest.raises((ValueError, TypeError)):
        from_record([{"name": "c", "kind": "text", "words": ["x"], "fill": None} | change])


# Rows for a model


@pytest.mark.parametrize(
    "X",
    [
        [[1, "red", True], [None, "blue", False]],
        pd.DataFrame({"colour": ["red", "blue"], "size": [1, np.nan], "new": ["yes", "No"], "more": 1}),
        pd.DataFrame({"colour": ["red", "blue"], "size": [1, pd.NA], "new": [1.0, 0.0]}),
    ],
    ids=["list", "frame", "NA"],
)
def test_rows_in_any_form_are_encoded_alike(X):
    features = (Feature("size", fill=2.0), COLOURS, Feature("new", "truth"))
    rows = np.array(X, dtype=object) if isinstance(X, list) else X
    np.testing.assert_array_equal(encode(features, rows), [[1, 1, 1], [math.nan, 0, 0]])


def test_an_unknown_word_is_named_with_its_row():
    with pytest.raises(
        DataError, match=r"row 1, column 'colour' of X holds 'rod', expected one of blue, red: did .* 'red'"
    ):
        encode([COLOURS], np.array([["red"], ["rod"]]))


def test_a_frame_that_lacks_a_column_is_refused():
    with pytest.raises(DataError, match="X lacks the column 'colour'"):
        encode([COLOURS], pd.DataFrame({"color": ["red"]}))


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("a,colour,new\n1,rod,yes\n", "row 2, column 'colour' .* holds 'rod'.*did you mean 'red'"),
        ("a,colour,new\n1,red,yes\n1,red,maybe\n", "row 3, column 'new' .* holds 'maybe', expected true or false"),
        ("a,colour,new\nx,red,yes\n", "row 2, column 'a' .* holds 'x', expected a finite number"),
        ('a,colour,new\n"1,5",red,yes\n', "row 2, column 'a' .* read it with --decimal ,"),
        ("a,colour,new\n1,,yes\n", "row 2, column 'colour' .* holds ''.*train with --missing mean"),
        ("a,colour\n1,red\n", "lacks the column 'new'"),
    ],
)
def test_a_file_for_a_model_is_refused_by_row_and_column(text, sentence, tmp_path):
    (tmp_path / "a.csv").write_text(text)
    with pytest.raises(DataError, match=sentence):
        read_features(tmp_path / "a.csv", (Feature("a", fill=0.0), COLOURS, Feature("new", "truth")))


# From end to end


@pytest.fixture
def trained(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(1)
    frame = pd.DataFrame({
        "a": rng.standard_normal(60).round(3), "colour": rng.choice(["red", "blue", "=green"], 60),
        "new": rng.choice(["true", "false"], 60), "id": [f"row {n}" for n in range(60)],
    })  # fmt: skip
    frame["y"] = frame["a"] * 100 - 50.5
    frame.loc[3, "a"], frame.loc[5, "colour"] = None, None
    frame.to_csv("my.csv", index=False)
    options = ["--target", "y", "--drop", "id", "--missing", "median", "--epochs", "2", "-o", "out", "-q"]
    assert main(["train", "--data", "my.csv", *options]) == 0
    return frame


def test_what_was_learned_is_used_by_predict_and_by_the_model_alike(trained):
    assert main(["predict", "out/model.safetensors", "my.csv", "-o", "p.csv", "-q"]) == 0
    model = load_model("out/model.safetensors")
    assert pd.read_csv("p.csv")["prediction"].tolist() == model.predict(trained)[:, 0].tolist()
    assert [feature.kind for feature in model.columns] == ["number", "text", "truth"]
    assert model.spec.widths[0] == 5


def test_an_unknown_word_is_one_sentence_of_predict(trained, capsys):
    Path("new.csv").write_text("a,colour,new\n1,pink,true\n")
    assert main(["predict", "out/model.safetensors", "new.csv"]) == 1
    assert "row 2, column 'colour' of 'new.csv' holds 'pink'" in capsys.readouterr().err


def test_the_written_configuration_repeats_the_run(trained):
    assert main(["train", "--config", "out/config.toml", "-o", "again", "-q"]) == 0
    assert Path("again/model.safetensors").read_bytes() == Path("out/model.safetensors").read_bytes()
