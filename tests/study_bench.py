"""Measuring parts of a study by its own engine, for tests of its claims."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import kept
import pandas as pd
import pytest

from nnsim.experiment.config import resolve
from nnsim.experiment.executors.threads import run_chunks
from nnsim.experiment.plan import make_plan
from nnsim.experiment.results.tables import measured_columns, read_table, write_tables
from nnsim.experiment.store import ChunkStore, open_folder
from nnsim.report import judging
from nnsim.report.statistics import t_interval
from nnsim.study.declaration import Study

Tables = dict[str, pd.DataFrame]


@pytest.fixture(scope="module", autouse=True)
def student() -> Iterator[None]:
    """Judge means by Student's interval in the module that imports this.

    It needs fewer seeds than the one that follows skewness, and what is tested is whether a claim sees its physics.
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(judging.INTERVALS, "mean", t_interval)
        yield


class Bench:
    """Measures parts of a study into folders of their own.

    `small` holds the axes that are not the quick preset's, as the command line or a call would give them.
    """

    def __init__(self, factory: pytest.TempPathFactory, study: Study, small: dict[str, Any]) -> None:
        self.factory, self.study, self.small = factory, study, small

    def config(self, **axes: Any) -> dict[str, Any]:
        """Return the resolved configuration with `axes` in place of the small ones."""
        return resolve(self.study, "quick", self.small | axes)

    def __call__(self, *kinds: str, measure: Callable[..., Any] | None = None, **axes: Any) -> Tables:
        """Return the tables of the trials of some kinds (of all, without a name)."""
        folder = self.factory.mktemp("tables")
        self._measure(folder, kinds, measure or self.study.measure, axes)
        return self._read(folder)

    def kept(self, **axes: Any) -> Tables:
        """Return the tables of all trials as they are: measured once, so nothing may have been replaced before."""
        folder = kept.folder(
            lambda begun: self._measure(begun, (), self.study.measure, axes), self.study.name, self.small | axes
        )
        return self(**axes) if folder is None else self._read(folder)

    def _measure(self, folder: Path, kinds: tuple[str, ...], measure: Callable[..., Any], axes: dict[str, Any]) -> None:
        def chosen(config: dict[str, Any]) -> list[dict[str, Any]]:
            return [trial for trial in self.study.trials(config) if trial["kind"] in kinds or not kinds]

        study = replace(self.study, trials=chosen, measure=measure)
        plan = make_plan(study, resolve(study, "quick", self.small | axes))
        open_folder(folder, plan.identity)
        store = ChunkStore(folder)
        run_chunks(plan, plan.chunks, store)
        found = [store.find(chunk) for chunk in plan.chunks]
        write_tables(folder, study, store, [path for path in found if path is not None])

    def _read(self, folder: Path) -> Tables:
        tables = measured_columns(self.study).items()
        return {name: read_table(folder / f"{name}.csv", columns) for name, columns in tables}
