"""Normalization to mean 0 and variance 1: of a batch's columns, and of each row by itself.

x, out, dout, dx: (B, O), gamma, beta and their gradients: (O,), with out = gamma n + beta for the
normalized n = (x - mean) / sqrt(variance + eps). A batch has a mean and a variance for each
column, (O,), a layer for each row, (B,).

Variances are found in a second pass, from the distances to the mean, and every sum is carried in
double precision. Each has one order, whatever the vectors' width: those over rows go from the
first row to the last, those over a row's numbers are eight running sums as in losses.pyx.
"""

from libc.math cimport INFINITY, sqrt

cdef enum:
    COLUMNS = 64            # so few that a batch's part of them stays in the cache for each pass


# Sums, for a number of columns that is a constant wherever it can be -----------------------------


cdef inlined_void _add(Py_ssize_t n, const real* x, double* sums) noexcept nogil:
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


cdef inlined_void _add_products(Py_ssize_t n, const real* x, const real* dout, const real* mean,
                                double* sums, double* products) noexcept nogil:
    """sums += dout and products += dout (x - mean), each column with its own mean."""
    cdef Py_ssize_t k
    for k in range(n):
        sums[k] += dout[k]
        products[k] += dout[k] * (<double> x[k] - mean[k])


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


cdef inline void _clear(Py_ssize_t n, double* sums) noexcept nogil:
    cdef Py_ssize_t k
    for k in range(n):
        sums[k] = 0


# Rows in vectors ---------------------------------------------------------------------------------


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


# Columns of a batch ------------------------------------------------------------------------------


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


cdef void _batch_norm_forward(Py_ssize_t B, Py_ssize_t O, const real* x, const real* gamma,
                              const real* beta, double eps, real* out, real* mean,
                              real* variance) noexcept nogil:
    cdef real[COLUMNS] scale
    cdef Py_ssize_t j = 0, n, k, i
    while j < O:
        n = min(<Py_ssize_t> COLUMNS, O - j)
        _column_statistics(B, O, n, x + j, mean + j, variance + j)
        for k in range(n):
            scale[k] = <real> (gamma[j + k] / sqrt(variance[j + k] + eps))
        for i in range(B):
            if real is float:
                _centre_vectors(n, <const vfloat*> (x + i * O + j), <const vfloat*> (mean + j),
                                <const vfloat*> scale, <const vfloat*> (beta + j),
                                <vfloat*> (out + i * O + j))
            else:
                _centre_vectors(n, <const vdouble*> (x + i * O + j), <const vdouble*> (mean + j),
                                <const vdouble*> scale, <const vdouble*> (beta + j),
                                <vdouble*> (out + i * O + j))
        j += n


cdef void _batch_norm_predict(Py_ssize_t B, Py_ssize_t O, const real* x, const real* gamma,
                              const real* beta, const real* mean, const real* variance,
                              double eps, real* out) noexcept nogil:
    cdef real[COLUMNS] scale, shift
    cdef double factor
    cdef Py_ssize_t j = 0, n, k, i
    while j < O:
        n = min(<Py_ssize_t> COLUMNS, O - j)
        for k in range(n):
            factor = gamma[j + k] / sqrt(variance[j + k] + eps)
            scale[k], shift[k] = <real> factor, <real> (beta[j + k] - mean[j + k] * factor)
        for i in range(B):
            if real is float:
                _scale_vectors(n, <const vfloat*> (x + i * O + j), <const vfloat*> scale,
                               <const vfloat*> shift, <vfloat*> (out + i * O + j))
            else:
                _scale_vectors(n, <const vdouble*> (x + i * O + j), <const vdouble*> scale,
                               <const vdouble*> shift, <vdouble*> (out + i * O + j))
        j += n


cdef void _batch_norm_backward(Py_ssize_t B, Py_ssize_t O, const real* x, const real* dout,
                               const real* gamma, const real* mean, const real* variance,
                               double eps, bint train, real* dx, real* dgamma,
                               real* dbeta) noexcept nogil:
    """dx may be NULL, and is left out then."""
    cdef double[COLUMNS] sums, products
    cdef real[COLUMNS] scale, shift, slope
    cdef double inverse
    cdef Py_ssize_t j = 0, n, k, i
    while j < O:
        n = min(<Py_ssize_t> COLUMNS, O - j)
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
            if real is float:
                _uncentre_vectors(n, <const vfloat*> (x + i * O + j),
                                  <const vfloat*> (dout + i * O + j), <const vfloat*> (mean + j),
                                  <const vfloat*> scale, <const vfloat*> shift,
                                  <const vfloat*> slope, train, <vfloat*> (dx + i * O + j))
            else:
                _uncentre_vectors(n, <const vdouble*> (x + i * O + j),
                                  <const vdouble*> (dout + i * O + j),
                                  <const vdouble*> (mean + j), <const vdouble*> scale,
                                  <const vdouble*> shift, <const vdouble*> slope, train,
                                  <vdouble*> (dx + i * O + j))
        j += n


