"""Every name that an option, a setting or an axis takes, with its meaning in one line.

It imports nothing, so that help and completion are instant; a test holds it against the registries themselves.
"""

from __future__ import annotations

ACTIVATIONS = {
    "identity": "z: a linear network",
    "step": "1 where z > 0, else 0: it passes no gradient",
    "sigmoid": "1 / (1 + e^-z)",
    "tanh": "tanh z",
    "lecun_tanh": "1.7159 tanh(2 z / 3)",
    "hard_tanh": "z cut at -1 and 1",
    "softsign": "z / (1 + |z|)",
    "softplus": "ln(1 + e^z)",
    "relu": "max(z, 0)",
    "leaky_relu": "z where z > 0, else p z; leaky_relu:0.2 sets p",
    "elu": "z where z > 0, else p (e^z - 1); elu:0.5 sets p",
    "selu": "scaled ELU, whose fixed point is mean 0 and variance 1",
    "gelu": "z Phi(z), Phi the normal distribution function",
    "gelu_tanh": "GELU with tanh in the place of Phi",
    "silu": "z / (1 + e^-z), also called swish",
    "mish": "z tanh(ln(1 + e^z))",
    "erf": "erf z",
    "sin": "sin z",
}

SCHEMES = {
    "zeros": "every weight 0",
    "constant": "every weight the same; constant:0.1",
    "normal": "normal of one deviation; normal:0.01",
    "uniform": "uniform up to one bound; uniform:0.05",
    "truncated_normal": "normal, cut at two deviations; truncated_normal:0.01",
    "lecun_normal": "normal, variance 1 / fan_in",
    "lecun_uniform": "uniform, variance 1 / fan_in",
    "xavier_normal": "Glorot: normal, variance 2 / (fan_in + fan_out)",
    "xavier_uniform": "Glorot: uniform, variance 2 / (fan_in + fan_out)",
    "he_normal": "He: normal, variance 2 / fan_in",
    "he_uniform": "He: uniform, variance 2 / fan_in",
    "standard_uniform": "uniform up to 1 / sqrt(fan_in)",
    "torch_default": "PyTorch's Linear: uniform up to 1 / sqrt(fan_in), biases too",
    "preserving_normal": "normal, with the variance that keeps a signal behind the activation",
    "orthogonal": "orthonormal rows or columns times a gain; orthogonal:1",
    "lsuv": "orthonormal, then each layer scaled to unit variance on a batch",
    "sparse": "a few normal weights a unit, the others 0; sparse:15",
    "identity": "the unit matrix times a gain; identity:1",
    "mean_field": "variances sw^2 / fan_in and, of biases, sb^2; mean_field:1.5:0.1",
    "asymmetric": "randomised asymmetric: one positive weight or bias a unit",
}

OPTIMIZERS = {
    "sgd": "plain descent",
    "momentum": "the heavy ball: a velocity that keeps 0.9 of itself",
    "nesterov": "momentum that looks ahead",
    "adagrad": "steps divided by the root of the sum of all squared gradients",
    "rmsprop": "steps divided by the root of a running mean of squared gradients",
    "adam": "RMSProp with momentum, both without bias",
    "adamw": "Adam whose weight decay acts on the weights themselves",
}

SCHEDULES = {
    "constant": "the learning rate itself",
    "step": "times gamma every size epochs; step:size=10",
    "multi_step": "times gamma at each milestone; multi_step:milestones=30/80",
    "exponential": "times gamma every epoch; exponential:gamma=0.95",
    "polynomial": "down to 0 as a power of the time left; polynomial:power=2",
    "linear": "a line from start to end, shares of the rate; linear:end=0.1",
    "cosine": "half a cosine down to eta_min; cosine:eta_min=1e-5",
    "cosine_restarts": "cosines one after the other; cosine_restarts:t_0=10",
    "cyclic": "triangles; cyclic:size_up=100",
    "one_cycle": "up, then down to almost nothing",
    "plateau": "times factor where the validation stops to get better; plateau:patience=5",
    "warmup": "a rising line, then another schedule; warmup:epochs=5+cosine",
}

DATASETS = {
    "digits": "8 x 8 images of handwritten digits, 10 classes",
    "breast_cancer": "30 measures of cell nuclei, 2 classes",
    "wine": "13 chemical measures of wines, 3 classes",
    "iris": "4 measures of iris flowers, 3 classes",
    "diabetes": "10 measures of patients, progression of the disease",
    "moons": "two half circles in the plane that interleave, 2 classes",
    "circles": "two concentric circles in the plane, 2 classes",
    "spirals": "two spirals in the plane that interleave, 2 classes",
    "xor": "points of a square, classes by quadrant",
    "blobs": "five Gaussian clouds in the plane, 5 classes",
    "teacher_student": "what a random network of 10 tanh units answers to 20 inputs",
    "target_sine": "sin(2 pi x)",
    "target_square": "x^2",
    "target_step": "1 where x > 0, else 0",
    "target_abs": "|x|",
    "target_chirp": "sin(8 pi x^2)",
    "target_sawtooth": "four triangular teeth",
}

VOCABULARY = {
    "activations": ACTIVATIONS,
    "schemes": SCHEMES,
    "optimizers": OPTIMIZERS,
    "schedules": SCHEDULES,
    "datasets": DATASETS,
}
"""Kind of name to its names, each with its meaning."""
