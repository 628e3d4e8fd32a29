"""The teaching page on perceptrons and backpropagation, sentence by sentence, and the claims that test it."""

from __future__ import annotations

from nnsim.report.text_review import Answer, Finding, Ledger, Sentence


def _sentence(says: str, claims: dict[str, str], holds: tuple[Finding, str], fails: tuple[Finding, str]) -> Sentence:
    """Return a sentence; `claims` maps a study to the ids, or beginnings of ids, that it is tested by."""
    named = tuple((study, claim) for study, ids in claims.items() for claim in ids.split())
    return Sentence(says, named, Answer(*holds), Answer(*fails))


UNITS = (
    _sentence(
        "A neuron weighs its inputs, which is a hyperplane, and applies a non-linearity: it splits space into two.",
        {"perceptron": "C8-functions C8-one C8-one-gelu"},
        ("right with a condition", "True of a monotone unit, which therefore cannot do XOR; one GELU unit can."),
        ("wrong", "What single units can and cannot split was not as the theory of threshold units says."),
    ),
    _sentence(
        "Several neurons of a layer make several hyperplanes, which the next layer combines.",
        {"perceptron": "C8-hidden", "depth-width": "C4-general C4-central"},
        ("right", "Two hidden units compute every function of two bits, and n units cut space as the count says."),
        ("wrong", "The regions of a layer, or what two hidden units compute, are not as counted."),
    ),
    _sentence(
        "Deep layers turn hyperplanes into ever more complex boundaries.",
        {"depth-width": "C6-width-2 C6-width-3 C3-depth"},
        (
            "right with a condition",
            "They can, but width matters: two units a layer never enclose a region of the plane, three do; and at "
            "random weights depth does not multiply the pieces.",
        ),
        ("wrong", "Which widths close a region, or what depth does to random networks, is not as the theorems say."),
    ),
)

DEPTH = (
    _sentence(
        "One hidden layer with enough neurons approximates any continuous function as closely as one likes.",
        {"depth-width": "C5-relu C5-sigmoid"},
        ("right", "The squared error of trained units falls at least as 1/n, in few dimensions and in many."),
        ("wrong", "The error of trained units did not fall as 1/n."),
    ),
    _sentence(
        "For complex functions, enough neurons can mean billions.",
        {"depth-width": "C5-enough C5-fixed"},
        (
            "right with a condition",
            "For smooth targets a few hundred trained units are enough, in ten dimensions too; units that are drawn "
            "and not trained do need very many there.",
        ),
        ("right", "The error stayed large where theory lets a few hundred units do."),
    ),
    _sentence(
        "Deep networks reach the same approximation with exponentially fewer parameters.",
        {"depth-width": "C1-tents C2-error C2-lines C6-digits"},
        (
            "right with a condition",
            "True of functions that are built by folding, such as tents and x^2; on the digits, at equal parameters, "
            "four layers are no better than one.",
        ),
        ("wrong", "Depth did not do what the constructions say, or it gained on the digits."),
    ),
    _sentence(
        "What a network of L layers of n units computes can take O(2^n) units in one layer: depth is compression.",
        {"depth-width": "C1-power C1-bound C3-depth C7-parity"},
        (
            "wrong",
            "The number of pieces is n^L at most: exponential in the depth, not in the width. Random networks are no "
            "richer for being deep, and parity, the usual example, takes one layer of n threshold units.",
        ),
        ("right with a condition", "Some count of pieces went beyond n^L or grew with depth alone."),
    ),
)

