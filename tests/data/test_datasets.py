from __future__ import annotations

import math
import struct
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from nnsim.core.errors import DataError, UnknownNameError, UsageError
from nnsim.core.seeding import key
from nnsim.data import synthetic
from nnsim.data.datasets import DATASETS, Dataset, Split, fingerprint, load, split
from nnsim.data.dialects import Dialect
from nnsim.data.readers import Reading
from nnsim.data.targets import TargetRule
from nnsim.kernels.cpu_only.synthetic import teacher

KEY, OTHER = key(0, "data"), key(1, "data")
BUNDLED = {
    "digits": (1797, 64, 10),
    "breast_cancer": (569, 30, 2),
    "wine": (178, 13, 3),
    "iris": (150, 4, 3),
    "diabetes": (442, 10, 0),
}
SYNTHETIC = [name for name in DATASETS if name not in BUNDLED]
CLASSES = [name for name, source in DATASETS.items() if source.task == "classification"]


def dataset(X, y) -> Dataset:
    """Return a data set of plain arrays: classification where y is of integers."""
    X, y = np.asarray(X, dtype=np.float64), np.asarray(y)
    names = tuple(map(str, range(X.shape[1])))
    if y.dtype.kind == "i":
        n_classes = int(y.max()) + 1
        return Dataset("test", X, y, "classification", n_classes, names, tuple(map(str, range(n_classes))))
    return Dataset("test", X, y.reshape(len(y), -1), "regression", 0, names)


def numbered(n: int, y) -> Dataset:
    """Return a data set whose only feature is the row number."""
    return dataset(np.arange(n)[:, None], y)


def parts(of: Split) -> list[tuple[np.ndarray, np.ndarray]]:
    return [(of.X_train, of.y_train), (of.X_validation, of.y_validation), (of.X_test, of.y_test)]


def row_numbers(of: Split, n: int) -> list[np.ndarray]:
    """Undo the standardisation of a `numbered` data set by the known distance of its rows."""
    values = np.concatenate([X[:, 0] for X, _ in parts(of)])
    rows = np.rint((values - values.min()) / (values.max() - values.min()) * (n - 1)).astype(int)
    return np.split(rows, np.cumsum([len(X) for X, _ in parts(of)])[:2])


def csv(tmp_path: Path, targets: list[object]) -> str:
    path = tmp_path / "data.csv"
    path.write_text("x,y\n" + "".join(f"{row / 2},{target}\n" for row, target in enumerate(targets)))
    return str(path)


# Registered sets


@pytest.mark.parametrize("name", DATASETS)
def test_registered_set_is_what_its_entry_says(name):
    data, source = load(name, key=KEY), DATASETS[name]
    n, d = data.X.shape
    assert (n, data.task) == (source.n_samples, source.task)
    assert data.X.dtype == np.float64
    assert data.X.flags.c_contiguous
    assert np.isfinite(data.X).all()
    assert len(data.feature_names) == d
    assert source.description


@pytest.mark.parametrize("name", CLASSES)
def test_class_numbers_are_dense_and_named(name):
    data = load(name, key=KEY)
    assert data.y.dtype == np.int64
    assert np.unique(data.y).tolist() == list(range(data.n_classes))
    assert len(data.class_names) == data.n_classes


@pytest.mark.parametrize("name", [name for name in DATASETS if name not in CLASSES])
def test_regression_targets_are_columns(name):
    data = load(name, key=KEY)
    assert data.y.dtype == np.float64
    assert data.y.shape == (len(data.X), 1)
    assert (data.n_classes, data.class_names) == (0, ())


@pytest.mark.parametrize("name", BUNDLED)
def test_bundled_set_has_its_published_shape(name):
    data = load(name, key=KEY)
    assert (*data.X.shape, data.n_classes) == BUNDLED[name]


@pytest.mark.parametrize("name", BUNDLED)
def test_bundled_numbers_lie_on_the_grid(name):
    scaled = load(name, key=KEY).X * 2**20
    np.testing.assert_array_equal(scaled, np.round(scaled))


