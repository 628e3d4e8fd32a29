"""Random keys from names: the same study, trial and purpose draw the same numbers in any order on any machine."""

from __future__ import annotations

import hashlib
import json


def key(root_seed: int, *names: str | int) -> int:
    """Return the 64-bit Philox key that belongs to `names` under `root_seed`.

    Parameters
    ----------
    root_seed : int
        The seed that the user gave.
    *names : str or int
        What the draws are for, e.g. ``("init", trial_id, 3)``; order matters.

    Returns
    -------
    int
        The first 8 bytes of the SHA-256 of the canonical JSON of all arguments, as an unsigned integer.
    """
    text = json.dumps([int(root_seed), *names], separators=(",", ":"), ensure_ascii=True)
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "little")
