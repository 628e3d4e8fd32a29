"""How a run ends: an answer that the verdicts make, counts, what fails or stays open, and the report, on one screen."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
import toy
from nnsim_cli.main import main
from nnsim_cli.present import print_result, print_suite
from rich.cells import cell_len

from nnsim.experiment.config import resolve
from nnsim.report.answer import answer
from nnsim.report.claims import VERDICTS, Claim, claims_frame
from nnsim.report.judging import claims_of
from nnsim.runs.contract import empty_tables
from nnsim.runs.merge import StudyResult
from nnsim.runs.suite import SuiteResult
from nnsim.study.discovery import find_study, study_names

COLUMNS, ROWS = 80, 30


def claim(number: int, verdict: str, kind: str = "claim", size: int = 1) -> Claim:
    statement = f"Statement {number}" + " is long" * size + "."
    return Claim(f"id-{number}" + "-x" * size, kind, statement, "s", "a", 0.5, 0.1, 0.25, verdict=verdict, method="t")


def many(size: int = 30) -> pd.DataFrame:
    """Return a hundred claims of all verdicts, with names and statements that no line holds."""
    return claims_frame([claim(number, VERDICTS[number % 4], size=size) for number in range(100)])


def result(claims: pd.DataFrame, trials: dict[str, int] | None = None, title: str = "A toy") -> StudyResult:
    manifest = {"trials": trials or {"done": 1}}
    return StudyResult(Path("out"), replace(toy.study, title=title), {}, {"claims": claims}, (), manifest, ())


def printed(capsys: pytest.CaptureFixture[str], found: StudyResult) -> list[str]:
    print_result(found, False, False)
    return capsys.readouterr().out.splitlines()


class TestScreen:
    def test_it_fits_a_terminal_whatever_the_study(self, capsys: pytest.CaptureFixture[str]) -> None:
        lines = printed(capsys, result(many(), title="A long title " * 20))
        assert len(lines) < ROWS
        assert max(map(cell_len, lines)) <= COLUMNS

    def test_so_does_that_of_all_studies(self, capsys: pytest.CaptureFixture[str]) -> None:
        names = study_names()
        claims = pd.concat([many(8).assign(study=name) for name in names], ignore_index=True)
        print_suite(SuiteResult(Path("out"), claims, (), {}, (), {"done": 10**6, "diverged": 10**6}), False, False)
        lines = capsys.readouterr().out.splitlines()
        assert len(lines) < ROWS
        assert max(map(cell_len, lines)) <= COLUMNS
        assert f"{names[0]} 25/25/50" in "\n".join(lines)

    def test_wide_characters_are_counted_by_their_width(self, capsys: pytest.CaptureFixture[str]) -> None:
        wide = replace(claim(1, "fails"), id="学" * 40, statement="学習" * 40)
        assert max(map(cell_len, printed(capsys, result(claims_frame([wide]))))) <= COLUMNS

    def test_ten_claims_are_named_those_that_fail_first(self, capsys: pytest.CaptureFixture[str]) -> None:
        verdicts = ["inconclusive"] * 9 + ["fails"] * 4 + ["holds"]
        lines = printed(capsys, result(claims_frame([claim(n, verdict) for n, verdict in enumerate(verdicts)])))
        named = [line.split()[:2] for line in lines if line.startswith(("fails", "open"))]
        assert named[:4] == [["fails", f"id-{n}-x"] for n in (9, 10, 11, 12)]
        assert named[4:] == [["open", f"id-{n}-x"] for n in range(6)]
        assert "... and 3 more (--claims prints all)" in lines

    def test_counts_of_claims_and_trials(self, capsys: pytest.CaptureFixture[str]) -> None:
        verdicts = ["holds", "holds", "inconclusive", "untested"]
        claims = claims_frame([claim(n, verdict) for n, verdict in enumerate(verdicts)])
        lines = printed(capsys, result(claims, {"diverged": 2, "done": 5, "error": 1}))
        assert "claims: 2 hold, 0 fail, 1 open, 1 untested" in lines
        assert "trials: 5 done, 2 diverged, 1 failed" in lines

    def test_the_last_line_is_the_reports_path(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        out = tmp_path / ("a long name " * 12)
        assert main(["study", "run", toy.__file__, "-q", "-o", str(out)]) == 0
        assert capsys.readouterr().out.splitlines()[-1] == f"report: {out / 'report.html'}"

    @pytest.mark.parametrize("command", ["study run {file}", "merge --study {file}"])
    def test_claims_prints_all(self, tmp_path: Path, capsys: pytest.CaptureFixture[str], command: str) -> None:
        run = ["study", "run", toy.__file__, "-q", "-o", str(tmp_path)]
        main(run)
        capsys.readouterr()
        words = command.format(file=toy.__file__).split()
        place = ["-o", str(tmp_path)] if words[0] == "study" else [str(tmp_path)]
        assert main([*words, *place, "-q", "--claims"]) == 0
        out = capsys.readouterr().out
        assert "T1      holds     2 [1, 9]   5 ± 5       Sizes stay under ten." in out
        assert out.splitlines()[-1].startswith("report: ")

    def test_a_shard_has_none(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        assert main(["study", "run", toy.__file__, "--shard", "0/2", "--claims", "-o", str(tmp_path)]) == 2
        assert "give --claims to nnsim merge" in capsys.readouterr().err


class TestAnswer:
    def claims(self, *verdicts: str) -> pd.DataFrame:
        return claims_frame([claim(number, verdict) for number, verdict in enumerate(verdicts)])

    def test_the_verdict_stands_in_front_and_the_numbers_behind(self) -> None:
        study = replace(toy.study, answer=("id-1-x", "id-0-x"))
        assert answer(study, self.claims("fails", "holds", "holds")) == (
            "Holds: Statement 1 is long (measured 0.25, predicted 0.5 ± 0.1).",
            "Fails: Statement 0 is long (measured 0.25, predicted 0.5 ± 0.1).",
        )

    def test_one_that_stays_open_is_not_passed_over(self) -> None:
        study = replace(toy.study, answer=("id-1-x", "id-0-x"))
        assert answer(study, self.claims("holds", "inconclusive", "holds"))[0].startswith("Stays open: Statement 1")

    def test_one_that_no_trial_could_test_gives_way(self) -> None:
        study = replace(toy.study, answer=("id-1-x", "id-0-x"))
        first, second = answer(study, self.claims("holds", "untested", "fails"))
        assert first.startswith("Holds: Statement 0")
        assert second.startswith("Fails: Statement 2")

    def test_where_nothing_was_tested_it_says_so(self) -> None:
        untested = replace(claim(0, "untested"), estimate=float("nan"))
        assert answer(toy.study, claims_frame([untested])) == ("Not tested: Statement 0 is long.",)

    def test_claims_come_before_checks(self) -> None:
        claims = claims_frame([claim(0, "holds", "check"), claim(1, "fails"), claim(2, "holds", "correction")])
        assert [sentence.split(" is")[0] for sentence in answer(toy.study, claims)] == [
            "Fails: Statement 1",
            "Holds: Statement 2",
        ]

    def test_a_bound_is_called_one(self) -> None:
        bound = replace(claim(0, "holds"), margin=float("nan"), method="t interval, at most")
        assert answer(toy.study, claims_frame([bound]))[0].endswith("(measured 0.25, predicted at most 0.5).")

    def test_no_claim_no_sentence(self) -> None:
        assert answer(toy.study, claims_frame([])) == ()

    @pytest.mark.parametrize("name", study_names())
    def test_every_study_names_two_claims_that_it_judges(self, name: str, tmp_path: Path) -> None:
        study = find_study(name)
        judged = claims_of(study, empty_tables(study, tmp_path), resolve(study, "quick", {}))
        assert len(set(study.answer) & {claim.id for claim in judged}) == 2

    def test_the_report_gives_it_too(self, tmp_path: Path) -> None:
        assert main(["study", "run", toy.__file__, "-q", "-o", str(tmp_path)]) == 0
        page = (tmp_path / "report.html").read_text()
        assert "Holds: Sizes stay under ten (measured 2, predicted 5 ± 5)." in page