def test_digits_are_those_of_the_library(monkeypatch):
    read = load("digits", key=KEY)
    monkeypatch.setattr(
        "nnsim.data.registered_files._DIGITS", "sklearn/no-such-file"
    )  # as in a version that keeps them elsewhere
    imported = load("digits", key=KEY)
    for name in ("X", "y", "feature_names", "class_names"):
        np.testing.assert_array_equal(getattr(read, name), getattr(imported, name), strict=True)


def test_digits_are_loaded_without_the_library():
    code = "import sys, nnsim.data.datasets as data; data.load('digits', key=1); sys.exit('sklearn' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_bundled_numbers_are_the_files_own():
    first = load("iris", key=KEY).X[0]
    np.testing.assert_allclose(first, [5.1, 3.5, 1.4, 0.2], rtol=0, atol=2.0**-21)


def test_diabetes_is_raw():
    data = load("diabetes", key=KEY)
    assert (data.X[0, 0], data.y[0, 0]) == (59, 151)


@pytest.mark.parametrize("name", DATASETS)
def test_same_key_gives_the_same_bits(name):
    one, two = load(name, key=KEY), load(name, key=KEY)
    assert one.X.tobytes() == two.X.tobytes()
    assert one.y.tobytes() == two.y.tobytes()


@pytest.mark.parametrize("name", SYNTHETIC)
def test_another_key_gives_other_synthetic_data(name):
    assert not np.array_equal(load(name, key=KEY).X, load(name, key=OTHER).X)


@pytest.mark.parametrize("name", BUNDLED)
def test_bundled_data_do_not_hang_on_the_key(name):
    np.testing.assert_array_equal(load(name, key=KEY).X, load(name, key=OTHER).X)


@pytest.mark.parametrize("name", DATASETS)
def test_n_samples_sets_the_number_of_rows(name):
    data = load(name, key=KEY, n_samples=97)
    assert len(data.X) == len(data.y) == 97


def test_n_samples_of_a_bundled_set_keeps_rows_with_their_targets_in_order():
    whole, some = load("wine", key=KEY), load("wine", key=KEY, n_samples=40)
    rows = [int(np.flatnonzero((row == whole.X).all(axis=1))[0]) for row in some.X]
    assert rows == sorted(set(rows))
    np.testing.assert_array_equal(some.y, whole.y[rows])


def test_n_samples_of_a_bundled_set_are_chosen_by_the_key():
    assert not np.array_equal(load("wine", key=KEY, n_samples=40).X, load("wine", key=OTHER, n_samples=40).X)


# Synthetic sets


@pytest.mark.parametrize("name", ["moons", "circles", "spirals", "blobs"])
@pytest.mark.parametrize("n", [100, 101, 1003])
def test_classes_take_turns(name, n):
    counts = np.bincount(load(name, key=KEY, n_samples=n).y)
    assert counts.max() - counts.min() <= 1


def test_xor_labels_say_whether_the_signs_differ():
    data = load("xor", key=KEY)
    np.testing.assert_array_equal(data.y, (data.X[:, 0] * data.X[:, 1] < 0).astype(int))


def test_xor_fills_the_four_quadrants_evenly():
    X = load("xor", key=KEY, n_samples=4000).X
    counts = np.bincount((X[:, 0] > 0) + 2 * (X[:, 1] > 0), minlength=4)
    assert np.abs(counts - 1000).max() < 5 * math.sqrt(4000 * 3 / 16)
    assert np.abs(X).max() < 1


def test_moons_without_noise_lie_on_two_half_circles():
    X, y, *_ = synthetic.moons(500, np.uint64(KEY), noise=0)
    centre = np.where(y[:, None] == 0, [0, 0], [1, 0.5])
    np.testing.assert_allclose(np.linalg.norm(X - centre, axis=1), 1, atol=1e-14)
    assert (X[y == 0, 1] >= 0).all()
    assert (X[y == 1, 1] <= 0.5).all()


