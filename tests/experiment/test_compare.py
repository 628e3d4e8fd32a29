"""Where two runs differ: configuration, versions, tables, and paired differences of common trials."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import toy
from finished_runs import edit, edit_manifest
from nnsim_cli.main import main

from nnsim.core.versions import ARITHMETIC_VERSION
from nnsim.experiment.results.compare import RowDifference
from nnsim.experiment.results.result_folder import open_run
from nnsim.report.compare_report import Comparison, PairedDifference, Pairing, pair_trials
from nnsim.report.compare_report import compare as compare_runs
from nnsim.report.statistics import paired_difference_interval
from nnsim.runs.merge import merge_study
from nnsim.runs.run import run_shard, run_study

COMPARE = ("compare", "--study", toy.__file__)


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Finished runs by what is peculiar about them."""
    place = tmp_path_factory.mktemp("runs")
    axes: dict[str, dict[str, Any]] = {
        "usual": {},
        "again": {},
        "seed": {"seed": 1},
        "scale": {"scale": [0.2]},
        "more": {"size": [1, 2, 3], "repeats": 3},
        "elsewhere": {"size": [4]},
        "far": {"size": [4, 5]},
        "diverged": {"scale": [1e301]},
    }
    return {name: run_study(toy.study, output=place / name, **given).folder for name, given in axes.items()}


def compare(first: Path, second: Path) -> Comparison:
    return compare_runs(open_run(first), open_run(second), toy.study)


def copy(folder: Path, to: Path) -> Path:
    return Path(shutil.copytree(folder, to / "copy"))


def states(found: Comparison) -> dict[str, str]:
    return {table.name: table.state for table in found.tables}


class TestConfigurationsAndVersions:
    def test_two_runs_of_one_configuration_are_the_same(self, runs: dict[str, Path]) -> None:
        found = compare(runs["usual"], runs["again"])
        assert found.configuration == {}
        assert found.versions == {}
        assert set(states(found).values()) == {"same"}
        assert [difference.equal for difference in found.differences] == [8]

    def test_each_axis_that_differs_is_named(self, runs: dict[str, Path]) -> None:
        found = compare(runs["usual"], runs["more"])
        assert found.configuration == {"size": ([1, 2], [1, 2, 3]), "repeats": (2, 3)}

    def test_the_seed_is_named(self, runs: dict[str, Path]) -> None:
        assert compare(runs["usual"], runs["seed"]).configuration == {"seed": (0, 1)}

    def test_an_input_is_named(self, runs: dict[str, Path], tmp_path: Path) -> None:
        other = copy(runs["usual"], tmp_path)
        edit_manifest(other, data_sha256="abc")
        assert compare(runs["usual"], other).configuration == {"data_sha256": (None, "abc")}

    def test_packages_and_machines_are_named(self, runs: dict[str, Path], tmp_path: Path) -> None:
        other = copy(runs["usual"], tmp_path)
        manifest = open_run(other).manifest
        edit_manifest(other, versions=manifest["versions"] | {"numpy": "1.0"}, cpu={"model": "abacus"}, platform=None)
        versions = compare(runs["usual"], other).versions
        assert versions["numpy"] == (manifest["versions"]["numpy"], "1.0")
        assert versions["model"][1] == "abacus"
        assert versions["platform"][1] is None

    def test_a_merged_run_is_the_same_as_one_done_in_one_go(self, runs: dict[str, Path], tmp_path: Path) -> None:
        for index in (0, 1):
            run_shard(toy.__file__, shard=f"{index}/2", output=tmp_path)
        merge_study(tmp_path, study=toy.__file__)
        found = compare(runs["usual"], tmp_path)
        assert (found.configuration, found.versions) == ({}, {})
        assert {table.state for table in found.tables} == {"same"}

    def test_a_gpu_is_named_where_both_runs_tell(self, runs: dict[str, Path], tmp_path: Path) -> None:
        shutil.copytree(runs["usual"], tmp_path / "gpu")
        edit_manifest(tmp_path / "gpu", backend={"name": "cuda", "device": "H200"})
        found = compare(runs["usual"], tmp_path / "gpu")
        assert found.versions == {"backend": ("cpu", "cuda, H200")}
        assert found.configuration == {}

    def test_a_manifest_without_plain_versions_is_no_crash(self, runs: dict[str, Path], tmp_path: Path) -> None:
        other = copy(runs["usual"], tmp_path)
        edit_manifest(other, versions="old", cpu=None)
        assert compare(runs["usual"], other).versions["versions"] == (None, "old")


