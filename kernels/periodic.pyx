"""Periodic embeddings of numbers: each of some columns becomes M values, linear in its waves.

For a column with the value x, K frequencies w and phases b,

    z_m = c_m + sum_k V_mk cos(2 pi w_k x + b_k)                       without sines
    z_m = c_m + sum_k V_mk cos(2 pi w_k x) + V_m,K+k sin(2 pi w_k x)   with sines, b unused

in this order, followed by relu if ``rectified``, and preceded by x itself if ``with_x``. The other
columns stay as they are, and all stand in the order of their columns.

Gorishniy, Rubachev, Babenko, "On embeddings for numerical features in tabular deep learning",
NeurIPS 2022 (with sines and rectified: PLR); Holzmüller, Grinsztajn, Steinwart, "Better by
default", NeurIPS 2024 (without sines, with x: PBLD).

For n embedded columns w, b: (n, K), V: (n, M, K) or with sines (n, M, 2 K), c: (n, M).
"""

from libc.stdint cimport int64_t
from libc.string cimport memcpy, memset

cdef enum:
    MOST_WAVE_OUTPUTS = 64  # M, so that a block of rows has its results on the stack
    WAVE_ROWS = 32          # rows of a block

cdef struct Waves:
    Py_ssize_t n
    Py_ssize_t K
    Py_ssize_t M
    bint sines
    bint with_x
    bint rectified
    Py_ssize_t I            # values per row of x
    Py_ssize_t O            # and of out
    const int64_t* columns  # (n,), ascending


cdef inline Py_ssize_t _waves_at(const Waves* e, Py_ssize_t p) noexcept nogil:
    """Where the values of the p-th embedded column start in a row of out."""
    return e.columns[p] + p * (e.M + e.with_x - 1)


cdef inline Py_ssize_t _rows_of_V(const Waves* e) noexcept nogil:
    """Length of a row of V."""
    return 2 * e.K if e.sines else e.K


cdef void _copy_others(const Waves* e, Py_ssize_t B, bint back, const real* source,
                       real* to) noexcept nogil:
    """Copy the columns that stay from x to out, or back from dout to dx."""
    cdef Py_ssize_t i, p, start, length, place
    for i in range(B):
        start = 0
        for p in range(e.n + 1):
            length = (e.columns[p] if p < e.n else e.I) - start
            place = start + p * (e.M + e.with_x - 1)
            if back:
                memcpy(to + i * e.I + start, source + i * e.O + place, length * sizeof(real))
            else:
                memcpy(to + i * e.O + place, source + i * e.I + start, length * sizeof(real))
            start += length + 1


cdef inlined_void _wave(Py_ssize_t n, double w, double b, const vector* x, vector* c,
                        vector* s) noexcept nogil:
    """c = cos(2 pi w x + b) and s = sin(2 pi w x + b) of n numbers."""
    cdef vector cosine, sine
    while n > 0:
        sine = vsincos(vfmadd(vnumber(x, w), vload(x, n), vnumber(x, b * PER_TURN)), &cosine)
        vstore(c, cosine, n)
        vstore(s, sine, n)
        x, c, s, n = x + 1, c + 1, s + 1, n - vlanes(x)


cdef inlined_void _add_multiple(Py_ssize_t n, double factor, const vector* x,
                                vector* out) noexcept nogil:
    """out += factor x."""
    cdef vector f = vnumber(x, factor)
    while n > 0:
        vstore(out, vfmadd(f, vload(x, n), vload(out, n)), n)
        x, out, n = x + 1, out + 1, n - vlanes(x)