def test_circles_without_noise_have_their_radii():
    X, y, *_ = synthetic.circles(500, np.uint64(KEY), noise=0)
    np.testing.assert_allclose(np.linalg.norm(X, axis=1), np.where(y == 0, 1, 0.5), atol=1e-14)


def test_circles_go_all_the_way_round():
    X, *_ = synthetic.circles(4000, np.uint64(KEY), noise=0)
    angles = np.histogram(np.arctan2(X[:, 1], X[:, 0]), bins=8)[0]
    assert np.abs(angles - 500).max() < 5 * math.sqrt(500)


def test_spirals_without_noise_have_radius_in_proportion_to_angle():
    X, y, *_ = synthetic.spirals(500, np.uint64(KEY), noise=0)
    radius = np.linalg.norm(X, axis=1)
    sign = np.where(y == 0, 1, -1)
    np.testing.assert_allclose(X[:, 0], sign * radius * np.cos(3 * math.pi * radius), atol=1e-13)
    np.testing.assert_allclose(X[:, 1], sign * radius * np.sin(3 * math.pi * radius), atol=1e-13)


def test_blobs_have_their_centres_and_spread():
    X, y, *_ = synthetic.blobs(10_000, np.uint64(KEY))
    for number in range(5):
        cloud = X[y == number]
        centre = [3 * math.cos(2 * math.pi * number / 5), 3 * math.sin(2 * math.pi * number / 5)]
        np.testing.assert_allclose(cloud.mean(axis=0), centre, atol=5 * 0.8 / math.sqrt(2000))
        np.testing.assert_allclose(cloud.std(axis=0), 0.8, rtol=5 / math.sqrt(4000))


@pytest.mark.parametrize("make", [synthetic.moons, synthetic.circles, synthetic.spirals, synthetic.blobs])
def test_noise_is_normal_with_its_standard_deviation(make):
    n, sigma = 5000, 0.25
    clean, noisy = make(n, np.uint64(KEY), noise=0)[0], make(n, np.uint64(KEY), noise=sigma)[0]
    noise = (noisy - clean) / sigma
    assert abs(noise.mean()) < 5 / math.sqrt(2 * n)
    assert abs((noise**2).mean() - 1) < 5 * math.sqrt(2 / (2 * n))
    assert abs((noise**4).mean() - 3) < 5 * math.sqrt(96 / (2 * n))


def test_teacher_is_a_tanh_network_of_one_hidden_layer():
    X, W, v = np.linspace(-2, 2, 12).reshape(4, 3), np.linspace(-1, 1, 15).reshape(3, 5), np.arange(5.0)
    out = np.empty(4)
    teacher(X, W, v, out)
    np.testing.assert_allclose(out, np.tanh(X @ W) @ v, rtol=1e-13)


def test_teacher_noise_has_its_standard_deviation():
    noisy, clean = (synthetic.teacher_student(4000, np.uint64(KEY), noise=noise)[1] for noise in (0.05, 0))
    assert abs((noisy - clean).std() / 0.05 - 1) < 5 / math.sqrt(8000)


def test_teacher_depends_on_the_key_alone_and_not_on_the_number_of_rows():
    few, many = (synthetic.teacher_student(n, np.uint64(KEY), noise=0) for n in (50, 200))
    np.testing.assert_array_equal(few[0], many[0][:50])
    np.testing.assert_array_equal(few[1], many[1][:50])


def test_teacher_targets_have_moderate_size():
    y = load("teacher_student", key=KEY).y
    assert 0.1 < y.std() < 2


CURVES = {
    "target_sine": lambda x: np.sin(2 * np.pi * x),
    "target_square": lambda x: x**2,
    "target_step": lambda x: np.heaviside(x, 0),
    "target_abs": np.abs,
    "target_chirp": lambda x: np.sin(8 * np.pi * x**2),
    "target_sawtooth": lambda x: np.interp(x * 8 % 2, [0, 1, 2], [0, 1, 0]),
}


