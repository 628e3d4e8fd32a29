"""The CUDA backend without a GPU: equal bits in Numba's simulator, and the PTX of every kernel."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import cuda_cases
import kept
import needs
import pytest

from nnsim.core.errors import DeviceError

pytestmark = pytest.mark.cuda


@cache
def simulated(*arguments: str) -> dict[str, bool]:
    return kept.json_of("cuda_cases.py", *arguments, NUMBA_ENABLE_CUDASIM="1")


@needs.numba_cuda
@pytest.mark.parametrize("case", [*cuda_cases.CASES, *cuda_cases.OTHERS])
def test_the_simulator_gives_the_bits_of_the_cpu(case: str) -> None:
    assert simulated()[case]


@needs.numba_cuda
def test_a_product_that_is_rounded_by_itself_is_noticed() -> None:
    assert simulated("--break") == {"optimizer momentum": False}


@cache
def races(*arguments: str) -> dict[str, list[str]]:
    return kept.json_of("cuda_races.py", *arguments, NUMBA_ENABLE_CUDASIM="1")


@needs.numba_cuda
def test_no_thread_touches_what_another_writes_before_they_have_waited() -> None:
    found = races()
    assert len(found) > 5
    assert {case: lines for case, lines in found.items() if lines} == {}


@needs.numba_cuda
def test_a_missing_barrier_is_noticed() -> None:
    assert any(line.startswith("gemm.py") for line in races("--break")["mse"])


@cache
def compiled() -> dict[str, dict[str, int]]:
    return kept.json_of("cuda_ptx.py")


@needs.numba_cuda
@pytest.mark.parametrize("architecture", ["sm_80", "sm_90"])
@pytest.mark.parametrize("variant", ["float32 shared", "float32 streaming", "float64 shared", "float64 streaming"])
@pytest.mark.parametrize("kernel", ["train_epochs", "probe_layers"])
def test_nothing_may_be_contracted_and_no_register_spills(kernel: str, variant: str, architecture: str) -> None:
    facts = compiled()[f"{kernel} {variant} {architecture}"]
    assert facts.get("spills", 0) == 0
    assert facts["fused"] > 100
    assert facts["loose"] == 0
    assert not facts["relinked"]


def error_of_the_driver() -> Exception:
    from numba.cuda.cudadrv.driver import CudaAPIError

    return CudaAPIError(719, "Call to cuStreamSynchronize results in CUDA_ERROR_LAUNCH_FAILED")


def error_of_a_launch() -> Exception:
    from cuda.core._utils.cuda_utils import CUDAError

    return CUDAError("CUDA_ERROR_LAUNCH_FAILED: an exception occurred on the device")


@needs.numba_cuda
@pytest.mark.parametrize("failure", [error_of_the_driver, error_of_a_launch])
def test_a_device_that_fails_is_one_sentence(failure: Callable[[], Exception]) -> None:
    from nnsim.training.device import Device

    said = r"^the GPU failed \(.*LAUNCH_FAILED.*\); what was finished before is kept: run the command again$"
    with pytest.raises(DeviceError, match=said), object.__new__(Device).guarded():
        raise failure()
