"""Medians with their intervals: counts of networks that are looked at, results of trained arms at chosen rates."""

from __future__ import annotations

import pandas as pd

from nnsim.report.arm_summary import FACTS, median_facts
from nnsim.report.tuned_arms import ChosenArms

ARM = ["kind", "data", "activation", "dimension", "depth", "width"]
QUANTITIES = {"sawtooth": "test_metric", "grid": "test_metric", "ridge": "test_metric", "enclosure": "encloses"}


def summary(tables: dict[str, pd.DataFrame]) -> pd.DataFrame:
    """Return a row for each arm."""
    trials = tables["trials"].assign(data=tables["trials"]["data"].fillna(""))
    looked = trials[trials["kind"].isin(["random", "general", "central"])].assign(activation="", at_edge=False)
    trained = ChosenArms(trials[trials["kind"].isin(QUANTITIES)], ARM).runs
    rows = []
    for part in (looked, trained):
        for names, group in part.groupby(ARM, sort=False):
            facts = median_facts(group, QUANTITIES.get(names[0], "pieces"))
            rows.append(dict(zip(ARM, names, strict=True)) | facts | {"operations": group["operations"].max()})
    columns = [*ARM, *FACTS[:2], "operations", *FACTS[2:]]
    return pd.DataFrame(rows, columns=columns).astype({"parameters": "Int64", "operations": "Int64"})
