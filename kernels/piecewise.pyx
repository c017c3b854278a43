"""Piecewise-linear embeddings of numbers: each of some columns becomes d values, linear in bins.

For a column with the value x and bins between the edges e_0 < e_1 < ... < e_T, where x lies in bin
s, or below the first or above the last one,

    out = w x + b + W_0 + ... + W_(s-1) + (x - e_s) / (e_(s+1) - e_s) W_s

in this order. The other columns stay as they are, and all stand in the order of their columns.
Gorishniy, Rubachev, Babenko, "On embeddings for numerical features in tabular deep learning",
NeurIPS 2022; in this form, version B, in the package rtdl_num_embeddings.

For n embedded columns w, b: (n, d), W: (n, T, d), edges: (n, T + 1) of which a column with fewer
bins uses the first ones.
"""

from cpython.object cimport PyObject
from libc.math cimport INFINITY
from libc.stdint cimport int64_t
from libc.string cimport memcpy, memset

cdef struct Bins:
    Py_ssize_t n
    Py_ssize_t T
    Py_ssize_t d
    Py_ssize_t I            # values per row of x
    Py_ssize_t O            # and of out
    const int64_t* columns  # (n,), ascending
    const int64_t* counts   # (n,), bins of each column, 1 to T
    const char* edges       # (n, T + 1), of the precision of the rest


cdef inline Py_ssize_t _bin_of(const Bins* e, Py_ssize_t p, const real* edges,
                               real x) noexcept nogil:
    """The bin of the p-th column that x lies in, or that is next to it; 0 for NaN."""
    cdef Py_ssize_t low = 0, high = e.counts[p] - 1, middle
    edges = edges + p * (e.T + 1)
    while low < high:
        middle = (low + high + 1) // 2
        if x >= edges[middle]:
            low = middle
        else:
            high = middle - 1
    return low


cdef inline real _share_of_bin(const Bins* e, Py_ssize_t p, const real* edges, real x,
                               Py_ssize_t s) noexcept nogil:
    """(x - e_s) / (e_(s+1) - e_s)."""
    edges = edges + p * (e.T + 1) + s
    return (x - edges[0]) / (edges[1] - edges[0])


cdef inlined_void _bin_values(Py_ssize_t d, double x, Py_ssize_t s, double share,
                              const vector* w, const vector* b, const real* W,
                              vector* out) noexcept nogil:
    """out = w x + b + the bins' parts; W is at the column's first bin."""
    cdef vector sums, v = vnumber(w, x)
    cdef Py_ssize_t n = d, t, j = 0
    while n > 0:
        sums = vfmadd(vload(w, n), v, vload(b, n))
        for t in range(s):
            sums = sums + vload(vectors_of(W + t * d + j), n)
        sums = vfmadd(vnumber(w, share), vload(vectors_of(W + s * d + j), n), sums)
        vstore(out, sums, n)
        w, b, out, n, j = w + 1, b + 1, out + 1, n - vlanes(w), j + vlanes(w)


cdef void _piecewise_forward(const Bins* e, Py_ssize_t B, const real* x, const real* w,
                             const real* b, const real* W, real* out) noexcept nogil:
    """reference.piecewise_embedding_forward."""
    cdef const real* edges = <real*> e.edges
    cdef Py_ssize_t i, p, start, length, s
    cdef real value
    for i in range(B):
        start = 0
        for p in range(e.n + 1):
            length = (e.columns[p] if p < e.n else e.I) - start
            memcpy(out, x + i * e.I + start, length * sizeof(real))
            out, start = out + length, start + length + 1
            if p == e.n:
                break
            value = x[i * e.I + e.columns[p]]
            s = _bin_of(e, p, edges, value)
            _bin_values(e.d, value, s, _share_of_bin(e, p, edges, value, s),
                        vectors_of(w + p * e.d), vectors_of(b + p * e.d), W + p * e.T * e.d,
                        vectors_into(out))
            out = out + e.d


