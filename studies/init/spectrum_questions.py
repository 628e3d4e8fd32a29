"""How far apart the singular values of a Jacobian are (A11)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from nnsim.theory.signals.spectra import jacobian_spectrum_variance

from . import settings

if TYPE_CHECKING:
    import pandas as pd

    from nnsim.report.old_questions import Question

SHARE = 0.25  # margin over prediction: the neighbouring case is off by a factor of two
ROUNDING = 1e-9


def spectrum_questions(jacobians: pd.DataFrame) -> Iterator[Question]:
    """Ask how the variance of the eigenvalues of J J^T comes about in the four critical cases."""
    from nnsim.report.arms import rows_of
    from nnsim.report.old_questions import Question

    depth, width = settings.JACOBIAN_DEPTH, settings.JACOBIAN_WIDTH
    for name, (activation, scheme, keep) in settings.JACOBIANS.items():
        orthogonal = name.endswith("orthogonal")
        prediction = jacobian_spectrum_variance(depth, width, keep, orthogonal)
        limit = jacobian_spectrum_variance(depth, keep=keep, orthogonal=orthogonal)
        where = f"{scheme}, {activation}, {depth} layers of {width}"
        rows = rows_of(jacobians, activation=activation, scheme=scheme, depth=depth).sort_values(
            "repeat", kind="stable"
        )
        yield Question(
            f"A11-{name}", "claim" if limit else "check",
            f"At criticality the eigenvalues of J J^T have the variance of the {name.replace('-', ', ')} case.",
            "Pennington, Schoenholz and Ganguli 2017, section 2.5", where,
            rows["variance"].to_numpy(dtype=float), prediction, margin=max(SHARE * prediction, ROUNDING),
            note=f"exact for this width; {limit:g} in the limit of wide layers",
        )  # fmt: skip
