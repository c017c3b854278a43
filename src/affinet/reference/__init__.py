"""Every kernel once more, as a textbook would write it, in NumPy alone.

The functions carry the names of the compiled kernels and take the same inputs and scalars, but
return their results instead of writing them into arguments. They are the oracle of the tests and
a place to read how each step works; affinet never falls back on them.

Letters: B rows of a batch, I inputs, O outputs, C classes, n elements of any shape. ``dout`` is
the gradient that comes in, ``dx`` the one that goes out. Everything is computed in the dtype of
the arrays (scalars are taken as Python floats, which never widen it), inputs are never modified,
and only the sum over a loss's rows or elements is carried in double precision.

Losses take weights of their rows, a float64 array w of shape (B,), or None for weights of 1. Means
divide by the sum of the weights, a row of weight 0 counts nothing, whatever it holds, and where no
row has a weight the loss and its gradient are 0.

There is a file for each kind of kernel. "DL" in them is Goodfellow, Bengio & Courville, Deep
Learning, MIT Press 2016.
"""

from affinet.reference.activations import (
    gelu_backward,
    gelu_forward,
    leaky_relu_backward,
    leaky_relu_forward,
    relu_backward,
    relu_forward,
    sigmoid_backward,
    sigmoid_forward,
    silu_backward,
    silu_forward,
    tanh_backward,
    tanh_forward,
)
from affinet.reference.affine import (
    affine_backward_db,
    affine_backward_dw,
    affine_backward_dx,
    affine_forward,
    affine_relu_forward,
)
from affinet.reference.dropout import (
    dropout_backward,
    dropout_forward,
)
from affinet.reference.gemm import (
    gemm_nn,
    gemm_nt,
    gemm_tn,
)
from affinet.reference.losses import (
    huber_loss,
    mean_absolute_error,
    mean_squared_error,
    poisson_loss,
    quantile_loss,
    sigmoid_cross_entropy,
    softmax_cross_entropy_labels,
    softmax_cross_entropy_rows,
    softmax_forward,
    sum_squared_error,
)
from affinet.reference.normalization import (
    batch_norm_backward,
    batch_norm_forward,
    batch_norm_predict,
    batch_norm_update,
    layer_norm_backward,
    layer_norm_forward,
)
from affinet.reference.optimizers import (
    adagrad_update,
    adam_update,
    adamw_update,
    momentum_update,
    nesterov_update,
    rmsprop_update,
    sgd_update,
)
from affinet.reference.regularization import (
    clip_norm,
    l2_penalty,
)

__all__ = [
    "adagrad_update",
    "adam_update",
    "adamw_update",
    "affine_backward_db",
    "affine_backward_dw",
    "affine_backward_dx",
    "affine_forward",
    "affine_relu_forward",
    "batch_norm_backward",
    "batch_norm_forward",
    "batch_norm_predict",
    "batch_norm_update",
    "clip_norm",
    "dropout_backward",
    "dropout_forward",
    "gelu_backward",
    "gelu_forward",
    "gemm_nn",
    "gemm_nt",
    "gemm_tn",
    "huber_loss",
    "l2_penalty",
    "layer_norm_backward",
    "layer_norm_forward",
    "leaky_relu_backward",
    "leaky_relu_forward",
    "mean_absolute_error",
    "mean_squared_error",
    "momentum_update",
    "nesterov_update",
    "poisson_loss",
    "quantile_loss",
    "relu_backward",
    "relu_forward",
    "rmsprop_update",
    "sgd_update",
    "sigmoid_backward",
    "sigmoid_cross_entropy",
    "sigmoid_forward",
    "silu_backward",
    "silu_forward",
    "softmax_cross_entropy_labels",
    "softmax_cross_entropy_rows",
    "softmax_forward",
    "sum_squared_error",
    "tanh_backward",
    "tanh_forward",
]