cdef void _piecewise_dx(const Bins* e, Py_ssize_t B, const real* x, const real* dout,
                        const real* w, const real* W, real* dx) noexcept nogil:
    """dx, in other memory than dout: a chain over the values of a column."""
    cdef const real* edges = <real*> e.edges
    cdef const real* bins
    cdef Py_ssize_t i, p, j, start, length, s
    cdef real total, within
    for i in range(B):
        start = 0
        for p in range(e.n + 1):
            length = (e.columns[p] if p < e.n else e.I) - start
            memcpy(dx + i * e.I + start, dout, length * sizeof(real))
            dout, start = dout + length, start + length + 1
            if p == e.n:
                break
            s = _bin_of(e, p, edges, x[i * e.I + e.columns[p]])
            bins, total, within = W + (p * e.T + s) * e.d, 0, 0
            for j in range(e.d):
                total = fmadd(w[p * e.d + j], dout[j], total)
                within = fmadd(bins[j], dout[j], within)
            s += p * (e.T + 1)
            dx[i * e.I + e.columns[p]] = total + within / (edges[s + 1] - edges[s])
            dout = dout + e.d


cdef inlined_void _add_bin_gradients(Py_ssize_t d, double x, Py_ssize_t s, double share,
                                     const vector* dout, vector* dw, vector* db,
                                     real* dW) noexcept nogil:
    """Add one row's part to the gradients of one column."""
    cdef vector g, v = vnumber(dout, x)
    cdef Py_ssize_t n = d, t, j = 0
    while n > 0:
        g = vload(dout, n)
        vstore(dw, vfmadd(v, g, vload(dw, n)), n)
        vstore(db, vload(db, n) + g, n)
        for t in range(s):
            vstore(vectors_into(dW + t * d + j), vload(vectors_of(dW + t * d + j), n) + g, n)
        vstore(vectors_into(dW + s * d + j),
               vfmadd(vnumber(dout, share), g, vload(vectors_of(dW + s * d + j), n)), n)
        dout, dw, db, n, j = dout + 1, dw + 1, db + 1, n - vlanes(dout), j + vlanes(dout)


cdef void _piecewise_parameters(const Bins* e, Py_ssize_t first, Py_ssize_t end, Py_ssize_t B,
                                const real* x, const real* dout, real* dw, real* db,
                                real* dW) noexcept nogil:
    """Gradients of the embedded columns from ``first`` to before ``end``.

    Each is one chain over the rows, from the first to the last.
    """
    cdef const real* edges = <real*> e.edges
    cdef Py_ssize_t i, p, s, d = e.d
    cdef real value
    memset(dw + first * d, 0, (end - first) * d * sizeof(real))
    memset(db + first * d, 0, (end - first) * d * sizeof(real))
    memset(dW + first * e.T * d, 0, (end - first) * e.T * d * sizeof(real))
    for i in range(B):
        for p in range(first, end):
            value = x[i * e.I + e.columns[p]]
            s = _bin_of(e, p, edges, value)
            _add_bin_gradients(d, value, s, _share_of_bin(e, p, edges, value, s),
                               vectors_of(dout + i * e.O + e.columns[p] + p * (d - 1)),
                               vectors_into(dw + p * d), vectors_into(db + p * d),
                               dW + p * e.T * d)


# Doors -------------------------------------------------------------------------------------------


cdef int _require_bins(const Bins* e, Precision precision) except -1:
    """Columns ascend, and so do the edges that a column uses."""
    cdef Py_ssize_t p, t
    cdef double before, edge
    for p in range(e.n):
        if not (e.columns[p - 1] if p > 0 else -1) < e.columns[p] < e.I:
            raise ValueError(f"columns[{p}] is {e.columns[p]}, wanted ascending ones below {e.I}")
        if not 1 <= e.counts[p] <= e.T:
            raise ValueError(f"counts[{p}] is {e.counts[p]}, wanted 1 to {e.T} bins")
        for t in range(e.counts[p] + 1):
            edge = ((<float*> e.edges)[p * (e.T + 1) + t] if precision == SINGLE_PRECISION
                    else (<double*> e.edges)[p * (e.T + 1) + t])
            if not (t == 0 or before < edge) or not -INFINITY < edge < INFINITY:
                raise ValueError(f"edges[{p}] has {edge} at {t}, wanted finite numbers that "
                                 "ascend")
            before = edge
    return 0


