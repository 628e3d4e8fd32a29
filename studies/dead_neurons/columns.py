"""What each table of the study holds."""

from __future__ import annotations

from nnsim.study.declaration import Column
from nnsim.study.network_trials import ARM_COLUMNS, TRIAL_COLUMNS, columns_with

KIND = Column("kind", "text", "", "what the trial is for: narrow, invariant, sharpness, training")
SETTINGS = (
    Column("bias", "float", "", "bias of every hidden unit at the start"),
    Column("shift", "float", "deviations", "what is added to the weights, in their standard deviations"),
    Column("normalization", "text", "", "normalisation of the hidden layers"),
)
COLUMNS = (
    KIND,
    *columns_with(TRIAL_COLUMNS, *SETTINGS)[1:],
    Column("silent", "bool", "", "whether some layer is off at the input 1"),
    Column("born_dead", "bool", "", "whether the network is constant on [-1, 1]"),
    Column("off_units", "int", "units", "units that are off on the whole batch as they are drawn"),
    Column("dead_at_start", "float", "1", "share of units that are dead on the training rows before training"),
    Column("dead_at_end", "float", "1", "the same at the last look, after the last epoch or before the run diverged"),
)
UNIT_COLUMNS = (
    *(KIND, *ARM_COLUMNS[1:], *SETTINGS[::2]),
    Column("epoch", "int", "epochs", "epochs done at this look"),
    Column("layer", "int", "", "hidden layer, from 1"),
    Column("units", "int", "units", "units of the layer"),
    Column("dead", "int", "units", "units whose slope is zero on every training row"),
    Column("deaths", "int", "units", "units that are dead and were not at the look before"),
    Column("revivals", "int", "units", "units that are not dead and were at the look before"),
    Column("dormant", "int", "units", "tau-dormant units: their mean |a| is at most tau times the layer's mean"),
    Column("zero_dormant", "int", "units", "0-dormant units"),
)
SHARPNESS_COLUMNS = (
    Column("bias", "float", "", "bias of every hidden unit at the start"),
    Column("repeat", "int", "", "number of the independent seed"),
    Column("sharpness", "float", "", "largest eigenvalue of the Hessian of the training loss before training"),
)
