"""What does a network make of rows it has not seen? Width, label noise, regularisation and double descent."""

from __future__ import annotations

from nnsim.core.errors import UsageError
from nnsim.data import datasets
from nnsim.probes.generalization import check_noise
from nnsim.study.axes import batch_axis
from nnsim.study.checks import data_hash, data_settings
from nnsim.study.declaration import Axis, Column, Table, presets
from nnsim.study.network_trials import usual_data
from nnsim.study.parts import Config, lazily, study_of
from nnsim.study.trials import DataTrial

from .linear import LINEAR, LINEAR_COLUMNS
from .page import PAGE
from .regularisers import REGULARISED
from .widths import WIDTHS

UNITS = (1, 2, 4, 8, 16, 64)
RATES = (0.00025, 0.001, 0.004, 0.016, 0.064, 0.256)
TUNED_RATES = (0.0001, 0.0004, 0.0016, 0.0064, 0.0256)
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


def check(config: Config) -> None:
    """Raise UsageError for what makes no sense."""
    for noise in config["label_noise"]:
        check_noise(noise)
    for dropout in config["dropout"]:
        if dropout >= 1:
            raise UsageError(f"dropout is {dropout:g}, allowed is above 0 and below 1: a share of units to drop")
    _check_rows(config)


def _check_rows(config: Config) -> None:
    name, asked, batch = (config[axis] for axis in ("data", "rows", "batch_size"))
    data = usual_data(DataTrial(kind="", repeat=0, **data_settings(config | {"samples": 0})))
    if data.task != "classification":
        raise UsageError(f"'{name}' is a regression, and label noise needs classes: choose digits, for example")
    rows = datasets.fewest_training_rows(data)
    if asked > rows:
        raise UsageError(
            f"{asked} training rows are asked for, '{name}' has at least {rows} at any root seed: choose at most {rows}"
        )
    if batch > asked:
        raise UsageError(f"a batch of {batch} rows is larger than the {asked} training rows: choose at most {asked}")


