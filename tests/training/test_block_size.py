"""How many threads train one network on a GPU; the numbers of a device are those of an H100."""

from __future__ import annotations

import pytest

pytest.importorskip("numba_cuda", reason="numba-cuda is not installed: pip install 'nnsim[cuda]'")
from nnsim.training.block_size import Limits, side_by_side, threads_of_block

H100 = Limits(
    processors=132, registers=65536, shared_bytes=233472, blocks=32, threads=1024, warp=32, reserved_bytes=1024
)
SMALL, W1, LARGE = (2, 8, 8, 2), (64, 32, 32, 10), (128, 256, 128, 64, 1)


class TestBlocksSideBySide:
    def test_registers_are_handed_out_to_warps_in_units(self):
        assert side_by_side(128, 160, 1000, H100) == 3
        assert side_by_side(128, 161, 1000, H100) == 3
        assert side_by_side(128, 169, 1000, H100) == 2

    def test_shared_memory_is_less_what_every_block_loses(self):
        assert side_by_side(32, 32, 233472 // 4, H100) == 3
        assert side_by_side(32, 32, 233472 // 4 - 1024, H100) == 4

    def test_there_are_no_more_than_the_device_has_places_for(self):
        assert side_by_side(32, 32, 1000, H100) == 32

    def test_a_block_that_is_too_large_for_the_registers_has_no_place(self):
        assert side_by_side(512, 160, 1000, H100) == 0


class TestThreadsOfABlock:
    def test_a_small_network_gets_one_warp(self):
        assert threads_of_block(SMALL, 16, 4096, 151, 6000, H100) == 32

    def test_each_of_few_networks_gets_all_threads_that_have_work(self):
        assert threads_of_block(W1, 32, 64, 151, 50_000, H100) == 128

    def test_where_memory_holds_four_networks_threads_fill_the_registers(self):
        assert threads_of_block(W1, 32, 4096, 151, 50_000, H100) == 128

    def test_where_memory_holds_many_networks_each_gets_one_warp(self):
        assert threads_of_block(W1, 32, 4096, 151, 16_000, H100) == 32

    def test_where_memory_holds_one_network_it_gets_what_the_registers_hold(self):
        assert threads_of_block(LARGE, 64, 4096, 151, 220_000, H100) == 256

    def test_of_two_sizes_that_fill_as_much_the_smaller_is_taken(self):
        assert threads_of_block(LARGE, 64, 4096, 128, 100_000, H100) == 256

    def test_a_block_has_no_more_threads_than_the_device_allows(self):
        assert threads_of_block(LARGE, 64, 1, 32, 220_000, H100._replace(threads=64)) == 64

    @pytest.mark.parametrize("registers", [16, 128, 151, 200, 255])
    def test_whatever_a_thread_needs_a_block_finds_its_place(self, registers):
        threads = threads_of_block(LARGE, 64, 4096, registers, 220_000, H100)
        assert side_by_side(threads, registers, 220_000, H100) == 1
