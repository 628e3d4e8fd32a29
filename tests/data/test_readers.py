from __future__ import annotations

import gzip
import io
import struct
from pathlib import Path

import numpy as np
import pytest

from nnsim.core.errors import DataError, NnsimError, UnknownNameError, UsageError
from nnsim.data.array_files import read_idx_array
from nnsim.data.readers import Table, read
from nnsim.data.targets import TargetRule

CSV = "length,width,kind\n1.5,2,b\n-3,4e-1,a\n0,6,b\n"
IDX_CODES = {"uint8": 0x08, "int8": 0x09, "int16": 0x0B, "int32": 0x0C, "float32": 0x0D, "float64": 0x0E}


def write(path: Path, content: str | bytes) -> Path:
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def idx_bytes(values: np.ndarray) -> bytes:
    header = struct.pack(f">4B{values.ndim}I", 0, 0, IDX_CODES[values.dtype.name], values.ndim, *values.shape)
    return header + values.astype(values.dtype.newbyteorder(">")).tobytes()


def npz_bytes(**arrays: np.ndarray) -> bytes:
    file = io.BytesIO()
    np.savez_compressed(file, **arrays)
    return file.getvalue()


def names(table: Table) -> tuple[str, ...]:
    return tuple(feature.name for feature in table.features)


def targets(table: Table) -> list[object]:
    """Return each row's label, or its measurement."""
    held = table.target
    return [held.class_names[number] for number in held.values] if held.class_names else held.values[:, 0].tolist()


@pytest.fixture
def images() -> np.ndarray:
    return (np.arange(5 * 2 * 3) * 7 % 256).astype(np.uint8).reshape(5, 2, 3)


@pytest.fixture
def labels() -> np.ndarray:
    return np.array([3, 0, 1, 3, 1], dtype=np.uint8)


@pytest.fixture
def mnist(tmp_path: Path, images: np.ndarray, labels: np.ndarray) -> Path:
    write(tmp_path / "train-labels-idx1-ubyte", idx_bytes(labels))
    return write(tmp_path / "train-images-idx3-ubyte", idx_bytes(images))


# CSV


def test_csv_gives_features_target_and_names(tmp_path):
    table = read(write(tmp_path / "a.csv", CSV), "kind")
    assert names(table) == ("length", "width")
    assert table.X.tolist() == [[1.5, 2], [-3, 0.4], [0, 6]]
    assert targets(table) == ["b", "a", "b"]


def test_csv_target_may_be_the_first_column(tmp_path):
    table = read(write(tmp_path / "a.csv", "kind,length,width\na,1,2\nb,3,4\n"), "kind")
    assert names(table) == ("length", "width")
    assert table.X.tolist() == [[1, 2], [3, 4]]


def test_csv_numbers_are_the_nearest_floats(tmp_path):
    written = [repr(value) for value in (0.1, 1 / 3, 5e-324, 1.7976931348623157e308, 0.30000000000000004)]
    table = read(write(tmp_path / "a.csv", "x,y\n" + "".join(f"{number},1\n" for number in written)), "y")
    assert [repr(float(value)) for value in table.X[:, 0]] == written


def test_csv_target_of_numbers_is_numeric(tmp_path):
    table = read(write(tmp_path / "a.csv", "x,y\n1,2.5\n2,-1\n"), "y")
    assert targets(table) == [2.5, -1.0]


def test_csv_labels_may_mix_whole_numbers_and_text_where_the_task_is_said(tmp_path):
    table = read(write(tmp_path / "a.csv", "x,y\n1,1\n2,A\n"), "y", TargetRule("classification"))
    assert targets(table) == ["1", "A"]


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("\ufeff" + CSV, id="byte-order-mark"),
        pytest.param(CSV.replace("\n", "\r\n"), id="crlf"),
        pytest.param(CSV.replace("\n", "\n\n"), id="blank-lines"),
        pytest.param(CSV.replace(",", " , "), id="spaces"),
        pytest.param(CSV.removesuffix("\n"), id="no-final-newline"),
        pytest.param(CSV.replace("length", '"length"').replace("1.5", '"1.5"'), id="quotes"),
        pytest.param(CSV.replace(",", ";"), id="semicolons"),
        pytest.param(CSV.replace(",", "\t"), id="tabs"),
    ],
)
def test_csv_spellings_of_one_table_are_read_alike(tmp_path, text):
    table, plain = read(write(tmp_path / "a.csv", text), "kind"), read(write(tmp_path / "b.csv", CSV), "kind")
    assert names(table) == names(plain)
    np.testing.assert_array_equal(table.X, plain.X)
    assert targets(table) == targets(plain)