BACKPROPAGATION = (
    _sentence(
        "Without backpropagation a gradient takes as many forward passes as there are parameters.",
        {"backprop-cost": "D6-passes D6-slope D6-agree"},
        ("right", "One-sided differences take P + 1 forward passes, central ones 2 P, and the time grows as P^2."),
        ("wrong", "Differences did not take the passes, or the time, that was counted."),
    ),
    _sentence(
        "Backpropagation gets all gradients for the cost of one forward pass.",
        {"backprop-cost": "page-backward-count D6-ratio D6-under-three"},
        (
            "wrong",
            "The backward pass alone costs up to two forward passes, 2 - n0 n1 / S of them: one only where nearly all "
            "weights are in the first layer. All gradients together stay under three.",
        ),
        ("right", "Counted, a backward pass was no dearer than a forward pass."),
    ),
    _sentence(
        "A sigmoid's slope is 0.25 at most, so ten layers multiply the gradient by 0.25^10.",
        {"init": "A8-factor A8-bound", "vanishing-gradient": "A8-bound A8-not-a-law A8-grows A8-premise"},
        (
            "wrong",
            "It is a bound for weights of norm one, not what happens: at Glorot's scale the gradient shrinks more, "
            "with larger weights less, and with large ones it grows.",
        ),
        (
            "right with a condition",
            "At some scale of the weights ten sigmoid layers did no more, or no less, than that.",
        ),
    ),
    _sentence(
        "The gradient vanishes, and early layers stop learning.",
        {"vanishing-gradient": "A8-stalls A8-shallow A8-batch A8-skip"},
        (
            "right with a condition",
            "A deep sigmoid network learns at no rate of the grid; a shallow one does, and so does a deep one with "
            "batch normalisation or skip connections.",
        ),
        ("wrong", "Deep sigmoid networks learnt, or their remedies did not help, at the rates of the grid."),
    ),
    _sentence(
        "ReLU cures it: its slope is 1 above zero, so gradients do not shrink.",
        {"vanishing-gradient": "A4-he A4-xavier A5-backward A10-most-shrink"},
        (
            "right with a condition",
            "Only with variance 2 / fan_in, and only on average. With 1 / fan_in each layer halves their mean square, "
            "PyTorch's default divides it by 6, and even with He's in most narrow networks they shrink.",
        ),
        ("wrong", "ReLU's gradients did not change with the scale of the weights as the mean field says."),
    ),
)

TRAINING = (
    _sentence(
        "For ReLU, draw weights by He: variance 2 / fan_in.",
        {"init": "A4-he A4-deep-he A4-deep-xavier A10-mean A10-variance"},
        (
            "right with a condition",
            "It keeps the mean square, and thirty layers learn with it and not with 1 / fan_in. It fixes the mean, not "
            "the spread: narrow deep networks still start too small or too large.",
        ),
        ("wrong", "Thirty ReLU layers did not need, or did not thank, He's variance."),
    ),
    _sentence(
        "Anneal the learning rate by a schedule, such as a cosine or a reduction on plateaus.",
        {"learning-rate": "D5-cosine D5-plateau"},
        ("right", "With noisy labels both end at a lower loss than the best constant rate, tuned as often."),
        ("wrong", "A tuned constant rate did as well."),
    ),
    _sentence(
        "Put batch normalisation, ReLU and dropout into each layer, in this order.",
        {"batch-norm": "D1-dropout"},
        (
            "right with a condition",
            "Dropout makes the next layer's running variance too large by 1 + p/(1-p) E f^2 / Var f, layer by layer: "
            "in test the network sees other scales than in training.",
        ),
        ("right", "Dropout did not shift the variances between training and test as predicted."),
    ),
    _sentence(
        "Dropout and weight decay regularise.",
        {"generalization": "G-dropout-gap G-page-decay"},
        (
            "right with a condition",
            "Dropout narrows the gap between training and test; a decay of 1e-4 in AdamW, at a rate of 1e-3, does "
            "nothing to it.",
        ),
        ("wrong", "On noisy labels they did not act as expected."),
    ),
    _sentence(
        "The example, with batch normalisation, dropout and AdamW on drawn data, shows how a network is trained.",
        {"generalization": "G-page-memorise G-page-chance"},
        ("wrong", "Its labels are random: the network fits them all the same, and is at chance on new rows."),
        ("right", "The network learnt something that holds on new rows."),
    ),
    _sentence(
        "Take AdamW at 1e-3, as a start.",
        {"optimizer": "page-adamw-default"},
        ("right", "Untuned, at 1e-3, it loses at most 0.02 to AdamW tuned, on each data set."),
        ("wrong", "Untuned, at 1e-3, it loses more than 0.02 to AdamW tuned on some data sets: try other rates."),
    ),
    _sentence(
        "AdamW is the optimizer to take.",
        {"optimizer": "page-adamw-best"},
        ("right with a condition", "Nothing is special about it: SGD with momentum, tuned as often, ends within 0.02."),
        ("right", "AdamW ended further from SGD with momentum than 0.02, both tuned as often."),
    ),
)

