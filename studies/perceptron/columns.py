"""What each table of the study holds."""

from __future__ import annotations

from nnsim.study.declaration import Column

ARM_COLUMNS = (
    Column("kind", "text", "", "what the trial is for: margin, orthogonal, gate, cover, count, logic, xor, boundary"),
    Column("gate", "text", "", "Boolean function of two inputs"),
    Column("dimension", "int", "", "N, numbers of an input, with the constant 1 where the unit has a bias"),
    Column("points", "int", "", "P, inputs"),
    Column("target_margin", "float", "", "how far points were pushed away from the plane"),
    Column("activation", "text", "", "activation of the hidden units"),
    Column("hidden", "int", "units", "hidden units"),
    Column("learning_rate", "float", "", "step size of Adam; empty where nothing is trained"),
    Column("repeat", "int", "", "number of the independent seed: points, labels, order or initial weights"),
)
TRIAL_COLUMNS = (
    *ARM_COLUMNS,
    Column("parameters", "int", "", "weights and biases"),
    Column("status", "text", "", "done, diverged or error"),
    Column("reason", "text", "", "why a trial is not done"),
    Column("mistakes", "int", "", "mistakes of the perceptron rule"),
    Column("passes", "int", "", "passes over the inputs, the last without a mistake where it converged"),
    Column("converged", "bool", "", "whether a pass had no mistake"),
    Column("radius", "float", "", "R, largest norm of an input"),
    Column("margin", "float", "", "gamma, distance of the nearest input from the known plane"),
    Column("bound", "float", "", "(R / gamma)^2"),
    Column("correct", "int", "", "inputs on the right side in the end"),
    Column("found", "float", "1", "1 where all four corners are right, else 0"),
)
ANSWER_COLUMNS = (
    *(column for column in ARM_COLUMNS if column.name in {"kind", "dimension", "points", "repeat"}),
    Column("draw", "int", "", "number of the labelling within the trial"),
    Column("quantity", "text", "", "separable (1 or 0), dichotomies (how many), or a count over Boolean functions"),
    Column("value", "float", "", "the answer of linear programming"),
)
BOUNDARY_COLUMNS = (
    Column("kind", "text", "", "boundary"),
    Column("panel", "text", "", "what answers, and to what"),
    Column("x0", "float", "", "first input"),
    Column("x1", "float", "", "second input"),
    Column("score", "float", "", "w . x of the threshold unit, logit of class 1 of the others"),
)
