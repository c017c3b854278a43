"""Batch normalization: each column by its own mean and variance over the rows of a batch."""

from libc.math cimport sqrt


cdef inlined_void _add_products(Py_ssize_t n, const real* x, const real* dout, const real* mean,
                                double* sums, double* products) noexcept nogil:
    """sums += dout and products += dout (x - mean), each column with its own mean."""
    cdef Py_ssize_t k
    for k in range(n):
        sums[k] += dout[k]
        products[k] += dout[k] * (<double> x[k] - mean[k])


cdef inlined_void _centre_vectors(Py_ssize_t n, const vector* x, const vector* mean,
                                  const vector* scale, const vector* beta,
                                  vector* out) noexcept nogil:
    """out = (x - mean) scale + beta."""
    while n > 0:
        vstore(out, vfmadd(vload(x, n) - vload(mean, n), vload(scale, n), vload(beta, n)), n)
        x, mean, scale, beta, out = x + 1, mean + 1, scale + 1, beta + 1, out + 1
        n -= vlanes(x)


cdef inlined_void _scale_vectors(Py_ssize_t n, const vector* x, const vector* scale,
                                 const vector* shift, vector* out) noexcept nogil:
    """out = x scale + shift."""
    while n > 0:
        vstore(out, vfmadd(vload(x, n), vload(scale, n), vload(shift, n)), n)
        x, scale, shift, out, n = x + 1, scale + 1, shift + 1, out + 1, n - vlanes(x)


cdef inlined_void _uncentre_vectors(Py_ssize_t n, const vector* x, const vector* dout,
                                    const vector* mean, const vector* scale,
                                    const vector* shift, const vector* slope, bint train,
                                    vector* dx) noexcept nogil:
    """dx = scale (dout - shift - slope (x - mean)), or without train scale dout."""
    cdef vector d
    while n > 0:
        d = vload(dout, n)
        if train:
            d = vfmadd(vload(mean, n) - vload(x, n), vload(slope, n), d - vload(shift, n))
        vstore(dx, vload(scale, n) * d, n)
        x, dout, dx, mean, scale = x + 1, dout + 1, dx + 1, mean + 1, scale + 1
        shift, slope, n = shift + 1, slope + 1, n - vlanes(x)


cdef void _column_statistics(Py_ssize_t B, Py_ssize_t O, Py_ssize_t n, const real* x, real* mean,
                             real* variance) noexcept nogil:
    """Mean and variance, the sum of the squares by B, of n <= COLUMNS columns; 0 for no rows."""
    cdef double[COLUMNS] sums, means
    cdef Py_ssize_t i, k, count = max(B, <Py_ssize_t> 1)
    _clear(n, sums)
    for i in range(B):
        if n == COLUMNS:
            _add(COLUMNS, x + i * O, sums)
        else:
            _add(n, x + i * O, sums)
    for k in range(n):
        means[k] = sums[k] / count
        mean[k] = <real> means[k]
    _clear(n, sums)
    for i in range(B):
        if n == COLUMNS:
            _add_squares(COLUMNS, x + i * O, means, sums)
        else:
            _add_squares(n, x + i * O, means, sums)
    for k in range(n):
        variance[k] = <real> (sums[k] / count)


cdef void _batch_norm_forward(Py_ssize_t B, Py_ssize_t O, Py_ssize_t columns, const real* x,
                              const real* gamma, const real* beta, double eps, real* out,
                              real* mean, real* variance) noexcept nogil:
    """out = gamma (x - mean) / sqrt(variance + eps) + beta; reference.batch_norm_forward.

    Of ``columns`` columns, where rows are O numbers apart, COLUMNS at a time:
    mean_j = sum_i x_ij / B, variance_j = sum_i (x_ij - mean_j)^2 / B.
    """
    cdef real[COLUMNS] scale
    cdef Py_ssize_t j = 0, n, k, i
    while j < columns:
        n = min(<Py_ssize_t> COLUMNS, columns - j)
        _column_statistics(B, O, n, x + j, mean + j, variance + j)
        for k in range(n):
            scale[k] = <real> (gamma[j + k] / sqrt(variance[j + k] + eps))
        for i in range(B):
            _centre_vectors(n, vectors_of(x + i * O + j), vectors_of(mean + j),
                            vectors_of(scale), vectors_of(beta + j),
                            vectors_into(out + i * O + j))
        j += n