cdef void _wave_block(const Waves* e, Py_ssize_t p, Py_ssize_t rows, const real* x,
                      const real* w, const real* b, const real* V, const real* c,
                      real* out) noexcept nogil:
    """The p-th embedded column of up to WAVE_ROWS rows."""
    cdef real[WAVE_ROWS] column, cosine, sine
    cdef real[MOST_WAVE_OUTPUTS * WAVE_ROWS] z
    cdef Py_ssize_t K = e.K, length = _rows_of_V(e), r, k, m, place = _waves_at(e, p)
    for r in range(rows):
        column[r] = x[r * e.I + e.columns[p]]
    for m in range(e.M):
        for r in range(rows):
            z[m * WAVE_ROWS + r] = c[p * e.M + m]
    for k in range(K):
        _wave(rows, w[p * K + k], 0 if e.sines else b[p * K + k], vectors_of(column),
              vectors_into(cosine), vectors_into(sine))
        for m in range(e.M):
            _add_multiple(rows, V[(p * e.M + m) * length + k], vectors_of(cosine),
                          vectors_into(z + m * WAVE_ROWS))
            if e.sines:
                _add_multiple(rows, V[(p * e.M + m) * length + K + k], vectors_of(sine),
                              vectors_into(z + m * WAVE_ROWS))
    if e.rectified:
        _map(RELU_OF, e.M * WAVE_ROWS, z, z, 0, z)
    for r in range(rows):
        if e.with_x:
            out[r * e.O + place] = column[r]
        for m in range(e.M):
            out[r * e.O + place + e.with_x + m] = z[m * WAVE_ROWS + r]


cdef void _periodic_forward(const Waves* e, Py_ssize_t B, const real* x, const real* w,
                            const real* b, const real* V, const real* c, real* out) noexcept nogil:
    """reference.periodic_embedding_forward."""
    cdef Py_ssize_t i = 0, p, rows
    while i < B:
        rows = min(<Py_ssize_t> WAVE_ROWS, B - i)
        for p in range(e.n):
            _wave_block(e, p, rows, x + i * e.I, w, b, V, c, out + i * e.O)
        i += rows
    _copy_others(e, B, False, x, out)


cdef inlined_void _add_slope(Py_ssize_t n, double factor, const vector* cosine,
                             const vector* sine, const vector* by_cosine, const vector* by_sine,
                             bint sines, vector* dx) noexcept nogil:
    """dx += factor times the derivative by the angle: by_sine cosine - by_cosine sine."""
    cdef vector f = vnumber(cosine, factor), slope
    while n > 0:
        slope = -(vload(by_cosine, n) * vload(sine, n))
        if sines:
            slope = vfmadd(vload(by_sine, n), vload(cosine, n), slope)
            by_sine = by_sine + 1
        vstore(dx, vfmadd(f, slope, vload(dx, n)), n)
        cosine, sine, by_cosine, dx = cosine + 1, sine + 1, by_cosine + 1, dx + 1
        n -= vlanes(cosine)


cdef void _wave_block_dx(const Waves* e, Py_ssize_t p, Py_ssize_t rows, const real* x,
                         const real* y, const real* dout, const real* w, const real* b,
                         const real* V, real* dx) noexcept nogil:
    """dx of the p-th embedded column of up to WAVE_ROWS rows."""
    cdef real[WAVE_ROWS] column, cosine, sine, by_cosine, by_sine, total
    cdef real[MOST_WAVE_OUTPUTS * WAVE_ROWS] dz
    cdef Py_ssize_t K = e.K, length = _rows_of_V(e), r, k, m, place = _waves_at(e, p)
    for r in range(rows):
        column[r] = x[r * e.I + e.columns[p]]
        total[r] = dout[r * e.O + place] if e.with_x else 0
        for m in range(e.M):
            dz[m * WAVE_ROWS + r] = _passed(e, y, dout, r * e.O + place + e.with_x + m)
    for k in range(K):
        _wave(rows, w[p * K + k], 0 if e.sines else b[p * K + k], vectors_of(column),
              vectors_into(cosine), vectors_into(sine))
        for r in range(rows):
            by_cosine[r] = by_sine[r] = 0
        for m in range(e.M):
            _add_multiple(rows, V[(p * e.M + m) * length + k], vectors_of(dz + m * WAVE_ROWS),
                          vectors_into(by_cosine))
            if e.sines:
                _add_multiple(rows, V[(p * e.M + m) * length + K + k],
                              vectors_of(dz + m * WAVE_ROWS), vectors_into(by_sine))
        _add_slope(rows, TURN * w[p * K + k], vectors_of(cosine), vectors_of(sine),
                   vectors_of(by_cosine), vectors_of(by_sine), e.sines, vectors_into(total))
    for r in range(rows):
        dx[r * e.I + e.columns[p]] = total[r]


