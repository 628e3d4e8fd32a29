"""Numba's files of compiled code, each sealed by its SHA-256: what is damaged is never unpickled, and never run."""

from __future__ import annotations

import hashlib
import io
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import IO, Any

from numba.core.caching import CompileResultCacheImpl, FunctionCache, IndexDataCacheFile, UserProvidedCacheLocator

SEAL_BYTES = hashlib.sha256().digest_size


class _SealedFiles(IndexDataCacheFile):
    """An index and its data files; a pickle ends before the seal, so Numba reads them as its own.

    Each data file names what it is the code of: two processes, or one that was killed between index and data, can
    leave an index that points to the code of another signature.
    """

    def save(self, key: Any, data: Any) -> None:
        super().save(key, (repr(key), data))

    def load(self, key: Any) -> Any:
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
        except FileNotFoundError:
            return False
        intact = hashlib.sha256(whole[:-SEAL_BYTES]).digest() == whole[-SEAL_BYTES:]
        if not intact:
            _tell("a file of compiled code was damaged: compiling again")
        return intact


class _OwnFolder(CompileResultCacheImpl):
    """Numba's other places are shared between all states of the sources: better none than those."""

    _locator_classes: list[type[object]] = [UserProvidedCacheLocator]  # noqa: RUF012 (Numba's own attribute)


class KernelCache(FunctionCache):
    """Numba's cache, for which a damaged file or a full disk means compiling again, never an error."""

    _impl_class = _OwnFolder

    def __init__(self, function: Any) -> None:
        super().__init__(function)
        stamp = self._impl.locator.get_source_stamp()
        self._cache_file = _SealedFiles(self._cache_path, self._impl.filename_base, stamp)

    def load_overload(self, sig: Any, target_context: Any) -> Any:
        """Return the compiled function, or None."""
        try:
            return super().load_overload(sig, target_context)
        except Exception as error:  # whole, and yet not loadable: LLVM and pickle have errors of many kinds
            _tell(f"compiled code cannot be loaded ({type(error).__name__}): compiling again")
            return None

    def save_overload(self, sig: Any, data: Any) -> None:
        """Keep the compiled function where the disk allows it."""
        try:
            super().save_overload(sig, data)
        except OSError as error:
            _tell(f"compiled code cannot be kept ({(error.strerror or str(error)).lower()}): it works without")


@cache
def _tell(sentence: str) -> None:
    """Say `sentence` once, not for every kernel."""
    print(f"nnsim: {sentence}", file=sys.stderr)
