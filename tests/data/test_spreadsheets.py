"""Text that a spreadsheet would run is neutralised, numbers stay numbers, and all is read back as it was."""

from __future__ import annotations

import pandas as pd
import pytest

from nnsim.data.spreadsheets import shielded, unshielded
from nnsim.experiment.csv_rows import text_line
from nnsim.experiment.results.tables import read_table
from nnsim.report.render import frame_csv
from nnsim.study.declaration import Column

FORMULAS = ["=1+1", "+x", "-x", "@SUM(A1)", "\tx", "\rx", "-1+2", "--1", "-", "-inf", "-1 000", "+1_0"]
NUMBERS = ["-1", "+1", "-3.46", "-1e-05", "-.5", "+2.", "-02134", "1E2"]
TEXTS = ["", "x", "'", "'x", "it's", "a=b", "\u200c=1"]
SHIELDED = ["'=1", "''=1", "'-1", "'-x"]


@pytest.mark.parametrize("text", FORMULAS)
def test_a_formula_gets_an_apostrophe(text):
    assert shielded(text) == "'" + text


@pytest.mark.parametrize("text", NUMBERS + TEXTS)
def test_numbers_and_other_text_stay_as_they_are(text):
    assert shielded(text) == text


@pytest.mark.parametrize("text", FORMULAS + NUMBERS + TEXTS + SHIELDED)
def test_every_text_is_read_back_as_it_was(text):
    assert unshielded(shielded(text)) == text


def test_no_cell_that_is_written_begins_as_a_formula():
    cells = [shielded(text) for text in FORMULAS + TEXTS + SHIELDED]
    assert not [cell for cell in cells if cell.startswith(("=", "+", "-", "@", "\t", "\r"))]


@pytest.mark.parametrize("columns", [[Column("text", "text", "", "")], []], ids=["known", "inferred"])
def test_a_table_gives_back_the_texts_that_were_written(columns, tmp_path):
    texts = [text for text in FORMULAS + TEXTS + SHIELDED if text]
    (tmp_path / "t.csv").write_bytes(b"".join([text_line(["text"]), *(text_line([text]) for text in texts)]))
    assert read_table(tmp_path / "t.csv", columns)["text"].tolist() == texts


def test_a_table_written_again_is_the_same_bytes(tmp_path):
    frame = pd.DataFrame({"text": FORMULAS + NUMBERS + SHIELDED})
    (tmp_path / "t.csv").write_bytes(frame_csv(frame))
    assert frame_csv(read_table(tmp_path / "t.csv", [Column("text", "text", "", "")])) == frame_csv(frame)