cdef void _batch_norm_update(Py_ssize_t O, const real* mean, const real* variance,
                             double momentum, Py_ssize_t rows, real* running_mean,
                             real* running_var) noexcept nogil:
    cdef double kept = 1 - momentum, unbiased = momentum * (rows / (<double> rows - 1))
    cdef Py_ssize_t k
    for k in range(O):
        running_mean[k] = <real> (kept * running_mean[k] + momentum * mean[k])
        running_var[k] = <real> (kept * running_var[k] + unbiased * variance[k])


# Rows of a layer ---------------------------------------------------------------------------------


cdef double _row_mean(Py_ssize_t O, const real* x) noexcept nogil:
    cdef double[SUMS] sums
    cdef Py_ssize_t count = max(O, <Py_ssize_t> 1)
    _clear(SUMS, sums)
    while O >= SUMS:
        _add(SUMS, x, sums)
        x, O = x + SUMS, O - SUMS
    _add(O, x, sums)
    return vsum(<const vdouble*> sums) / count


cdef double _row_variance(Py_ssize_t O, const real* x, double mean) noexcept nogil:
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
    """mean and variance may be NULL, and are not kept then."""
    cdef double exact
    cdef real m, v
    cdef Py_ssize_t i
    for i in range(B):
        exact = _row_mean(O, x)
        m, v = <real> exact, <real> _row_variance(O, x, exact)
        if mean != NULL:
            mean[i], variance[i] = m, v
        if real is float:
            _normalize_vectors(O, <const vfloat*> x, m, 1 / sqrt(v + eps), <const vfloat*> gamma,
                               <const vfloat*> beta, <vfloat*> out)
        else:
            _normalize_vectors(O, <const vdouble*> x, m, 1 / sqrt(v + eps),
                               <const vdouble*> gamma, <const vdouble*> beta, <vdouble*> out)
        x, out = x + O, out + O


cdef void _layer_norm_parameters(Py_ssize_t B, Py_ssize_t O, Py_ssize_t n, const real* x,
                                 const real* dout, const real* mean, const real* variance,
                                 double eps, real* dgamma, real* dbeta) noexcept nogil:
    """dgamma and dbeta of n <= COLUMNS columns."""
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
    """dx of one row."""
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
    if real is float:
        _unnormalize_vectors(O, <const vfloat*> x, <const vfloat*> dout, <const vfloat*> gamma,
                             mean, inverse, shift, slope, <vfloat*> dx)
    else:
        _unnormalize_vectors(O, <const vdouble*> x, <const vdouble*> dout,
                             <const vdouble*> gamma, mean, inverse, shift, slope, <vdouble*> dx)


cdef void _layer_norm_backward(Py_ssize_t B, Py_ssize_t O, const real* x, const real* dout,
                               const real* gamma, const real* mean, const real* variance,
                               double eps, real* dx, real* dgamma, real* dbeta) noexcept nogil:
    """dx may be NULL, and is left out then."""
    cdef Py_ssize_t j = 0, i, n
    while j < O:
        n = min(<Py_ssize_t> COLUMNS, O - j)
        _layer_norm_parameters(B, O, n, x + j, dout + j, mean, variance, eps, dgamma + j,
                               dbeta + j)
        j += n
    for i in range(B if dx != NULL else 0):
        _layer_norm_row(O, x + i * O, dout + i * O, gamma, mean[i],
                        1 / sqrt(variance[i] + eps), dx + i * O)


# Doors -------------------------------------------------------------------------------------------


cdef int _require_epsilon(double eps) except -1:
    if not 0 < eps < INFINITY:
        raise ValueError(f"eps is {eps}, wanted a finite number above 0")
    return 0


cdef int _require_share(double momentum) except -1:
    if not 0 <= momentum <= 1:
        raise ValueError(f"momentum is {momentum}, wanted 0 <= momentum <= 1")
    return 0


