"""Doors that take hold of their arrays by the buffer protocol itself.

A typed memoryview does the same in three times the time, and a fused one looks for its type first:
in a product of small matrices that is longer than the product. These doors promise what the type
``real[:, ::1]`` does: contiguous arrays of one precision, results writable, or an error before
anything is written.
"""

from cpython.buffer cimport (
    Py_buffer, PyBUF_C_CONTIGUOUS, PyBUF_FORMAT, PyBUF_SIMPLE, PyBUF_WRITABLE, PyBuffer_Release,
    PyObject_GetBuffer,
)

cdef enum:
    MOST_HELD = 4           # arrays of one call

cdef struct Held:           # the arrays of one call; {} to begin with, and let_go at the end
    int n
    bint single             # precision of the first, and so of all
    Py_buffer[MOST_HELD] buffers


cdef int hold(Held* held, str name, object array, int ndim, bint written) except -1:
    """Take hold of one more array, of as many dimensions and of the first one's precision."""
    cdef Py_buffer* buffer = &held.buffers[held.n]
    cdef int access = PyBUF_WRITABLE if written else PyBUF_SIMPLE
    if array is None:
        raise TypeError(f"{name} is None, wanted an array")
    PyObject_GetBuffer(array, buffer, access | PyBUF_C_CONTIGUOUS | PyBUF_FORMAT)
    held.n += 1
    if held.n == 1:
        held.single = buffer.format != NULL and buffer.format[0] == c"f"
    if (buffer.format == NULL or buffer.format[0] != (c"f" if held.single else c"d")
            or buffer.format[1] != 0):
        raise TypeError(f"{name} has the wrong dtype, wanted float32 or float64, all alike")
    if buffer.ndim != ndim:
        raise TypeError(f"{name} has {buffer.ndim} dimensions, wanted {ndim}")
    return 0


cdef void let_go(Held* held) noexcept:
    while held.n > 0:
        held.n -= 1
        PyBuffer_Release(&held.buffers[held.n])


cdef inline void* held_data(Held* held, int i) noexcept nogil:
    return held.buffers[i].buf


cdef inline Py_ssize_t held_size(Held* held, int i, int dimension) noexcept nogil:
    return held.buffers[i].shape[dimension]


cdef int require_held_shape(Held* held, int i, str name, Py_ssize_t rows,
                            Py_ssize_t columns) except -1:
    return require_shape(name, held_size(held, i, 0), held_size(held, i, 1), rows, columns)