class TestTables:
    def test_first_differing_rows_with_their_cells(self, runs: dict[str, Path], tmp_path: Path) -> None:
        other = copy(runs["usual"], tmp_path)
        edit(other / "trials.csv", b",0.06666666666666667,", b",0.5,")
        trials = next(table for table in compare(runs["usual"], other).tables if table.name == "trials.csv")
        assert (trials.state, trials.differing) == ("different", 1)
        assert trials.rows == (RowDifference(4, {"area": ("0.06666666666666667", "0.5")}),)

    def test_rows_are_counted_to_the_end_of_the_longer_table(self, runs: dict[str, Path]) -> None:
        found = {table.name: table for table in compare(runs["usual"], runs["elsewhere"]).tables}
        assert found["layers.csv"].differing == 16
        assert len(found["layers.csv"].rows) == 3

    def test_other_columns_are_told_and_no_rows(self, runs: dict[str, Path], tmp_path: Path) -> None:
        other = copy(runs["usual"], tmp_path)
        edit(other / "layers.csv", b"share", b"part")
        layers = next(table for table in compare(runs["usual"], other).tables if table.name == "layers.csv")
        assert layers.differing is None
        assert layers.rows == (RowDifference(1, {"cell 3": ("share", "part")}),)

    def test_a_file_that_was_not_kept_is_compared_by_its_checksum(self, runs: dict[str, Path], tmp_path: Path) -> None:
        other = copy(runs["usual"], tmp_path)
        (other / "layers.csv").unlink()
        assert states(compare(runs["usual"], other))["layers.csv"] == "same"
        edit_manifest(other, files=open_run(other).files | {"layers.csv": "0" * 64})
        assert states(compare(other, runs["usual"]))["layers.csv"] == "different"

    def test_a_table_of_one_run_alone(self, runs: dict[str, Path], tmp_path: Path) -> None:
        other = copy(runs["usual"], tmp_path)
        edit_manifest(other, files={name: sha for name, sha in open_run(other).files.items() if name != "summary.csv"})
        assert states(compare(runs["usual"], other))["summary.csv"] == "only in the first"
        assert states(compare(other, runs["usual"]))["summary.csv"] == "only in the second"

    def test_timings_are_left_out(self, runs: dict[str, Path]) -> None:
        assert "timings.csv" not in states(compare(runs["usual"], runs["again"]))

    @pytest.mark.parametrize("content", [b"", b'"' * 9, b"\xff\x00\r,"], ids=["empty", "quotes", "binary"])
    def test_rubbish_is_no_crash(self, runs: dict[str, Path], tmp_path: Path, content: bytes) -> None:
        other = copy(runs["usual"], tmp_path)
        (other / "layers.csv").write_bytes(content)
        assert states(compare(runs["usual"], other))["layers.csv"] == "different"


class TestPairTrials:
    def test_the_same_settings_are_a_pair_whatever_the_order(self) -> None:
        first = [{"kind": "x", "n": n} for n in (1, 2, 3)]
        second = [{"kind": "x", "n": n} for n in (3, 5, 1)]
        assert pair_trials(first, second) == Pairing(((0, 2), (2, 0)), ())

    def test_settings_with_nothing_in_common_are_set_aside(self) -> None:
        first, second = ([{"kind": "x", "n": n, "width": width} for n in (1, 2)] for width in (48, 64))
        assert pair_trials(first, second) == Pairing(((0, 0), (1, 1)), ("width",))

    def test_a_trial_with_two_possible_partners_has_none(self) -> None:
        first, second = ([{"kind": "x", "n": n} for n in values] for values in ((1, 2), (3,)))
        assert pair_trials(first, second) == Pairing((), ())

    def test_kinds_are_paired_apart_from_different_settings(self) -> None:
        first = [{"kind": "x", "depth": 5}, {"kind": "y", "depth": 5}]
        second = [{"kind": "x", "depth": 9}, {"kind": "y", "depth": 5}, {"kind": "z", "depth": 5}]
        assert pair_trials(first, second) == Pairing(((0, 0), (1, 1)), ("depth",))

    def test_a_setting_that_one_run_lacks_is_set_aside(self) -> None:
        assert pair_trials([{"kind": "x"}], [{"kind": "x", "new": 1}]) == Pairing(((0, 0),), ("new",))


