"""``nnsim bench``: workloads, the comparison of losses, floors, times in turn, and what is said and written."""

from __future__ import annotations

import csv
import math
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import bench_calls
import numpy as np
import pytest
from nnsim_cli.main import main

from nnsim.benchmarks import cuda, floors, measure, peers
from nnsim.benchmarks.agreement import TOLERANCE, Losses, difference_of, ready
from nnsim.benchmarks.floors import Ceiling, cuda_ceiling, floor_of
from nnsim.benchmarks.peers import NNSIM, PEERS, Contender
from nnsim.benchmarks.process import call_alone
from nnsim.benchmarks.record import COLUMNS, Measurement, csv_lines, with_ratios
from nnsim.benchmarks.workloads import WORKLOADS, choose
from nnsim.core.errors import NnsimError, UnknownNameError, UsageError
from nnsim.networks.spec import NetworkSpec
from nnsim.training.recipe import Recipe

RECIPE = Recipe(0.05, batch_size=8, epochs=2, optimizer="sgd")
TINY = replace(WORKLOADS["W7"], spec=NetworkSpec((2, 4, 2)), recipe=RECIPE, networks=3, rows=32)
SKETCH = replace(TINY, spec=NetworkSpec((2, 2)))


def by_formula(factor=1.0):
    """Return a peer that trains softmax regression in NumPy with so many times the learning rate."""

    def make(workload, device):
        return lambda: np.array([losses(workload, network, factor) for network in range(workload.networks)])

    return Contender("formula", ("numpy",), make, lambda device: "")


def losses(workload, network, factor):
    ((W, b),) = (tuple(map(np.float64, layer)) for layer in workload.spec.layers(workload.thetas[network]))
    X, y, found = workload.data.X.astype(float), workload.data.Y[:, 0].astype(int), []
    for rows in workload.orders()[network]:
        scores = np.exp(X[rows] @ W + b)
        delta = scores / scores.sum(axis=1, keepdims=True)
        found.append(-np.log(delta[np.arange(len(rows)), y[rows]]).mean())
        delta[np.arange(len(rows)), y[rows]] -= 1
        W -= factor * workload.recipe.learning_rate * X[rows].T @ delta / len(rows)
        b -= factor * workload.recipe.learning_rate * delta.mean(axis=0)
    return found


def breaking(workload, device):
    raise RuntimeError("out of\nmemory")


def never(line):
    raise AssertionError(line)


ROW = Measurement(
    "W1",
    "nnsim",
    "cpu",
    1,
    1,
    448,
    7,
    8.0,
    0.5,
    1.0,
    0.0,
    0.0,
    True,
    260096,
    8320,
    4.0,
    0.5,
    "a, CPU",
    "m",
    "1",
    "2",
    "3",
    "4",
)


class TestWorkloads:
    def test_they_are_those_of_the_speed_page(self):
        widths = {name: (it.spec.widths, it.recipe.batch_size, it.population) for name, it in WORKLOADS.items()}
        assert widths == {
            "W1": ((64, 32, 32, 10), 32, False),
            "W2": ((64, 128, 128, 10), 64, False),
            "W3": ((64, *[64] * 29, 10), 64, False),
            "W4": ((784, 1024, 1024, 10), 128, False),
            "W5": ((128, 256, 128, 64, 1), 64, False),
            "W6": ((64, 32, 32, 10), 32, True),
            "W6-adamw": ((64, 32, 32, 10), 32, True),
            "W7": ((2, 8, 8, 2), 16, True),
        }

    @pytest.mark.parametrize("name", WORKLOADS)
    def test_all_batches_are_whole(self, name):
        assert WORKLOADS[name].rows % WORKLOADS[name].recipe.batch_size == 0

    def test_networks_differ_in_weights_and_batches(self):
        first, second = TINY.jobs()[:2]
        assert not np.array_equal(first.theta, second.theta)
        assert not np.array_equal(*TINY.orders()[:2])

    def test_the_first_network_is_the_same_alone(self):
        alone = TINY.single
        assert np.array_equal(alone.thetas[0], TINY.thetas[0])
        assert np.array_equal(alone.orders()[0], TINY.orders()[0])

    @pytest.mark.parametrize("name", WORKLOADS)
    def test_every_class_is_there(self, name):
        counts = np.unique(WORKLOADS[name].data.Y, return_counts=True)[1]
        assert len(counts) == max(2, WORKLOADS[name].spec.widths[-1])
        assert counts.min() > 100

    def test_a_number_of_networks_is_for_populations(self):
        assert [it.networks for it in choose(["W1", "W6"], 4096)] == [1, 4096]

    def test_a_number_of_networks_for_none_is_refused(self):
        with pytest.raises(UsageError, match=r"populations \(W6, W6-adamw, W7\), got 8 for W1, W2"):
            choose(["W1", "W2"], 8)

    def test_an_unknown_name_offers_the_nearest(self):
        with pytest.raises(UnknownNameError, match="did you mean 'W7'"):
            choose(["w77"])


