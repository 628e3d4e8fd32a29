"""What each table of the study holds."""

from __future__ import annotations

from nnsim.study.declaration import Column
from nnsim.study.dict_network_trials import TRIAL_COLUMNS, columns_with

ARMS = (
    Column("optimizer", "text", "", "optimizer"),
    Column("weight_decay", "float", "", "weight decay, decoupled in AdamW"),
    Column("budget", "int", "runs", "runs that the arm is tuned with: learning rates times seeds"),
    Column("parametrization", "text", "", "standard or mup"),
    Column("base_width", "int", "units", "width at which muP is the standard parametrization"),
    Column("dropout", "float", "1", "probability with which a unit is dropped"),
)
TRIALS = columns_with(TRIAL_COLUMNS, *ARMS)
COORDINATE_COLUMNS = (
    Column("kind", "text", "", "coordinate"),
    Column("parametrization", "text", "", "standard or mup"),
    Column("width", "int", "units", "units of each hidden layer"),
    Column("repeat", "int", "", "number of the independent seed"),
    Column("layer", "int", "", "1 ... depth are hidden, depth + 1 is the output"),
    Column("change", "float", "", "root mean square over inputs and units of the change of z"),
)
IDENTITY_COLUMNS = (
    Column("kind", "text", "", "decay, first_step, start_loss or dropout"),
    Column("data", "text", "", "data set"),
    Column("optimizer", "text", "", "optimizer"),
    Column("dropout", "float", "1", "probability with which a unit is dropped"),
    Column("repeat", "int", "", "number of the independent seed"),
    Column("quantity", "text", "", "what the value is"),
    Column("value", "float", "see quantity", "ratio of weights, relative error, loss in nats, moment, or classes"),
)
