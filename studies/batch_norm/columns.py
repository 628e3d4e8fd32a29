"""What each table of the study holds."""

from __future__ import annotations

from nnsim.study.declaration import Column
from nnsim.study.network_trials import ARM_COLUMNS, TRIAL_COLUMNS, columns_with

from .scale import SCALE

KIND = Column("kind", "text", "", "what the trial is for: scale, explosion, shift, training")
SETTINGS = (
    Column("normalization", "text", "", "normalisation of the hidden layers"),
    Column("dropout", "float", "1", "probability with which a hidden unit is dropped"),
)
ARM = (KIND, *ARM_COLUMNS[1:], *SETTINGS)
LAYER = Column("layer", "int", "", "hidden layer, from 1")
COLUMNS = (
    KIND,
    *columns_with(TRIAL_COLUMNS, *SETTINGS)[1:],
    Column("largest_cosine", "float", "1", "largest |cos| between a hidden unit's weights and their gradient"),
    Column("loss_change", "float", "1", f"relative change of the loss with {SCALE:g} times the hidden weights"),
    Column("weight_growth", "float", "1", "squared norm of the hidden weights after training over that before"),
)
LAYERS = (*ARM, LAYER, Column("delta_square", "float", "", "mean squared delta = dL/dZ over rows and units"))
SHIFT = (*ARM, LAYER, Column("test_variance", "float", "1", "mean over units of the variance in test"))
DRIFT = (
    *ARM,
    Column("epoch", "int", "epochs", "epochs done at this look"),
    LAYER,
    Column("seen", "float", "deviations", "how far what the activation sees has moved since the start"),
    Column("linear", "float", "deviations", "how far the linear output has moved; empty behind layer normalisation"),
)