cdef int _take_bins(void* bins, const Held* held) except -1:
    """Sizes of x, w, W, edges, columns, counts and out or dout, and what they may hold."""
    cdef Bins* e = <Bins*> bins
    e.I, e.n, e.T = size_of(held, c"I"), size_of(held, c"n"), size_of(held, c"T")
    e.d = size_of(held, c"d")
    require_size(held, 3, b"edges", 1, e.T + 1)
    e.edges, e.columns = <char*> held_data(held, 3), <int64_t*> held_data(held, 4)
    e.counts = <int64_t*> held_data(held, 5)
    e.O = e.I + e.n * (e.d - 1)
    _require_bins(e, held.precision)
    return require_size(held, 6, b"out" if held.n == 8 else b"dout", 1, e.O)


cdef void _piecewise_held(void* bins, const Held* held, real* precision) noexcept nogil:
    """After the first six: out and b."""
    _piecewise_forward(<const Bins*> bins, held_size(held, 0, 0), <real*> held_data(held, 0),
                       <real*> held_data(held, 1), <real*> held_data(held, 7),
                       <real*> held_data(held, 2), <real*> held_data(held, 6))


cdef void _piecewise_backward_held(void* bins, const Held* held,
                                   real* precision) noexcept nogil:
    """After the first six: dout, dx, dw, db and dW."""
    cdef const Bins* e = <const Bins*> bins
    cdef Py_ssize_t B = held_size(held, 0, 0)
    cdef const real* x = <real*> held_data(held, 0)
    cdef const real* dout = <real*> held_data(held, 6)
    _piecewise_parameters(e, 0, e.n, B, x, dout, <real*> held_data(held, 8),
                          <real*> held_data(held, 9), <real*> held_data(held, 10))
    _piecewise_dx(e, B, x, dout, <real*> held_data(held, 1), <real*> held_data(held, 2),
                  <real*> held_data(held, 7))


def piecewise_embedding_forward(x, w, b, W, edges, columns, counts, out, /):
    """out = x with some columns replaced by what is linear in their bins; see piecewise.pyx.

    x: (B, I), w, b: (n, d), W: (n, T, d), edges: (n, T + 1), of which column p uses the first
    counts[p] + 1, ascending; columns, counts: (n,) int64; out: (B, I + n (d - 1)), overwritten,
    apart from x in memory.
    """
    cdef Bins e
    cdef PyObject** arrays = [<PyObject*> x, <PyObject*> w, <PyObject*> W, <PyObject*> edges,
                              <PyObject*> columns, <PyObject*> counts, <PyObject*> out,
                              <PyObject*> b]
    enter(b"x BI, w nd, W nTd, edges nE, columns n:q, counts n:q, =out BO, b nd", arrays,
          _take_bins, _piecewise_held, _piecewise_held, &e)


def piecewise_embedding_backward(x, dout, w, W, edges, columns, counts, dx, dw, db, dW, /):
    """Gradients of piecewise_embedding_forward.

    x, dx: (B, I), dout: as out there; w, W, edges, columns, counts, dw, db, dW: as there. dx, dw,
    db and dW are overwritten, apart from the inputs in memory.
    """
    cdef Bins e
    cdef PyObject** arrays = [<PyObject*> x, <PyObject*> w, <PyObject*> W, <PyObject*> edges,
                              <PyObject*> columns, <PyObject*> counts, <PyObject*> dout,
                              <PyObject*> dx, <PyObject*> dw, <PyObject*> db, <PyObject*> dW]
    enter(b"x BI, w nd, W nTd, edges nE, columns n:q, counts n:q, dout BO, =dx BI, "
          b"=dw nd, =db nd, =dW nTd", arrays, _take_bins, _piecewise_backward_held,
          _piecewise_backward_held, &e)
