"""Philox4x32-10 and the draws on top of it: known answers, the twin in Python integers, and statistics."""

from __future__ import annotations

import itertools
import math

import naive
import numpy as np
import pytest
from scipy import stats

from nnsim.kernels.cpu.draws import fill_normal, fill_permutation, fill_uniform
from nnsim.kernels.formulas.philox import DATA, INIT, NOISE, SHUFFLE, SIGNAL, SPLIT, draw, philox, uniform32, uniform64

KINDS = [np.float32, np.float64]
FILLS = [fill_uniform, fill_normal]
TILE = {np.float32: 256, np.float64: 128}
KEY = 0x0123456789ABCDEF
LARGEST_KEY = 2**64 - 1

all_kinds = pytest.mark.parametrize("kind", KINDS)
all_fills = pytest.mark.parametrize("fill", FILLS, ids=["uniform", "normal"])


def drawn(fill, n, kind, key=KEY, purpose=INIT, step=0):
    out = np.empty(n, kind)
    fill(out, np.uint64(key), purpose, step)
    return out


def permuted(n, key=KEY, purpose=SHUFFLE, step=0):
    return drawn(fill_permutation, n, np.int64, key, purpose, step)


def uint64(numbers):
    return [np.uint64(number) for number in numbers]


# --- the generator -------------------------------------------------------------------------------------------------

KNOWN = [  # kat_vectors of Random123: counter, key, result
    pytest.param([0] * 4, [0] * 2, "6627e8d5 e169c58d bc57ac4c 9b00dbd8", id="zeros"),
    pytest.param([0xFFFFFFFF] * 4, [0xFFFFFFFF] * 2, "408f276d 41c83b0e a20bc7c6 6d5451fd", id="ones"),
    pytest.param(
        [0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344],
        [0xA4093822, 0x299F31D0],
        "d16cfe09 94fdcceb 5001e420 24126ea1",
        id="pi",
    ),
]


@pytest.mark.parametrize(("counter", "key", "answer"), KNOWN)
def test_known_answer(counter, key, answer):
    words = philox(*uint64(counter), *uint64(key))
    assert " ".join(f"{word:08x}" for word in words) == answer


@pytest.mark.parametrize(("counter", "key", "answer"), KNOWN)
def test_known_answer_of_the_naive_twin(counter, key, answer):
    assert " ".join(f"{word:08x}" for word in naive.philox(counter, key)) == answer


def test_random_counters_equal_the_naive_twin():
    for *counter, k0, k1 in np.random.default_rng(1).integers(0, 2**32, (300, 6), dtype=np.uint64):
        assert philox(*counter, k0, k1) == naive.philox([int(c) for c in counter], (int(k0), int(k1)))


@pytest.mark.parametrize("block", [0, 1, 2**32 - 1, 2**32, 2**40 + 7])
@pytest.mark.parametrize("key", [0, KEY, LARGEST_KEY], ids=["zero", "usual", "largest"])
def test_block_of_a_stream(key, block):
    assert draw(np.uint64(key), NOISE, 5, block) == naive.words(key, NOISE, 5, block)


# --- uniform and normal draws --------------------------------------------------------------------------------------


def test_uniform_float32_equals_the_naive_stream():
    np.testing.assert_array_equal(drawn(fill_uniform, 768, np.float32, step=3), naive.uniforms32(KEY, INIT, 3, 3))


def test_uniform_float64_equals_the_naive_stream():
    np.testing.assert_array_equal(drawn(fill_uniform, 384, np.float64, step=3), naive.uniforms64(KEY, INIT, 3, 3))


def test_normal_float32_equals_the_naive_transform():
    expected = naive.normals(naive.uniforms32(KEY, DATA, 2, 4), TILE[np.float32])
    np.testing.assert_allclose(drawn(fill_normal, 1024, np.float32, purpose=DATA, step=2), expected, rtol=0, atol=2e-6)


def test_normal_float64_equals_the_naive_transform():
    expected = naive.normals(naive.uniforms64(KEY, DATA, 2, 4), TILE[np.float64])
    np.testing.assert_allclose(drawn(fill_normal, 512, np.float64, purpose=DATA, step=2), expected, rtol=0, atol=4e-15)


@all_kinds
@all_fills
@pytest.mark.parametrize("n", [0, 1, 63, 64, 65, 127, 128, 129, 255, 256, 257, 1000])
def test_first_numbers_do_not_depend_on_how_many_are_drawn(fill, kind, n):
    np.testing.assert_array_equal(drawn(fill, n, kind), drawn(fill, 1500, kind)[:n])


@all_kinds
@all_fills
@pytest.mark.parametrize("n", [0, 1, 127, 129, 300])
def test_nothing_outside_the_vector_is_written(fill, kind, n):
    room = np.full(n + 600, -7, kind)
    fill(room[300 : 300 + n], np.uint64(KEY), INIT, 0)
    np.testing.assert_array_equal(np.delete(room, range(300, 300 + n)), np.full(600, -7, kind))


@all_kinds
@all_fills
def test_the_same_arguments_draw_the_same_numbers(fill, kind):
    np.testing.assert_array_equal(drawn(fill, 500, kind), drawn(fill, 500, kind))


def test_purposes_differ_and_none_is_zero():
    purposes = [INIT, SHUFFLE, SPLIT, DATA, NOISE, SIGNAL]
    assert len(set(purposes)) == len(purposes)
    assert 0 not in purposes


