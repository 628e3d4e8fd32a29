"""Equal data as one object: what trains on one object can be one launch on a GPU."""

from __future__ import annotations

import hashlib
import threading
from weakref import WeakValueDictionary

from nnsim.training.trainer import Batches


class EqualData:
    """Knows the data that threads train on, as long as they do."""

    def __init__(self) -> None:
        self._known: WeakValueDictionary[bytes, Batches] = WeakValueDictionary()
        self._adding = threading.Lock()
        self._latest = threading.local()

    def one_for(self, data: Batches) -> Batches:
        """Return the object that stands for all data that equal `data`; its content is read once, not at each call."""
        latest = self._latest
        if getattr(latest, "given", None) is not data:
            digest = _digest(data)
            with self._adding:
                latest.given, latest.found = data, self._known.setdefault(digest, data)
        return latest.found


def _digest(data: Batches) -> bytes:
    digest = hashlib.sha256()
    for array in (data.X, data.Y, data.X_validation, data.Y_validation):
        digest.update(f"{array.dtype} {array.shape}".encode())
        digest.update(array.data)
    return digest.digest()