cdef int _hold_normalizable(Held* held, object x, object gamma, object beta, double eps,
                            object out) except -1:
    """The first four of a forward."""
    _require_epsilon(eps)
    hold_matrix(held, "x", x, READ, ANY, ANY)
    cdef Py_ssize_t B = held_size(held, 0, 0), O = held_size(held, 0, 1)
    hold_vector(held, "gamma", gamma, READ, O)
    hold_vector(held, "beta", beta, READ, O)
    return hold_matrix(held, "out", out, WRITE, B, O)


cdef int _hold_statistics(Held* held, object mean, object variance, Access access,
                          Py_ssize_t length) except -1:
    hold_vector(held, "mean", mean, access, length)
    return hold_vector(held, "variance", variance, access, held_size(held, held.n - 1, 0))


cdef int _hold_gradients(Held* held, object x, object dout, object gamma, double eps, object dx,
                         object dgamma, object dbeta) except -1:
    """The first six of a backward."""
    _require_epsilon(eps)
    hold_matrix(held, "x", x, READ, ANY, ANY)
    cdef Py_ssize_t B = held_size(held, 0, 0), O = held_size(held, 0, 1)
    hold_matrix(held, "dout", dout, READ, B, O)
    hold_vector(held, "gamma", gamma, READ, O)
    hold_matrix(held, "dx", dx, WRITE, B, O)
    hold_vector(held, "dgamma", dgamma, WRITE, O)
    return hold_vector(held, "dbeta", dbeta, WRITE, O)


cdef enum Normalization:
    BATCH_FORWARD
    BATCH_PREDICT
    LAYER_FORWARD


cdef void _normalize_held(Normalization kind, const Held* held, double eps,
                          real* precision) noexcept nogil:
    """One of the three forwards over x, gamma, beta, out, mean and variance, in this order."""
    cdef Py_ssize_t B = held_size(held, 0, 0), O = held_size(held, 0, 1)
    cdef const real* x = <real*> held_data(held, 0)
    cdef const real* gamma = <real*> held_data(held, 1)
    cdef const real* beta = <real*> held_data(held, 2)
    cdef real* out = <real*> held_data(held, 3)
    cdef real* mean = <real*> held_data(held, 4)
    cdef real* variance = <real*> held_data(held, 5)
    if kind == BATCH_FORWARD:
        _batch_norm_forward(B, O, x, gamma, beta, eps, out, mean, variance)
    elif kind == BATCH_PREDICT:
        _batch_norm_predict(B, O, x, gamma, beta, mean, variance, eps, out)
    else:
        _layer_norm_forward(B, O, x, gamma, beta, eps, out, mean, variance)


cdef int _normalize_door(Normalization kind, object x, object gamma, object beta, double eps,
                         object out, object mean, object variance) except -1:
    cdef Held held
    hold_nothing(&held)
    try:
        _hold_normalizable(&held, x, gamma, beta, eps, out)
        _hold_statistics(&held, mean, variance, READ if kind == BATCH_PREDICT else WRITE,
                         held_size(&held, 0, 0 if kind == LAYER_FORWARD else 1))
        with nogil:
            if held.single:
                _normalize_held(kind, &held, eps, <float*> NULL)
            else:
                _normalize_held(kind, &held, eps, <double*> NULL)
    finally:
        let_go(&held)
    return 0


cdef void _unnormalize_held(bint by_rows, const Held* held, double eps, bint train,
                            real* precision) noexcept nogil:
    """A backward over x, dout, gamma, dx, dgamma, dbeta, mean and variance, in this order."""
    cdef Py_ssize_t B = held_size(held, 0, 0), O = held_size(held, 0, 1)
    cdef const real* x = <real*> held_data(held, 0)
    cdef const real* dout = <real*> held_data(held, 1)
    cdef const real* gamma = <real*> held_data(held, 2)
    cdef real* dx = <real*> held_data(held, 3)
    cdef real* dgamma = <real*> held_data(held, 4)
    cdef real* dbeta = <real*> held_data(held, 5)
    cdef const real* mean = <real*> held_data(held, 6)
    cdef const real* variance = <real*> held_data(held, 7)
    if by_rows:
        _layer_norm_backward(B, O, x, dout, gamma, mean, variance, eps, dx, dgamma, dbeta)
    else:
        _batch_norm_backward(B, O, x, dout, gamma, mean, variance, eps, train, dx, dgamma, dbeta)


cdef int _unnormalize_door(bint by_rows, object x, object dout, object gamma, object mean,
                           object variance, double eps, bint train, object dx, object dgamma,
                           object dbeta) except -1:
    cdef Held held
    hold_nothing(&held)
    try:
        _hold_gradients(&held, x, dout, gamma, eps, dx, dgamma, dbeta)
        _hold_statistics(&held, mean, variance, READ, held_size(&held, 0, not by_rows))
        with nogil:
            if held.single:
                _unnormalize_held(by_rows, &held, eps, train, <float*> NULL)
            else:
                _unnormalize_held(by_rows, &held, eps, train, <double*> NULL)
    finally:
        let_go(&held)
    return 0


