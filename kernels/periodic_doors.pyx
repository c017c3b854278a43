"""Checked doors of periodic embeddings."""

from libc.stdint cimport int64_t


cdef int _hold_waves(Waves* e, Held* held, object x, object out_or_dout, Access access,
                     object w, object b, object V, object c, object columns) except -1:
    """The first six arrays of a call and the columns, the seventh."""
    cdef Py_ssize_t p
    hold_matrix(held, "x", x, READ, ANY, ANY)
    e.I = held_size(held, 0, 1)
    hold_matrix(held, "w", w, READ, ANY, ANY)
    e.n, e.K = held_size(held, 1, 0), held_size(held, 1, 1)
    hold_matrix(held, "b", b, READ, e.n, e.K)
    hold(held, "V", V, REAL, 3, READ)
    e.M = held.buffers[3].shape[1]
    if held.buffers[3].shape[0] != e.n or held.buffers[3].shape[2] != _rows_of_V(e):
        raise ValueError(f"V has shape {(<object> V).shape}, wanted ({e.n}, M, {_rows_of_V(e)})")
    if not 1 <= e.M <= MOST_WAVE_OUTPUTS:
        raise ValueError(f"V gives {e.M} values, wanted 1 to {MOST_WAVE_OUTPUTS}")
    hold_matrix(held, "c", c, READ, e.n, e.M)
    e.O = e.I + e.n * (e.M + e.with_x - 1)
    hold_matrix(held, "out" if access == WRITE else "dout", out_or_dout, access,
                held_size(held, 0, 0), e.O)
    hold(held, "columns", columns, INT64, 1, READ)
    require_held_length(held, "columns", e.n)
    e.columns = <int64_t*> held_data(held, 6)
    for p in range(e.n):
        if not (e.columns[p - 1] if p > 0 else -1) < e.columns[p] < e.I:
            raise ValueError(f"columns[{p}] is {e.columns[p]}, wanted ascending ones below {e.I}")
    return 0


cdef void _periodic_held(const Waves* e, const Held* held, real* precision) noexcept nogil:
    _periodic_forward(e, held_size(held, 0, 0), <real*> held_data(held, 0),
                      <real*> held_data(held, 1), <real*> held_data(held, 2),
                      <real*> held_data(held, 3), <real*> held_data(held, 4),
                      <real*> held_data(held, 5))


cdef void _periodic_backward_held(const Waves* e, const Held* held,
                                  real* precision) noexcept nogil:
    """After the first seven: y, dx, dw, db, dV, dc."""
    cdef Py_ssize_t B = held_size(held, 0, 0)
    cdef const real* x = <real*> held_data(held, 0)
    cdef const real* w = <real*> held_data(held, 1)
    cdef const real* b = <real*> held_data(held, 2)
    cdef const real* V = <real*> held_data(held, 3)
    cdef const real* dout = <real*> held_data(held, 5)
    cdef const real* y = <real*> held_data(held, 7)
    _periodic_parameters(e, 0, e.n, B, x, y, dout, w, b, V, <real*> held_data(held, 9),
                         <real*> held_data(held, 10), <real*> held_data(held, 11),
                         <real*> held_data(held, 12))
    _periodic_dx(e, B, x, y, dout, w, b, V, <real*> held_data(held, 8))


def periodic_embedding_forward(x, w, b, V, c, columns, bint sines, bint with_x, bint rectified,
                               out):
    """out = x with some columns replaced by what is linear in their waves; see periodic.pyx.

    x: (B, I), w, b: (n, K), V: (n, M, K) or with sines (n, M, 2 K), c: (n, M), columns: (n,)
    int64, ascending; out: (B, I + n (M - 1)) or with_x (B, I + n M), overwritten, apart from x in
    memory. Without sines the waves are cos(2 pi w x + b), with sines cos and sin of 2 pi w x.
    """
    cdef Held held
    cdef Waves e
    e.sines, e.with_x, e.rectified = sines, with_x, rectified
    hold_nothing(&held)
    try:
        _hold_waves(&e, &held, x, out, WRITE, w, b, V, c, columns)
        with nogil:
            if held.precision == SINGLE_PRECISION:
                _periodic_held(&e, &held, <float*> NULL)
            elif held.precision == DOUBLE_PRECISION:
                _periodic_held(&e, &held, <double*> NULL)
            else:
                refuse("precision", held.precision)
    finally:
        let_go(&held)


def periodic_embedding_backward(x, y, dout, w, b, V, c, columns, bint sines, bint with_x,
                                bint rectified, dx, dw, db, dV, dc):
    """Gradients of periodic_embedding_forward, whose output was y.

    x, dx: (B, I), y, dout: as out there; w, b, V, c, columns, dw, db, dV, dc: as there. dx, dw, db,
    dV and dc are overwritten, apart from the inputs in memory; db is 0 with sines.
    """
    cdef Held held
    cdef Waves e
    e.sines, e.with_x, e.rectified = sines, with_x, rectified
    hold_nothing(&held)
    try:
        _hold_waves(&e, &held, x, dout, READ, w, b, V, c, columns)
        hold_matrix(&held, "y", y, READ, held_size(&held, 0, 0), e.O)
        hold_matrix(&held, "dx", dx, WRITE, held_size(&held, 0, 0), e.I)
        hold_matrix(&held, "dw", dw, WRITE, e.n, e.K)
        hold_matrix(&held, "db", db, WRITE, e.n, e.K)
        hold(&held, "dV", dV, REAL, 3, WRITE)
        if not (held.buffers[11].shape[0] == e.n and held.buffers[11].shape[1] == e.M
                and held.buffers[11].shape[2] == _rows_of_V(&e)):
            raise ValueError(f"dV has shape {(<object> dV).shape}, wanted that of V")
        hold_matrix(&held, "dc", dc, WRITE, e.n, e.M)
        with nogil:
            if held.precision == SINGLE_PRECISION:
                _periodic_backward_held(&e, &held, <float*> NULL)
            elif held.precision == DOUBLE_PRECISION:
                _periodic_backward_held(&e, &held, <double*> NULL)
            else:
                refuse("precision", held.precision)
    finally:
        let_go(&held)
