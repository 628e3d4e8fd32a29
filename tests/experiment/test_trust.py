"""Trust in the store: killed, refused by the disk, damaged or shared, nothing is lost and the tables are the same."""

from __future__ import annotations

import json
import os
import random
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import kept
import pytest
import toy
from toy import hashes

from nnsim.core.atomic_files import publish, sha256_of
from nnsim.core.errors import StoreError
from nnsim.core.progress import Progress
from nnsim.core.temporary_files import temporary_path
from nnsim.experiment.results.status import IncompleteError, read_status
from nnsim.experiment.store import ChunkStore, read_record
from nnsim.runs.merge import merge_study
from nnsim.runs.run import plan_study, run_shard, run_study

pytestmark = pytest.mark.crash

TESTS = Path(__file__).parents[1]


@pytest.fixture(autouse=True)
def measured() -> Iterator[list[str]]:
    """Ids of the trials that were measured during the test."""
    toy.measured.clear()
    yield toy.measured
    toy.measured.clear()


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of one undisturbed run."""
    folder = tmp_path_factory.mktemp("whole")
    run_study(toy.study, output=folder)
    return folder


class TestDeath:
    def test_every_kill_point_and_every_refusal_of_the_disk(self) -> None:
        assert kept.json_of("faults.py", "--chunks", "2")["points"] >= 300

    def test_twenty_kills_at_random_moments(self) -> None:
        assert kept.json_of("soak.py", "--kills", "20")["kills"] == 20


class TestDamage:
    """A bit is flipped, or the end is cut, in each file of a store."""

    @pytest.mark.parametrize("place", ["config.json", "first", "last"])
    @pytest.mark.parametrize("seed", range(4))
    def test_a_flipped_bit_is_found(self, tmp_path: Path, whole: Path, place: str, seed: int) -> None:
        draw = random.Random(f"{place} {seed}")

        def flip(content: bytes) -> bytes:
            position = draw.randrange(len(content))
            return content[:position] + bytes([content[position] ^ 1 << draw.randrange(8)]) + content[position + 1 :]

        self.damage_and_go_on(tmp_path, whole, place, flip)

    @pytest.mark.parametrize("place", ["config.json", "first", "last"])
    @pytest.mark.parametrize("share", [0.0, 0.5, 1.0])
    def test_a_cut_end_is_found(self, tmp_path: Path, whole: Path, place: str, share: float) -> None:
        self.damage_and_go_on(tmp_path, whole, place, lambda content: content[: int(share * (len(content) - 2))])

    def damage_and_go_on(self, place: Path, whole: Path, name: str, damage: Callable[[bytes], bytes]) -> None:
        folder = place / "out"
        shutil.copytree(whole, folder)
        path = folder / name if name == "config.json" else sorted((folder / "chunks").iterdir())[-(name == "last")]
        path.write_bytes(damage(path.read_bytes()))
        if name == "config.json":
            for action in (read_status, lambda folder: run_study(toy.study, output=folder)):
                with pytest.raises(StoreError, match=r"is damaged|another configuration|newer nnsim"):
                    action(folder)
            return
        assert read_status(folder).damaged == (path.name,)
        with pytest.raises(IncompleteError, match="1 of 4 chunks"):
            merge_study(folder, study=toy.study)
        run_study(toy.study, output=folder)
        assert len(toy.measured) == 2
        assert hashes(folder) == hashes(whole)
        assert read_status(folder).damaged == ()

    def test_every_bit_of_the_configuration_counts(self, tmp_path: Path, whole: Path) -> None:
        shutil.copy(whole / "config.json", tmp_path)
        content = (tmp_path / "config.json").read_bytes()
        silent = [bit for bit in range(8 * len(content)) if self.passes(tmp_path, _flipped(content, bit), content)]
        assert silent == []

    def passes(self, folder: Path, content: bytes, original: bytes) -> bool:
        """Return whether a damaged configuration is taken for a good one that says something else."""
        (folder / "config.json").write_bytes(content)
        try:
            read_record(folder)
        except StoreError:
            return False
        return json.loads(content) != json.loads(original)

    @pytest.mark.parametrize("name", ["trials.csv", "layers.csv", "manifest.json", "report.html", "columns.csv"])
    def test_a_damaged_result_is_written_anew(self, tmp_path: Path, whole: Path, name: str) -> None:
        folder = tmp_path / "out"
        shutil.copytree(whole, folder)
        (folder / name).write_bytes((folder / name).read_bytes()[:-9])
        merge_study(folder, study=toy.study)
        assert hashes(folder) == hashes(whole)
        files = json.loads((folder / "manifest.json").read_text())["files"]
        assert all(sha256_of(folder / name) == digest for name, digest in files.items())

    def test_a_chunk_that_changes_while_it_is_read_is_one_sentence(self, tmp_path: Path, whole: Path) -> None:
        shutil.copytree(whole, tmp_path / "out")
        store = ChunkStore(tmp_path / "out")
        path = store.find(plan_study(toy.study).chunks[0])
        assert path is not None
        path.write_bytes(path.read_bytes()[:40])
        with pytest.raises(StoreError, match="it changed while it was read; run the same command again"):
            store.lines(path, "trials")


def _flipped(content: bytes, bit: int) -> bytes:
    changed = bytearray(content)
    changed[bit // 8] ^= 1 << bit % 8
    return bytes(changed)


class TestUnfinishedFiles:
    def test_those_of_dead_processes_go(self, tmp_path: Path, whole: Path) -> None:
        shutil.copytree(whole, tmp_path / "out")
        program = (
            "import os, sys, pathlib; from nnsim.core.temporary_files import temporary_path\n"
            "for name in sys.argv[1:]: temporary_path(pathlib.Path(name)).write_text('half')"
        )
        names = [str(tmp_path / "out" / name) for name in ("trials.csv", "chunks/000001-x.zip", "figures/claims.png")]
        subprocess.run([sys.executable, "-c", program, *names], check=True)
        assert len(list(tmp_path.rglob("*.nnsim-tmp"))) == 3
        run_study(toy.study, output=tmp_path / "out")
        assert not list(tmp_path.rglob("*.nnsim-tmp"))

    def test_those_of_living_processes_stay(self, tmp_path: Path) -> None:
        run_study(toy.study, output=tmp_path)
        mine = temporary_path(tmp_path / "trials.csv")
        mine.write_text("half")
        run_study(toy.study, output=tmp_path)
        assert mine.read_text() == "half"

    @pytest.mark.parametrize(("age", "stays"), [(3600, True), (3 * 86400, False)], ids=["an-hour", "three-days"])
    def test_those_of_other_machines_go_when_nobody_wrote_for_a_day(
        self, tmp_path: Path, age: float, stays: bool
    ) -> None:
        run_study(toy.study, output=tmp_path)
        there = tmp_path / "chunks" / ".000000-x.zip.0123abcd-1-0123abcd.nnsim-tmp"
        there.write_text("half")
        os.utime(there, (time.time() - age,) * 2)
        run_study(toy.study, output=tmp_path)
        assert there.exists() == stays

    def test_a_file_that_only_looks_like_one_stays(self, tmp_path: Path) -> None:
        run_study(toy.study, output=tmp_path)
        (tmp_path / ".mine.nnsim-tmp").write_text("mine")
        run_study(toy.study, output=tmp_path)
        assert (tmp_path / ".mine.nnsim-tmp").exists()


class TestTwoRuns:
    def test_two_at_once_share_the_work(self, tmp_path: Path, measured: list[str]) -> None:
        axes = {"size": range(1, 21), "pause": 0.01}
        plan = plan_study(toy.study, **axes)
        barrier = threading.Barrier(2)

        def run() -> None:
            barrier.wait()
            run_shard(toy.study, shard="0/1", output=tmp_path / "two", jobs=1, **axes)

        threads = [threading.Thread(target=run) for _ in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(measured) < 1.5 * plan.size  # they meet now and then, and mostly share
        assert set(measured) == {trial.id for trial in plan.trials}
        merge_study(tmp_path / "two", study=toy.study)
        run_study(toy.study, output=tmp_path / "one", **axes)
        assert hashes(tmp_path / "two") == hashes(tmp_path / "one")

    def test_a_chunk_that_another_run_finished_is_left_alone(self, tmp_path: Path, measured: list[str]) -> None:
        class Helper(Progress):
            """Runs everything in the same folder as soon as this run has looked what is missing."""

            def begin(self, trials: int, finished: int, seconds: float) -> None:
                run_shard(toy.study, shard="0/1", output=tmp_path)

        told: list[float] = []
        helper = Helper()
        helper.advance = told.append  # type: ignore[method-assign]
        run_study(toy.study, output=tmp_path, progress=helper)
        assert len(measured) == 8
        assert len(told) == 8

    def test_both_write_the_results_one_after_the_other(self, tmp_path: Path, whole: Path) -> None:
        shutil.copytree(whole, tmp_path / "out")
        program = (
            "import sys; sys.path.insert(0, sys.argv[1]); import toy; from nnsim.runs.merge import merge_study\n"
            "for _ in range(3): merge_study(sys.argv[2], study=toy.study)"
        )
        command = [sys.executable, "-c", program, str(TESTS), str(tmp_path / "out")]
        processes = [subprocess.Popen(command) for _ in range(2)]
        assert [process.wait(120) for process in processes] == [0, 0]
        files = json.loads((tmp_path / "out" / "manifest.json").read_text())["files"]
        assert all(sha256_of(tmp_path / "out" / name) == digest for name, digest in files.items())

    def test_of_two_configurations_that_start_at_once_one_is_refused(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The other one makes the folder its own after this one has looked."""
        other = tmp_path / "other"
        run_shard(toy.study, shard="0/1", output=other, seed=1)

        def publish_late(path: Path, *arguments: Any, **options: Any) -> str:
            shutil.copy(other / "config.json", path)
            return publish(path, *arguments, **options)

        monkeypatch.setattr("nnsim.experiment.store.publish", publish_late)
        with pytest.raises(StoreError, match="seed is 1 there and 0 here"):
            run_shard(toy.study, shard="0/1", output=tmp_path / "out")
        assert (tmp_path / "out" / "config.json").read_bytes() == (other / "config.json").read_bytes()


