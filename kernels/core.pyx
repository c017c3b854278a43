# cython: language_level=3
"""The compiled kernels of affinet: one translation unit, built once per instruction-set level.

Kernels handle memory and arithmetic, independent of affinet. Every kernel has two functions: a
checked ``def``, safe for any arrays (doors.pyx), over an unchecked ``cdef ... noexcept nogil``.
B is the number of rows of a batch, I the number of inputs, O the number of outputs; ``dout`` is
the gradient that comes in, ``dx`` the one that goes out. ``affinet.reference`` says the same in
plain NumPy.

The files form layers: each uses only files included above it here, and imports the C functions
that it uses.

The order of every sum is fixed, so that no bit depends on the number of threads, on the batch that
a row came in, or on the width of the vectors. A product's element is one chain of multiply-adds
over k, ascending (product.pyx); so is a bias gradient, over the rows (affine.pyx). What is summed
in double precision takes SUMS running sums in turn and then halves them (sums.pyx,
reductions.pyx): losses, norms and penalties, the last two over segments that follow from the
length alone (regularization.pyx). Losses add up rows from the first to the last
(elementwise_losses.pyx: without weights, all rows as one), softmax its exponentials as softmax.pyx
says, and normalizations their statistics as normalization.pyx says. Where branches of a network
meet, gradients are added from the last reader to the first (step_backward.pyx), and penalties from
the first operation to the last (step.pyx). Where threads share a step as a team, its leader adds up
what is summed over rows, in the same order (team.pyx).
"""

# Memory, lanes and threads
include "common.pyx"
include "doors.pyx"
include "vectors.pyx"
include "arithmetic.pyx"
include "reductions.pyx"
include "transposition.pyx"
include "pool.pyx"
include "barrier.pyx"
include "threads.pyx"
include "precision.pyx"
include "sums.pyx"

# Functions of one element
include "exponential.pyx"
include "sigmoid_tanh.pyx"
include "normal.pyx"
include "logarithm.pyx"
include "trigonometric.pyx"
include "relu.pyx"
include "activations.pyx"
include "addition.pyx"

# Products
include "epilogues.pyx"
include "micro_kernel.pyx"
include "tiles.pyx"
include "packing.pyx"
include "product.pyx"
include "blocked.pyx"
include "rows_in_lanes.pyx"
include "one_row.pyx"
include "splitting.pyx"
include "parts.pyx"
include "matrix_unit.pyx"
include "unit_products.pyx"
include "gemm.pyx"

# Kernels of parts
include "affine.pyx"
include "other_classes.pyx"
include "softmax.pyx"
include "softmax_losses.pyx"
include "softmax_doors.pyx"
include "elementwise_losses.pyx"
include "hits.pyx"
include "losses.pyx"
include "normalization.pyx"
include "batch_norm.pyx"
include "layer_norm.pyx"
include "normalization_doors.pyx"
include "scale.pyx"
include "increasing.pyx"
include "periodic.pyx"
include "periodic_doors.pyx"
include "embedding.pyx"
include "piecewise.pyx"
include "dropout.pyx"
include "update.pyx"
include "optimizers.pyx"
include "regularization.pyx"

# Whole passes
include "operations.pyx"
include "operation_checks.pyx"
include "graph.pyx"
include "parametric.pyx"
include "members.pyx"
include "forward.pyx"
include "gather.pyx"
include "permutation.pyx"
include "workspace.pyx"
include "muon.pyx"
include "step_forward.pyx"
include "step_backward.pyx"
include "step.pyx"
include "team_size.pyx"
include "team_rows.pyx"
include "team_parameters.pyx"
include "team.pyx"
include "run.pyx"
include "plan_checks.pyx"
include "plan.pyx"
