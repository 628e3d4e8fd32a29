"""A fixed share of a plan's chunks, so that any batch system can be the executor."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from nnsim.core.errors import UsageError
from nnsim.experiment.chunks import Chunk

PATTERN = re.compile(r"(\d{1,9})/(\d{1,9})")


@dataclass(frozen=True)
class Shard:
    """Share `index` of `count`, counted from 0: the chunks whose number leaves the remainder `index`."""

    index: int
    count: int

    @classmethod
    def parse(cls, text: str) -> Shard:
        """Return the shard that a text such as ``"3/8"`` means; raises UsageError where it means none."""
        match = PATTERN.fullmatch(text)
        if match is None:
            raise UsageError(f"shard must be i/N with i from 0 to N - 1, such as 0/8, got '{text}'")
        index, count = map(int, match.groups())
        if count == 0:
            raise UsageError(f"shard '{text}' is a share of nothing: the smallest is 0/1")
        if index >= count:
            raise UsageError(f"shard '{text}' does not exist: shards count from 0, the last is {count - 1}/{count}")
        return cls(index, count)

    def of(self, chunks: Iterable[Chunk]) -> list[Chunk]:
        """Return those of `chunks` that are this shard's."""
        return [chunk for chunk in chunks if chunk.number % self.count == self.index]

    def __str__(self) -> str:
        return f"{self.index}/{self.count}"