class TestAgreement:
    def test_the_formula_agrees(self):
        entries = ready(SKETCH, ["cpu"], [NNSIM, by_formula()], lambda line: None)
        assert [entry.difference.small for entry in entries] == [True, True]
        assert 0 < entries[1].difference.brief < TOLERANCE

    def test_one_with_another_learning_rate_does_not(self):
        told = []
        entries = ready(SKETCH, ["cpu"], [NNSIM, by_formula(1.01)], told.append)
        assert [entry.difference.small for entry in entries] == [True, False]
        assert "W7: the losses of formula on cpu DIFFER FROM nnsim's" in told[1]

    def test_nor_does_one_that_trains_one_of_ten_networks_otherwise(self):
        def make(workload, device):
            return lambda: np.array(
                [losses(workload, network, 30 if network == 9 else 1) for network in range(workload.networks)]
            )

        formula = replace(by_formula(), make=make)
        entry = ready(replace(SKETCH, networks=10), ["cpu"], [NNSIM, formula], lambda line: None)[1]
        assert entry.difference.brief > TOLERANCE
        assert not entry.difference.small

    def test_later_losses_may_differ_a_little(self):
        ones = np.ones((4, 2))
        little, much = ones.copy(), ones.copy()
        little[0, 1], much[0, 1] = 1.01, 1.1
        losses = Losses(ones, little), Losses(ones, much), Losses(little, ones)
        assert [difference_of(its, Losses(ones, ones)).small for its in losses] == [True, False, False]

    def test_nor_does_one_without_numbers(self):
        silent = Contender("nan", ("numpy",), lambda *_: lambda: np.full((3, 2), np.nan), lambda device: "")
        assert not ready(SKETCH, ["cpu"], [NNSIM, silent], lambda line: None)[1].difference.small

    def test_what_differs_is_not_timed(self):
        rows = measure.measure(SKETCH, ["cpu"], [NNSIM, by_formula(1.01)], 1, lambda line: None)
        assert [(row.agrees, row.rounds, math.isnan(row.microseconds)) for row in rows] == [
            (True, 1, False),
            (False, 0, True),
        ]

    def test_losses_are_compared_without_dropout_and_times_are_taken_with_it(self):
        workload = replace(TINY, spec=replace(TINY.spec, dropout=0.5))
        made = []

        def make(share, device):
            made.append(share.spec.dropout)
            return NNSIM.make(share, device)

        entries = ready(workload, ["cpu"], [NNSIM, Contender("same", ("numpy",), make, lambda device: "")], print)
        assert entries[1].difference == (0, 0)
        assert made == [0.5, 0.0]
        assert entries[1].share.spec.dropout == 0.5

    def test_one_network_is_compared_with_the_first_of_a_population(self):
        one = replace(by_formula(), kind="single")
        entry = ready(SKETCH, ["cpu"], [NNSIM, one], lambda line: None)[1]
        assert (entry.share.networks, entry.difference.small) == (1, True)

    def test_a_peer_that_breaks_is_left_out(self):
        told = []
        broken = Contender("broken", ("numpy",), breaking, lambda device: "")
        assert len(ready(SKETCH, ["cpu"], [NNSIM, broken], told.append)) == 1
        assert told[-1] == "broken on cpu is left out: RuntimeError: out of memory"

    def test_if_nnsim_breaks_that_is_an_error(self):
        with pytest.raises(RuntimeError, match="out of"):
            ready(SKETCH, ["cpu"], [replace(NNSIM, make=breaking)], lambda line: None)

    def test_a_peer_without_a_device_is_left_out(self):
        told = []
        blind = Contender("blind", ("numpy",), never, lambda device: "it sees no GPU")
        ready(SKETCH, ["cpu"], [NNSIM, blind], told.append)
        assert told[-1] == "blind on cpu is left out: it sees no GPU"


