"""Layer normalization: each row by its own mean and variance."""

from libc.math cimport sqrt


cdef inlined_void _add_normalized(Py_ssize_t n, const real* x, const real* dout, double mean,
                                  double inverse, double* sums, double* products) noexcept nogil:
    """sums += dout and products += dout (x - mean) inverse, numbers of one row."""
    cdef Py_ssize_t k
    for k in range(n):
        sums[k] += dout[k]
        products[k] += dout[k] * ((x[k] - mean) * inverse)


cdef inlined_void _add_weighted_products(Py_ssize_t n, const real* x, const real* dout,
                                         const real* gamma, double mean, double* sums,
                                         double* products) noexcept nogil:
    """sums += dout gamma and products += dout gamma (x - mean), numbers of one row."""
    cdef Py_ssize_t k
    cdef double d
    for k in range(n):
        d = <double> dout[k] * gamma[k]
        sums[k] += d
        products[k] += d * (x[k] - mean)


cdef inlined_void _normalize_vectors(Py_ssize_t n, const vector* x, double mean, double inverse,
                                     const vector* gamma, const vector* beta,
                                     vector* out) noexcept nogil:
    """out = (x - mean) inverse gamma + beta."""
    cdef vector centre = vnumber(x, mean), scale = vnumber(x, inverse)
    while n > 0:
        vstore(out, vfmadd((vload(x, n) - centre) * scale, vload(gamma, n), vload(beta, n)), n)
        x, gamma, beta, out, n = x + 1, gamma + 1, beta + 1, out + 1, n - vlanes(x)


cdef inlined_void _unnormalize_vectors(Py_ssize_t n, const vector* x, const vector* dout,
                                       const vector* gamma, double mean, double inverse,
                                       double shift, double slope, vector* dx) noexcept nogil:
    """dx = inverse (dout gamma - shift - slope (x - mean))."""
    cdef vector centre = vnumber(x, mean), factor = vnumber(x, slope), d
    while n > 0:
        d = vfmadd(vload(dout, n), vload(gamma, n), -vnumber(x, shift))
        d = vfmadd(centre - vload(x, n), factor, d)
        vstore(dx, vnumber(x, inverse) * d, n)
        x, dout, gamma, dx, n = x + 1, dout + 1, gamma + 1, dx + 1, n - vlanes(x)


cdef double _row_mean(Py_ssize_t O, const real* x) noexcept nogil:
    """sum_j x_j / O."""
    cdef double[SUMS] sums
    cdef Py_ssize_t count = max(O, <Py_ssize_t> 1)
    _clear(SUMS, sums)
    while O >= SUMS:
        _add(SUMS, x, sums)
        x, O = x + SUMS, O - SUMS
    _add(O, x, sums)
    return vsum(<const vdouble*> sums) / count


cdef double _row_variance(Py_ssize_t O, const real* x, double mean) noexcept nogil:
    """sum_j (x_j - mean)^2 / O."""
    cdef double[SUMS] sums, means
    cdef Py_ssize_t k, count = max(O, <Py_ssize_t> 1)
    _clear(SUMS, sums)
    for k in range(SUMS):
        means[k] = mean
    while O >= SUMS:
        _add_squares(SUMS, x, means, sums)
        x, O = x + SUMS, O - SUMS
    _add_squares(O, x, means, sums)
    return vsum(<const vdouble*> sums) / count


cdef void _layer_norm_forward(Py_ssize_t B, Py_ssize_t O, const real* x, const real* gamma,
                              const real* beta, double eps, real* out, real* mean,
                              real* variance) noexcept nogil:
    """out = gamma (x - mean) / sqrt(variance + eps) + beta; reference.layer_norm_forward.

    Row by row: mean_i = sum_j x_ij / O, variance_i = sum_j (x_ij - mean_i)^2 / O. They are kept
    unless mean and variance are NULL.
    """
    cdef double exact
    cdef real m, v
    cdef Py_ssize_t i
    for i in range(B):
        exact = _row_mean(O, x)
        m, v = <real> exact, <real> _row_variance(O, x, exact)
        if mean != NULL:
            mean[i], variance[i] = m, v
        _normalize_vectors(O, vectors_of(x), m, 1 / sqrt(v + eps), vectors_of(gamma),
                           vectors_of(beta), vectors_into(out))
        x, out = x + O, out + O


