"""Normalization to mean 0 and variance 1: of a batch's columns, and of each row by itself.

x, out, dout, dx: (B, O), gamma, beta and their gradients: (O,), with out = gamma n + beta for the
normalized n = (x - mean) / sqrt(variance + eps). A batch has a mean and a variance for each
column, (O,), a layer for each row, (B,). Here are the sums of both; their kernels are in
batch_norm.pyx and layer_norm.pyx, the same in NumPy in affinet.reference.

Variances are found in a second pass, from the distances to the mean, and every sum is carried in
double precision. Each has one order, whatever the vectors' width: those over rows go from the
first row to the last, those over a row's numbers are eight running sums as in sums.pyx.
"""

cdef enum:
    COLUMNS = 64            # so few that a batch's part of them stays in L1 for each pass


cdef inlined_void _add(Py_ssize_t n, const real* x, double* sums) noexcept nogil:
    """sums += x; n is a constant wherever it can be."""
    cdef Py_ssize_t k
    for k in range(n):
        sums[k] += x[k]


cdef inlined_void _add_squares(Py_ssize_t n, const real* x, const double* mean,
                               double* sums) noexcept nogil:
    """sums += (x - mean)^2."""
    cdef Py_ssize_t k
    cdef double d
    for k in range(n):
        d = x[k] - mean[k]
        sums[k] += d * d
