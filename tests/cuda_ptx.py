"""The PTX of every CUDA kernel, compiled without a GPU: run as a script, it prints as JSON what is to be known of each.

``loose`` are multiplications and additions that ptxas might contract: those without an explicit rounding; ``relinked``
tells whether the linker would compile the kernel once more, and contract what it likes. Where there is ptxas,
``registers`` and ``spills`` (bytes) of the assembled code of one thread are told. ``cuda_ptx.py train sm_90`` compiles
only the variants whose names contain these words.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tempfile
from itertools import product
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import cuda_cases
import numba
import numba.cuda.codegen
import numba.cuda.dispatcher
import numpy as np

from nnsim.kernels.cpu.training import Data
from nnsim.kernels.cuda.decorators import nvvm
from nnsim.kernels.cuda.network import END, places
from nnsim.kernels.cuda.probes import probe_layers
from nnsim.kernels.cuda.training import train_epochs
from nnsim.kernels.formulas.columns import N_PROBE
from nnsim.training import cuda_populations as populations

ARCHITECTURES = ((8, 0), (9, 0))
LOOSE = re.compile(r"^\s*(?:@%p\d+ )?(?:mul|add|sub|mad)(?:\.ftz)?\.f(?:32|64)\b", re.MULTILINE)


def training_arguments(dtype: str) -> tuple[Any, ...]:
    job = cuda_cases.job_of("float64" if dtype == "float64" else "optimizer adamw")
    spec, recipe, data = job.spec, job.recipe, job.data
    (member,) = populations.members_of([job])
    layout = places(spec.architecture, spec.n_parameters, (True, True), 1, len(data.X), recipe.batch_size)
    arrays = Data(data.X, data.Y, data.X_validation, data.Y_validation)
    scratch = np.zeros((1, layout.network[END]), dtype)
    population = populations._gathered([member], 0, 1)
    return (
        spec.architecture,
        recipe.optimizer_params(spec),
        recipe.run_options(),
        arrays,
        layout,
        population,
        0,
        0.5,
        scratch,
    )


def probe_arguments(dtype: str) -> tuple[Any, ...]:
    job = cuda_cases.job_of("float64" if dtype == "float64" else "optimizer adamw")
    net, _, _, data, layout, _, _, _, scratch = training_arguments(dtype)
    theta, X, Y = job.theta[None], data.X[None], data.Y[None]
    return net, layout, theta, X, Y, X, np.dtype(dtype).type(0.1), np.zeros((1, 2, N_PROBE)), scratch


KERNELS = {"train_epochs": (train_epochs, training_arguments), "probe_layers": (probe_layers, probe_arguments)}


def launched(name: str, dtype: str, resident: bool) -> Any:
    """Return the kernel as numba-cuda compiles it for its first launch, on a device that need not be there."""
    device = SimpleNamespace(compute_capability=ARCHITECTURES[0])  # NVVM alone, which comes later, asks for it
    numba.cuda.dispatcher.get_current_device = lambda: device
    numba.cuda.codegen.devices = SimpleNamespace(get_context=lambda: SimpleNamespace(device=device))
    factory, arguments = KERNELS[name]
    kernel = factory(dtype, resident)
    signature = tuple(map(numba.typeof, arguments(dtype)))
    return numba.cuda.dispatcher._Kernel(kernel.py_func, signature, **kernel.targetoptions)


def assembler() -> Path | None:
    """Return ptxas, where it is installed beside NVVM."""
    return next(iter(Path(nvvm.__file__).parents[4].glob("nvidia/cuda_nvcc/bin/ptxas")), None)


def assembled(ptx: str) -> dict[str, int]:
    ptxas = assembler()
    if ptxas is None:
        return {}
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder, "kernel.ptx")
        source.write_text(ptx)
        (gpu,) = re.findall(r"^\.target (\w+)", ptx, re.MULTILINE)
        command = [ptxas, "-v", "--gpu-name", gpu, source, "-o", Path(folder, "kernel.cubin")]
        said = subprocess.run(command, capture_output=True, text=True, check=True).stderr
    spills = [int(count) for count in re.findall(r"(\d+) bytes spill (?:stores|loads)", said)]
    return {"registers": max(map(int, re.findall(r"Used (\d+) registers", said))), "spills": sum(spills)}


def main(words: list[str]) -> None:
    found = {}
    for dtype, resident, name in product(("float32", "float64"), (True, False), KERNELS):
        variant = f"{name} {dtype} {'shared' if resident else 'streaming'}"
        labels = {"{} sm_{}{}".format(variant, *architecture): architecture for architecture in ARCHITECTURES}
        chosen = {label: labels[label] for label in labels if all(word in label for word in words)}
        code = launched(name, dtype, resident)._codelibrary if chosen else None
        for label, architecture in chosen.items():
            ptx = code.get_asm_str(architecture)
            facts = {"loose": len(LOOSE.findall(ptx)), "fused": ptx.count("fma.rn."), "relinked": code._lto}
            facts |= assembled(ptx)
            print(label, facts, file=sys.stderr, flush=True)
            found[label] = facts
    print(json.dumps(found))


if __name__ == "__main__":
    main(sys.argv[1:])
