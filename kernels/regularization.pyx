"""Gradient changes before an update: an L2 penalty, and bounds on its elements and norm.

Sums of squares are computed in double precision, with the running sums of sums.pyx, over segments
whose number depends only on the length, and then from the first segment to the last: so no bit
depends on the vector width or on the number of threads. Jobs are split as in update.pyx.
"""

from cpython.object cimport PyObject
from libc.math cimport NAN, isfinite, sqrt
from libc.string cimport memcpy

cdef enum:
    SEGMENTS = 64            # at most
    SEGMENT = 16384          # minimum length of a segment, unless it is the only one

cdef struct Sweep:
    Py_ssize_t n
    const char* x
    double factor
    char* out
    bint adds
    int segments
    double* sums            # per segment


cdef double _squares(Py_ssize_t n, const real* x) noexcept nogil:
    """The sum of x^2."""
    cdef double[SUMS] sums
    cdef Py_ssize_t i = 0, k
    for k in range(SUMS):
        sums[k] = 0
    while i + SUMS <= n:
        for k in range(SUMS):
            sums[k] += <double> x[i + k] * x[i + k]
        i += SUMS
    for k in range(n - i):
        sums[k] += <double> x[i + k] * x[i + k]
    return vsum(<const vdouble*> sums)


cdef void _add_scaled(Py_ssize_t n, real factor, const real* x, real* out) noexcept nogil:
    cdef Py_ssize_t i
    for i in range(n):
        out[i] = fmadd(factor, x[i], out[i])


cdef void _write_scaled(Py_ssize_t n, double factor, const real* x, real* out) noexcept nogil:
    """out = factor x, in double precision: factor may be too small for single precision."""
    cdef Py_ssize_t i
    for i in range(n):
        out[i] = <real> (factor * x[i])


cdef void _squares_part(void* job_, int part, int parts, real* precision) noexcept nogil:
    """One part of a sum of squares: some of the segments."""
    cdef const Sweep* job = <const Sweep*> job_
    cdef Py_ssize_t first = _cut(job.segments, part, parts, 1)
    cdef Py_ssize_t last = _cut(job.segments, part + 1, parts, 1), s, start, n
    for s in range(first, last):
        start = _cut(job.n, <int> s, job.segments, GRAIN)
        n = _cut(job.n, <int> s + 1, job.segments, GRAIN) - start
        job.sums[s] = _squares(n, <const real*> job.x + start)


cdef void _scaled_part(void* job_, int part, int parts, real* precision) noexcept nogil:
    """One part of factor x, written to out or added to it."""
    cdef const Sweep* job = <const Sweep*> job_
    cdef Py_ssize_t i = _cut(job.n, part, parts, GRAIN)
    cdef Py_ssize_t n = _cut(job.n, part + 1, parts, GRAIN) - i
    cdef const real* x = <const real*> job.x + i
    cdef real* out = <real*> job.out + i
    if job.adds:
        _add_scaled(n, <real> job.factor, x, out)
    else:
        _write_scaled(n, job.factor, x, out)


cdef void _write_bounded(Py_ssize_t n, real most, const real* x, real* out) noexcept nogil:
    """A NaN is neither above nor below a bound, so it stays."""
    cdef Py_ssize_t i
    cdef real least = -most, x_i
    for i in range(n):
        x_i = x[i]
        x_i = least if x_i < least else x_i
        out[i] = most if x_i > most else x_i


cdef void _bounded_part(void* job_, int part, int parts, real* precision) noexcept nogil:
    """One part of min(max(x, -factor), factor)."""
    cdef const Sweep* job = <const Sweep*> job_
    cdef Py_ssize_t i = _cut(job.n, part, parts, GRAIN)
    cdef Py_ssize_t n = _cut(job.n, part + 1, parts, GRAIN) - i
    _write_bounded(n, <real> job.factor, <const real*> job.x + i, <real*> job.out + i)


