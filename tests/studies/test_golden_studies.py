"""The tables of each of the twelve studies at a tiny size, committed: no refactoring moves a bit of any of them.

Run as a script, this file writes ``golden/studies.json``.
"""

from __future__ import annotations

import json
import tempfile
from hashlib import sha256
from pathlib import Path

import pytest
from tiny_studies import STUDIES, measured, tiny

from nnsim.core.versions import ARITHMETIC_VERSION
from nnsim.experiment.config import resolve
from nnsim.study.discovery import find_study

pytestmark = [pytest.mark.bits, pytest.mark.physics]

GOLDEN = Path(__file__).parents[1] / "golden" / "studies.json"


def digests(name: str, folder: Path) -> dict[str, str]:
    """Return the SHA-256 of each canonical table of a study's tiny run, and the version of its schema."""
    study = find_study(name)
    measured(study, resolve(study, "quick", tiny(name)), folder)
    tables = [table.name for table in study.tables if table.canonical]
    found = {table: sha256((folder / f"{table}.csv").read_bytes()).hexdigest() for table in tables}
    return {"schema_version": str(study.schema_version)} | found


@pytest.mark.parametrize("name", STUDIES)
def test_a_study_has_the_committed_tables(name: str, tmp_path: Path) -> None:
    golden = json.loads(GOLDEN.read_text())
    assert golden["arithmetic_version"] == ARITHMETIC_VERSION
    assert digests(name, tmp_path) == golden["studies"][name], (
        "is another result meant? Then raise ARITHMETIC_VERSION or the study's schema_version, "
        "run `python tests/studies/test_golden_studies.py`, and say why in the change log"
    )


if __name__ == "__main__":
    content: dict[str, dict[str, str]] = {}
    for study_name in STUDIES:
        with tempfile.TemporaryDirectory() as place:
            content[study_name] = digests(study_name, Path(place))
    text = json.dumps({"arithmetic_version": ARITHMETIC_VERSION, "studies": content}, indent=2)
    GOLDEN.write_text(text + "\n")
