# cython: language_level=3
"""The compiled kernels of affinet: one translation unit, built once per instruction-set level.

Kernels know memory and arithmetic and nothing of affinet. Every kernel has two doors: a checked
``def``, safe for any arrays (doors.pyx), over an unchecked ``cdef ... noexcept nogil``.
B is the number of rows of a batch, I the number of inputs, O the number of outputs; ``dout`` is
the gradient that comes in, ``dx`` the one that goes out. ``affinet.reference`` says the same in
plain NumPy.
"""

include "common.pyx"
include "doors.pyx"
include "vectors.pyx"
include "arithmetic.pyx"
include "reductions.pyx"
include "transposition.pyx"
include "exponential.pyx"
include "sigmoid_tanh.pyx"
include "normal.pyx"
include "logarithm.pyx"
include "relu.pyx"
include "pool.pyx"
include "threads.pyx"
include "epilogues.pyx"
include "micro_kernel.pyx"
include "tiles.pyx"
include "packing.pyx"
include "product.pyx"
include "blocked.pyx"
include "rows_in_lanes.pyx"
include "one_row.pyx"
include "gemm.pyx"
include "affine.pyx"
include "activations.pyx"
include "losses.pyx"
include "elementwise_losses.pyx"
include "normalization.pyx"
include "batch_norm.pyx"
include "layer_norm.pyx"
include "normalization_doors.pyx"
include "dropout.pyx"
include "optimizers.pyx"
include "forward.pyx"
include "gather.pyx"
include "update.pyx"
include "regularization.pyx"
include "hits.pyx"
include "step.pyx"
