"""All studies in one run: each in its folder, one page with every verdict, and none that ends the others."""

from __future__ import annotations

import html
import json
import re
from dataclasses import replace
from importlib.metadata import EntryPoint, EntryPoints
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import toy
from fake_cuda import fake_device, fake_populations  # noqa: F401
from nnsim_cli.main import main
from nnsim_studies.ledger import ledger as ours

from nnsim.core.errors import UnknownNameError, UsageError
from nnsim.runs.suite import chosen_studies, run_all
from nnsim.study.discovery import GROUP
from nnsim.training import backend

second = replace(toy.study, name="second", title="Another <toy>", question="Does the next one run & report?")
refusing = replace(toy.study, name="refusing", trials=lambda config: [])
failing = replace(toy.study, name="failing", measure=lambda trial: 1 / 0)


@pytest.fixture
def installed(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Let the given studies of this file be all that are installed."""

    def install(*names: str) -> None:
        homes = {"toy": "toy:study", **{name: f"{__name__}:{name}" for name in ("second", "refusing", "failing")}}
        found = EntryPoints(EntryPoint(name, homes.get(name, "nowhere:study"), GROUP) for name in names)
        monkeypatch.setattr("nnsim.study.discovery.entry_points", lambda group: found.select(group=group))

    return install


class TestRun:
    def test_each_study_has_its_folder_and_the_page_has_all_claims(self, installed: Any, tmp_path: Path) -> None:
        installed("toy", "second")
        result = run_all(output=tmp_path)
        assert sorted(path.name for path in tmp_path.iterdir() if path.is_dir()) == ["second", "toy"]
        assert [path.name for path in result.files] == ["claims.csv", "ledger.csv", "index.html"]
        claims = pd.read_csv(tmp_path / "claims.csv")
        assert list(claims["study"]) == ["second", "toy"]
        assert list(claims["verdict"]) == ["holds", "holds"]

    def test_studies_can_be_chosen(self, installed: Any, tmp_path: Path) -> None:
        installed("toy", "second")
        assert set(run_all(only=["toy"], output=tmp_path).claims["study"]) == {"toy"}

    def test_a_second_call_measures_nothing(self, installed: Any, tmp_path: Path) -> None:
        installed("toy")
        run_all(output=tmp_path)
        toy.measured.clear()
        run_all(output=tmp_path)
        assert toy.measured == []

    def test_the_same_bytes_from_run_to_run(self, installed: Any, tmp_path: Path) -> None:
        installed("toy", "second")
        for folder in ("a", "b"):
            run_all(output=tmp_path / folder)
        for name in ("claims.csv", "ledger.csv", "index.html"):
            assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()

    def test_a_study_that_cannot_run_ends_no_other(self, installed: Any, tmp_path: Path) -> None:
        installed("missing", "refusing", "toy")
        result = run_all(output=tmp_path)
        assert set(result.errors) == {"missing", "refusing"}
        assert set(result.claims["study"]) == {"toy"}
        assert "has no trial left" in (tmp_path / "index.html").read_text()

    def test_the_backend_is_said_once(
        self, installed: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        installed("toy", "second")
        monkeypatch.setattr(backend, "look", lambda: backend.Cuda(missing="no driver"))
        assert main(["study", "all", "--backend", "auto", "-o", str(tmp_path)]) == 0
        assert capsys.readouterr().err.count("backend cpu: no driver\n") == 1

    @pytest.mark.usefixtures("device")
    def test_each_study_gets_the_backend(self, installed: Any, tmp_path: Path) -> None:
        installed("toy", "second")
        run_all(output=tmp_path, backend="auto")
        for name in ("toy", "second"):
            manifest = json.loads((tmp_path / name / "manifest.json").read_text())
            assert manifest["backend"] == {"name": "cuda", "device": "NVIDIA H100"}

    def test_failed_trials_are_counted_also_in_a_second_call(self, installed: Any, tmp_path: Path) -> None:
        installed("failing")
        assert run_all(output=tmp_path).failed_trials == 8

    @pytest.mark.parametrize(
        ("options", "sentence"),
        [
            ({"only": ["toi"]}, "toy"),
            ({"preset": "quik"}, "quick"),
            ({"jobs": 0}, "jobs"),
            ({"seed": -1}, "seed"),
            ({"figure_formats": ["gif"]}, "gif"),
        ],
    )
    def test_bad_input_is_refused_before_anything_runs(
        self, installed: Any, tmp_path: Path, options: dict[str, Any], sentence: str
    ) -> None:
        installed("toy")
        with pytest.raises(UsageError, match=sentence):
            run_all(output=tmp_path / "out", **options)
        assert not (tmp_path / "out").exists()

    def test_the_nearest_name_is_offered(self, installed: Any) -> None:
        installed("toy")
        with pytest.raises(UnknownNameError, match="toy"):
            chosen_studies(["tou"])

    def test_nothing_installed(self, installed: Any) -> None:
        installed()
        with pytest.raises(UsageError, match="no study is installed"):
            run_all()


class TestPage:
    @pytest.fixture
    def page(self, installed: Any, tmp_path: Path) -> str:
        installed("toy", "second")
        run_all(output=tmp_path)
        return (tmp_path / "index.html").read_text()

    def test_it_links_each_report(self, page: str) -> None:
        assert 'href="toy/report.html"' in page
        assert 'href="second/report.html"' in page

    def test_text_of_studies_is_escaped(self, page: str) -> None:
        assert "Another &lt;toy&gt;" in page
        assert "run &amp; report" in page

    def test_it_has_every_sentence_of_the_teaching_page_with_its_finding(self, page: str, tmp_path: Path) -> None:
        ledger = pd.read_csv(tmp_path / "ledger.csv")
        assert len(ledger) == len(ours.sentences)
        rows = re.findall(r'<td><span class="verdict [a-z]+">([^<]+)</span></td>\n<td>([^<]+)</td>', page)
        assert [(finding, html.unescape(says)) for finding, says in rows] == [
            (line.finding, line.says) for line in ledger.itertuples()
        ]

    def test_it_names_the_command(self, page: str) -> None:
        assert "nnsim study all --preset quick --seed 0" in page


class TestCommand:
    def test_exit_code_and_output(self, installed: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        installed("toy", "second")
        assert main(["study", "all", "-q", "-o", str(tmp_path)]) == 0
        output = capsys.readouterr().out
        assert "2 hold" in output
        assert str(tmp_path / "index.html") in output

    def test_json(self, installed: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        installed("toy")
        assert main(["study", "all", "--json", "-q", "-o", str(tmp_path)]) == 0
        outcome = json.loads(capsys.readouterr().out)
        assert [(claim["study"], claim["verdict"]) for claim in outcome["claims"]] == [("toy", "holds")]

    def test_progress_says_which_study_of_how_many(
        self, installed: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        installed("toy", "second")
        main(["study", "all", "-o", str(tmp_path)])
        assert "study 2 of 2: toy" in capsys.readouterr().err

    @pytest.mark.parametrize(
        ("name", "code", "sentence"),
        [("missing", 1, "study missing could not be run"), ("failing", 3, "8 trials failed")],
    )
    def test_what_went_wrong(
        self, installed: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str, code: int, sentence: str
    ) -> None:
        installed("toy", name)
        assert main(["study", "all", "-q", "-o", str(tmp_path)]) == code
        assert sentence in capsys.readouterr().err

    def test_strict(self, installed: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        installed("toy")
        failed = replace(
            toy.study, claims=lambda tables, config: [replace(*toy.claims(tables, config), verdict="fails")]
        )
        monkeypatch.setattr(toy, "study", failed)
        assert main(["study", "all", "-q", "--strict", "-o", str(tmp_path)]) == 4

    def test_dry_run(self, installed: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        installed("toy", "second")
        assert main(["study", "all", "--dry-run", "--json", "-o", str(tmp_path / "out")]) == 0
        studies = json.loads(capsys.readouterr().out)["studies"]
        assert {name: study["trials"] for name, study in studies.items()} == {"toy": 8, "second": 8}
        assert not (tmp_path / "out").exists()

    def test_an_unknown_study(self, installed: Any, capsys: pytest.CaptureFixture[str]) -> None:
        installed("toy")
        assert main(["study", "all", "--only", "toi"]) == 2
        assert "toy" in capsys.readouterr().err
