"""Sums of two arrays: where two branches of a network join, and of gradients in its backward."""

from libc.math cimport NAN


cdef inlined_void _add_vectors(Py_ssize_t n, const vector* x, const vector* y,
                               vector* out) noexcept nogil:
    while n > 0:
        vstore(out, vload(x, n) + vload(y, n), n)
        x, y, out, n = x + 1, y + 1, out + 1, n - vlanes(x)


cdef void _add_forward(Py_ssize_t n, const real* x, const real* y, real* out) noexcept nogil:
    """out = x + y for n numbers; out may be x or y, and y may be x."""
    if real is float:
        _add_vectors(n, <const vfloat*> x, <const vfloat*> y, <vfloat*> out)
    else:
        _add_vectors(n, <const vdouble*> x, <const vdouble*> y, <vdouble*> out)


cdef void _fill_with_nan(Py_ssize_t n, real* out) noexcept nogil:
    """The result of a switch for an unknown kind: never another kind's values."""
    cdef Py_ssize_t i
    for i in range(n):
        out[i] = NAN