STREAMS = {
    "purpose": [{"purpose": p} for p in (INIT, SHUFFLE, SPLIT, DATA, NOISE, SIGNAL)],
    "step": [{"step": s} for s in (0, 1, 2, 1000, 2**31)],
    "key": [{"key": k} for k in (0, 1, 2**32, KEY, KEY ^ 1, KEY ^ 2**63, LARGEST_KEY)],
}


@pytest.mark.parametrize("axis", STREAMS)
def test_streams_share_no_number(axis):
    streams = [drawn(fill_uniform, 1000, np.float64, **stream) for stream in STREAMS[axis]]
    assert np.unique(np.concatenate(streams)).size == 1000 * len(streams)


@pytest.mark.parametrize("axis", STREAMS)
def test_streams_are_uncorrelated(axis):
    n = 20_000
    streams = [drawn(fill_normal, n, np.float64, **stream) for stream in STREAMS[axis]]
    correlations = [np.mean(a * b) for a, b in itertools.combinations(streams, 2)]
    assert max(map(abs, correlations)) < 4.5 / math.sqrt(n)


@pytest.mark.parametrize(("kind", "step"), [(np.float32, 2.0**-24), (np.float64, 2.0**-53)], ids=["float32", "float64"])
def test_uniform_numbers_stay_half_a_step_off_zero_and_one(kind, step):
    u = drawn(fill_uniform, 2_000_000, kind)
    assert u.min() >= step
    assert u.max() <= 1 - step


@pytest.mark.parametrize("word", [0, 0xFFFFFFFF], ids=["least", "largest"])
@all_kinds
def test_extreme_words_give_numbers_inside_the_interval(kind, word):
    u = uniform32(np.uint64(word)) if kind is np.float32 else uniform64(np.uint64(word), np.uint64(word))
    assert 0 < kind(u) < 1


@all_kinds
def test_uniform_distribution(kind):
    assert stats.kstest(drawn(fill_uniform, 100_000, kind, step=1), "uniform").pvalue > 0.01


@all_kinds
def test_normal_distribution(kind):
    assert stats.kstest(drawn(fill_normal, 100_000, kind, step=1), "norm").pvalue > 0.01


@all_kinds
def test_uniform_moments(kind):
    n = 1_000_000
    u = drawn(fill_uniform, n, kind, step=2).astype(np.float64)
    for power in (1, 2, 3, 4):
        error = math.sqrt(1 / (2 * power + 1) - 1 / (power + 1) ** 2) / math.sqrt(n)
        assert abs(np.mean(u**power) - 1 / (power + 1)) < 4 * error


@all_kinds
def test_normal_moments(kind):
    n = 1_000_000
    z = drawn(fill_normal, n, kind, step=2).astype(np.float64)
    moments = {1: 0, 2: 1, 3: 0, 4: 3, 6: 15, 8: 105}
    for power, exact in moments.items():
        error = math.sqrt((math.prod(range(1, 2 * power, 2)) - exact**2) / n)
        assert abs(np.mean(z**power) - exact) < 4 * error


@all_kinds
@all_fills
@pytest.mark.parametrize("lag", [1, 2, 64, 128, 256])
def test_no_autocorrelation(fill, kind, lag):
    n = 200_000
    x = drawn(fill, n, kind, step=4).astype(np.float64)
    x = (x - x.mean()) / x.std()
    assert abs(np.mean(x[:-lag] * x[lag:])) < 4.5 / math.sqrt(n)


@all_kinds
def test_both_normals_of_a_pair_are_independent_in_size(kind):
    tile = TILE[kind]
    pairs = drawn(fill_normal, 800 * tile, kind, step=5).astype(np.float64).reshape(-1, 2, tile // 2)
    sizes = pairs**2 - 1
    assert abs(np.mean(sizes[:, 0] * sizes[:, 1])) < 4.5 * 2 / math.sqrt(sizes[:, 0].size)


# --- permutations --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("n", [0, 1, 2, 3, 4, 5, 17, 1000])
def test_permutation_holds_every_number_once(n):
    np.testing.assert_array_equal(np.sort(permuted(n)), np.arange(n))


@pytest.mark.parametrize("n", [0, 1, 2, 3, 4, 5, 7, 8, 9, 100])
def test_permutation_equals_the_naive_one(n):
    assert permuted(n, step=6).tolist() == naive.permutation(n, KEY, SHUFFLE, 6)


@pytest.mark.parametrize("n", [2, 3, 4, 5])
def test_permutations_are_uniform(n):
    places = {order: place for place, order in enumerate(itertools.permutations(range(n)))}
    counts = np.zeros(len(places))
    for step in range(100 * len(places)):
        counts[places[tuple(permuted(n, step=step).tolist())]] += 1
    assert stats.chisquare(counts).pvalue > 0.01


def test_every_element_is_equally_likely_at_every_place():
    n, trials = 12, 6000
    counts = np.zeros((n, n))
    for step in range(trials):
        counts[np.arange(n), permuted(n, key=17, step=step)] += 1
    statistic = ((counts - trials / n) ** 2 / (trials / n)).sum()
    assert stats.chi2.sf(statistic, (n - 1) ** 2) > 0.01


def test_consecutive_permutations_are_uncorrelated():
    ranks = np.array([permuted(1000, step=step) for step in range(20)], float)
    correlations = np.corrcoef(ranks)[np.triu_indices(20, 1)]
    assert abs(correlations).max() < 4.5 / math.sqrt(1000)


def test_a_permutation_leaves_about_one_number_in_place():
    fixed = [np.sum(permuted(50, step=step) == np.arange(50)) for step in range(2000)]
    assert abs(np.mean(fixed) - 1) < 4 / math.sqrt(2000)
