"""Entry points that acquire their arrays directly through the buffer protocol.

A typed memoryview does the same in three times the time and ten times the code, and a fused one
first determines its type, which takes longer than a product of small matrices. These entry points
guarantee the same as the type ``real[:, ::1]``: contiguous arrays of one precision, writable
results, matching shapes, or an error before anything is written.

An entry point acquires its arrays in order, gets their addresses from ``held_data``, and releases
all of them in its ``finally``. ``precision`` is a NULL whose type selects one of the two bodies of
a fused function.
"""

from cpython.buffer cimport (
    Py_buffer, PyBUF_C_CONTIGUOUS, PyBUF_FORMAT, PyBUF_WRITABLE, PyBuffer_Release,
    PyObject_GetBuffer,
)

cdef enum:
    MOST_HELD = 14          # arrays of one call
    ANY = -1                # any size is accepted

cdef enum Access:
    READ
    WRITE

cdef enum Numbers:          # element type of an array
    NO_NUMBERS
    UINT8
    INT32
    INT64
    FLOAT
    DOUBLE
    REAL                    # FLOAT or DOUBLE, the same in all arrays of a call

cdef struct Held:           # the arrays of one call
    int n
    Precision precision     # of the arrays of real numbers, NO_PRECISION before the first one
    Py_buffer[MOST_HELD] buffers


cdef inline void hold_nothing(Held* held) noexcept:
    held.n, held.precision = 0, NO_PRECISION


cdef inline void let_go(Held* held) noexcept:
    while held.n > 0:
        held.n -= 1
        PyBuffer_Release(&held.buffers[held.n])


cdef Numbers numbers_of(const Py_buffer* buffer) noexcept:
    """A buffer's element type in native byte order; NO_NUMBERS for anything else.

    A byte-order mark may precede the letter; kernels exist only for little-endian machines.
    """
    cdef const char* format = buffer.format
    cdef char code
    if format == NULL:
        return UINT8
    if format[0] in (c"@", c"=", c"<"):
        format += 1
    code = format[0]
    if code == 0 or format[1] != 0:
        return NO_NUMBERS
    if code == c"f":
        return FLOAT
    if code == c"d":
        return DOUBLE
    if code == c"B":
        return UINT8
    if code in (c"i", c"l", c"q"):
        return INT32 if buffer.itemsize == 4 else INT64
    return NO_NUMBERS


cdef Precision _precision_of_numbers(Numbers numbers) noexcept:
    """The precision; NO_PRECISION for types that no kernel computes with."""
    if numbers == FLOAT:
        return SINGLE_PRECISION
    if numbers == DOUBLE:
        return DOUBLE_PRECISION
    return NO_PRECISION


cdef Numbers _numbers_of_precision(Precision precision) noexcept:
    """The element type for this precision."""
    if precision == SINGLE_PRECISION:
        return FLOAT
    if precision == DOUBLE_PRECISION:
        return DOUBLE
    refuse("precision", precision)
    return NO_NUMBERS


cdef int take_hold(Held* held, str name, object array, int ndim, int access) except -1:
    """Acquire one more array, of any element type and size."""
    if array is None:
        raise TypeError(f"{name} is None, wanted an array")
    PyObject_GetBuffer(array, &held.buffers[held.n], access | PyBUF_FORMAT)
    held.n += 1
    if held.buffers[held.n - 1].ndim != ndim:
        raise TypeError(f"{name} has {held.buffers[held.n - 1].ndim} dimensions, wanted {ndim}")
    return 0


cdef int hold(Held* held, str name, object array, Numbers numbers, int ndim,
              Access access) except -1:
    """Acquire one more contiguous array of this element type."""
    cdef Numbers found
    take_hold(held, name, array, ndim,
              PyBUF_C_CONTIGUOUS | (PyBUF_WRITABLE if access == WRITE else 0))
    found = numbers_of(&held.buffers[held.n - 1])
    if numbers == REAL:
        if held.precision == NO_PRECISION:
            held.precision = _precision_of_numbers(found)
        if held.precision == NO_PRECISION or _precision_of_numbers(found) != held.precision:
            raise TypeError(f"{name} has the wrong dtype, wanted float32 or float64, all alike")
    elif found != numbers:
        raise TypeError(f"{name} has the wrong dtype, wanted {_DTYPES[numbers]}")
    return 0


_DTYPES = {UINT8: "uint8", INT64: "int64", FLOAT: "float32", DOUBLE: "float64"}


cdef int hold_vector(Held* held, str name, object array, Access access,
                     Py_ssize_t length) except -1:
    """Acquire one more array (length,) of real numbers."""
    hold(held, name, array, REAL, 1, access)
    return require_held_length(held, name, length)


cdef int hold_matrix(Held* held, str name, object array, Access access, Py_ssize_t rows,
                     Py_ssize_t columns) except -1:
    """Acquire one more array (rows, columns) of real numbers."""
    hold(held, name, array, REAL, 2, access)
    return require_held_shape(held, name, rows, columns)


cdef int hold_stack(Held* held, str name, object array, Access access, Py_ssize_t I,
                    Py_ssize_t k, Py_ssize_t O) except -1:
    """Acquire one more array (k, I, O)."""
    cdef Py_ssize_t* found
    hold(held, name, array, REAL, 3, access)
    found = held.buffers[held.n - 1].shape
    if not (found[1] == I and k in (ANY, found[0]) and O in (ANY, found[2])):
        raise ValueError(f"{name} has shape ({found[0]}, {found[1]}, {found[2]}), wanted "
                         f"({'k' if k == ANY else k}, {I}, {'O' if O == ANY else O})")
    return 0


cdef int require_held_length(Held* held, str name, Py_ssize_t length) except -1:
    """Of the array held last."""
    cdef Py_ssize_t found = held.buffers[held.n - 1].shape[0]
    return require_length(name, found, found if length == ANY else length)


cdef int require_held_shape(Held* held, str name, Py_ssize_t rows, Py_ssize_t columns) except -1:
    """Of the array held last."""
    cdef Py_ssize_t* found = held.buffers[held.n - 1].shape
    return require_shape(name, found[0], found[1], found[0] if rows == ANY else rows,
                         found[1] if columns == ANY else columns)


cdef inline void* held_data(const Held* held, int i) noexcept nogil:
    return held.buffers[i].buf


cdef inline Py_ssize_t held_size(const Held* held, int i, int dimension) noexcept nogil:
    return held.buffers[i].shape[dimension]


cdef char* own_vector(dict owners, str name, object array, Precision precision,
                      Py_ssize_t length) except? NULL:
    """The address of an array (length,) of this precision, writable as long as owners exist."""
    cdef Held held
    hold_nothing(&held)
    try:
        hold(&held, name, array, _numbers_of_precision(precision), 1, WRITE)
        require_held_length(&held, name, length)
        owners[name, len(owners)] = memoryview(array)
        return <char*> held_data(&held, 0)
    finally:
        let_go(&held)


cdef char* own_indices(dict owners, str name, object array, Py_ssize_t length) except? NULL:
    """The address of an int64 array (length,), readable as long as owners exist."""
    cdef Held held
    hold_nothing(&held)
    try:
        hold(&held, name, array, INT64, 1, READ)
        require_held_length(&held, name, length)
        owners[name, len(owners)] = memoryview(array)
        return <char*> held_data(&held, 0)
    finally:
        let_go(&held)
