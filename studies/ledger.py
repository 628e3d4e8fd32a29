"""The teaching page on perceptrons and back-propagation, sentence by sentence, and the claims that test it."""

from __future__ import annotations

from nnsim.report.ledger import Answer, Ledger, Sentence

ledger = Ledger(
    "The teaching page, sentence by sentence",
    (
        Sentence(
            "With He's variance, a network of ReLU layers starts well.",
            (("init", "A4-he"), ("init", "A4-deep-he")),
            Answer("right", "Thirty ReLU layers keep their signals and learn with variance 2 / fan_in."),
            Answer("wrong", "ReLU networks with variance 2 / fan_in did not behave as predicted."),
        ),
    ),
)