def test_csv_permuted_rows_give_the_permuted_table(tmp_path):
    header, *rows = CSV.splitlines()
    order = [2, 0, 1]
    permuted = "\n".join([header, *(rows[i] for i in order)])
    table, plain = read(write(tmp_path / "a.csv", permuted), "kind"), read(write(tmp_path / "b.csv", CSV), "kind")
    np.testing.assert_array_equal(table.X, plain.X[order])
    assert targets(table) == [targets(plain)[row] for row in order]


@pytest.mark.parametrize(
    ("cell", "quoted"),
    [
        ("abc", "'abc'"),
        ("", "''"),
        ("nan", "'nan'"),
        ("NaN", "'NaN'"),
        ("-inf", "'-inf'"),
        ("1e999", "'1e999'"),
        ("1_000", "'1_000'"),
        ("0x10", "'0x10'"),
        ("__import__('os')", "__import__('os')"),
        ("z" * 200, "'" + "z" * 40 + "...'"),
    ],
)
def test_csv_feature_that_is_no_finite_number_is_named_by_row_and_column(tmp_path, cell, quoted):
    path = write(tmp_path / "a.csv", f"length,width,kind\n1,2,a\n\n3,{cell},b\n")
    with pytest.raises(DataError, match=r"row 4, column 'width'") as caught:
        read(path, "kind")
    assert quoted in str(caught.value)


@pytest.mark.parametrize("cell", ["", "n/a", "nan", "inf"])
def test_csv_slip_in_a_numeric_target_is_named_by_row_and_column(tmp_path, cell):
    path = write(tmp_path / "a.csv", f"x,y\n1,2.5\n2,{cell}\n")
    with pytest.raises(DataError, match=r"row 3, column 'y'"):
        read(path, "y")


def test_csv_missing_label_is_named_by_row_and_column(tmp_path):
    with pytest.raises(DataError, match=r"row 3, column 'y' .* holds ''"):
        read(write(tmp_path / "a.csv", "x,y\n1,a\n2,\n3,b\n"), "y")


@pytest.mark.parametrize(("row", "count"), [("1,a", 2), ("1,2,a,4", 4)], ids=["short", "long"])
def test_csv_row_of_another_length_is_named(tmp_path, row, count):
    path = write(tmp_path / "a.csv", f"length,width,kind\n1,2,a\n{row}\n")
    with pytest.raises(DataError, match=rf"row 3 .* has {count} cells, but the header has 3"):
        read(path, "kind")


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        pytest.param("", "is empty", id="empty"),
        pytest.param("\n\n", "is empty", id="blank"),
        pytest.param("x,y\n", "a header and no rows", id="header-only"),
        pytest.param("x,x,y\n1,2,3\n", "the column 'x' more than once", id="duplicate-column"),
        pytest.param("x,,y\n1,2,3\n", "column 2 .* has no name", id="unnamed-column"),
        pytest.param("y\n1\n", "has no feature", id="target-only"),
        pytest.param('"a\nb",y\n1,2\n', r"name of column 1 .* is 'a\\nb', expected one line", id="name-of-two-lines"),
        pytest.param("a\x1b[2J,y\n1,2\n", "expected one line of plain text", id="name-with-control-codes"),
        pytest.param("1,2\n3,4\n", "has no header line", id="no-header"),
        pytest.param('x,y\n1,"2\n', "not well-formed CSV", id="open-quote"),
        pytest.param(b"x,y\n1,caf\xe9\n", "not a UTF-8 text file .*0xe9.*save it as UTF-8", id="latin-1"),
        pytest.param("x,y\n1,2\n".encode("utf-16"), "not a UTF-8 text file", id="utf-16"),
    ],
)
def test_csv_that_is_no_table_is_refused(tmp_path, content, sentence):
    with pytest.raises(DataError, match=sentence):
        read(write(tmp_path / "a.csv", content), "y")


def test_csv_without_a_target_lists_the_columns(tmp_path):
    with pytest.raises(UsageError, match=r"needs the name of its target column: the columns are length, width, kind"):
        read(write(tmp_path / "a.csv", CSV))


def test_csv_unknown_target_offers_the_nearest_column(tmp_path):
    with pytest.raises(UnknownNameError, match=r"'kinds': did you mean 'kind'\? known are kind, length, width"):
        read(write(tmp_path / "a.csv", CSV), "kinds")


def test_of_a_wide_table_only_some_columns_are_listed(tmp_path):
    names = [f"x{i}" for i in range(300)]
    path = write(tmp_path / "wide.csv", ",".join(names) + "\n" + ",".join(["1"] * 300) + "\n")
    with pytest.raises(UnknownNameError, match=r"did you mean 'x299'\? known are x0, .* and 240 more$"):
        read(path, "x2999")


