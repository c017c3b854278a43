"""Parametric activations: x + a (f(x) - x) with an activation f and a learned a for each column.

The forward keeps f(x) - x; the backward turns it into what da is the sum of. Rows are mapped in
pieces of PIECE numbers through a buffer, as the activation's kernel may not overwrite x.
"""

from cpython.object cimport PyObject

cdef enum:
    PIECE = 256             # numbers of a row that are mapped at once


cdef inlined_void _blend_vectors(Py_ssize_t n, const vector* x, const vector* a, const vector* y,
                                 vector* out, vector* step) noexcept nogil:
    """step = y - x, unless it is NULL, and out = x + a step."""
    cdef vector d, v
    while n > 0:
        v = vload(x, n)
        d = vload(y, n) - v
        vstore(out, vfmadd(vload(a, n), d, v), n)
        if step != NULL:
            vstore(step, d, n)
            step = step + 1
        x, a, y, out, n = x + 1, a + 1, y + 1, out + 1, n - vlanes(x)


cdef inlined_void _unblend_vectors(Py_ssize_t n, const vector* dout, const vector* a,
                                   const vector* slope, vector* step, vector* dx) noexcept nogil:
    """step *= dout, and dx = dout + a (slope - dout), slope being f'(x) dout."""
    cdef vector d
    while n > 0:
        d = vload(dout, n)
        vstore(step, vload(step, n) * d, n)
        vstore(dx, vfmadd(vload(a, n), vload(slope, n) - d, d), n)
        dout, a, slope, step, dx = dout + 1, a + 1, slope + 1, step + 1, dx + 1
        n -= vlanes(dout)


cdef void _parametric_forward(ElementFunction function, double number, Py_ssize_t B,
                              Py_ssize_t O, const real* x, const real* a, real* out,
                              real* step) noexcept nogil:
    """out = x + a (f(x) - x), and step = f(x) - x unless it is NULL; out may be x."""
    cdef real[PIECE] y
    cdef Py_ssize_t _i, j, n
    for _i in range(B):
        j = 0
        while j < O:
            n = min(<Py_ssize_t> PIECE, O - j)
            _map(function, n, x + j, x + j, number, y)
            _blend_vectors(n, vectors_of(x + j), vectors_of(a + j), vectors_of(y),
                           vectors_into(out + j),
                           vectors_into(step + j) if step != NULL else NULL)
            j += n
        x, out = x + O, out + O
        if step != NULL:
            step = step + O


cdef void _parametric_dx(ElementFunction function, ElementFunction gradient, bint needs_input,
                         double number, Py_ssize_t B, Py_ssize_t O, const real* x,
                         const real* dout, const real* a, real* step, real* dx) noexcept nogil:
    """dx = dout + a (f'(x) dout - dout), and step, f(x) - x, times dout; dx may be dout."""
    cdef real[PIECE] y
    cdef const real* kept
    cdef Py_ssize_t _i, j, n
    for _i in range(B):
        j = 0
        while j < O:
            n = min(<Py_ssize_t> PIECE, O - j)
            kept = x + j
            if not needs_input:
                _map(function, n, x + j, x + j, number, y)
                kept = y
            _map(gradient, n, kept, dout + j, number, y)
            _unblend_vectors(n, vectors_of(dout + j), vectors_of(a + j), vectors_of(y),
                             vectors_into(step + j), vectors_into(dx + j))
            j += n
        x, dout, step, dx = x + O, dout + O, step + O, dx + O


cdef inlined_void _add_numbers(Py_ssize_t n, const real* x, double* sums) noexcept nogil:
    cdef Py_ssize_t k
    for k in range(n):
        sums[k] += x[k]


cdef void _parametric_columns(Py_ssize_t first, Py_ssize_t end, Py_ssize_t B, Py_ssize_t O,
                              const real* products, real* da) noexcept nogil:
    """da_j = sum_i products_ij, in double precision, of columns from ``first`` to before ``end``.
    """
    cdef double[COLUMNS] sums
    cdef Py_ssize_t i, k, n, j = first
    while j < end:
        n = min(<Py_ssize_t> COLUMNS, end - j)
        _clear(n, sums)
        for i in range(B):
            if n == COLUMNS:
                _add_numbers(COLUMNS, products + i * O + j, sums)
            else:
                _add_numbers(n, products + i * O + j, sums)
        for k in range(n):
            da[j + k] = <real> sums[k]
        j += n


cdef void _parametric_held(void* operation, const Held* held, real* precision) noexcept nogil:
    """A forward over x, a, out and step, in this order."""
    cdef const Operation* op = <const Operation*> operation
    _parametric_forward(op.function, op.numbers[0], held_size(held, 0, 0), held_size(held, 0, 1),
                        <real*> held_data(held, 0), <real*> held_data(held, 1),
                        <real*> held_data(held, 2), <real*> held_data(held, 3))


cdef void _parametric_backward_held(void* operation, const Held* held,
                                    real* precision) noexcept nogil:
    """A backward over x, dout, a, dx, da and step, in this order."""
    cdef const Operation* op = <const Operation*> operation
    cdef Py_ssize_t B = held_size(held, 0, 0), O = held_size(held, 0, 1)
    cdef real* step = <real*> held_data(held, 5)
    _parametric_dx(op.function, op.gradient, op.needs_input, op.numbers[0], B, O,
                   <real*> held_data(held, 0), <real*> held_data(held, 1),
                   <real*> held_data(held, 2), step, <real*> held_data(held, 3))
    _parametric_columns(0, O, B, O, step, <real*> held_data(held, 4))


cdef int _set_activation(Operation* op, str activation, object numbers) except -1:
    """The functions and the number of an activation by its kernel's name."""
    names = _set_kind(op, 0, _PARAMETRIC + activation)[1]
    numbers = _of_length(0, activation, "has numbers", tuple(numbers), names)
    op.numbers[0] = numbers[0] if numbers else 0
    return 0


def parametric_forward(x, a, str activation not None, numbers, out, step, /):
    """out = x + a (f(x) - x), and step = f(x) - x.

    activation: the kernel's name of f, such as "selu", with its numbers, a tuple.
    x, out, step: (B, O), a: (O,). out and step are overwritten; out may be x.
    """
    cdef Operation op
    cdef PyObject** arrays = [<PyObject*> x, <PyObject*> a, <PyObject*> out, <PyObject*> step]
    _set_activation(&op, activation, numbers)
    enter(b"x BO, a O, =out BO, =step BO", arrays, NULL, _parametric_held, _parametric_held, &op)


def parametric_backward(x, dout, a, str activation not None, numbers, dx, da, step, /):
    """dx = dout + a (f'(x) - 1) dout, and da = sum of (f(x) - x) dout over the rows.

    activation, numbers: as for parametric_forward, which wrote ``step``.
    x, dout, dx, step: (B, O), a, da: (O,). dx and da are overwritten, and step with its product
    with dout; dx may be dout.
    """
    cdef Operation op
    cdef PyObject** arrays = [<PyObject*> x, <PyObject*> dout, <PyObject*> a, <PyObject*> dx,
                              <PyObject*> da, <PyObject*> step]
    _set_activation(&op, activation, numbers)
    enter(b"x BO, dout BO, a O, =dx BO, =da O, =step BO", arrays, NULL,
          _parametric_backward_held, _parametric_backward_held, &op)