cdef inline int _segments(Py_ssize_t n) noexcept nogil:
    """Into how many segments a sum over n numbers is cut."""
    return <int> max(<Py_ssize_t> 1, min(<Py_ssize_t> SEGMENTS, n // SEGMENT))


cdef double _sum_of_squares(Py_ssize_t n, const real* x) noexcept nogil:
    cdef Sweep job
    cdef double[SEGMENTS] sums
    cdef double total = 0
    cdef int s
    job.n, job.x, job.sums = n, <const char*> x, sums
    job.segments = _segments(n)
    _run_parts(precision_of(x), _squares_part, _squares_part, &job,
               _parts(n, ENOUGH_UPDATES, ENOUGH_UPDATES_TO_WAKE))
    for s in range(job.segments):
        total += sums[s]
    return total


cdef double _l2_penalty(Py_ssize_t n, const real* W, double scale, real* dW) noexcept nogil:
    cdef Sweep job
    job.n, job.x = n, <const char*> W
    job.factor, job.out, job.adds = scale, <char*> dW, True
    _run_parts(precision_of(W), _scaled_part, _scaled_part, &job,
               _parts(n, ENOUGH_UPDATES, ENOUGH_UPDATES_TO_WAKE))
    return 0.5 * scale * _sum_of_squares(n, W)


cdef void _clip_value(Py_ssize_t n, const real* dW, double max_value, real* out) noexcept nogil:
    cdef Sweep job
    job.n, job.x, job.factor, job.out = n, <const char*> dW, max_value, <char*> out
    _run_parts(precision_of(dW), _bounded_part, _bounded_part, &job,
               _parts(n, ENOUGH_UPDATES, ENOUGH_UPDATES_TO_WAKE))


cdef double _clip_norm(Py_ssize_t n, const real* dW, double max_norm, real* out) noexcept nogil:
    """Scale to max_norm; NaN if the norm is not finite, as no direction is left."""
    cdef Sweep job
    cdef double norm = sqrt(_sum_of_squares(n, dW))
    if norm <= max_norm:
        if out != dW:
            memcpy(out, dW, n * sizeof(real))
        return norm
    job.n, job.x = n, <const char*> dW
    job.factor = max_norm / norm if isfinite(norm) else NAN
    job.out, job.adds = <char*> out, False
    _run_parts(precision_of(dW), _scaled_part, _scaled_part, &job,
               _parts(n, ENOUGH_UPDATES, ENOUGH_UPDATES_TO_WAKE))
    return norm


cdef void _l2_penalty_held(void* number, const Held* held, real* precision) noexcept nogil:
    """W and dW; the scale becomes the penalty."""
    cdef double* scale = <double*> number
    scale[0] = _l2_penalty(held_size(held, 0, 0), <real*> held_data(held, 0), scale[0],
                           <real*> held_data(held, 1))


cdef void _clip_value_held(void* bound, const Held* held, real* precision) noexcept nogil:
    """dW and out."""
    _clip_value(held_size(held, 0, 0), <real*> held_data(held, 0), (<double*> bound)[0],
                <real*> held_data(held, 1))


cdef void _clip_norm_held(void* bound, const Held* held, real* precision) noexcept nogil:
    """dW and out; the bound becomes the norm."""
    cdef double* norm = <double*> bound
    norm[0] = _clip_norm(held_size(held, 0, 0), <real*> held_data(held, 0), norm[0],
                         <real*> held_data(held, 1))


def l2_penalty(W, double scale, dW, /):
    """Returns scale / 2 sum W^2; dW += scale W.

    W, dW: (n,), apart from each other in memory.
    """
    cdef PyObject** arrays = [<PyObject*> W, <PyObject*> dW]
    enter(b"W n, =dW n", arrays, NULL, _l2_penalty_held, _l2_penalty_held, &scale)
    return scale


def clip_value(dW, double max_value, out, /):
    """out = min(max(dW, -max_value), max_value); NaN stays NaN.

    dW, out: (n,). out is overwritten and may be dW. max_value is rounded to their precision.
    """
    cdef PyObject** arrays = [<PyObject*> dW, <PyObject*> out]
    if not max_value > 0:
        raise ValueError(f"max_value is {max_value}, wanted a number above 0")
    enter(b"dW n, =out n", arrays, NULL, _clip_value_held, _clip_value_held, &max_value)


def clip_norm(dW, double max_norm, out, /):
    """Returns norm = sqrt(sum dW^2); out = dW min(1, max_norm / norm), NaN if norm is not finite.

    dW, out: (n,). out is overwritten and may be dW. Pascanu, Mikolov, Bengio, ICML 2013.
    """
    cdef PyObject** arrays = [<PyObject*> dW, <PyObject*> out]
    if not max_norm > 0:
        raise ValueError(f"max_norm is {max_norm}, wanted a number above 0")
    enter(b"dW n, =out n", arrays, NULL, _clip_norm_held, _clip_norm_held, &max_norm)
    return max_norm