cdef void _batch_norm_predict(Py_ssize_t B, Py_ssize_t O, const real* x, const real* gamma,
                              const real* beta, const real* mean, const real* variance,
                              double eps, real* out) noexcept nogil:
    """out = x scale + shift with scale = gamma / sqrt(variance + eps), shift = beta - scale mean.

    reference.batch_norm_predict says the same in NumPy.
    """
    cdef real[COLUMNS] scale, shift
    cdef double factor
    cdef Py_ssize_t j = 0, n, k, i
    while j < O:
        n = min(<Py_ssize_t> COLUMNS, O - j)
        for k in range(n):
            factor = gamma[j + k] / sqrt(variance[j + k] + eps)
            scale[k], shift[k] = <real> factor, <real> (beta[j + k] - mean[j + k] * factor)
        for i in range(B):
            _scale_vectors(n, vectors_of(x + i * O + j), vectors_of(scale), vectors_of(shift),
                           vectors_into(out + i * O + j))
        j += n


cdef void _batch_norm_backward(Py_ssize_t B, Py_ssize_t O, Py_ssize_t columns, const real* x,
                               const real* dout, const real* gamma, const real* mean,
                               const real* variance, double eps, bint train, real* dx,
                               real* dgamma, real* dbeta) noexcept nogil:
    """dgamma, dbeta and, unless it is NULL, dx of ``columns`` columns; rows are O numbers apart.

    reference.batch_norm_backward. With inverse_j = 1 / sqrt(variance_j + eps) the forward pass was
    out_ij = gamma_j (x_ij - mean_j) inverse_j + beta_j, so now, summed over the rows i,

        dbeta_j = sum dout_ij,  dgamma_j = inverse_j sum dout_ij (x_ij - mean_j),
        dx_ij = gamma_j inverse_j (dout_ij - dbeta_j / B - (x_ij - mean_j) inverse_j dgamma_j / B)

    where the two last terms come from the mean and the variance, if they are the batch's (train).
    """
    cdef double[COLUMNS] sums, products
    cdef real[COLUMNS] scale, shift, slope
    cdef double inverse
    cdef Py_ssize_t j = 0, n, k, i
    while j < columns:
        n = min(<Py_ssize_t> COLUMNS, columns - j)
        _clear(n, sums)
        _clear(n, products)
        for i in range(B):
            if n == COLUMNS:
                _add_products(COLUMNS, x + i * O + j, dout + i * O + j, mean + j, sums, products)
            else:
                _add_products(n, x + i * O + j, dout + i * O + j, mean + j, sums, products)
        for k in range(n):
            inverse = 1 / sqrt(variance[j + k] + eps)
            dgamma[j + k], dbeta[j + k] = <real> (products[k] * inverse), <real> sums[k]
            scale[k] = <real> (gamma[j + k] * inverse)
            if train:
                shift[k] = <real> (sums[k] / B)
                slope[k] = <real> (products[k] * inverse * inverse / B)
        for i in range(B if dx != NULL else 0):
            _uncentre_vectors(n, vectors_of(x + i * O + j), vectors_of(dout + i * O + j),
                              vectors_of(mean + j), vectors_of(scale), vectors_of(shift),
                              vectors_of(slope), train, vectors_into(dx + i * O + j))
        j += n


cdef void _batch_norm_update(Py_ssize_t O, const real* mean, const real* variance,
                             double momentum, Py_ssize_t rows, real* running_mean,
                             real* running_var) noexcept nogil:
    """running += momentum (batch - running), the variance unbiased; reference.batch_norm_update."""
    cdef double kept = 1 - momentum, unbiased = momentum * (rows / (<double> rows - 1))
    cdef Py_ssize_t k
    for k in range(O):
        running_mean[k] = <real> (kept * running_mean[k] + momentum * mean[k])
        running_var[k] = <real> (kept * running_var[k] + unbiased * variance[k])