class TestContenders:
    @pytest.mark.parametrize(
        ("workload", "device", "names"),
        [
            ("W1", "cpu", ["nnsim", "torch eager", "jax scan"]),
            ("W1", "cuda", ["torch eager", "jax scan"]),
            ("W6", "cpu", ["nnsim", "torch eager", "torch vmap", "jax scan", "jax vmap"]),
            ("W6", "cuda", ["nnsim", "torch eager", "torch vmap", "torch graph", "jax scan", "jax vmap"]),
        ],
    )
    def test_who_trains_what(self, workload, device, names):
        assert [it.name for it in (NNSIM, *PEERS) if it.share(WORKLOADS[workload], device) is not None] == names

    def test_a_peer_that_is_not_installed_says_how_to_get_it(self, monkeypatch):
        monkeypatch.setattr(peers, "find_spec", lambda name: None if name == "optax" else object())
        told = []
        assert [it.name for it in measure.installed(told.append)] == [
            "nnsim",
            "torch eager",
            "torch vmap",
            "torch graph",
        ]
        assert told == ["jax is left out: optax not installed: pip install 'nnsim[bench]'"]


class TestBackends:
    @pytest.fixture
    def alone(self, monkeypatch):
        """What would be measured, in other processes."""
        calls = []

        def call(cores, told, function, workload, devices, names, rounds):
            calls.append((workload.name, cores, devices))
            return []

        monkeypatch.setattr(measure, "call_alone", call)
        return calls

    def without_gpu(self, monkeypatch):
        def refuse(name):
            raise UsageError("there is no driver")

        monkeypatch.setattr(cuda, "choose", refuse)

    def with_gpu(self, monkeypatch):
        monkeypatch.setattr(cuda, "choose", lambda name: None)

    def test_auto_without_a_gpu_is_the_cpu_and_says_why(self, monkeypatch, alone):
        self.without_gpu(monkeypatch)
        told = []
        measure.bench(choose(["W1", "W6"]), peers=False, told=told.append)
        assert alone == [("W1", 1, ("cpu",)), ("W6", None, ("cpu",))]
        assert told[0] == "cuda is left out: there is no driver"

    def test_auto_with_a_gpu_is_both(self, monkeypatch, alone):
        self.with_gpu(monkeypatch)
        measure.bench(choose(["W6"]), peers=False)
        assert alone == [("W6", None, ("cpu", "cuda"))]

    def test_cuda_without_a_gpu_is_refused(self, monkeypatch, alone):
        self.without_gpu(monkeypatch)
        with pytest.raises(UsageError, match="there is no driver"):
            measure.bench(choose(["W6"]), "cuda", peers=False)

    def test_cuda_leaves_single_networks_out(self, monkeypatch, alone):
        self.with_gpu(monkeypatch)
        told = []
        measure.bench(choose(["W1", "W6"]), "cuda", peers=False, told=told.append)
        assert alone == [("W6", None, ("cuda",))]
        assert told[0].startswith("W1 is left out: nnsim trains populations on a GPU")

    def test_cuda_with_single_networks_alone_is_refused(self, monkeypatch, alone):
        self.with_gpu(monkeypatch)
        with pytest.raises(UsageError, match="choose W6, W6-adamw or W7"):
            measure.bench(choose(["W1"]), "cuda", peers=False)

    def test_a_population_on_the_gpu_is_trained_by_its_name(self, monkeypatch):
        def train_population(jobs):
            return [SimpleNamespace(history=np.full((2, 7), number)) for number, _ in enumerate(jobs)]

        monkeypatch.setattr(cuda, "import_module", lambda name: SimpleNamespace(train_population=train_population))
        assert np.array_equal(NNSIM.make(TINY, "cuda")(), [[0, 0], [1, 1], [2, 2]])