class TestPairedDifferences:
    def test_only_common_trials_count(self, runs: dict[str, Path]) -> None:
        found = compare(runs["usual"], runs["more"])
        assert len(found.pairing.pairs) == 8
        assert [(difference.column, difference.equal) for difference in found.differences] == [("area", 8)]

    def test_the_interval_is_that_of_the_statistics(self, runs: dict[str, Path]) -> None:
        found = compare(runs["usual"], runs["scale"])
        area = np.array([1, 1, 2, 2, 1, 1, 2, 2]) * 0.1 / 3
        assert found.pairing.apart_from == ("scale",)
        (difference,) = found.differences
        expected = paired_difference_interval(2 * area, area, 0.95)
        assert (difference.kind, difference.column, difference.interval.n) == ("solid", "area", 8)
        assert difference.interval.estimate == pytest.approx(0.05)
        assert (difference.interval.low, difference.interval.high) == pytest.approx((expected.low, expected.high))
        assert (difference.first, difference.second) == pytest.approx((0.05, 0.1))

    def test_another_root_seed_is_paired_by_settings(self, runs: dict[str, Path]) -> None:
        found = compare(runs["usual"], runs["seed"])
        assert [difference.interval.estimate for difference in found.differences] == pytest.approx([1.0])

    def test_the_sign_turns_with_the_order(self, runs: dict[str, Path]) -> None:
        (difference,) = compare(runs["scale"], runs["usual"]).differences
        assert difference.interval.estimate == pytest.approx(-0.05)

    def test_what_is_not_finite_is_counted_and_never_dropped(self, runs: dict[str, Path]) -> None:
        (difference,) = compare(runs["usual"], runs["diverged"]).differences
        assert (difference.interval.n, difference.finite) == (8, 0)
        assert np.isnan(difference.interval.estimate)

    def test_runs_without_common_trials_say_so(self, runs: dict[str, Path]) -> None:
        found = compare(runs["usual"], runs["far"])
        assert found.differences == ()
        assert "exactly one partner" in found.not_paired

    def test_another_arithmetic_is_paired_too(self, runs: dict[str, Path], tmp_path: Path) -> None:
        """Ids hold the version of the arithmetic, so they differ; whether results do is what one wants to know."""
        other = copy(runs["usual"], tmp_path)
        content = (other / "trials.csv").read_bytes()
        for number, line in enumerate(content.splitlines()[1:]):
            content = content.replace(line.partition(b",")[0], b"%016x" % number)
        (other / "trials.csv").write_bytes(content)
        edit_manifest(other, arithmetic_version=0)
        found = compare(runs["usual"], other)
        assert found.versions["arithmetic_version"] == (ARITHMETIC_VERSION, 0)
        assert [difference.equal for difference in found.differences] == [8]

    @pytest.mark.parametrize(
        ("entries", "reason"),
        [
            ({"schema_version": 5}, "with schema version 5, not 'toy' with 1"),
            ({"study": "other"}, "holds study 'other'"),
            ({"config": {"sise": [1]}}, "unknown axis of study 'toy' 'sise'"),
        ],
    )
    def test_what_cannot_be_paired_is_a_reason_and_no_error(
        self, runs: dict[str, Path], tmp_path: Path, entries: dict[str, Any], reason: str
    ) -> None:
        other = copy(runs["usual"], tmp_path)
        edit_manifest(other, **entries)
        found = compare(runs["usual"], other)
        assert reason in found.not_paired
        assert states(found)["trials.csv"] == "same"

    def test_rows_that_are_not_the_planned_trials_are_not_paired(self, runs: dict[str, Path], tmp_path: Path) -> None:
        other = copy(runs["usual"], tmp_path)
        lines = (other / "trials.csv").read_bytes().splitlines(keepends=True)
        (other / "trials.csv").write_bytes(b"".join([lines[0], *reversed(lines[1:])]))
        assert "are not the trials of its manifest" in compare(runs["usual"], other).not_paired

    def test_a_missing_table_of_trials_is_a_reason(self, runs: dict[str, Path], tmp_path: Path) -> None:
        other = copy(runs["usual"], tmp_path)
        (other / "trials.csv").unlink()
        assert compare(runs["usual"], other).not_paired == f"there is no '{other / 'trials.csv'}'"

    def test_settings_are_no_measurement(self, runs: dict[str, Path]) -> None:
        columns: list[PairedDifference] = list(compare(runs["usual"], runs["scale"]).differences)
        assert "size" not in {difference.column for difference in columns}


class TestCommand:
    def test_everything_on_stdout(self, runs: dict[str, Path], capsys: pytest.CaptureFixture[str]) -> None:
        assert main([*COMPARE, str(runs["usual"]), str(runs["scale"])]) == 0
        streams = capsys.readouterr()
        assert streams.err == ""
        for text in ("scale", "[0.2]", "made with: the same", "trials.csv", "apart from scale", "area"):
            assert text in streams.out

    def test_equal_runs_say_so(self, runs: dict[str, Path], capsys: pytest.CaptureFixture[str]) -> None:
        assert main([*COMPARE, str(runs["usual"]), str(runs["again"])]) == 0
        out = capsys.readouterr().out
        assert "configuration: the same" in out
        assert "equal in every pair: 1 of 1 measured columns" in out

    def test_json_is_the_whole_of_stdout(self, runs: dict[str, Path], capsys: pytest.CaptureFixture[str]) -> None:
        assert main([*COMPARE, "--json", str(runs["usual"]), str(runs["diverged"])]) == 0
        outcome = json.loads(capsys.readouterr().out, parse_constant=pytest.fail)
        assert outcome["configuration"]["scale"] == [[0.1], [1e301]]
        assert outcome["tables"]["columns.csv"]["state"] == "same"
        assert outcome["differences"][0]["difference"] is None
        assert outcome["differences"][0]["finite"] == 0

    def test_what_is_no_run_is_one_sentence(
        self, runs: dict[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        assert main([*COMPARE, str(runs["usual"]), str(tmp_path)]) == 1
        assert capsys.readouterr().err == f"nnsim: error: '{tmp_path}' holds no finished run: it has no manifest.json\n"
