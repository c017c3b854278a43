"""The affine map out = x W + b and its three gradients.

x: (B, I), W: (I, O), b: (O,), out: (B, O). Backward, for dout = dLoss/dout:
dx = dout W^T, dW = x^T dout, db = sum of dout over the rows.
"""


cdef void _affine_backward_db(Py_ssize_t B, Py_ssize_t O, const real* dout,
                              real* db) noexcept nogil:
    cdef Py_ssize_t i, j
    for j in range(O):
        db[j] = 0
    for i in range(B):
        for j in range(O):
            db[j] += dout[i * O + j]


cdef int _require_affine_shapes(const real[:, ::1] x, const real[:, ::1] W, const real[::1] b,
                                const real[:, ::1] out) except -1:
    require_shape("W", W.shape[0], W.shape[1], x.shape[1], W.shape[1])
    require_length("b", b.shape[0], W.shape[1])
    require_shape("out", out.shape[0], out.shape[1], x.shape[0], W.shape[1])
    return 0


def affine_forward(const real[:, ::1] x not None, const real[:, ::1] W not None,
                   const real[::1] b not None, real[:, ::1] out not None):
    """out = x W + b.

    x: (B, I), W: (I, O), b: (O,), out: (B, O), overwritten, apart from the inputs in memory.
    """
    _require_affine_shapes(x, W, b, out)
    with nogil:
        _gemm_nn(x.shape[0], x.shape[1], W.shape[1], address(x), address(W), flat_address(b),
                 NOTHING, address(out))


def affine_relu_forward(const real[:, ::1] x not None, const real[:, ::1] W not None,
                        const real[::1] b not None, real[:, ::1] out not None):
    """out = max(x W + b, 0), with NaN kept.

    x: (B, I), W: (I, O), b: (O,), out: (B, O), overwritten, apart from the inputs in memory.
    """
    _require_affine_shapes(x, W, b, out)
    with nogil:
        _gemm_nn(x.shape[0], x.shape[1], W.shape[1], address(x), address(W), flat_address(b),
                 RELU_OF_SUM, address(out))


def affine_backward_dx(const real[:, ::1] dout not None, const real[:, ::1] W not None,
                       real[:, ::1] dx not None):
    """dx = dout W^T.

    dout: (B, O), W: (I, O), dx: (B, I), overwritten, apart from the inputs in memory.
    """
    cdef Py_ssize_t B = dout.shape[0], I = W.shape[0], O = dout.shape[1]
    require_shape("W", I, W.shape[1], I, O)
    require_shape("dx", dx.shape[0], dx.shape[1], B, I)
    with nogil:
        _gemm_nt(B, O, I, address(dout), address(W), <real*> NULL, address(dx))


def affine_backward_dw(const real[:, ::1] x not None, const real[:, ::1] dout not None,
                       real[:, ::1] dW not None):
    """dW = x^T dout.

    x: (B, I), dout: (B, O), dW: (I, O), overwritten, apart from the inputs in memory.
    """
    cdef Py_ssize_t B = x.shape[0], I = x.shape[1], O = dout.shape[1]
    require_shape("dout", dout.shape[0], O, B, O)
    require_shape("dW", dW.shape[0], dW.shape[1], I, O)
    with nogil:
        _gemm_tn(I, B, O, address(x), address(dout), address(dW))


def affine_backward_db(const real[:, ::1] dout not None, real[::1] db not None):
    """db = sum of dout over its rows, from the first to the last.

    dout: (B, O), db: (O,), overwritten.
    """
    require_length("db", db.shape[0], dout.shape[1])
    with nogil:
        _affine_backward_db(dout.shape[0], dout.shape[1], address(dout), flat_address(db))