# NPZ


def test_npz_gives_flattened_samples(tmp_path, images, labels):
    table = read(write(tmp_path / "a.npz", npz_bytes(X=images, y=labels)))
    np.testing.assert_array_equal(table.X, images.reshape(5, 6))
    assert targets(table) == list(map(str, labels))
    assert names(table) == ("x0", "x1", "x2", "x3", "x4", "x5")


X2, Y2 = np.array([[1.0], [2.0]]), np.array([0, 1])


@pytest.mark.parametrize(
    ("arrays", "sentence"),
    [
        pytest.param({"X": X2}, "lacks the array 'y': it holds X", id="no-y"),
        pytest.param({"y": Y2}, "lacks the array 'X'", id="no-X"),
        pytest.param({"X": X2.astype(object), "y": Y2}, "'X' .* holds Python objects", id="object-X"),
        pytest.param({"X": X2, "y": Y2.astype(object)}, "'y' .* holds Python objects", id="object-y"),
        pytest.param({"X": X2.astype(complex), "y": Y2}, "'X' .* dtype complex128", id="complex"),
        pytest.param({"X": X2.astype(str), "y": Y2}, "'X' .* dtype <U32", id="text"),
        pytest.param({"X": X2, "y": Y2.astype("S")}, "'y' .* dtype", id="bytes"),
        pytest.param({"X": X2[:, 0], "y": Y2}, r"'X' .* shape \(2,\)", id="flat-X"),
        pytest.param({"X": X2, "y": np.zeros((2, 1, 1))}, r"'y' .* shape \(2, 1, 1\)", id="deep-y"),
        pytest.param({"X": X2, "y": np.array([0, 1, 1])}, "2 rows in X, but 3 in y", id="lengths"),
        pytest.param({"X": X2[:0], "y": Y2[:0]}, "holds no numbers", id="no-rows"),
        pytest.param({"X": X2[:, :0], "y": Y2}, "holds no numbers", id="no-features"),
        pytest.param({"X": np.array([[1.0], [np.nan]]), "y": Y2}, r"X\[1, 0\] .* is nan", id="nan-X"),
        pytest.param({"X": X2, "y": np.array([0.5, np.inf])}, r"y\[1\] .* is inf", id="inf-y"),
    ],
)
def test_npz_of_other_arrays_is_refused(tmp_path, arrays, sentence):
    with pytest.raises(DataError, match=sentence):
        read(write(tmp_path / "a.npz", npz_bytes(**arrays)))


@pytest.mark.parametrize("content", [b"no archive at all", npz_bytes(X=X2, y=Y2)[:200]], ids=["text", "truncated"])
def test_npz_that_is_no_archive_is_refused(tmp_path, content):
    with pytest.raises(DataError, match="not a NumPy archive, or is damaged"):
        read(write(tmp_path / "a.npz", content))


def test_npz_takes_no_target(tmp_path):
    with pytest.raises(UsageError, match="takes no target 'kind'"):
        read(write(tmp_path / "a.npz", npz_bytes(X=X2, y=Y2)), "kind")


def outcome(path: Path) -> str:
    try:
        return f"{len(read(path).X)} rows"
    except NnsimError as error:
        return str(error)


def test_npz_with_any_damaged_byte_is_read_or_refused_in_a_sentence(tmp_path):
    whole = npz_bytes(X=np.arange(12.0).reshape(4, 3), y=np.arange(4))
    for place in range(0, len(whole), 3):
        damaged = whole[:place] + bytes([whole[place] ^ 0xFF]) + whole[place + 1 :]
        said = outcome(write(tmp_path / "a.npz", damaged))
        assert said == "4 rows" or "a.npz" in said, f"byte {place}"


# IDX


@pytest.mark.parametrize("dtype", IDX_CODES)
def test_idx_array_round_trips(tmp_path, dtype):
    values = np.array([[1, 2, 100], [-3, 0, 7]]).astype(dtype)
    held = read_idx_array(write(tmp_path / "a-idx2", idx_bytes(values)))
    assert held.dtype == np.dtype(dtype)
    np.testing.assert_array_equal(held, values)


def test_idx_images_find_their_labels(mnist, images, labels):
    table = read(mnist)
    np.testing.assert_array_equal(table.X, images.reshape(5, 6))
    assert targets(table) == list(map(str, labels))


def test_idx_takes_the_labels_file_as_target(tmp_path, mnist, labels):
    other = write(tmp_path / "other", idx_bytes(labels[::-1].copy()))
    assert targets(read(mnist, str(other))) == list(map(str, labels[::-1]))