cdef inline real _passed(const Waves* e, const real* y, const real* dout,
                         Py_ssize_t i) noexcept nogil:
    """The gradient before relu: dout where the output y is above 0, or NaN."""
    return dout[i] if not e.rectified or not y[i] <= 0 else 0


cdef void _periodic_dx(const Waves* e, Py_ssize_t B, const real* x, const real* y,
                       const real* dout, const real* w, const real* b, const real* V,
                       real* dx) noexcept nogil:
    """dx, in other memory than dout."""
    cdef Py_ssize_t i = 0, p, rows
    while i < B:
        rows = min(<Py_ssize_t> WAVE_ROWS, B - i)
        for p in range(e.n):
            _wave_block_dx(e, p, rows, x + i * e.I, y + i * e.O, dout + i * e.O, w, b, V,
                           dx + i * e.I)
        i += rows
    _copy_others(e, B, True, dout, dx)


cdef inlined_void _row_gradients(Py_ssize_t K, Py_ssize_t M, double x, bint sines,
                                 Py_ssize_t length, const vector* w, const vector* b,
                                 const real* dz, const real* V, real* dV, vector* dw,
                                 vector* db) noexcept nogil:
    """Add one row's part to the gradients of one column, the waves in the lanes."""
    cdef vector t, c, s, by_c, by_s, d, slope, v = vnumber(w, x)
    cdef Py_ssize_t k = 0, m, n
    cdef Py_ssize_t lanes = vlanes(w)
    while k < K:
        n = K - k
        t = vnumber(w, 0) if sines else vload(b, n) * vnumber(w, PER_TURN)
        s = vsincos(vfmadd(vload(w, n), v, t), &c)
        by_c = by_s = vnumber(w, 0)
        for m in range(M):
            d = vnumber(w, dz[m])
            by_c = vfmadd(d, vload(vectors_of(V + m * length + k), n), by_c)
            vstore(vectors_into(dV + m * length + k),
                   vfmadd(d, c, vload(vectors_of(dV + m * length + k), n)), n)
            if sines:
                by_s = vfmadd(d, vload(vectors_of(V + m * length + K + k), n), by_s)
                vstore(vectors_into(dV + m * length + K + k),
                       vfmadd(d, s, vload(vectors_of(dV + m * length + K + k), n)), n)
        slope = -(by_c * s)
        if sines:
            slope = vfmadd(by_s, c, slope)
        else:
            vstore(db, vload(db, n) + slope, n)
        vstore(dw, vfmadd(slope, v * vnumber(w, TURN), vload(dw, n)), n)
        w, b, dw, db, k = w + 1, b + 1, dw + 1, db + 1, k + lanes


cdef void _periodic_parameters(const Waves* e, Py_ssize_t first, Py_ssize_t end, Py_ssize_t B,
                               const real* x, const real* y, const real* dout, const real* w,
                               const real* b, const real* V, real* dw, real* db, real* dV,
                               real* dc) noexcept nogil:
    """Gradients of the embedded columns from ``first`` to before ``end``.

    Each is one chain of multiply-adds over the rows, from the first to the last.
    """
    cdef real[MOST_WAVE_OUTPUTS] dz
    cdef Py_ssize_t K = e.K, M = e.M, length = _rows_of_V(e), i, p, m, place
    memset(dw + first * K, 0, (end - first) * K * sizeof(real))
    memset(db + first * K, 0, (end - first) * K * sizeof(real))
    memset(dV + first * M * length, 0, (end - first) * M * length * sizeof(real))
    memset(dc + first * M, 0, (end - first) * M * sizeof(real))
    for p in range(first, end):
        place = _waves_at(e, p) + e.with_x
        for i in range(B):
            for m in range(M):
                dz[m] = _passed(e, y, dout, i * e.O + place + m)
                dc[p * M + m] += dz[m]
            _row_gradients(K, M, x[i * e.I + e.columns[p]], e.sines, length,
                           vectors_of(w + p * K), vectors_of(b + p * K), dz, V + p * M * length,
                           dV + p * M * length, vectors_into(dw + p * K),
                           vectors_into(db + p * K))