cdef void _update_statistics_held(const Held* held, double momentum, Py_ssize_t rows,
                                  real* precision) noexcept nogil:
    _batch_norm_update(held_size(held, 0, 0), <real*> held_data(held, 0),
                       <real*> held_data(held, 1), momentum, rows, <real*> held_data(held, 2),
                       <real*> held_data(held, 3))


def batch_norm_forward(x, gamma, beta, double eps, out, mean, variance):
    """out = gamma (x - mean) / sqrt(variance + eps) + beta, with the batch's own statistics.

    x, out: (B, O), gamma, beta, mean, variance: (O,), eps > 0. variance is the mean of the
    squared distances to the mean; both are 0 for no rows. out, mean and variance are overwritten;
    out may be x.
    """
    _normalize_door(BATCH_FORWARD, x, gamma, beta, eps, out, mean, variance)


def batch_norm_predict(x, gamma, beta, mean, variance, double eps, out):
    """out = scale x + shift; scale = gamma / sqrt(variance + eps), shift = beta - scale mean.

    x, out: (B, O), gamma, beta, mean, variance: (O,), eps > 0. out is overwritten and may be x.
    """
    _normalize_door(BATCH_PREDICT, x, gamma, beta, eps, out, mean, variance)


def batch_norm_backward(x, dout, gamma, mean, variance, double eps, bint train, dx, dgamma,
                        dbeta):
    """With n = (x - mean) / sqrt(variance + eps): dgamma = sum of dout n, dbeta = sum of dout.

    The sums go over the rows. dx = gamma / sqrt(variance + eps) (dout - dbeta / B - n dgamma / B)
    where mean and variance are those of the batch, and so follow x (train); without the two last
    terms where they are given numbers.
    x, dout, dx: (B, O), gamma, mean, variance, dgamma, dbeta: (O,), eps > 0. dx, dgamma and dbeta
    are overwritten; dx may be dout.
    """
    _unnormalize_door(False, x, dout, gamma, mean, variance, eps, train, dx, dgamma, dbeta)


def batch_norm_update(mean, variance, double momentum, Py_ssize_t rows, running_mean,
                      running_var):
    """running_mean goes to mean by the share momentum; running_var to variance rows / (rows - 1).

    mean, variance, running_mean, running_var: (O,), 0 <= momentum <= 1, rows >= 2, the number
    that the mean and the variance were taken of. running_mean and running_var are overwritten.
    """
    cdef Held held
    _require_share(momentum)
    if rows < 2:
        raise ValueError(f"rows is {rows}, wanted 2 or more")
    hold_nothing(&held)
    try:
        _hold_statistics(&held, mean, variance, READ, ANY)
        hold_vector(&held, "running_mean", running_mean, WRITE, held_size(&held, 0, 0))
        hold_vector(&held, "running_var", running_var, WRITE, held_size(&held, 0, 0))
        with nogil:
            if held.single:
                _update_statistics_held(&held, momentum, rows, <float*> NULL)
            else:
                _update_statistics_held(&held, momentum, rows, <double*> NULL)
    finally:
        let_go(&held)


def layer_norm_forward(x, gamma, beta, double eps, out, mean, variance):
    """out = gamma (x - mean) / sqrt(variance + eps) + beta, with each row's own statistics.

    x, out: (B, O), gamma, beta: (O,), mean, variance: (B,), eps > 0. variance is the mean of the
    squared distances to the mean. out, mean and variance are overwritten; out may be x.
    """
    _normalize_door(LAYER_FORWARD, x, gamma, beta, eps, out, mean, variance)


def layer_norm_backward(x, dout, gamma, mean, variance, double eps, dx, dgamma, dbeta):
    """With n = (x - mean) / sqrt(variance + eps): dgamma = sum of dout n, dbeta = sum of dout.

    The sums go over the rows. dx = (d - mean of d - n mean of d n) / sqrt(variance + eps) for
    d = dout gamma, with means over the numbers of a row.
    x, dout, dx: (B, O), gamma, dgamma, dbeta: (O,), mean, variance: (B,), eps > 0. dx, dgamma and
    dbeta are overwritten; dx may be dout.
    """
    _unnormalize_door(True, x, dout, gamma, mean, variance, eps, True, dx, dgamma, dbeta)
