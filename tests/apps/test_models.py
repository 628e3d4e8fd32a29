"""Model files: what is read is what was written, PyTorch loads it, and what is wrong is one sentence."""

from __future__ import annotations

import json

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from nnsim.apps.model_file import Model, layout, load_model
from nnsim.core.errors import DataError, UsageError
from nnsim.core.tensor_file import TensorFile
from nnsim.data.datasets import Scaling
from nnsim.networks.spec import NetworkSpec

INPUTS, OUTPUTS = 4, 3
KINDS = {
    "plain": {},
    "batch": {"normalization": "batch"},
    "layer": {"normalization": "layer", "dropout": 0.3},
    "batch after, dropout": {"normalization": "batch", "norm_after": True, "dropout": 0.3},
    "linear": {"widths": (INPUTS, OUTPUTS)},
}


def model(dtype="float64", loss="cross_entropy", **options):
    rng = np.random.default_rng(3)
    spec = NetworkSpec(**{"widths": (INPUTS, 6, 5, OUTPUTS), "dtype": dtype, "loss": loss} | options)
    theta = rng.standard_normal(spec.n_parameters).astype(spec.numpy_dtype)
    statistics = rng.uniform(0.5, 2, spec.n_statistics).astype(spec.numpy_dtype)
    scaling = Scaling(rng.standard_normal(INPUTS), rng.standard_normal(INPUTS), rng.uniform(1, 2, INPUTS))
    names = tuple(f"x{n}" for n in range(INPUTS))
    if loss == "mse":
        targets = Scaling(np.array([1.0] * OUTPUTS), np.array([2.0] * OUTPUTS), np.array([3.0] * OUTPUTS))
        return Model(spec, theta, statistics, "regression", names, (), scaling, targets, 7)
    classes = ("a", "b", "c")[: 2 if spec.widths[-1] == 1 else 3]
    return Model(spec, theta, statistics, "classification", names, classes, scaling, None, 7)


def inputs(rows=9):
    return np.random.default_rng(4).standard_normal((rows, INPUTS))


@pytest.mark.parametrize("options", KINDS.values(), ids=KINDS)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_model_read_again_answers_with_the_same_bits(options, dtype, tmp_path):
    made = model(dtype, **options)
    made.save(tmp_path / "m.safetensors")
    read = load_model(tmp_path / "m.safetensors")
    assert read.logits(inputs()).tobytes() == made.logits(inputs()).tobytes()
    assert (read.spec, read.class_names, read.feature_names) == (made.spec, made.class_names, made.feature_names)


def test_the_file_is_the_same_bytes_each_time(tmp_path):
    for name in ("a", "b"):
        model().save(tmp_path / name)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_names_and_shapes_are_those_of_a_sequential(tmp_path):
    model(normalization="batch", dropout=0.1).save(tmp_path / "m")
    held = load_file(tmp_path / "m")
    assert {name: held[name].shape for name in held if name < "2"} == {
        "0.weight": (6, 4), "0.bias": (6,), "1.weight": (6,), "1.bias": (6,),
        "1.running_mean": (6,), "1.running_var": (6,), "1.num_batches_tracked": (),
    }  # fmt: skip
    assert held["1.num_batches_tracked"].dtype == np.int64
    assert int(held["1.num_batches_tracked"]) == 7


def sequential(torch, spec):
    nn, modules = torch.nn, []
    for fan_in, fan_out in spec.fans[:-1]:
        norm = {"none": [], "batch": [nn.BatchNorm1d(fan_out)], "layer": [nn.LayerNorm(fan_out)]}[spec.normalization]
        middle = [nn.ReLU(), *norm] if spec.norm_after else [*norm, nn.ReLU()]
        modules += [nn.Linear(fan_in, fan_out), *middle, *([nn.Dropout(spec.dropout)] if spec.dropout else [])]
    return nn.Sequential(*modules, nn.Linear(*spec.fans[-1]))


@pytest.mark.parametrize("options", KINDS.values(), ids=KINDS)
@pytest.mark.parametrize(("dtype", "tolerance"), [("float32", 1e-6), ("float64", 1e-12)])
def test_torch_loads_the_file_and_gives_the_same_logits(options, dtype, tolerance, tmp_path):
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    from safetensors.torch import load_file as load_tensors

    made = model(dtype, **options)
    made.save(tmp_path / "m")
    network = sequential(torch, made.spec).to(getattr(torch, dtype)).eval()
    network.load_state_dict(load_tensors(tmp_path / "m"), strict=True)
    X = torch.tensor(made.scaling.apply(inputs()).astype(dtype))
    expected = network(X).detach().numpy()
    assert np.abs(made.logits(inputs()) - expected).max() <= tolerance * np.abs(expected).max()


