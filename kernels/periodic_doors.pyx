"""Checked doors of periodic embeddings."""

from cpython.object cimport PyObject
from libc.stdint cimport int64_t


cdef int _take_waves(void* waves, const Held* held) except -1:
    """x, w, b, V, c, the output and columns: their sizes, and what they may hold."""
    cdef Waves* e = <Waves*> waves
    cdef Py_ssize_t p
    e.I, e.n, e.K, e.M = (size_of(held, c"I"), size_of(held, c"n"), size_of(held, c"K"),
                          size_of(held, c"M"))
    require_size(held, 3, b"V", 2, _rows_of_V(e))
    if not 1 <= e.M <= MOST_WAVE_OUTPUTS:
        raise ValueError(f"V gives {e.M} values, wanted 1 to {MOST_WAVE_OUTPUTS}")
    require_size(held, 4, b"c", 1, e.M)
    e.O, e.columns = e.I + e.n * (e.M + e.with_x - 1), <int64_t*> held_data(held, 6)
    for p in range(e.n):
        if not (e.columns[p - 1] if p > 0 else -1) < e.columns[p] < e.I:
            raise ValueError(f"columns[{p}] is {e.columns[p]}, wanted ascending ones below {e.I}")
    return require_size(held, 5, b"out" if held.n == 7 else b"y", 1, e.O)


cdef void _periodic_held(void* waves, const Held* held, real* precision) noexcept nogil:
    _periodic_forward(<const Waves*> waves, held_size(held, 0, 0), <real*> held_data(held, 0),
                      <real*> held_data(held, 1), <real*> held_data(held, 2),
                      <real*> held_data(held, 3), <real*> held_data(held, 4),
                      <real*> held_data(held, 5))


cdef void _periodic_backward_held(void* waves, const Held* held, real* precision) noexcept nogil:
    """x, w, b, V, c, y, columns, dout, dx, dw, db, dV and dc, in this order."""
    cdef const Waves* e = <const Waves*> waves
    cdef Py_ssize_t B = held_size(held, 0, 0)
    cdef const real* x = <real*> held_data(held, 0)
    cdef const real* w = <real*> held_data(held, 1)
    cdef const real* b = <real*> held_data(held, 2)
    cdef const real* V = <real*> held_data(held, 3)
    cdef const real* y = <real*> held_data(held, 5)
    cdef const real* dout = <real*> held_data(held, 7)
    _periodic_parameters(e, 0, e.n, B, x, y, dout, w, b, V, <real*> held_data(held, 9),
                         <real*> held_data(held, 10), <real*> held_data(held, 11),
                         <real*> held_data(held, 12))
    _periodic_dx(e, B, x, y, dout, w, b, V, <real*> held_data(held, 8))


def periodic_embedding_forward(x, w, b, V, c, columns, bint sines, bint with_x, bint rectified,
                               out, /):
    """out = x with some columns replaced by what is linear in their waves; see periodic.pyx.

    x: (B, I), w, b: (n, K), V: (n, M, K) or with sines (n, M, 2 K), c: (n, M), columns: (n,)
    int64, ascending; out: (B, I + n (M - 1)) or with_x (B, I + n M), overwritten, apart from x in
    memory. Without sines the waves are cos(2 pi w x + b), with sines cos and sin of 2 pi w x.
    """
    cdef Waves e
    e.sines, e.with_x, e.rectified = sines, with_x, rectified
    cdef PyObject** arrays = [<PyObject*> x, <PyObject*> w, <PyObject*> b, <PyObject*> V,
                              <PyObject*> c, <PyObject*> out, <PyObject*> columns]
    enter(b"x BI, w nK, b nK, V nML, c nC, =out BO, columns n:q", arrays, _take_waves,
          _periodic_held, _periodic_held, &e)


def periodic_embedding_backward(x, y, dout, w, b, V, c, columns, bint sines, bint with_x,
                                bint rectified, dx, dw, db, dV, dc, /):
    """Gradients of periodic_embedding_forward, whose output was y.

    x, dx: (B, I), y, dout: as out there; w, b, V, c, columns, dw, db, dV, dc: as there. dx, dw, db,
    dV and dc are overwritten, apart from the inputs in memory; db is 0 with sines.
    """
    cdef Waves e
    e.sines, e.with_x, e.rectified = sines, with_x, rectified
    cdef PyObject** arrays = [<PyObject*> x, <PyObject*> w, <PyObject*> b, <PyObject*> V,
                              <PyObject*> c, <PyObject*> y, <PyObject*> columns,
                              <PyObject*> dout, <PyObject*> dx, <PyObject*> dw, <PyObject*> db,
                              <PyObject*> dV, <PyObject*> dc]
    enter(b"x BI, w nK, b nK, V nML, c nC, y BO, columns n:q, dout BO, =dx BI, =dw nK, =db nK, "
          b"=dV nML, =dc nM", arrays, _take_waves, _periodic_backward_held,
          _periodic_backward_held, &e)