@pytest.mark.parametrize("name", CURVES)
def test_target_is_its_function(name):
    data = load(name, key=KEY)
    np.testing.assert_allclose(data.y, CURVES[name](data.X), atol=1e-13)


@pytest.mark.parametrize("name", CURVES)
def test_target_is_drawn_over_its_whole_interval(name):
    x = np.sort(load(name, key=KEY).X[:, 0])
    low = -1 if name in {"target_sine", "target_step", "target_abs"} else 0
    expected = low + (1 - low) * (np.arange(1000) + 0.5) / 1000
    assert np.abs(x - expected).max() < 2 * (1 - low) / math.sqrt(1000)  # Kolmogorov and Smirnov, p < 0.001
    assert low < x[0] < x[-1] < 1


# Files


def test_text_targets_become_classes_in_sorted_order(tmp_path):
    data = load(csv(tmp_path, ["pear", "apple", "fig", "apple"]), key=KEY, target="y")
    assert (data.task, data.n_classes, data.class_names) == ("classification", 3, ("apple", "fig", "pear"))
    assert data.y.tolist() == [2, 0, 1, 0]


def test_whole_number_targets_become_classes_in_numeric_order(tmp_path):
    data = load(csv(tmp_path, [10, 9, "2.0", 10]), key=KEY, target="y")
    assert (data.task, data.class_names) == ("classification", ("2.0", "9", "10"))
    assert data.y.tolist() == [2, 1, 0, 2]


def test_targets_with_fractions_are_regression(tmp_path):
    data = load(csv(tmp_path, [1, 2.5, 3]), key=KEY, target="y")
    assert (data.task, data.n_classes) == ("regression", 0)
    assert data.y.tolist() == [[1], [2.5], [3]]


@pytest.mark.parametrize(
    ("y", "task", "held"),
    [
        pytest.param(np.array([True, False, True]), "classification", [1, 0, 1], id="bool"),
        pytest.param(np.array(["b", "a", "b"]), "classification", [1, 0, 1], id="text"),
        pytest.param(np.array([[7], [5], [7]]), "classification", [1, 0, 1], id="one-column"),
        pytest.param(np.array([0.5, 1, 2]), "regression", [[0.5], [1], [2]], id="fractions"),
        pytest.param(np.array([[1, 2], [3, 4], [5, 6]]), "regression", [[1, 2], [3, 4], [5, 6]], id="two-columns"),
    ],
)
def test_npz_target_is_read_by_the_same_rule(tmp_path, y, task, held):
    np.savez(tmp_path / "a.npz", X=np.arange(6).reshape(3, 2), y=y)
    data = load(str(tmp_path / "a.npz"), key=KEY)
    assert (data.task, data.y.tolist()) == (task, held)
    assert data.X.dtype == np.float64


def test_idx_files_load_as_classification(tmp_path):
    (tmp_path / "images-idx3-ubyte").write_bytes(struct.pack(">4B3I", 0, 0, 8, 3, 4, 1, 2) + bytes(range(8)))
    (tmp_path / "labels-idx1-ubyte").write_bytes(struct.pack(">4BI", 0, 0, 8, 1, 4) + bytes([7, 1, 7, 3]))
    data = load(str(tmp_path / "images-idx3-ubyte"), key=KEY)
    assert data.X.tolist() == [[0, 1], [2, 3], [4, 5], [6, 7]]
    assert (data.y.tolist(), data.class_names) == ([2, 0, 2, 1], ("1", "3", "7"))


def test_n_samples_of_a_file_keeps_all_class_names(tmp_path):
    data = load(csv(tmp_path, list("aabbccdd")), key=KEY, target="y", n_samples=3)
    assert (len(data.X), data.class_names) == (3, ("a", "b", "c", "d"))