@pytest.mark.parametrize("labels_name", ["t10k-labels-idx1-ubyte.gz", "t10k-labels-idx1-ubyte"])
def test_idx_is_read_through_gzip(tmp_path, images, labels, labels_name):
    compress = gzip.compress if labels_name.endswith("gz") else bytes
    write(tmp_path / labels_name, compress(idx_bytes(labels)))
    table = read(write(tmp_path / "t10k-images-idx3-ubyte.gz", gzip.compress(idx_bytes(images))))
    np.testing.assert_array_equal(table.X, images.reshape(5, 6))
    assert targets(table) == list(map(str, labels))


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        pytest.param(b"\0\0\x08\x03" + bytes(8), "expected 16 bytes for 3 sizes, got 12", id="header-cut"),
        pytest.param(struct.pack(">4B3I", 0, 0, 8, 3, 5, 2, 3) + bytes(29), "expected 46 bytes .*, got 45", id="cut"),
        pytest.param(
            struct.pack(">4B3I", 0, 0, 8, 3, 5, 2, 3) + bytes(31), "too long: expected 46 .* got 47", id="long"
        ),
        pytest.param(struct.pack(">4B3I", 0, 0, 8, 3, *[2**32 - 1] * 3), "is truncated: expected", id="huge"),
        pytest.param(struct.pack(">4B3I", 0, 0, 8, 3, 0, 2, 3), "holds no values", id="no-samples"),
        pytest.param(b"\0\0", "is not an IDX file", id="two-bytes"),
        pytest.param(b"\x89PNG....", "is not an IDX file: it begins with 89 50 4e 47", id="magic"),
        pytest.param(b"\0\0\x07\x01\0\0\0\1\0", "unknown IDX type code 0x07: known are 0x08", id="type-code"),
        pytest.param(b"\0\0\x08\x00\0", "has 0 dimensions", id="no-dimension"),
        pytest.param(b"\0\0\x08\xff" + bytes(2000), "has 255 dimensions", id="255-dimensions"),
        pytest.param(b"", "is empty", id="empty"),
        pytest.param(gzip.compress(bytes(1000))[:-9], "damaged gzip", id="gzip-cut"),
        pytest.param(b"\x1f\x8bnonsense", "damaged gzip", id="gzip-nonsense"),
        pytest.param(gzip.compress(bytes(99))[:-8] + bytes(8), "damaged gzip", id="gzip-checksum"),
    ],
)
def test_idx_file_that_is_damaged_is_refused(tmp_path, content, sentence):
    with pytest.raises(DataError, match=sentence):
        read(write(tmp_path / "a-images-idx3-ubyte", content))


def test_idx_without_labels_names_the_missing_file(tmp_path, images):
    path = write(tmp_path / "a-images-idx3-ubyte", idx_bytes(images))
    with pytest.raises(DataError, match="no labels file 'a-labels-idx1-ubyte' lies beside"):
        read(path)


def test_idx_labels_of_another_length_are_refused(tmp_path, mnist, labels):
    other = write(tmp_path / "other", idx_bytes(labels[:4]))
    with pytest.raises(DataError, match=r"shape \(4,\), expected \(5,\)"):
        read(mnist, str(other))


def test_idx_labels_file_given_as_images_is_refused(mnist):
    with pytest.raises(DataError, match="give the images file"):
        read(mnist.with_name("train-labels-idx1-ubyte"))


def test_idx_image_with_nan_is_refused(tmp_path, mnist):
    images = np.zeros((5, 2), dtype=np.float32)
    images[3, 1] = np.nan
    path = write(tmp_path / "f-images-idx2", idx_bytes(images))
    with pytest.raises(DataError, match=r"X\[3, 1\] .* is nan"):
        read(path, str(mnist.with_name("train-labels-idx1-ubyte")))


# Any file


def test_folder_is_refused(tmp_path):
    with pytest.raises(DataError, match="is a folder"):
        read(tmp_path)


def test_missing_file_is_refused(tmp_path):
    with pytest.raises(DataError, match=r"there is no file .*a\.csv"):
        read(tmp_path / "a.csv", "y")


def test_missing_labels_file_is_refused(mnist):
    with pytest.raises(DataError, match="there is no file 'nowhere'"):
        read(mnist, "nowhere")


def test_unknown_format_names_the_known_ones(tmp_path):
    with pytest.raises(DataError, match=r"must end in \.csv, \.tsv or \.npz, or contain idx"):
        read(write(tmp_path / "a.xlsx", b"PK"))


def test_name_that_the_system_refuses_is_an_error_in_a_sentence(tmp_path):
    with pytest.raises(DataError, match="cannot be read: File name too long"):
        read(tmp_path / ("a" * 300 + ".csv"), "y")
