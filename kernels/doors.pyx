"""Entry points that acquire their arrays directly through the buffer protocol.

A typed memoryview does the same in three times the time and ten times the code, and a fused one
first determines its type, which takes longer than a product of small matrices. These entry points
guarantee the same as the type ``real[:, ::1]``: contiguous arrays of one precision, writable
results, matching shapes, or an error before anything is written.

An entry point lists its arrays' shapes in a text for ``hold_all``, such as ``"x BI, =out BO"``:
name and dimensions, a letter each, of which a letter that comes again is the same size; ``=``
before a name for an array that is written, ``?`` for one that may be None (its address is NULL),
``:q``, ``:d`` or ``:B`` behind it for int64, float64 or uint8 instead of the call's real numbers.
``enter`` (precision.pyx) holds the arrays while it runs a kernel over them, which gets their
addresses from ``held_data``. ``precision`` is a NULL whose type selects one of the two bodies of a
fused function. A name is a C text that ends at a space or at its end.
"""

from cpython.buffer cimport (
    Py_buffer, PyBUF_C_CONTIGUOUS, PyBUF_FORMAT, PyBUF_WRITABLE, PyBuffer_Release,
    PyObject_GetBuffer,
)
from cpython.object cimport PyObject
from libc.string cimport memset, strchr

cdef enum:
    MOST_HELD = 14          # arrays of one call
    MOST_SIZES = 58         # letters from A to z
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
    Py_ssize_t[MOST_SIZES] sizes    # by letter, ANY before the first array with it
    Py_buffer[MOST_HELD] buffers


cdef inline void hold_nothing(Held* held) noexcept:
    held.n, held.precision = 0, NO_PRECISION
    memset(held.sizes, 0xFF, sizeof(held.sizes))


cdef inline void let_go(Held* held) noexcept:
    while held.n > 0:
        held.n -= 1
        PyBuffer_Release(&held.buffers[held.n])


cdef Numbers numbers_of(const Py_buffer* buffer) noexcept:
    """A buffer's element type in native byte order; NO_NUMBERS for anything else.

    A mark of the machine's own byte order may precede the letter.
    """
    cdef const char* format = buffer.format
    cdef char code
    if format == NULL:
        return UINT8
    if format[0] in (c"@", c"=", c">" if BYTE_ORDER else c"<"):
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


cdef str _name_of(const char* name):
    """The text up to a space, for errors."""
    cdef Py_ssize_t n = 0
    while name[n] not in (0, c" "):
        n += 1
    return name[:n].decode("ascii")


cdef int take_hold(Held* held, const char* name, object array, int ndim, int access) except -1:
    """Acquire one more array, of any element type and size."""
    if array is None:
        raise TypeError(f"{_name_of(name)} is None, wanted an array")
    PyObject_GetBuffer(array, &held.buffers[held.n], access | PyBUF_FORMAT)
    held.n += 1
    if held.buffers[held.n - 1].ndim != ndim:
        raise TypeError(f"{_name_of(name)} has {held.buffers[held.n - 1].ndim} dimensions, "
                        f"wanted {ndim}")
    return 0


cdef int hold(Held* held, const char* name, object array, Numbers numbers, int ndim,
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
            raise TypeError(f"{_name_of(name)} has the wrong dtype, wanted float32 or float64, "
                            "all alike")
    elif found != numbers:
        raise TypeError(f"{_name_of(name)} has the wrong dtype, wanted {_DTYPES[numbers]}")
    return 0


_DTYPES = {UINT8: "uint8", INT64: "int64", FLOAT: "float32", DOUBLE: "float64"}


cdef int require_size(const Held* held, int i, const char* name, int dimension,
                      Py_ssize_t size) except -1:
    """Raise unless this dimension of an array has this size; ANY is any size."""
    cdef Py_ssize_t found = held_size(held, i, dimension)
    cdef int k
    if size in (ANY, found):
        return 0
    sizes = [held_size(held, i, k) for k in range(held.buffers[i].ndim)]
    shape = tuple(sizes)
    sizes[dimension] = size
    raise ValueError(f"{_name_of(name)} has shape {shape}, wanted {tuple(sizes)}")


cdef const char* _hold_next(Held* held, const char* text, object array) except NULL:
    """Acquire the array that the text starts with; returns what follows it."""
    cdef Access access = READ
    cdef Numbers numbers = REAL
    cdef bint optional = False
    cdef const char* name = text
    cdef int i = held.n, k, ndim = 0
    cdef Py_ssize_t* size
    while name[0] in (c"=", c"?"):
        if name[0] == c"=":
            access = WRITE
        else:
            optional = True
        name += 1
    text = strchr(name, c" ") + 1
    while text[ndim] >= c"A":
        ndim += 1
    if text[ndim] == c":":
        numbers = INT64 if text[ndim + 1] == c"q" else DOUBLE if text[ndim + 1] == c"d" else UINT8
    if optional and array is None:
        memset(&held.buffers[i], 0, sizeof(Py_buffer))
        held.n += 1
    else:
        hold(held, name, array, numbers, ndim, access)
        for k in range(ndim):
            size = &held.sizes[text[k] - c"A"]
            require_size(held, i, name, k, size[0])
            size[0] = held_size(held, i, k)
    text += ndim
    return text if numbers == REAL else text + 2


cdef int hold_all(Held* held, const char* text, PyObject** arrays) except -1:
    """Acquire the arrays that the text describes, in its order."""
    cdef int i = 0
    while True:
        text = _hold_next(held, text, <object> arrays[i])
        if text[0] == 0:
            return 0
        text, i = text + 2, i + 1       # a comma and a space


cdef inline void* held_data(const Held* held, int i) noexcept nogil:
    return held.buffers[i].buf


cdef inline Py_ssize_t held_size(const Held* held, int i, int dimension) noexcept nogil:
    return held.buffers[i].shape[dimension]


cdef inline Py_ssize_t size_of(const Held* held, char letter) noexcept nogil:
    """The size that the text of hold_all gives this letter."""
    return held.sizes[letter - c"A"]


cdef char* own_vector(dict owners, str name, object array, Precision precision,
                      Py_ssize_t length) except? NULL:
    """The address of an array (length,) of this precision, writable as long as owners exist."""
    return _own(owners, name, array, _numbers_of_precision(precision), WRITE, length)


cdef char* own_indices(dict owners, str name, object array, Py_ssize_t length) except? NULL:
    """The address of an int64 array (length,), readable as long as owners exist."""
    return _own(owners, name, array, INT64, READ, length)


cdef char* _own(dict owners, str name, object array, Numbers numbers, Access access,
                Py_ssize_t length) except? NULL:
    cdef Held held
    cdef bytes text = name.encode("ascii")
    hold_nothing(&held)
    try:
        hold(&held, text, array, numbers, 1, access)
        require_size(&held, 0, text, 0, length)
        owners[name, len(owners)] = memoryview(array)
        return <char*> held_data(&held, 0)
    finally:
        let_go(&held)
