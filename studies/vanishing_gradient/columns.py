"""What each table of the study holds beyond what every network's has."""

from __future__ import annotations

from nnsim.study.declaration import Column

REMEDY = Column("remedy", "text", "", "none, skip (connections), batch or layer (normalisation)")
SPECTRA_COLUMNS = (
    Column("scheme", "text", "", "initialization scheme"),
    Column("repeat", "int", "", "number of the independent seed"),
    Column("layer", "int", "", "hidden layer with a square weight matrix"),
    Column("spectral_norm", "float", "", "largest singular value of the weight matrix (LAPACK, nine digits)"),
)
LOG_GRADIENT = Column(
    "log_gradient", "float", "nats", "ln(mean delta_1^2 / mean delta_depth^2), mean over inputs; empty where trained"
)
