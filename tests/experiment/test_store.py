"""Rows as bytes, files that appear whole, the chunk store and the guard of the output folder."""

from __future__ import annotations

import errno
import json
import math
import os
import threading
import zipfile
from pathlib import Path

import numpy as np
import pytest

from nnsim.core.atomic_files import publish, sha256_of
from nnsim.core.errors import StoreError
from nnsim.experiment.chunks import Chunk, Trial
from nnsim.experiment.csv_rows import SchemaError, encode, header_line
from nnsim.experiment.results.tables import read_table
from nnsim.experiment.store import ChunkStore, chunk_files, open_folder, read_identity
from nnsim.study.declaration import COLUMN_KINDS, Column, Table

KINDS = Table("kinds", tuple(Column(f"a_{kind}", kind, "", kind) for kind in COLUMN_KINDS))
PLAIN = {"a_int": 1, "a_float": 0.5, "a_text": "x", "a_bool": True}
TABLES = {"trials": b"a,1\nb,2\n", "layers": b""}


def written(**cells: object) -> str:
    return encode(KINDS, "id", [PLAIN | cells]).decode()


def chunk(number: int = 0, *ids: str) -> Chunk:
    return Chunk.of(number, [Trial(f"{name:0>16}", {"kind": "x"}, 1.0) for name in ids or ("a", "b")])


def full_disk(*arguments: object) -> None:
    raise OSError(errno.ENOSPC, "No space left on device")


class TestRows:
    def test_header_puts_the_trial_first(self) -> None:
        assert header_line(KINDS.header) == b"trial,a_int,a_float,a_text,a_bool\n"

    @pytest.mark.parametrize(
        ("cells", "line"),
        [
            pytest.param({}, "id,1,0.5,x,true\n", id="plain"),
            pytest.param({"a_float": 0.1}, "id,1,0.1,x,true\n", id="shortest-float"),
            pytest.param({"a_float": np.float32(0.1)}, "id,1,0.10000000149011612,x,true\n", id="float32-is-exact"),
            pytest.param({"a_float": math.nan}, "id,1,nan,x,true\n", id="nan"),
            pytest.param({"a_float": -math.inf}, "id,1,-inf,x,true\n", id="minus-infinity"),
            pytest.param({"a_int": np.int64(-3)}, "id,-3,0.5,x,true\n", id="numpy-int"),
            pytest.param({"a_bool": np.bool_(False)}, "id,1,0.5,x,false\n", id="numpy-bool"),
            pytest.param({"a_text": 'say "a,b"'}, 'id,1,0.5,"say ""a,b""",true\n', id="quotes"),
            pytest.param({"a_text": "=SUM(A1)"}, "id,1,0.5,'=SUM(A1),true\n", id="formula"),
            pytest.param({"a_text": "-x"}, "id,1,0.5,'-x,true\n", id="minus-text"),
            pytest.param({"a_text": "-1.5e-3"}, "id,1,0.5,-1.5e-3,true\n", id="minus-number"),
            pytest.param({"a_int": None, "a_float": None}, "id,,,x,true\n", id="empty-cells"),
        ],
    )
    def test_written_form(self, cells: dict[str, object], line: str) -> None:
        assert written(**cells) == line

    @pytest.mark.parametrize(
        ("cells", "named"),
        [
            ({"a_int": 1.5}, "a_int"),
            ({"a_float": "1"}, "a_float"),
            ({"a_text": 3}, "a_text"),
            ({"a_bool": "yes"}, "a_bool"),
            ({"extra": 1}, "extra"),
        ],
        ids=["float-as-int", "text-as-float", "int-as-text", "text-as-bool", "unknown-column"],
    )
    def test_what_does_not_fit_is_named(self, cells: dict[str, object], named: str) -> None:
        with pytest.raises(SchemaError, match=f"'kinds'.*'{named}'"):
            written(**cells)

    def test_a_missing_column_is_named(self) -> None:
        with pytest.raises(SchemaError, match="lacks the column 'a_bool'"):
            encode(KINDS, "id", [{"a_int": 1, "a_float": 0.5, "a_text": "x"}])

    def test_what_is_written_reads_back_exactly(self, tmp_path: Path) -> None:
        floats = [0.1, 1 / 3, 1e-308, 5e-324, math.inf, -math.inf, math.nan, -0.0]
        texts = ["", "nan", "NA", "a,b", "None", " x", "1", "-"]
        rows = [PLAIN | {"a_float": value, "a_text": text} for value, text in zip(floats, texts, strict=True)]
        publish(tmp_path / "kinds.csv", [header_line(KINDS.header), encode(KINDS, "id", rows)])
        frame = read_table(tmp_path / "kinds.csv", KINDS.header)
        np.testing.assert_array_equal(frame["a_float"], np.array(floats))
        assert list(frame["a_text"]) == texts
        assert [str(frame[name].dtype) for name in ("a_int", "a_bool")] == ["int64", "bool"]

    def test_empty_cells_read_back_as_missing(self, tmp_path: Path) -> None:
        rows = [PLAIN, {"a_int": None, "a_float": None, "a_text": None, "a_bool": None}]
        publish(tmp_path / "kinds.csv", [header_line(KINDS.header), encode(KINDS, "id", rows)])
        frame = read_table(tmp_path / "kinds.csv", KINDS.header)
        assert list(frame.iloc[1].isna()) == [False, True, True, False, True]
        assert frame["a_int"].iloc[0] == 1


