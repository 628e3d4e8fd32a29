"""What a bare result shows at a prompt and in a notebook."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import toy

import nnsim
from nnsim.core.shown import Shown
from nnsim.runs.suite import SuiteResult

LONGEST = 700
HOSTILE = "<script>alert('x')</script>"


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What the public functions return, by their names."""
    place = tmp_path_factory.mktemp("results")
    study = nnsim.run_study(toy.study, output=place / "study")
    settings = nnsim.Settings(data="iris", hidden=(4,), epochs=2)
    training = nnsim.run_training(settings, place / "training")
    parts = nnsim.split(nnsim.load_data("iris", key=1), key=2)
    return {
        "run_study": study,
        "run_all": SuiteResult(place, study.claims.assign(study="toy"), (), {}, (), {"done": 8}),
        "load": nnsim.load(place / "study"),
        "run_training": training,
        "train": training.run,
        "load_model": nnsim.load_model(place / "training" / "model.safetensors"),
        "load_data": nnsim.load_data("iris", key=1),
        "split": parts,
        "batches": nnsim.batches(parts, np.float32),
    }


NAMES = ("run_study", "run_all", "load", "run_training", "train", "load_model", "load_data", "split", "batches")


@pytest.mark.parametrize("name", NAMES)
def test_its_text_is_one_short_line(results: dict[str, Any], name: str) -> None:
    text = repr(results[name])
    assert text.startswith(f"{type(results[name]).__name__}(")
    assert len(text) < LONGEST
    assert "\n" not in text


@pytest.mark.parametrize("name", NAMES)
def test_a_notebook_shows_a_small_table(results: dict[str, Any], name: str) -> None:
    page = results[name]._repr_html_()
    assert page.startswith("<table>")
    assert page.count("<tr>") <= 10
    assert len(page) < 3000


def test_a_study_tells_its_answer_and_its_report(results: dict[str, Any]) -> None:
    page = results["run_study"]._repr_html_()
    assert "Holds: Sizes stay under ten" in page
    assert "report.html" in page


def test_tables_are_a_dict_of_frames_that_shows_their_sizes(results: dict[str, Any]) -> None:
    tables = results["load"]
    assert isinstance(tables, dict)
    assert isinstance(tables["trials"], pd.DataFrame)
    assert "trials: 8 rows, 8 columns" in repr(tables)


def test_text_of_a_file_is_no_markup(results: dict[str, Any]) -> None:
    hostile = [
        replace(results["load_model"], class_names=(HOSTILE, "b"), feature_names=(HOSTILE,)),
        replace(results["run_study"], folder=Path(HOSTILE)),
        replace(results["run_all"], errors={HOSTILE: "no"}),
        replace(results["load_data"], name=HOSTILE),
        type(results["load"])({HOSTILE: pd.DataFrame()}),
    ]
    for result in hostile:
        assert "<script" not in result._repr_html_()
        assert "&lt;script" in result._repr_html_()


def test_a_long_fact_is_cut() -> None:
    class Wordy(Shown):
        def facts(self) -> dict[str, object]:
            return {"words": "word " * 1000}

    assert len(repr(Wordy())) < 200


def test_a_training_that_diverged_has_no_scores(tmp_path: Path) -> None:
    found = nnsim.run_training(nnsim.Settings(data="iris", hidden=(4,), epochs=1, optimizer="sgd", lr=1e38), tmp_path)
    assert "status: diverged" in repr(found)
    assert found._repr_html_()