class TestFloors:
    def test_of_w1_by_hand(self):
        """Forward and weight gradients do all products of a row, errors all but the first layer's."""
        weights = 64 * 32 + 32 * 32 + 32 * 10
        operations = 32 * (2 * weights + 32 * 32 + 32 * 10)
        assert operations == 260096
        floor = floor_of(WORKLOADS["W1"], Ceiling("", 1e9))
        assert (floor.multiply_adds, floor.bytes, floor.seconds) == (operations, 32 * 65 * 4, operations / 1e9)

    @pytest.mark.parametrize(("name", "parameters", "kept"), [("W1", 3466, 1), ("W5", 74241 + 2 * 448, 3)])
    def test_what_does_not_fit_on_the_chip_is_read_and_written(self, name, parameters, kept):
        workload = WORKLOADS[name]
        state = 4 * parameters * kept
        rows = 4 * workload.recipe.batch_size * (workload.spec.widths[0] + 1)
        assert floor_of(workload, Ceiling("", 1e9, 1e9, state)).bytes == rows
        assert floor_of(workload, Ceiling("", 1e9, 1e9, state - 1)).bytes == rows + 2 * state

    def test_the_slower_of_arithmetic_and_memory_counts(self):
        assert floor_of(WORKLOADS["W1"], Ceiling("", 1e15, 8320.0)).seconds == 1.0

    @pytest.mark.parametrize(("capability", "lanes"), [((9, 0), 128), ((8, 6), 128), ((8, 0), 64)])
    def test_of_a_gpu_by_its_attributes(self, capability, lanes):
        device = SimpleNamespace(
            name=b"GPU", compute_capability=capability, MULTIPROCESSOR_COUNT=132, CLOCK_RATE=1_980_000,
            MEMORY_CLOCK_RATE=2_619_000, GLOBAL_MEMORY_BUS_WIDTH=5120, MAX_SHARED_MEMORY_PER_MULTIPROCESSOR=233_472,
        )  # fmt: skip
        ceiling = cuda_ceiling(device)
        assert ceiling.device == "GPU"
        assert ceiling.multiply_adds == pytest.approx(132 * lanes * 1.98e9)
        assert ceiling.bandwidth == pytest.approx(3.352e12, rel=1e-3)
        assert ceiling.on_chip == 233_472

    def test_the_simulator_has_none(self):
        assert math.isnan(floor_of(WORKLOADS["W1"], cuda_ceiling(SimpleNamespace())).seconds)

    def test_of_cores_is_measured(self, monkeypatch):
        monkeypatch.setattr(floors, "multiply_adds", lambda dtype, cores: 1e9 * cores)
        assert floors.cpu_ceiling(2).multiply_adds == 2e9


class Clock:
    def __init__(self):
        self.now = 0.0
        self.calls = []

    def perf_counter(self):
        return self.now

    def run(self, name, seconds):
        def run():
            self.calls.append(name)
            self.now += seconds

        return run


class TestTimesInTurn:
    @pytest.fixture
    def clock(self, monkeypatch):
        clock = Clock()
        monkeypatch.setattr(measure, "time", clock)
        return clock

    def test_all_warm_up_and_then_rounds_begin_with_another(self, clock):
        times = measure.time_in_turn([clock.run("a", 1.0), clock.run("b", 2.0)], 3)
        assert "".join(clock.calls) == "ab" + "ab" + "ba" + "ab"
        assert times == [[1.0] * 3, [2.0] * 3]

    def test_what_is_very_slow_gets_fewer_rounds(self, clock):
        times = measure.time_in_turn([clock.run("a", 1.0), clock.run("b", 50.0)], 5)
        assert list(map(len, times)) == [5, measure.FEWEST_ROUNDS]


class TestProcess:
    def test_it_has_its_cores_and_tells(self):
        told = []
        assert call_alone(1, told.append, bench_calls.tell_twice, "one", "two") == 1
        assert told == ["one", "two"]

    def test_its_error_is_ours(self):
        with pytest.raises(UsageError, match="not with me"):
            call_alone(1, print, bench_calls.refuse)

    def test_its_death_is_told(self):
        with pytest.raises(NnsimError, match="exit code 3"):
            call_alone(1, print, bench_calls.die)