class TestPublish:
    def test_content_and_hash(self, tmp_path: Path) -> None:
        digest = publish(tmp_path / "file", [b"one ", b"two"])
        assert (tmp_path / "file").read_bytes() == b"one two"
        assert digest == sha256_of(tmp_path / "file")

    def test_full_disk_keeps_the_old_file_and_nothing_else(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        publish(tmp_path / "file", [b"old"])
        monkeypatch.setattr(os, "fsync", full_disk)
        with pytest.raises(StoreError, match="full: free some space and run the same command again"):
            publish(tmp_path / "file", [b"new"])
        assert [path.name for path in tmp_path.iterdir()] == ["file"]
        assert (tmp_path / "file").read_bytes() == b"old"

    def test_an_error_on_the_way_leaves_nothing(self, tmp_path: Path) -> None:
        with pytest.raises(ZeroDivisionError):
            publish(tmp_path / "file", (b"x" * (1 // number) for number in (1, 0)))
        assert list(tmp_path.iterdir()) == []


class TestChunkStore:
    def test_a_kept_chunk_is_found_and_read(self, tmp_path: Path) -> None:
        ChunkStore(tmp_path).add(chunk(), TABLES, errors=0)
        store = ChunkStore(tmp_path)
        path = store.find(chunk())
        assert path is not None
        assert store.lines(path, "trials") == TABLES["trials"]
        assert not store.has_errors(path)

    @pytest.mark.parametrize("other", [chunk(1), chunk(0, "a", "c")], ids=["number", "trials"])
    def test_another_chunk_is_not_taken_for_it(self, tmp_path: Path, other: Chunk) -> None:
        store = ChunkStore(tmp_path)
        store.add(chunk(), TABLES, errors=0)
        assert store.find(other) is None

    def test_equal_content_has_equal_bytes_and_name(self, tmp_path: Path) -> None:
        paths = [ChunkStore(tmp_path / name).add(chunk(), TABLES, errors=0) for name in "ab"]
        assert paths[0].name == paths[1].name
        assert paths[0].read_bytes() == paths[1].read_bytes()

    @pytest.mark.parametrize(
        "damage",
        [lambda content: content[:-1], lambda content: b"", lambda content: content.replace(b"a,1", b"a,9")],
        ids=["truncated", "emptied", "one-digit-changed"],
    )
    def test_a_damaged_chunk_is_not_found_and_goes_when_replaced(self, tmp_path: Path, damage: object) -> None:
        first = ChunkStore(tmp_path).add(chunk(), TABLES, errors=0)
        first.write_bytes(damage(first.read_bytes()))  # type: ignore[operator]
        store = ChunkStore(tmp_path)
        assert store.find(chunk()) is None
        second = store.add(chunk(), TABLES | {"layers": b"z\n"}, errors=0)
        assert list((tmp_path / "chunks").iterdir()) == [second]

    def test_a_well_named_file_without_our_trials_is_ignored(self, tmp_path: Path) -> None:
        good = ChunkStore(tmp_path).add(chunk(), TABLES, errors=0)
        stranger = tmp_path / "stranger.zip"
        with zipfile.ZipFile(stranger, "w") as archive:
            archive.writestr("meta.json", json.dumps({"trials": ["other"]}))
        stem = good.stem.rpartition("-")[0]
        stranger.rename(good.with_name(f"{stem}-{sha256_of(stranger)}.zip"))
        good.unlink()
        assert ChunkStore(tmp_path).find(chunk()) is None

    def test_a_chunk_added_while_the_folder_is_listed_stays_known(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        store = ChunkStore(tmp_path)
        adding = threading.Thread(target=store.add, args=(chunk(), TABLES, 0))

        def listing_that_comes_too_early(folder: Path) -> dict[str, list[Path]]:
            found = chunk_files(folder)
            adding.start()
            adding.join(timeout=1.0)  # ends before the listing is kept, unless adding waits for it
            return found

        monkeypatch.setattr("nnsim.experiment.store.chunk_files", listing_that_comes_too_early)
        store.refresh()
        adding.join()
        assert store.find(chunk()) is not None

    def test_foreign_files_stay(self, tmp_path: Path) -> None:
        store = ChunkStore(tmp_path)
        (tmp_path / "chunks" / "notes.txt").write_text("mine")
        (tmp_path / "chunks" / "000000-x.zip").mkdir()
        store.add(chunk(), TABLES, errors=0)
        assert ChunkStore(tmp_path).find(chunk()) is not None
        assert (tmp_path / "chunks" / "notes.txt").read_text() == "mine"


IDENTITY = {"study": "toy", "config": {"depth": [5, 30]}, "seed": 0, "arithmetic_version": 1, "schema_version": 1}


class TestGuard:
    def test_a_new_folder_becomes_the_configurations_place(self, tmp_path: Path) -> None:
        open_folder(tmp_path / "new" / "folder", IDENTITY)
        assert read_identity(tmp_path / "new" / "folder") == IDENTITY

    def test_the_same_configuration_comes_back(self, tmp_path: Path) -> None:
        open_folder(tmp_path, IDENTITY)
        before = (tmp_path / "config.json").stat().st_mtime_ns
        open_folder(tmp_path, IDENTITY)
        assert (tmp_path / "config.json").stat().st_mtime_ns == before

    @pytest.mark.parametrize(
        ("change", "sentence"),
        [
            ({"config": {"depth": [5]}}, r"depth is \[5, 30\] there and \[5\] here"),
            ({"config": {"depth": [5, 30], "width": 3}}, "width is not set there and 3 here"),
            ({"config": {}}, r"depth is \[5, 30\] there and not set here"),
            ({"study": "other"}, 'study is "toy" there and "other" here'),
            ({"seed": 1}, "seed is 0 there and 1 here"),
            ({"arithmetic_version": 2}, "arithmetic_version is 1 there and 2 here"),
            ({"schema_version": 2}, "schema_version is 1 there and 2 here"),
        ],
        ids=["axis", "new-axis", "lost-axis", "study", "seed", "arithmetic", "schema"],
    )
    def test_another_configuration_is_refused(self, tmp_path: Path, change: dict[str, object], sentence: str) -> None:
        open_folder(tmp_path, IDENTITY)
        before = (tmp_path / "config.json").read_bytes()
        with pytest.raises(StoreError, match=sentence):
            open_folder(tmp_path, IDENTITY | change)
        assert (tmp_path / "config.json").read_bytes() == before

    def test_a_folder_with_other_content_is_refused(self, tmp_path: Path) -> None:
        (tmp_path / "thesis.tex").write_text("years of work")
        with pytest.raises(StoreError, match=r"not empty .*'thesis.tex'"):
            open_folder(tmp_path, IDENTITY)
        assert [path.name for path in tmp_path.iterdir()] == ["thesis.tex"]

    def test_a_file_is_refused(self, tmp_path: Path) -> None:
        (tmp_path / "file").write_text("x")
        with pytest.raises(StoreError, match="is a file"):
            open_folder(tmp_path / "file", IDENTITY)

    def test_a_folder_below_a_file_is_refused(self, tmp_path: Path) -> None:
        (tmp_path / "file").write_text("x")
        with pytest.raises(StoreError, match=r"cannot write .*: not a directory"):
            open_folder(tmp_path / "file" / "folder", IDENTITY)

    def test_a_folder_that_cannot_be_written_is_refused(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        def refuse(*arguments: object, **options: object) -> None:
            raise PermissionError(errno.EACCES, "Permission denied")

        monkeypatch.setattr(Path, "mkdir", refuse)  # root may write anywhere, so the refusal is simulated
        with pytest.raises(StoreError, match=f"cannot write '{tmp_path / 'new'}': permission denied"):
            open_folder(tmp_path / "new", IDENTITY)

    @pytest.mark.parametrize("content", [b"{", b"\xff", b""], ids=["cut", "binary", "empty"])
    def test_a_damaged_configuration_is_refused(self, tmp_path: Path, content: bytes) -> None:
        (tmp_path / "config.json").write_bytes(content)
        with pytest.raises(StoreError, match="damaged"):
            open_folder(tmp_path, IDENTITY)
