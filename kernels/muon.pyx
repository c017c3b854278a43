"""Muon's rule for one matrix: momentum, made nearly orthogonal by Newton-Schulz iterations.

Jordan et al., "Muon: an optimizer for hidden layers in neural networks" (2024). An iteration maps
each singular value s to a s + b s^3 + c s^5: five of them bring those above 1/1000 into 0.7 to 1.2,
with products alone. They run over the smaller of the two Gram matrices.
"""

from cpython.object cimport PyObject
from libc.math cimport sqrt
from libc.stdlib cimport free

cdef enum:
    NEWTON_SCHULZ_STEPS = 5

cdef double NEWTON_SCHULZ_A = 3.4445
cdef double NEWTON_SCHULZ_B = -4.7750
cdef double NEWTON_SCHULZ_C = 2.0315
cdef double NEWTON_SCHULZ_EPS = 1e-7


cdef Py_ssize_t _orthogonal_size(Py_ssize_t I, Py_ssize_t O) noexcept nogil:
    """Numbers that _orthogonalize needs beside its matrix."""
    return I * O + 2 * min(I, O) * min(I, O)


cdef void _orthogonalize(Py_ssize_t I, Py_ssize_t O, real* X, real* space) noexcept nogil:
    """X (I, O) with nearly equal singular values, in place; space: (_orthogonal_size,)."""
    cdef Py_ssize_t n = I * O, small = min(I, O), i
    cdef real* Y = space
    cdef real* gram = Y + n
    cdef real* polynomial = gram + small * small
    cdef real a = <real> NEWTON_SCHULZ_A, b = <real> NEWTON_SCHULZ_B, c = <real> NEWTON_SCHULZ_C
    cdef real scale = <real> (1 / (sqrt(_sum_of_squares(n, X)) + NEWTON_SCHULZ_EPS))
    cdef real* nothing = NULL
    cdef int _step
    for i in range(n):
        X[i] *= scale
    for _step in range(NEWTON_SCHULZ_STEPS):
        if I <= O:
            _gemm_nt(I, O, I, X, X, nothing, gram)
        else:
            _gemm_tn(O, I, O, X, X, gram)
        _gemm_nn(small, small, small, gram, gram, nothing, NO_EPILOGUE, polynomial)
        for i in range(small * small):
            polynomial[i] = fmadd(c, polynomial[i], b * gram[i])
        if I <= O:
            _gemm_nn(I, I, O, polynomial, X, nothing, NO_EPILOGUE, Y)
        else:
            _gemm_nn(I, O, O, X, polynomial, nothing, NO_EPILOGUE, Y)
        for i in range(n):
            X[i] = fmadd(a, X[i], Y[i])


cdef void _muon_update(Py_ssize_t I, Py_ssize_t O, const real* dW, double lr, double momentum,
                       double weight_decay, real* v, real* space, real* W) noexcept nogil:
    """space: (I O + _orthogonal_size,)."""
    cdef Py_ssize_t n = I * O, i
    cdef real* X = space
    cdef real mu = <real> momentum, least = _least_average(W)
    cdef real rate = <real> (lr * sqrt(max(1.0, <double> O / I))), decay
    decay = <real> (lr * weight_decay)
    for i in range(n):
        v[i] = _settled(fmadd(mu, v[i], dW[i]), least)
        X[i] = fmadd(mu, v[i], dW[i])
    _orthogonalize(I, O, X, space + n)
    for i in range(n):
        W[i] -= fmadd(decay, W[i], rate * X[i])


cdef struct MuonJob:
    double lr
    double momentum
    double weight_decay
    bint no_memory


cdef void _muon_held(void* job_, const Held* held, real* precision) noexcept nogil:
    """dW, v and W, in this order."""
    cdef MuonJob* job = <MuonJob*> job_
    cdef Py_ssize_t I = held_size(held, 0, 0), O = held_size(held, 0, 1)
    cdef real* space
    if I == 0 or O == 0:
        return
    space = <real*> _set_aside((I * O + _orthogonal_size(I, O)) * sizeof(real))
    job.no_memory = space == NULL
    if not job.no_memory:
        _muon_update(I, O, <real*> held_data(held, 0), job.lr, job.momentum, job.weight_decay,
                     <real*> held_data(held, 1), space, <real*> held_data(held, 2))
    free(space)


def muon_update(dW, double lr, double momentum, double weight_decay, v, W):
    """v = momentum v + dW; W -= lr (weight_decay W + max(1, O / I)^0.5 X), X from dW + momentum v.

    dW, v, W: (I, O). X is G = dW + momentum v divided by its Frobenius norm, then five times
    X = a X + (b X X' + c (X X')^2) X. Jordan et al. (2024), whose matrices are (O, I).
    """
    cdef MuonJob job = MuonJob(lr, momentum, weight_decay, False)
    cdef PyObject** arrays = [<PyObject*> dW, <PyObject*> v, <PyObject*> W]
    enter(b"dW IO, =v IO, =W IO", arrays, NULL, _muon_held, _muon_held, &job)
    if job.no_memory:
        raise MemoryError("no memory for the update of a matrix")