class TestRows:
    def test_ratios_are_to_nnsim_on_the_same_device(self):
        times = [("nnsim", "cpu", 4.0), ("nnsim", "cuda", 1.0), ("peer", "cpu", 8.0), ("peer", "cuda", 3.0)]
        rows = [replace(ROW, contender=who, device=where, microseconds=time) for who, where, time in times]
        assert [row.ratio for row in with_ratios(rows)] == [1.0, 1.0, 2.0, 3.0]

    def test_or_to_the_cpu_where_there_is_none(self):
        rows = [ROW, replace(ROW, contender="peer", device="cuda", microseconds=2.0)]
        assert [row.ratio for row in with_ratios(rows)] == [1.0, 0.25]

    def test_csv(self):
        lines = csv_lines([ROW, replace(ROW, microseconds=math.nan, agrees=False)])
        first, second = csv.DictReader(b"".join(lines).decode().splitlines())
        assert tuple(first) == COLUMNS
        assert (first["device_name"], first["microseconds"], first["agrees"]) == ("a, CPU", "8.0", "true")
        assert (second["microseconds"], second["agrees"]) == ("", "false")


class TestCommand:
    def test_a_tiny_workload_from_end_to_end(self, tmp_path, capsys, monkeypatch):
        monkeypatch.setitem(WORKLOADS, "W7", TINY)
        path = tmp_path / "times.csv"
        arguments = ["bench", "W7", "--networks", "2", "--backend", "cpu", "--no-peers", "--rounds", "2"]
        assert main([*arguments, "-o", str(path)]) == 0
        out, err = capsys.readouterr()
        (row,) = csv.DictReader(path.read_text().splitlines())
        assert (row["workload"], row["contender"], row["networks"], row["rounds"]) == ("W7", "nnsim", "2", "2")
        assert float(row["microseconds"]) > float(row["floor"]) > 0
        assert row["ratio"] == "1.0"
        assert "W7" in out
        assert row["device_name"] in out
        assert "W7: 2 rounds of nnsim on cpu" in err

    def test_losses_that_differ_are_an_error(self, capsys, monkeypatch):
        row = replace(ROW, contender="peer", microseconds=math.nan, brief_difference=0.25, agrees=False)
        monkeypatch.setattr(measure, "bench", lambda *_: [ROW, row])
        assert main(["bench", "W1"]) == 4
        out, err = capsys.readouterr()
        assert "losses differ" in out
        assert (
            "the losses of peer on cpu differ from nnsim's on W1 by 0.25 at first, later by 0: it was not timed" in err
        )

    def test_lines_are_told_once(self, capsys, monkeypatch):
        def bench(workloads, backend, peers, rounds, told):
            told("jax is left out")
            told("jax is left out")
            return [ROW]

        monkeypatch.setattr(measure, "bench", bench)
        assert main(["bench", "W1"]) == 0
        assert capsys.readouterr().err.count("jax is left out") == 1

    def test_the_list(self, capsys):
        assert main(["bench", "--list"]) == 0
        out = capsys.readouterr().out
        assert all(name in out for name in WORKLOADS)
        assert "64-29x64-10" in out

    @pytest.mark.parametrize(
        ("arguments", "sentence"),
        [
            (["W9"], "unknown workload 'W9'"),
            (["W1", "--networks", "8"], "a number of networks belongs to the populations"),
            (["W6", "--networks", "1"], "'--networks'"),
            (["--rounds", "0"], "'--rounds'"),
            (["--backend", "gpu"], "'--backend'"),
            (["-o", "."], "'.' is a folder"),
        ],
    )
    def test_bad_input_is_one_sentence(self, arguments, sentence, capsys):
        assert main(["bench", *arguments]) == 2
        err = capsys.readouterr().err
        assert sentence in err
        assert err.count("\n") == 1

    def test_a_place_that_cannot_be_written_is_told_before_anything_is_measured(self, tmp_path: Path, capsys):
        assert main(["bench", "-o", str(tmp_path / "missing" / "a.csv")]) == 1
        assert capsys.readouterr().err.count("\n") == 1
