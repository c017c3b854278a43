"""The affine map out = x W + b and its three gradients.

x: (B, I), W: (I, O), b: (O,), out: (B, O). Backward, for dout = dLoss/dout:
dx = dout W^T, dW = x^T dout, db = sum of dout over the rows.
"""

from cpython.object cimport PyObject


cdef void _affine_backward_db(Py_ssize_t B, Py_ssize_t O, const real* dout,
                              real* db) noexcept nogil:
    """db = (1, 1, ..., 1) dout: a product whose chains of multiply-adds only add."""
    cdef real one = 1
    cdef Py_ssize_t row = O * sizeof(real)
    _row_product(B, O, <char*> &one, 0, <char*> dout, row, NULL, vectors_into(db))


cdef void _affine_held(void* epilogue, const Held* held, real* precision) noexcept nogil:
    """Forward over x, W, b and out, held in this order."""
    _gemm_nn(NO_PRECISION, held_size(held, 0, 0), held_size(held, 0, 1), held_size(held, 1, 1),
             <real*> held_data(held, 0), <real*> held_data(held, 1), <real*> held_data(held, 2),
             (<const Epilogue*> epilogue)[0], <real*> held_data(held, 3))


cdef void _affine_backward_db_held(void* job, const Held* held, real* precision) noexcept nogil:
    """db over dout and db, held in this order."""
    _affine_backward_db(held_size(held, 0, 0), held_size(held, 0, 1), <real*> held_data(held, 0),
                        <real*> held_data(held, 1))


cdef int _affine_door(object x, object W, object b, object out, Epilogue epilogue) except -1:
    cdef PyObject** arrays = [<PyObject*> x, <PyObject*> W, <PyObject*> b, <PyObject*> out]
    return enter(b"x BI, W IO, b O, =out BO", arrays, NULL, _affine_held, _affine_held, &epilogue)


def affine_forward(x, W, b, out, /):
    """out = x W + b.

    x: (B, I), W: (I, O), b: (O,), out: (B, O), overwritten, apart from the inputs in memory.
    """
    _affine_door(x, W, b, out, NO_EPILOGUE)


def affine_relu_forward(x, W, b, out, /):
    """out = max(x W + b, 0), with NaN kept.

    x: (B, I), W: (I, O), b: (O,), out: (B, O), overwritten, apart from the inputs in memory.
    """
    _affine_door(x, W, b, out, RELU_EPILOGUE)


def affine_backward_dx(dout, W, dx, /):
    """dx = dout W^T.

    dout: (B, O), W: (I, O), dx: (B, I), overwritten, apart from the inputs in memory.
    """
    _product_door(b"dout MK, W NK, =dx MN", dout, W, dx, False, True)


def affine_backward_dw(x, dout, dW, /):
    """dW = x^T dout.

    x: (B, I), dout: (B, O), dW: (I, O), overwritten, apart from the inputs in memory.
    """
    _product_door(b"x KM, dout KN, =dW MN", x, dout, dW, True, False)


def affine_backward_db(dout, db, /):
    """db = sum of dout over its rows, from the first to the last.

    dout: (B, O), db: (O,), overwritten.
    """
    cdef PyObject** arrays = [<PyObject*> dout, <PyObject*> db]
    enter(b"dout BO, =db O", arrays, NULL, _affine_backward_db_held, _affine_backward_db_held, NULL)
