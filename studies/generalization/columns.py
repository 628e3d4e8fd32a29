"""What each table of the study holds."""

from __future__ import annotations

from nnsim.study.declaration import Column

TRIAL_COLUMNS = (
    Column("kind", "text", "", "what the trial is for: width, regularised, page or linear"),
    Column("regulariser", "text", "", "none, dropout, adamw (decoupled decay), l2 (penalty in Adam) or stopping"),
    Column("strength", "float", "", "dropped share, weight decay, or epochs of patience"),
    Column("label_noise", "float", "1", "share of wrong training labels"),
    Column("target_noise", "float", "", "variance of the noise of the linear model's targets"),
    Column("width", "int", "units", "units of each hidden layer"),
    Column("learning_rate", "float", "", "step size of Adam"),
    Column("repeat", "int", "", "number of the independent seed: training rows, labels, initial weights, data order"),
    Column("data", "text", "", "data set"),
    Column("parameters", "int", "", "weights and biases"),
    Column("status", "text", "", "done, diverged or error"),
    Column("reason", "text", "", "why a trial is not done"),
    Column("epochs_done", "int", "epochs", "epochs of training that were finished"),
    Column("train_loss", "float", "nats", "loss on the training rows with their noisy labels, after training"),
    Column("train_metric", "float", "1", "accuracy on the training rows with their noisy labels"),
    Column("validation_metric", "float", "1", "accuracy on the validation rows, whose labels are clean"),
    Column("test_loss", "float", "nats", "loss on the test rows, whose labels are clean"),
    Column("test_metric", "float", "1", "accuracy on the test rows, whose labels are clean"),
    Column("gap", "float", "1", "training accuracy less that expected on test rows with labels as noisy"),
)
LINEAR_COLUMNS = (
    Column("kind", "text", "", "linear"),
    Column("target_noise", "float", "", "variance of the noise of the targets"),
    Column("repeat", "int", "", "number of the independent seed"),
    Column("features", "int", "", "p, features that the fit uses"),
    Column("risk", "float", "squared units", "exact squared error of the least-norm fit on a new row (LAPACK)"),
    Column("ridge_risk", "float", "squared units", "the same with the best L2 penalty (LAPACK)"),
)
