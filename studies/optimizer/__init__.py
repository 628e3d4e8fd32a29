"""Which optimizer? Seven of them at equal tuning budgets, their exact statements, and rates that outlive the width."""

from __future__ import annotations

from nnsim.data import datasets
from nnsim.kernels.formulas.optimizers import OPTIMIZERS
from nnsim.study.axes import batch_axis
from nnsim.study.checks import check_batch_size
from nnsim.study.declaration import Axis, Column, Table, presets
from nnsim.study.network_trials import HISTORY_COLUMNS, TRIAL_COLUMNS, columns_with
from nnsim.study.parts import Config, lazily, study_of

from .comparison import COMPARISON
from .identities import IDENTITIES, IDENTITY_COLUMNS
from .widths import COORDINATE_COLUMNS, WIDTHS

OCTAVES = tuple(2.0**power for power in range(-10, -2))
ARMS = (
    Column("optimizer", "text", "", "optimizer"),
    Column("weight_decay", "float", "", "weight decay, decoupled in AdamW"),
    Column("budget", "int", "runs", "runs that the arm is tuned with: learning rates times seeds"),
    Column("parametrization", "text", "", "standard or mup"),
    Column("base_width", "int", "units", "width at which muP is the standard parametrization"),
    Column("dropout", "float", "1", "probability with which a unit is dropped"),
)


def check(config: Config) -> None:
    """Raise UsageError for a data set that cannot be used."""
    for data in config["data"]:
        check_batch_size(config["batch_size"], {"data": data, "samples": config["samples"]})


study = study_of(
    name="optimizer",
    title="Which optimizer, and at which rate",
    question=(
        "If every optimizer is tuned as often, which is best? What do AdamW and Adam do exactly? And can a learning "
        "rate that was tuned on a narrow network be used on a wide one?"
    ),
    expect=(
        "Most of what one optimizer gains over another is gained by tuning (Choi et al. 2019; Schmidt et al. 2021): at "
        "equal budgets the differences are small. A teaching page that says to start at 0.001 with AdamW is right if "
        "the run is long enough for that rate. AdamW decays weights by (1 - eta wd)^t, Adam's first step is "
        "-eta g / (|g| + eps). In the standard parametrization Adam's best rate falls as the network widens; under "
        "muP it stays."
    ),
    falsify=(
        "A tuned optimizer that another beats by more than 0.02 of test accuracy although theory has it contain that "
        "one; a weight that decays otherwise; a best rate that moves by more than an octave under muP, or that does "
        "not move by one without."
    ),
    misreading=(
        "That two optimizers end alike after tuning does not mean that either may be left untuned: the curve over the "
        "learning rate is what differs. And grids are part of the result: each is placed beforehand, and an optimum on "
        "its edge decides nothing."
    ),
    references=(
        "D. P. Kingma and J. Ba, Adam: a method for stochastic optimization, ICLR 2015.",
        "I. Loshchilov and F. Hutter, Decoupled weight decay regularization, ICLR 2019.",
        "I. Sutskever, J. Martens, G. Dahl and G. Hinton, On the importance of initialization and momentum in deep "
        "learning, ICML 2013.",
        "A. C. Wilson et al., The marginal value of adaptive gradient methods in machine learning, NeurIPS 2017.",
        "D. Choi et al., On empirical comparisons of optimizers for deep learning, 2019.",
        "R. M. Schmidt, F. Schneider and P. Hennig, Descending through a crowded valley, ICML 2021.",
        "G. Yang, E. J. Hu et al., Tensor Programs V: tuning large neural networks via zero-shot hyperparameter "
        "transfer, 2022.",
        "N. Srivastava et al., Dropout: a simple way to prevent neural networks from overfitting, JMLR 15 (2014).",
    ),
    axes=(
        Axis("optimizer", str, "optimizers that are compared", presets(*[tuple(OPTIMIZERS)] * 3),
             choices=tuple(OPTIMIZERS), names="optimizers"),
        Axis("data", str, "data sets; the first is also used for widths and identities",
             presets(("digits", "spirals", "teacher_student"), ("digits", "spirals", "teacher_student"),
                      ("digits", "spirals", "teacher_student", "breast_cancer")), names="datasets", file=True),
        Axis("samples", int, "rows of each data set to use; 0 is all", presets(0, 0, 0), minimum=0, scalar=True),
        Axis("rates", int, "learning rates of each optimizer's grid", presets(7, 9, 11), minimum=3, scalar=True),
        Axis("seeds", int, "independent seeds of each trained arm", presets(10, 20, 40), minimum=1, scalar=True),
        Axis("epochs", int, "passes over the training data", presets(20, 40, 100), minimum=1, scalar=True),
        batch_axis(64),
        Axis("width", int, "units of each hidden layer", presets(32, 64, 128), minimum=1, scalar=True),
        Axis("weight_decay", float, "weight decay of AdamW", presets(0.01, 0.01, 0.01), minimum=0, scalar=True),
        Axis("mup_width", int, "widths over which Adam's best rate is followed; the least is muP's base",
             presets((32, 64, 128, 256), (32, 64, 128, 256, 512), (32, 64, 128, 256, 512, 1024)), minimum=1),
        Axis("mup_rate", float, "learning rates there", presets(OCTAVES, (2**-12, 2**-11, *OCTAVES),
             (2**-13, 2**-12, 2**-11, *OCTAVES)), minimum=0, exclusive=True),
        Axis("mup_epochs", int, "passes over the training data there", presets(2, 2, 5), minimum=1, scalar=True),
        Axis("coordinate_width", int, "widths of the coordinate check, well above muP's base",
             presets((128, 256, 512, 1024), (128, 256, 512, 1024), (128, 256, 512, 1024, 2048)), minimum=1),
        Axis("probe_seeds", int, "independent seeds of the coordinate check and of the identities",
             presets(20, 40, 100), minimum=1, scalar=True),
    ),
    tables=(
        Table("trials", columns_with(TRIAL_COLUMNS, *ARMS)),
        Table("history", columns_with(HISTORY_COLUMNS, *ARMS)),
        Table("coordinates", COORDINATE_COLUMNS),
        Table("identities", IDENTITY_COLUMNS),
    ),
    schema_version=1,
    parts=(COMPARISON, WIDTHS, IDENTITIES),
    check=check,
    summary=lazily(__name__, "summary"),
    figures=lazily(__name__, "figures"),
    inputs=lambda config: {f"{data}_sha256": datasets.fingerprint(data) for data in config["data"]},
    answer=("optimizer-adam-momentum-digits", "D7-transfer-mup"),
    statements=(
        "At equal tuning budgets an optimizer is no worse than the one it contains, and AdamW no better than momentum.",
        "AdamW at 0.001, untuned, loses little to AdamW tuned.",
        "D5: without a gradient AdamW decays weights by (1 - eta wd)^t; Adam's first step is -eta g / (|g| + eps).",
        "D7: under muP a step moves pre-activations equally at any width, and Adam's best rate stays; else both drift.",
        "D8: with a zero readout softmax loss is ln C, binary cross-entropy ln 2.",
        "D8: inverted dropout keeps the mean and multiplies the second moment by 1 / (1 - p).",
    ),
)  # fmt: skip