PITFALLS = (
    _sentence(
        "A ReLU unit whose weights make z negative at every input never comes back.",
        {"dead-neurons": "B1 B2 B4-first-layer B4-revivals"},
        (
            "right with a condition",
            "True in the first layer. Above it units come back when the layers below them move; and networks can be "
            "drawn dead, as often as the exact laws say.",
        ),
        ("wrong", "Units died, or came back, otherwise than the exact laws say."),
    ),
    _sentence(
        "Against dead units use leaky ReLU or He's initialization.",
        {"dead-neurons": "B3-leaky B3-he B4-he"},
        (
            "right with a condition",
            "Leaky ReLU never dies. He's variance keeps no network from being born dead, and no unit alive in "
            "training. What helps there is a lower rate, a positive bias, an asymmetric draw or batch normalisation.",
        ),
        ("wrong", "Leaky ReLU died, or He's variance kept units alive."),
    ),
    _sentence(
        "Gradient clipping at norm 1 belongs in every training loop.",
        {"gradient-clipping": "D4-survival-norm D4-always D4-adamw D4-small"},
        (
            "right with a condition",
            "It saves deep networks, and any at too high a rate; where nothing explodes it changes nothing, and too "
            "low a threshold only slows training down.",
        ),
        ("wrong", "Clipping did not save what it should, or it cost where it should not."),
    ),
    _sentence(
        "Without batch normalisation deep networks are unstable, because of covariate shift.",
        {"batch-norm": "D1-unstable D1-drift-plain"},
        (
            "wrong",
            "At a rate of its own, with He's variance, a deep network learns without it, although what its layers see "
            "drifts by half a standard deviation and more.",
        ),
        ("right with a condition", "Without it the deep network did not learn, or what its layers see hardly moved."),
    ),
    _sentence(
        "Always put batch normalisation between linear layer and activation.",
        {"batch-norm": "D1-explosion D1-survival"},
        (
            "right with a condition",
            "Most networks survive rates with it at which none does without; but gradients explode at the start, by "
            "1.47 a ReLU layer.",
        ),
        ("wrong", "It did not raise the rates that networks survive, or its gradients are not as predicted."),
    ),
    _sentence(
        "Too high a learning rate makes the loss diverge.",
        {"learning-rate": "D2-quadratic D2-beyond D2-too-high"},
        (
            "right with a condition",
            "On a quadratic exactly above 2 / lambda_max. Networks learn well above that, and beyond their limit they "
            "may stay at chance instead of overflowing.",
        ),
        ("wrong", "Where training diverges is not as the quadratic, or its corrections, say."),
    ),
    _sentence(
        "Too low a learning rate takes a hundred times as long.",
        {"learning-rate": "D2-slow D2-hundred"},
        ("right with a condition", "If it is a hundred times too low: the steps go as one over the rate."),
        ("wrong", "The steps to a loss did not go as one over the rate."),
    ),
    _sentence(
        "Find a learning rate by a range test.",
        {"learning-rate": "D2-range"},
        ("right", "Each of its four rules finds a rate within 0.02 of the best test result of a sweep."),
        ("right with a condition", "Not every rule of it finds a rate within 0.02 of the best of a sweep."),
    ),
)

ledger = Ledger("The teaching page, sentence by sentence", (*UNITS, *DEPTH, *BACKPROPAGATION, *TRAINING, *PITFALLS))