class TestRefusals:
    def test_a_store_of_a_newer_version(self, tmp_path: Path) -> None:
        run_study(toy.study, output=tmp_path)
        config = json.loads((tmp_path / "config.json").read_text())
        (tmp_path / "config.json").write_text(json.dumps(config | {"store_version": 2}))
        before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
        for action in (lambda: run_study(toy.study, output=tmp_path), lambda: read_status(tmp_path)):
            with pytest.raises(StoreError) as caught:
                action()
            assert str(caught.value) == (
                f"'{tmp_path}' was made by a newer nnsim (store version 2, this one knows 1): "
                "update nnsim, or name another folder"
            )
        assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before

    def test_a_folder_that_cannot_be_written_is_told_before_any_work(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, measured: list[str]
    ) -> None:
        run_shard(toy.study, shard="0/2", output=tmp_path)
        measured.clear()
        usual = os.open

        def refuse(path: Any, flags: int, *arguments: Any, **options: Any) -> int:
            if flags & os.O_CREAT:
                raise OSError(30, "Read-only file system")  # root may write anywhere, so the refusal is simulated
            return usual(path, flags, *arguments, **options)

        monkeypatch.setattr(os, "open", refuse)
        with pytest.raises(StoreError, match=f"cannot write '{tmp_path}': read-only file system"):
            run_study(toy.study, output=tmp_path)
        assert not measured
        assert read_status(tmp_path).trials_done == 4