def test_permuted_rows_of_a_file_give_the_permuted_data(tmp_path):
    lines = [f"{row / 7},{row * row},{'abc'[row % 3]}" for row in range(20)]
    order = np.argsort([row * 7 % 20 for row in range(20)])
    for name, rows in (("plain.csv", range(20)), ("permuted.csv", order)):
        (tmp_path / name).write_text("\n".join(["u,v,y", *(lines[row] for row in rows)]))
    plain, permuted = (load(str(tmp_path / f"{name}.csv"), key=KEY, target="y") for name in ("plain", "permuted"))
    np.testing.assert_array_equal(permuted.X, plain.X[order])
    np.testing.assert_array_equal(permuted.y, plain.y[order])
    assert permuted.class_names == plain.class_names


def test_a_registered_set_is_read_as_the_task_says():
    assert load("digits", key=KEY, rule=TargetRule("regression")).y[:3].tolist() == [[0], [1], [2]]
    for name, task, sentence in (("iris", "regression", "holds names"), ("diabetes", "classification", "measurements")):
        with pytest.raises(UsageError, match=sentence):
            load(name, key=KEY, rule=TargetRule(task))


# What `load` refuses


@pytest.mark.parametrize(
    "choice", [{"reading": Reading(dropped=("x",))}, {"rule": TargetRule(missing="drop")}], ids=str
)
def test_choices_that_belong_to_files_are_refused_for_a_registered_set(choice):
    with pytest.raises(UsageError, match="'iris' is read as it is"):
        load("iris", key=KEY, **choice)


def test_choices_that_belong_to_csv_are_refused_for_arrays(tmp_path):
    np.savez(tmp_path / "a.npz", X=np.arange(6).reshape(3, 2), y=[0, 1, 0])
    with pytest.raises(UsageError, match="only CSV takes"):
        load(str(tmp_path / "a.npz"), key=KEY, reading=Reading(Dialect(decimal=",")))


def test_unknown_data_set_offers_the_nearest():
    with pytest.raises(UnknownNameError, match="unknown data set 'digit': did you mean 'digits'"):
        load("digit", key=KEY)