study = study_of(
    name="generalization",
    title="What new rows are worth",
    question=(
        "How far is a network's accuracy on its training rows from that on new ones, how do width and wrong labels "
        "change it, and what do dropout, weight decay and early stopping do here?"
    ),
    expect=(
        "The gap grows until the network is just wide enough to fit its labels, right or wrong. In least squares the "
        "error has a peak there, exactly as the closed form says, and falls again beyond. Trained networks may show it "
        "in the loss more than in the error. Regularisation narrows the gap where labels are noisy. The teaching page "
        "sets dropout and a small decay without saying what they are for, and its code trains on random labels: there "
        "is nothing to learn, and such a network learns its training rows by heart."
    ),
    falsify=(
        "A gap that keeps growing beyond the width that fits the labels; least squares off the closed form; a "
        "regulariser whose gap is no narrower at the strength that validation chose; random labels that are not fitted."
    ),
    misreading=(
        "A narrow gap is no merit by itself: a network that learns nothing has none. A training accuracy of 1 on wrong "
        "labels is no proof of a bad test accuracy. And a peak in the test loss need not be one in the test error."
    ),
    references=(
        "S. Geman, E. Bienenstock and R. Doursat, Neural networks and the bias/variance dilemma, 1992",
        "N. Srivastava et al., Dropout: a simple way to prevent neural networks from overfitting, JMLR 15, 2014",
        "B. Neyshabur, R. Tomioka and N. Srebro, In search of the real inductive bias, ICLR workshop 2015",
        "C. Zhang et al., Understanding deep learning requires rethinking generalization, ICLR 2017",
        "I. Loshchilov and F. Hutter, Decoupled weight decay regularization, ICLR 2019",
        "M. Belkin, D. Hsu and J. Xu, Two models of double descent for weak features, SIAM J. Math. Data Sci. 2, 2020",
        "P. Nakkiran et al., Deep double descent, ICLR 2020",
        "P. Nakkiran et al., Optimal regularization can mitigate double descent, ICLR 2021",
    ),
    axes=(
        Axis("width", int, "units of the hidden layer", presets(UNITS, (1, 2, 4, 6, 8, 12, 16, 32, 64, 256),
             (1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 64, 256, 1024)), minimum=1),
        Axis("label_noise", float, "shares of wrong training labels",
             presets((0.0, 0.2), (0.0, 0.1, 0.2), (0.0, 0.1, 0.2, 0.4)), minimum=0),
        Axis("learning_rate", float, "grid of learning rates of every width", presets(RATES, RATES, RATES), minimum=0,
             exclusive=True),
        Axis("tuned_width", int, "units of the regularised networks", presets(64, 128, 256), minimum=1, scalar=True),
        Axis("tuned_rate", float, "grid of learning rates of every regulariser at every strength",
             presets(TUNED_RATES, *[(0.000025, *TUNED_RATES)] * 2), minimum=0, exclusive=True),
        Axis("dropout", float, "dropped shares", presets((0.25, 0.5, 0.75), *[(0.1, 0.25, 0.5, 0.75, 0.9)] * 2),
             minimum=0, exclusive=True),
        Axis("decoupled_decay", float, "weight decays of AdamW", presets((1.0, 4.0, 16.0), (0.25, 1.0, 4.0, 16.0),
             (0.0625, 0.25, 1.0, 4.0, 16.0)), minimum=0, exclusive=True),
        Axis("penalty", float, "L2 penalties in Adam", presets((0.02, 0.08, 0.32), (0.005, 0.02, 0.08, 0.32),
             (0.001, 0.005, 0.02, 0.08, 0.32)), minimum=0, exclusive=True),
        Axis("patience", int, "epochs without a better validation loss before training stops",
             presets((1, 4, 16), (1, 4, 16), (1, 2, 4, 8, 16, 32)), minimum=1),
        Axis("rows", int, "training rows", presets(200, 200, 400), minimum=2, scalar=True),
        Axis("epochs", int, "passes over the training rows", presets(200, 400, 1000), minimum=1, scalar=True),
        batch_axis(50),
        Axis("seeds", int, "independent seeds of each trained arm", presets(10, 16, 20), minimum=1, scalar=True),
        Axis("page_width", int, "units of each of the three layers that random labels are fitted with",
             presets(64, 64, 128), minimum=1, scalar=True),
        Axis("page_epochs", int, "passes over the rows with random labels", presets(40, 100, 100), minimum=1,
             scalar=True),
        Axis("target_noise", float, "variances of the noise of the linear model's targets",
             presets((0.5,), (0.0, 0.5), (0.0, 0.5, 2.0)), minimum=0),
        Axis("linear_seeds", int, "independent seeds of the linear model", presets(300, 1000, 5000), minimum=1,
             scalar=True),
        Axis("data", str, "data set with classes, or a CSV, NPZ or IDX file", presets("digits", "digits", "digits"),
             scalar=True, names="datasets", file=True),
        Axis("target", str, "target column of a CSV file", presets("", "", ""), scalar=True, file=True),
    ),
    tables=(Table("trials", TRIAL_COLUMNS), Table("linear", LINEAR_COLUMNS, canonical=False)),
    schema_version=1,
    parts=(WIDTHS, REGULARISED, PAGE, LINEAR),
    check=check,
    summary=lazily(__name__, "summary"),
    figures=lazily(__name__, "figures"),
    inputs=lambda config: {"data_sha256": data_hash(config)},
    answer=("G-gap-rises", "G-gap-falls"),
    statements=(
        "G-memorise: a wide network fits wrong labels.",
        "G-gap: the gap grows with width until the labels are fitted, and shrinks beyond; wrong labels widen it.",
        "G-peak: with label noise trained networks have a peak of test error, and of test loss, where they just fit; "
        "not of the loss at tuned rates.",
        "G-second: beyond that width the test loss falls again.",
        "G-dropout, G-adamw, G-l2, G-stopping: each narrows the gap and raises the test accuracy with noisy labels.",
        "G-adamw-l2: decoupled decay does better than an L2 penalty in Adam.",
        "G-page: the teaching page's recipe fits random labels, learns nothing, and its decay changes nothing.",
        "G-linear: least squares has double descent as the closed form says, and the best L2 penalty removes the peak.",
    ),
)  # fmt: skip
