"""What theory predicts: closed forms and mean-field maps that measurements are held against, a room for each topic.

Symbols: weights are independent N(0, sw2 / fan_in), biases N(0, sb2); z ~ N(0, 1); q is the variance of a layer's
pre-activation Z, delta = dL/dZ; n_l is the width of layer l, layer 0 the input. He et al. have sw2 = 2; Glorot & Bengio
at equal widths sw2 = 1; PyTorch's default for linear layers sw2 = 1/3.
"""