cdef void _layer_norm_parameters(Py_ssize_t B, Py_ssize_t O, Py_ssize_t n, const real* x,
                                 const real* dout, const real* mean, const real* variance,
                                 double eps, real* dgamma, real* dbeta) noexcept nogil:
    """dgamma_j = sum_i dout_ij n_ij and dbeta_j = sum_i dout_ij of n <= COLUMNS columns.

    n_ij = (x_ij - mean_i) inverse_i is what the forward pass scaled by gamma_j.
    """
    cdef double[COLUMNS] sums, products
    cdef double inverse
    cdef Py_ssize_t i, k
    _clear(n, sums)
    _clear(n, products)
    for i in range(B):
        inverse = 1 / sqrt(variance[i] + eps)
        if n == COLUMNS:
            _add_normalized(COLUMNS, x + i * O, dout + i * O, mean[i], inverse, sums, products)
        else:
            _add_normalized(n, x + i * O, dout + i * O, mean[i], inverse, sums, products)
    for k in range(n):
        dgamma[k], dbeta[k] = <real> products[k], <real> sums[k]


cdef void _layer_norm_row(Py_ssize_t O, const real* x, const real* dout, const real* gamma,
                          double mean, double inverse, real* dx) noexcept nogil:
    """dx of one row.

    With d_j = dout_j gamma_j and n_j = (x_j - mean) inverse, where out_j = gamma_j n_j + beta_j,

        dx_j = inverse (d_j - mean of d - n_j mean of (d n)).
    """
    cdef double[SUMS] sums, products
    cdef double shift, slope
    cdef Py_ssize_t j = 0
    _clear(SUMS, sums)
    _clear(SUMS, products)
    while j + SUMS <= O:
        _add_weighted_products(SUMS, x + j, dout + j, gamma + j, mean, sums, products)
        j += SUMS
    _add_weighted_products(O - j, x + j, dout + j, gamma + j, mean, sums, products)
    shift = vsum(<const vdouble*> sums) / O
    slope = vsum(<const vdouble*> products) * inverse * inverse / O
    _unnormalize_vectors(O, vectors_of(x), vectors_of(dout), vectors_of(gamma), mean, inverse,
                         shift, slope, vectors_into(dx))


cdef void _layer_norm_columns(Py_ssize_t first, Py_ssize_t end, Py_ssize_t B, Py_ssize_t O,
                              const real* x, const real* dout, const real* mean,
                              const real* variance, double eps, real* dgamma,
                              real* dbeta) noexcept nogil:
    """dgamma and dbeta of the columns from ``first`` to before ``end``."""
    cdef Py_ssize_t j = first, n
    while j < end:
        n = min(<Py_ssize_t> COLUMNS, end - j)
        _layer_norm_parameters(B, O, n, x + j, dout + j, mean, variance, eps, dgamma + j,
                               dbeta + j)
        j += n


cdef void _layer_norm_dx(Py_ssize_t B, Py_ssize_t O, const real* x, const real* dout,
                         const real* gamma, const real* mean, const real* variance, double eps,
                         real* dx) noexcept nogil:
    """dx, or nothing if it is NULL."""
    cdef Py_ssize_t i
    for i in range(B if dx != NULL else 0):
        _layer_norm_row(O, x + i * O, dout + i * O, gamma, mean[i],
                        1 / sqrt(variance[i] + eps), dx + i * O)


cdef void _layer_norm_backward(Py_ssize_t B, Py_ssize_t O, const real* x, const real* dout,
                               const real* gamma, const real* mean, const real* variance,
                               double eps, real* dx, real* dgamma, real* dbeta) noexcept nogil:
    """dgamma, dbeta and, unless it is NULL, dx; reference.layer_norm_backward."""
    _layer_norm_columns(0, O, B, O, x, dout, mean, variance, eps, dgamma, dbeta)
    _layer_norm_dx(B, O, x, dout, gamma, mean, variance, eps, dx)
