"""Claims: a published statement, what it predicts, what was measured, and the verdict a stated rule gives.

Kinds: a ``claim`` measures the world and can fail; a ``check`` is a theorem or an identity, so it tests the program;
a ``correction`` is a claim about what a teaching text says.

Verdicts: ``holds`` only if the whole interval lies inside prediction +- margin, ``fails`` if it lies wholly outside,
else ``inconclusive``; ``untested`` where the run holds no trial that could tell.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, fields, replace
from math import isnan, nan
from typing import TYPE_CHECKING

from nnsim.report.statistics.rounding import DIGITS, rounded, rounded_rows
from nnsim.study.declaration import Column, Study

if TYPE_CHECKING:
    from pandas import DataFrame

KINDS = ("claim", "check", "correction")
VERDICTS = ("holds", "fails", "inconclusive", "untested")
VERDICT_SYMBOLS = {"holds": "✓", "fails": "✗", "inconclusive": "?", "untested": "–"}


@dataclass(frozen=True)
class Claim:
    """One tested statement; a row of ``claims.csv``.

    Parameters
    ----------
    id : str
        Short name within the study, e.g. ``"A4-forward"``.
    kind : str
        One of `KINDS`.
    statement : str
        One plain sentence.
    source : str
        The paper that says so, e.g. ``"He et al. 2015, eq. 10"``.
    arm : str
        Which trials were looked at, e.g. ``"relu, he-normal, depth 30"``.
    prediction, margin : float
        What theory predicts and the half width of the band fixed beforehand; a one-sided rule or an exact check has
        no margin (NaN), and `method` says which rule it is.
    estimate, low, high : float
        What was measured, with its confidence interval, in the unit of `prediction`; NaN where untested.
    n : int
        Number of independent replications (seeds) behind the estimate.
    confidence : float
        Level of the interval after correction for the number of claims, e.g. 0.995.
    method : str
        Which interval and which rule, e.g. ``"t interval, equivalence"``.
    verdict : str
        One of `VERDICTS`.
    timed : bool
        Whether it rests on measured times.
    note : str
        Anything a reader must know beside it.

    Raises
    ------
    ValueError
        If `kind` or `verdict` is outside its closed set.
    """

    id: str
    kind: str
    statement: str
    source: str
    arm: str
    prediction: float = nan
    margin: float = nan
    estimate: float = nan
    low: float = nan
    high: float = nan
    n: int = 0
    confidence: float = nan
    method: str = ""
    verdict: str = "untested"
    timed: bool = False
    note: str = ""

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise ValueError(f"claim {self.id} has kind '{self.kind}': allowed are {', '.join(KINDS)}")
        if self.verdict not in VERDICTS:
            raise ValueError(f"claim {self.id} has verdict '{self.verdict}': allowed are {', '.join(VERDICTS)}")


TIMED = Column("timed", "bool", "", "whether it rests on measured times, which are others at every measurement")
CLAIM_COLUMNS = (
    Column("id", "text", "", "short name of the claim within its study"),
    Column("kind", "text", "", "claim (about the world), check (of the program) or correction (of a teaching text)"),
    Column("statement", "text", "", "what is claimed, in one sentence"),
    Column("source", "text", "", "paper that claims it"),
    Column("arm", "text", "", "trials that were looked at"),
    Column("prediction", "float", "as estimate", "value or bound that theory predicts"),
    Column("margin", "float", "as estimate", "half width of the band fixed beforehand; nan where the rule has none"),
    Column(
        *("estimate", "float", "see statement"),
        f"measured value; it and low and high have {DIGITS} digits of the largest of them, more where the margin is "
        "narrower, and all digits in an exact comparison",
    ),
    Column("low", "float", "as estimate", "lower end of the confidence interval"),
    Column("high", "float", "as estimate", "upper end of the confidence interval"),
    Column("n", "int", "seeds", "independent replications behind the estimate"),
    Column("confidence", "float", "1", "level of the interval after correction for the number of claims"),
    Column("method", "text", "", "interval and decision rule"),
    Column("verdict", "text", "", "holds, fails, inconclusive or untested"),
    TIMED,
    Column("note", "text", "", "what a reader must know beside it"),
)

_DTYPES = {"text": "str", "float": "float64", "int": "int64", "bool": "bool"}


def claims_frame(claims: Sequence[Claim]) -> DataFrame:
    """Return `claims` as a DataFrame: one row each in the given order, columns as in `CLAIM_COLUMNS`.

    Numbers are those of `as_written`, which are the same on every machine.
    """
    import pandas as pd  # half a second that listing the studies, which import this module, need not pay

    rows = [asdict(as_written(claim)) for claim in claims]
    frame = pd.DataFrame(rows, columns=[field.name for field in fields(Claim)])
    return frame.astype({column.name: _DTYPES[column.kind] for column in CLAIM_COLUMNS})


def as_written(claim: Claim) -> Claim:
    """Return a claim with its numbers rounded; one without an interval, an exact comparison, stays as it is."""
    if isnan(claim.confidence):
        return claim
    (prediction,), (margin,) = rounded([claim.prediction], claim.margin), rounded([claim.margin])
    estimate, low, high = rounded([claim.estimate, claim.low, claim.high], claim.margin)
    return replace(claim, prediction=prediction, margin=margin, estimate=estimate, low=low, high=high)


def verdict_counts(frame: DataFrame) -> dict[str, int]:
    """Return how many rows of a claims frame have each verdict, in the order of `VERDICTS`."""
    return {verdict: int((frame["verdict"] == verdict).sum()) for verdict in VERDICTS}


def verdict_word(verdict: str, count: int) -> str:
    """Return the verdict as said of `count` claims: one *holds*, two *hold*."""
    plural = {"holds": "hold", "fails": "fail"}
    return verdict if count == 1 else plural.get(verdict, verdict)


def verdict_sentence(frame: DataFrame) -> str:
    """Return the counts in words, such as ``"11 hold, 1 fails, 2 inconclusive"``; a verdict nobody got is left out."""
    counts = verdict_counts(frame).items()
    return ", ".join(f"{count} {verdict_word(verdict, count)}" for verdict, count in counts if count) or "none was made"


STATISTICS = {
    column.name: column
    for column in (
        Column(
            "quantity", "text", "", f"what the row summarises; its numbers have {DIGITS} digits of the largest of them"
        ),
        Column("n", "int", "trials", "trials behind the row"),
        Column("median", "float", "as quantity", "median over seeds"),
        Column("mean", "float", "as quantity", "mean over seeds"),
        Column("geometric_mean", "float", "as quantity", "geometric mean over seeds"),
        Column("prediction", "float", "as quantity", "what theory predicts"),
        Column("low", "float", "as quantity", "lower end of the confidence interval"),
        Column("high", "float", "as quantity", "upper end of the confidence interval"),
        Column("confidence", "float", "1", "level of the interval"),
        Column("method", "text", "", "how the interval was computed"),
        Column("diverged", "int", "trials", "trials among them that diverged"),
        Column("at_edge", "bool", "", "whether the chosen value lies on the edge of its grid"),
        TIMED,
    )
}
"""Columns of ``summary.csv`` that mean the same in every study; ``<column>_<statistic>`` is one of one column."""


def summary_columns(study: Study, names: Sequence[str]) -> tuple[Column, ...]:
    """Return the dictionary of ``summary.csv``: what each column called in `names` means in `study`.

    A column is one of `STATISTICS`, an axis, a column of a table, or ``<column of a table>_<statistic>``.

    Raises
    ------
    ValueError
        If a column is none of these: the study would write what no dictionary explains.
    """
    known = {axis.name: Column(axis.name, _AXIS_KINDS[axis.kind], "", axis.help) for axis in study.axes}
    known |= {column.name: column for table in study.tables for column in table.header}
    known |= STATISTICS
    return tuple(known[name] if name in known else _statistic_of(name, known) for name in names)


def summary_frame(summary: DataFrame) -> DataFrame:
    """Return a study's summary as it is written: the statistics of a quantity rounded together, as claims are."""
    return rounded_rows(summary, _numbers_of_one_quantity(list(summary.select_dtypes("float").columns)))


def _numbers_of_one_quantity(names: Sequence[str]) -> Iterator[list[str]]:
    """Yield the columns called `names` that hold statistics, those of one quantity together."""
    shared = [name for name, column in STATISTICS.items() if column.unit == "as quantity"]
    bases = dict.fromkeys(name.removesuffix(statistic) for statistic in shared for name in names)
    for base in (base for base in bases if not base or base.endswith("_")):
        if found := [f"{base}{statistic}" for statistic in shared if f"{base}{statistic}" in names]:
            yield found


_AXIS_KINDS = {str: "text", int: "int", float: "float"}


def _statistic_of(name: str, known: dict[str, Column]) -> Column:
    for statistic, meaning in STATISTICS.items():
        base = known.get(name.removesuffix(f"_{statistic}"))
        if base is not None:
            unit = base.unit if meaning.unit == "as quantity" else meaning.unit
            return Column(name, meaning.kind, unit, f"{meaning.description}: {base.description}")
    raise ValueError(f"no dictionary explains the column '{name}' of the summary")
