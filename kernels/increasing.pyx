"""Columns in groups of n, increasing in each: y_0 = x_0 and y_j = y_(j-1) + log(1 + exp(x_j)).

The gradient of x_j is the sum of dout_j .. dout_(n-1), for j > 0 times 1 / (1 + exp(-x_j)); it is
added up from the last column to the first.
"""

from cpython.object cimport PyObject


cdef void _increasing_forward(Py_ssize_t total, Py_ssize_t n, const real* x,
                              real* out) noexcept nogil:
    """``total`` elements, whole groups of n. out may be x."""
    cdef Py_ssize_t i = 0, j
    while i < total:
        out[i] = x[i]
        _map(SOFTPLUS_OF, n - 1, x + i + 1, x + i + 1, 0, out + i + 1)
        for j in range(i + 1, i + n):
            out[j] += out[j - 1]
        i += n


cdef void _increasing_backward(Py_ssize_t total, Py_ssize_t n, const real* x, const real* dout,
                               real* dx) noexcept nogil:
    """dx may be dout."""
    cdef Py_ssize_t i = 0, j
    cdef real above
    while i < total:
        above = 0
        for j in range(i + n - 1, i - 1, -1):
            above = above + dout[j]
            dx[j] = above
        _map(SOFTPLUS_GRADIENT, n - 1, x + i + 1, dx + i + 1, 0, dx + i + 1)
        i += n


cdef void _increasing_held(void* job, const Held* held, real* precision) noexcept nogil:
    """A forward over x and out, or a backward over x, dout and dx."""
    cdef Py_ssize_t n = (<Py_ssize_t*> job)[0]
    cdef Py_ssize_t total = held_size(held, 0, 0) * held_size(held, 0, 1)
    cdef const real* x = <real*> held_data(held, 0)
    if held.n == 2:
        _increasing_forward(total, n, x, <real*> held_data(held, 1))
    else:
        _increasing_backward(total, n, x, <real*> held_data(held, 1), <real*> held_data(held, 2))


cdef int _check_group(void* job, const Held* held) except -1:
    return _require_group((<Py_ssize_t*> job)[0], size_of(held, c"O"))


cdef int _require_group(double n, Py_ssize_t O) except -1:
    """Groups of n columns that fill a row."""
    if not (1 <= n <= O and n == <Py_ssize_t> n and O % <Py_ssize_t> n == 0):
        raise ValueError(f"n is {n:g}, wanted a whole number that divides the {O} columns")
    return 0


def increasing_forward(x, Py_ssize_t n, out, /):
    """In groups of n columns: out_0 = x_0, out_j = out_(j-1) + log(1 + exp(x_j)).

    x, out: (B, O), n divides O. out is overwritten and may be x.
    """
    cdef PyObject** arrays = [<PyObject*> x, <PyObject*> out]
    enter(b"x BO, =out BO", arrays, _check_group, _increasing_held, _increasing_held, &n)


def increasing_backward(x, dout, Py_ssize_t n, dx, /):
    """dx_j = s_j (dout_j + .. + dout_(n-1)), with s_0 = 1 and s_j = 1 / (1 + exp(-x_j)).

    x, dout, dx: (B, O), n divides O. dx is overwritten and may be dout.
    """
    cdef PyObject** arrays = [<PyObject*> x, <PyObject*> dout, <PyObject*> dx]
    enter(b"x BO, dout BO, =dx BO", arrays, _check_group, _increasing_held, _increasing_held, &n)
