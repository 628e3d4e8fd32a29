"""What does a network make of rows it has not seen? Width, label noise, regularisation and double descent."""

from __future__ import annotations

from nnsim.study.checks import data_hash
from nnsim.study.declaration import Axis, Study, Table, presets

from .claims import claims
from .columns import LINEAR_COLUMNS, TRIAL_COLUMNS
from .figures import figures
from .measurement import cost, measure, warm_up
from .summary import summary
from .trials import trials

WIDTHS = (1, 2, 4, 8, 16, 64)
RATES = (0.00025, 0.001, 0.004, 0.016, 0.064, 0.256)
TUNED_RATES = (0.0001, 0.0004, 0.0016, 0.0064, 0.0256)
study = Study(
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
        Axis("width", int, "units of the hidden layer", presets(WIDTHS, (1, 2, 4, 6, 8, 12, 16, 32, 64, 256),
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
        Axis("batch_size", int, "rows a step", presets(50, 50, 50), minimum=1, scalar=True),
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
    trials=trials,
    measure=measure,
    cost=cost,
    summary=summary,
    claims=claims,
    figures=figures,
    warm_up=warm_up,
    kernels=(
        "evaluate float32",
        "train_epochs float32",
    ),
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
