"""Numba's files of compiled code, each sealed by its SHA-256: what is damaged is never unpickled, and never run.

numba-cuda keeps code by classes of its own, which have the shape of Numba's: what both need stands here once.
"""

from __future__ import annotations

import hashlib
import io
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import IO, Any

from numba.core.caching import CompileResultCacheImpl, FunctionCache, IndexDataCacheFile

from nnsim.kernels.compiling.compile_cache import SOURCES, folder

SEAL_BYTES = hashlib.sha256().digest_size


class OwnFolder:
    """Where a function's code is kept: below the folder of this state of the sources, in which nothing is ever stale.

    Numba's other places are shared between all states: better none than those.
    """

    def __init__(self, function: Any, state: Path) -> None:
        code = function.__code__
        self._line = code.co_firstlineno
        self._path = state / Path(code.co_filename).resolve().relative_to(SOURCES.parent).parent

    @classmethod
    def from_function(cls, function: Any, path: str) -> OwnFolder | None:
        """Return the place of a function of the library, or None where nothing is kept."""
        state = folder()
        return None if state is None else cls(function, state)

    def get_cache_path(self) -> str:
        """Return the folder."""
        return str(self._path)

    def ensure_cache_path(self) -> None:
        """Make the folder."""
        self._path.mkdir(parents=True, exist_ok=True)

    def get_source_stamp(self) -> str:
        """Return nothing: the folder's name tells the state of the sources."""
        return ""

    def get_disambiguator(self) -> str:
        """Return what tells functions of one name apart."""
        return str(self._line)


class SealedFiles(IndexDataCacheFile):
    """An index and its data files; a pickle ends before the seal, so Numba reads them as its own.

    Each data file names what it is the code of: two processes, or one that was killed between index and data, can
    leave an index that points to the code of another signature.
    """

    def save(self, key: Any, data: Any) -> None:
        """Write the index, then the data with the key they belong to."""
        super().save(key, (repr(key), data))

    def load(self, key: Any) -> Any:
        """Return the data of this key, or None."""
        name, data = super().load(key) or ("", None)
        return data if name == repr(key) else None

    def _load_index(self) -> dict[Any, str]:
        return super()._load_index() if self._intact(self._index_path) else {}

    def _load_data(self, name: str) -> Any:
        if not self._intact(self._data_path(name)):
            raise FileNotFoundError(name)  # for Numba: compile, and write it again
        return super()._load_data(name)

    @contextmanager
    def _open_for_write(self, filepath: str) -> Iterator[IO[bytes]]:
        with super()._open_for_write(filepath) as file:
            buffer = io.BytesIO()
            yield buffer
            content = buffer.getvalue()
            file.write(content + hashlib.sha256(content).digest())

    def _intact(self, path: str) -> bool:
        try:
            whole = Path(path).read_bytes()
        except (FileNotFoundError, NotADirectoryError):
            return False
        intact = hashlib.sha256(whole[:-SEAL_BYTES]).digest() == whole[-SEAL_BYTES:]
        if not intact:
            _tell("a file of compiled code was damaged: compiling again")
        return intact


class Kept:
    """What makes of Numba's cache of a function one for which a damaged file or a full disk means compiling again."""

    _impl: Any
    _cache_file: Any

    def __init__(self, function: Any) -> None:
        super().__init__(function)  # type: ignore[call-arg]  # Numba's cache, which is the next class
        locator = self._impl.locator
        self._cache_file = SealedFiles(locator.get_cache_path(), self._impl.filename_base, locator.get_source_stamp())

    def signatures(self) -> set[Any]:
        """Return the signatures whose code is kept."""
        return {key[0] for key in self._cache_file._load_index()}

    def load_overload(self, sig: Any, target_context: Any) -> Any:
        """Return the compiled function, or None."""
        try:
            return super().load_overload(sig, target_context)  # type: ignore[misc]
        except Exception as error:  # whole, and yet not loadable: LLVM and pickle have errors of many kinds
            _tell(f"compiled code cannot be loaded ({type(error).__name__}): compiling again")
            return None

    def save_overload(self, sig: Any, data: Any) -> None:
        """Keep the compiled function where the disk allows it."""
        try:
            super().save_overload(sig, data)  # type: ignore[misc]
        except OSError as error:
            _tell(f"compiled code cannot be kept ({(error.strerror or str(error)).lower()}): it works without")


class _Impl(CompileResultCacheImpl):
    _locator_classes: list[type[object]] = [OwnFolder]  # noqa: RUF012 (Numba's own attribute)


class KernelCache(Kept, FunctionCache):
    """The code of a kernel for the CPU."""

    _impl_class = _Impl


@cache
def _tell(sentence: str) -> None:
    """Say `sentence` once, not for every kernel."""
    print(f"nnsim: {sentence}", file=sys.stderr)