def test_probabilities_are_the_softmax_and_the_prediction_is_the_likeliest():
    made = model()
    Z = made.logits(inputs())
    expected = np.exp(Z) / np.exp(Z).sum(axis=1, keepdims=True)
    assert made.probabilities(inputs()) == pytest.approx(expected, rel=1e-12)
    assert made.predict(inputs()).tolist() == expected.argmax(axis=1).tolist()


def test_one_output_is_the_logit_of_the_second_class():
    made = model(loss="bce", widths=(INPUTS, 5, 1))
    expected = 1 / (1 + np.exp(-made.logits(inputs())[:, 0]))
    assert made.probabilities(inputs())[:, 1] == pytest.approx(expected, rel=1e-12)
    assert made.predict(inputs()).tolist() == (expected > 0.5).astype(int).tolist()


def test_regression_answers_in_the_targets_own_units():
    made = model(loss="mse")
    assert made.predict(inputs()) == pytest.approx(made.logits(inputs()) * 3 + 2 + 1, rel=1e-12)


def test_features_of_another_number_are_refused():
    with pytest.raises(UsageError, match="X must be any x 4, got 2 x 3"):
        model().logits(np.ones((2, 3)))


@pytest.mark.parametrize("keep", [0, 1, 8, 60, 500, -1])
def test_a_truncated_file_is_refused(keep, tmp_path):
    model().save(tmp_path / "m")
    (tmp_path / "m").write_bytes((tmp_path / "m").read_bytes()[:keep])
    with pytest.raises(DataError, match="damaged"):
        load_model(tmp_path / "m")


def forged(path, change_tensors=None, change_record=None):
    """Write a good model, then change its tensors or its record."""
    model(normalization="batch").save(path)
    tensors, record = load_file(path), TensorFile(path).record
    if change_tensors:
        change_tensors(tensors)
    if change_record:
        record = change_record(record)
    save_file(tensors, path, {"nnsim": record if isinstance(record, str) else json.dumps(record)})
    return path


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda held: held.pop("3.weight"), "lacks the tensor '3.weight'"),
        (lambda held: held.update({"9.weight": np.ones(2)}), "unexpected tensor '9.weight'"),
        (lambda held: held.update({"0.weight": np.ones((4, 6))}), r"has the shape \(4, 6\), expected \(6, 4\)"),
        (lambda held: held.update({"0.weight": np.ones((6, 4), np.float32)}), "has the type F32, expected F64"),
        (lambda held: held.update({"0.bias": np.full(6, np.nan)}), "not finite"),
    ],
)
def test_tensors_that_do_not_fit_are_refused(change, sentence, tmp_path):
    with pytest.raises(DataError, match=sentence):
        load_model(forged(tmp_path / "m", change_tensors=change))


def with_spec(**values):
    return lambda record: record | {"spec": record["spec"] | values}


@pytest.mark.parametrize(
    "change",
    [
        lambda record: "[" * 100_000,
        lambda record: "[1]",
        lambda record: "{",
        lambda record: '{"format": NaN}',
        lambda record: record | {"format": 99},
        lambda record: record | {"spec": []},
        lambda record: record | {"classes": ["a", 1, "c"]},
        lambda record: record | {"classes": []},
        lambda record: record | {"task": "ranking"},
        lambda record: record | {"features": {"names": ["x"]}},
        lambda record: {"format": 1},
        with_spec(widths=[10**9, 10**9, 3]),
        with_spec(widths="abc"),
        with_spec(widths=[4, 6.5, 3]),
        with_spec(dropout="high"),
        with_spec(residual=1),
        with_spec(activation=["relu"]),
        with_spec(activation="rleu"),
        with_spec(huge=1),
    ],
)
def test_a_hostile_record_is_one_sentence(change, tmp_path):
    with pytest.raises(DataError) as raised:
        load_model(forged(tmp_path / "m", change_record=change))
    assert "\n" not in str(raised.value)


def test_another_architecture_than_the_tensors_is_refused(tmp_path):
    def wider(record):
        return record | {"spec": record["spec"] | {"widths": [4, 7, 5, 3]}}

    with pytest.raises(DataError, match="has the shape"):
        load_model(forged(tmp_path / "m", change_record=wider))


def test_a_foreign_safetensors_file_is_refused(tmp_path):
    save_file({"a": np.ones(2)}, tmp_path / "m")
    with pytest.raises(DataError, match="not written by nnsim"):
        load_model(tmp_path / "m")


def test_every_parameter_has_one_place():
    spec = model(normalization="layer").spec
    starts = sorted((place.start, int(np.prod(place.shape))) for place in layout(spec))
    assert [start + size for start, size in starts][:-1] == [start for start, _ in starts][1:]
