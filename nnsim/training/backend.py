"""Where networks are trained: on the CPU or on a CUDA device, and what is missing here for the latter."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec

from nnsim.core.errors import UnknownNameError, UsageError

BACKENDS = ("cpu", "cuda", "auto")
"""What may be asked for; ``auto`` is CUDA where it can be used, else the CPU."""

SIMULATOR = "simulator"
INSTALL = "pip install 'nnsim[cuda]'"
FAULTS = {
    "library cannot be found": "no NVIDIA driver is found: install one, or go to a machine that has a GPU",
    "CUDA_ERROR_NO_DEVICE": (
        "the NVIDIA driver shows no device: look at CUDA_VISIBLE_DEVICES, or ask the batch system for a GPU, "
        "as Slurm with --gres=gpu:1"
    ),
    "DRIVER_MISMATCH": "the NVIDIA driver and its library are of two versions: restart the machine",
    "COMPAT_NOT_SUPPORTED": "the NVIDIA driver is too old for the CUDA here: update it",
    "NUMBA_DISABLE_CUDA": "the variable NUMBA_DISABLE_CUDA switches CUDA off: unset it",
}
"""Part of an error of the driver to what is missing, and what to do."""


@dataclass(frozen=True)
class Backend:
    """What was chosen.

    Attributes
    ----------
    name : {"cpu", "cuda"}
    reason : str
        Why, in one sentence.
    device : str, optional
        The name of the CUDA device.
    """

    name: str
    reason: str
    device: str | None = None

    @property
    def facts(self) -> dict[str, str]:
        """Its name, and its device if it has one, as a manifest holds them."""
        return {"name": self.name} | ({} if self.device is None else {"device": self.device})


@dataclass(frozen=True)
class Device:
    """A CUDA device: its name, its compute capability as in ``9.0``, and its memory in bytes, where they are known."""

    name: str
    compute_capability: str | None = None
    memory: int | None = None


@dataclass(frozen=True)
class Cuda:
    """What there is of CUDA on this machine.

    Attributes
    ----------
    devices : tuple of Device
    driver : (int, int), optional
        The newest version of CUDA that the driver knows; None where there is no driver.
    toolkit : (int, int), optional
        The version of CUDA's libraries, with which kernels are compiled.
    missing : str
        What is missing and what to do, in one sentence; empty where kernels can run.
    """

    devices: tuple[Device, ...] = ()
    driver: tuple[int, int] | None = None
    toolkit: tuple[int, int] | None = None
    missing: str = ""


class _DriverError(Exception):
    """The driver cannot be used: its own words."""


def choose(name: str, tell: Callable[[str], None] | None = None) -> Backend:
    """Return the backend that `name` means here.

    Parameters
    ----------
    name : str
        One of `BACKENDS`.
    tell : callable, optional
        Is told what ``auto`` came to mean, and why.

    Raises
    ------
    UnknownNameError
        Another name.
    UsageError
        CUDA was asked for and cannot be used: the sentence says what is missing, and what to do.
    """
    if name not in BACKENDS:
        raise UnknownNameError("backend", name, BACKENDS)
    if name == "cpu":
        return Backend("cpu", "it was asked for")
    found = look()
    if found.missing and name == "cuda":
        raise UsageError(f"--backend cuda cannot be used: {found.missing}")
    chosen = Backend("cpu", found.missing) if found.missing else _on(found.devices[0])
    if name == "auto" and tell is not None:
        tell(f"backend {chosen.name}: {chosen.reason}")
    return chosen


def _on(device: Device) -> Backend:
    return Backend("cuda", f"the device {device.name} can be used", device.name)


def look() -> Cuda:
    """Return what there is of CUDA; nothing in it fails because something is missing."""
    if os.environ.get("NUMBA_ENABLE_CUDASIM", "0") not in {"", "0"}:
        return Cuda((Device(SIMULATOR),))
    if find_spec("numba_cuda") is None:  # Numba's own numba.cuda is deprecated, and another program
        return Cuda(missing=f"the package numba-cuda is not installed: {INSTALL}")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            found = ask_driver()
    except Exception as error:  # drivers and their bindings fail in many ways, and each of them only means: no CUDA
        return Cuda(missing=_fault(error))
    return Cuda(found.devices, found.driver, found.toolkit, _lack(found))


def ask_driver() -> Cuda:
    """Return the devices and versions that numba-cuda and the driver tell; raises whatever they raise."""
    from numba import cuda
    from numba.cuda.cudadrv.driver import driver

    compiles = cuda.is_available()  # starts the driver, too
    if cuda.cuda_error() is not None:
        raise _DriverError(cuda.cuda_error())
    if not compiles:
        return Cuda(driver=driver.get_version())
    devices = tuple(
        Device(_text(device.name), "{}.{}".format(*device.compute_capability), int(driver.cuDeviceTotalMem(device.id)))
        for device in cuda.list_devices()
    )
    return Cuda(devices, driver.get_version(), cuda.runtime.get_version())


def _text(name: str | bytes) -> str:
    return name.decode() if isinstance(name, bytes) else name


def _lack(found: Cuda) -> str:
    """Return what is missing where the driver answered."""
    if found.toolkit is None:
        return f"numba-cuda finds no libraries of CUDA to compile with: {INSTALL}"
    if found.driver is not None and found.driver < (found.toolkit[0], 0):
        known, needed = version_text(found.driver), version_text((found.toolkit[0], 0))
        return f"the NVIDIA driver knows CUDA {known}, and at least {needed} is needed: update it"
    return "" if found.devices else FAULTS["CUDA_ERROR_NO_DEVICE"]


def _fault(error: Exception) -> str:
    words = " ".join(f"{error}".split()).rstrip(".")
    known = next((sentence for part, sentence in FAULTS.items() if part in words), None)
    return known or f"the NVIDIA driver cannot be used ({words or type(error).__name__}): update or reinstall it"


def version_text(version: tuple[int, int]) -> str:
    """Return a version as one writes it: ``12.4``."""
    return ".".join(map(str, version))