@pytest.mark.parametrize("name", ["data.csv", "some/where"])
def test_path_that_does_not_exist_says_so(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(DataError, match=f"there is no file '{name}'"):
        load(name, key=KEY)


def test_folder_given_as_file_is_refused(tmp_path):
    with pytest.raises(DataError, match="is a folder"):
        load(str(tmp_path), key=KEY)


def test_empty_name_is_refused():
    with pytest.raises(UnknownNameError, match="unknown data set ''"):
        load("", key=KEY)


def test_target_of_a_registered_set_is_refused():
    with pytest.raises(UsageError, match="'iris' takes no target 'species'"):
        load("iris", key=KEY, target="species")


@pytest.mark.parametrize(("targets", "held"), [(["a"] * 4, "a"), ([3] * 4, "3"), ([1.5] * 4, "1.5")])
def test_target_with_a_single_value_is_refused(tmp_path, targets, held):
    with pytest.raises(DataError, match=rf"the target of .* is {held} in all 4 rows"):
        load(csv(tmp_path, targets), key=KEY, target="y")


@pytest.mark.parametrize("label", ["a\nb", "a\x1b[2J", "a\u2028b"])
def test_label_that_is_no_plain_text_is_refused(tmp_path, label):
    np.savez(tmp_path / "a.npz", X=np.arange(6).reshape(3, 2), y=np.array(["a", "b", label]))
    with pytest.raises(DataError, match=r"a label of .* expected one line of plain text"):
        load(str(tmp_path / "a.npz"), key=KEY)


@pytest.mark.parametrize("n_samples", [-1, 0, 2])
def test_too_few_samples_are_refused(n_samples):
    with pytest.raises(UsageError, match=rf"n_samples is {n_samples}: .* at least 3 rows"):
        load("moons", key=KEY, n_samples=n_samples)


def test_more_samples_than_there_are_are_refused():
    with pytest.raises(UsageError, match="n_samples is 151: 'iris' has 150 rows, give at most 150"):
        load("iris", key=KEY, n_samples=151)


def test_number_too_large_to_square_is_refused(tmp_path):
    (tmp_path / "a.csv").write_text("x,y\n1e200,a\n-1,b\n0,b\n")
    with pytest.raises(DataError, match=r"a feature of .* has the size 1e\+200: rescale it"):
        load(str(tmp_path / "a.csv"), key=KEY, target="y")


# Splitting


@pytest.mark.parametrize("n", [3, 4, 5, 10, 101])
@pytest.mark.parametrize("fractions", [(0.7, 0.15, 0.15), (0.1, 0.45, 0.45), (0.98, 0.01, 0.01), (0.01, 0.98, 0.01)])
def test_parts_are_disjoint_complete_and_not_empty(n, fractions):
    rows = row_numbers(split(numbered(n, np.linspace(0, 1, n)), key=KEY, fractions=fractions), n)
    assert sorted(np.concatenate(rows)) == list(range(n))
    assert min(map(len, rows)) >= 1


def test_parts_have_their_fractions():
    result = split(numbered(1000, np.linspace(0, 1, 1000)), key=KEY, fractions=(0.6, 0.3, 0.1))
    assert [len(X) for X, _ in parts(result)] == [600, 300, 100]


def test_rows_keep_their_targets():
    y = np.arange(90) % 3
    result = split(numbered(90, y), key=KEY)
    for rows, (_, labels) in zip(row_numbers(result, 90), parts(result), strict=True):
        np.testing.assert_array_equal(labels, y[rows])


def test_classes_are_divided_by_the_fractions():
    y = np.repeat([0, 1, 2], [200, 100, 20])
    counts = [np.bincount(labels).tolist() for _, labels in parts(split(numbered(320, y), key=KEY))]
    assert counts == [[140, 70, 14], [30, 15, 3], [30, 15, 3]]


def test_class_of_three_rows_appears_in_each_part():
    y = np.repeat([0, 1], [100, 3])
    assert all((labels == 1).sum() == 1 for _, labels in parts(split(numbered(103, y), key=KEY)))


def counts(of: Split, classes: int) -> list[list[int]]:
    return [np.bincount(labels, minlength=classes).tolist() for _, labels in parts(of)]


@pytest.mark.parametrize("number", range(10))
def test_a_rare_class_has_training_rows_and_leaves_the_strata_of_others(number):
    y = np.repeat([0, 1, 2, 3], [200, 100, 2, 1])
    result = split(numbered(303, y), key=key(number, "data"))
    assert counts(result, 4) == [[140, 70, 1, 1], [30, 15, 1, 0], [30, 15, 0, 0]]


def test_a_part_without_a_class_is_said_in_a_line():
    y = np.repeat([0, 1, 2], [20, 2, 1])
    assert split(numbered(23, y), key=KEY).notes == (
        "no test row of 'test' is of class '1'",
        "no validation or test row of 'test' is of class '2'",
    )


def test_classes_that_no_training_row_shows_are_said():
    result = split(numbered(6, np.arange(6)), key=KEY)
    assert all(len(labels) for _, labels in parts(result))
    assert any("so the network cannot learn it" in note and "training" in note for note in result.notes)


def test_where_every_part_has_every_class_nothing_is_said():
    assert split(numbered(60, np.arange(60) % 3), key=KEY).notes == ()


def test_rows_of_a_part_are_not_sorted_by_class():
    labels = split(numbered(200, np.repeat([0, 1], 100)), key=KEY).y_train
    assert (np.diff(labels) != 0).sum() > 40


@pytest.mark.parametrize("name", ["digits", "breast_cancer", "diabetes", "moons"])
def test_training_features_have_mean_0_and_deviation_1(name):
    X = split(load(name, key=KEY), key=KEY).X_train
    varies = X.any(axis=0)
    np.testing.assert_allclose(X.mean(axis=0), 0, atol=1e-12)
    np.testing.assert_allclose(X.std(axis=0)[varies], 1, atol=1e-12)
    assert varies.any()


def test_training_targets_of_regression_are_standardised():
    y = split(load("diabetes", key=KEY), key=KEY).y_train
    np.testing.assert_allclose((y.mean(), y.std()), (0, 1), atol=1e-12)


def test_large_offset_costs_no_digits():
    X = 1e9 + np.arange(500.0)[:, None] / 512
    result = split(dataset(X, np.linspace(0, 1, 500)), key=KEY).X_train
    np.testing.assert_allclose((result.mean(), result.std()), (0, 1), atol=1e-12)


@pytest.mark.parametrize("value", [0.0, 0.1, -1e9 / 3])
def test_constant_feature_becomes_0(value):
    X = np.column_stack([np.arange(60.0), np.full(60, value)])
    for part, _ in parts(split(dataset(X, np.arange(60) % 2), key=KEY)):
        np.testing.assert_array_equal(part[:, 1], 0)


def test_test_rows_do_not_touch_the_standardisation():
    data = numbered(100, np.linspace(0, 1, 100))
    plain = split(data, key=KEY)
    held_out = np.concatenate(row_numbers(plain, 100)[1:])
    data.X[held_out] += 1000
    changed = split(data, key=KEY)
    np.testing.assert_array_equal(changed.X_train, plain.X_train)
    assert (changed.X_test > plain.X_test + 30).all()


def test_all_parts_share_one_standardisation():
    data = numbered(100, np.linspace(0, 1, 100))
    result = split(data, key=KEY)
    train, *_ = rows = row_numbers(result, 100)
    for numbers, (X, _) in zip(rows, parts(result), strict=True):
        np.testing.assert_allclose(X[:, 0], (numbers - train.mean()) / train.std(), atol=1e-12)


def test_split_is_the_same_for_the_same_key():
    data = load("iris", key=KEY)
    one, two = split(data, key=KEY), split(data, key=KEY)
    assert [a.tobytes() for pair in parts(one) for a in pair] == [a.tobytes() for pair in parts(two) for a in pair]


def test_split_is_another_for_another_key():
    data = load("iris", key=KEY)
    assert not np.array_equal(split(data, key=KEY).X_train, split(data, key=OTHER).X_train)


def test_split_leaves_the_data_as_they_were():
    data = load("iris", key=KEY)
    before = data.X.copy()
    split(data, key=KEY)
    np.testing.assert_array_equal(data.X, before)


@pytest.mark.parametrize("name", DATASETS)
def test_split_says_sizes_and_names(name):
    data = load(name, key=KEY)
    result = split(data, key=KEY)
    outputs = data.n_classes or data.y.shape[1]
    assert (result.task, result.n_features, result.n_outputs) == (data.task, data.X.shape[1], outputs)
    assert result.class_names == data.class_names
    assert all(X.flags.c_contiguous and X.shape[1] == result.n_features for X, _ in parts(result))


@pytest.mark.parametrize("n", [1, 2])
def test_too_few_rows_to_split_are_refused(n):
    with pytest.raises(DataError, match=f"too few rows to split: {n}, expected at least 3"):
        split(numbered(n, np.linspace(0, 1, n)), key=KEY)


@pytest.mark.parametrize(
    "fractions", [(0.7, 0.2, 0.2), (0.5, 0.5, 0), (1.2, -0.1, -0.1), (0.5, 0.5), (math.nan, 0.5, 0.5)], ids=str
)
def test_fractions_that_do_not_fit_are_refused(fractions):
    with pytest.raises(UsageError, match="expected three positive numbers with sum 1"):
        split(load("iris", key=KEY), key=KEY, fractions=fractions)


def test_fingerprint_of_idx_images_changes_with_their_labels(tmp_path):
    images, labels = tmp_path / "train-images-idx3-ubyte", tmp_path / "train-labels-idx1-ubyte"
    images.write_bytes(b"images")
    labels.write_bytes(b"labels")
    before = fingerprint(str(images))
    labels.write_bytes(b"others")
    assert fingerprint(str(images)) != before
    labels.write_bytes(b"labels")
    assert fingerprint(str(images)) == before
