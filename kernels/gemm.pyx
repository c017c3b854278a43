"""Matrix products: the one door through which every layer multiplies.

Each output is one chain of multiply-adds over k in ascending order, whatever the shape, so a
row's bits do not depend on the batch that it came in.
"""


cdef void _gemm_nn(Py_ssize_t M, Py_ssize_t K, Py_ssize_t N,
                   const real* A, const real* B, real* out) noexcept nogil:
    """out += A B, with A (M, K), B (K, N), out (M, N)."""
    cdef Py_ssize_t i, j, k
    cdef real a
    cdef real* out_i
    for i in range(M):
        out_i = out + i * N
        for k in range(K):
            a = A[i * K + k]
            for j in range(N):
                out_i[j] = fmadd(a, B[k * N + j], out_i[j])


cdef void _gemm_nt(Py_ssize_t M, Py_ssize_t K, Py_ssize_t N,
                   const real* A, const real* B, real* out) noexcept nogil:
    """out += A B^T, with A (M, K), B (N, K), out (M, N)."""
    cdef Py_ssize_t i, j, k
    cdef real total
    for i in range(M):
        for j in range(N):
            total = out[i * N + j]
            for k in range(K):
                total = fmadd(A[i * K + k], B[j * K + k], total)
            out[i * N + j] = total


cdef void _gemm_tn(Py_ssize_t M, Py_ssize_t K, Py_ssize_t N,
                   const real* A, const real* B, real* out) noexcept nogil:
    """out += A^T B, with A (K, M), B (K, N), out (M, N)."""
    cdef Py_ssize_t i, j, k
    cdef real a
    cdef real* out_i
    for k in range(K):
        for i in range(M):
            a = A[k * M + i]
            out_i = out + i * N
            for j in range(N):
                out_i[j] = fmadd(a, B[k * N + j], out_i[j])


cdef void _fill_zero(Py_ssize_t n, real* out) noexcept nogil:
    cdef Py_ssize_t i
    for i in range(n):
        out[i] = 0


def gemm_nn(const real[:, ::1] A not None, const real[:, ::1] B not None,
            real[:, ::1] out not None):
    """out = A B.

    A: (M, K), B: (K, N), out: (M, N), overwritten, apart from A and B in memory.
    """
    cdef Py_ssize_t M = A.shape[0], K = A.shape[1], N = B.shape[1]
    require_shape("B", B.shape[0], N, K, N)
    require_shape("out", out.shape[0], out.shape[1], M, N)
    with nogil:
        _fill_zero(M * N, address(out))
        _gemm_nn(M, K, N, address(A), address(B), address(out))


def gemm_nt(const real[:, ::1] A not None, const real[:, ::1] B not None,
            real[:, ::1] out not None):
    """out = A B^T.

    A: (M, K), B: (N, K), out: (M, N), overwritten, apart from A and B in memory.
    """
    cdef Py_ssize_t M = A.shape[0], K = A.shape[1], N = B.shape[0]
    require_shape("B", N, B.shape[1], N, K)
    require_shape("out", out.shape[0], out.shape[1], M, N)
    with nogil:
        _fill_zero(M * N, address(out))
        _gemm_nt(M, K, N, address(A), address(B), address(out))


def gemm_tn(const real[:, ::1] A not None, const real[:, ::1] B not None,
            real[:, ::1] out not None):
    """out = A^T B.

    A: (K, M), B: (K, N), out: (M, N), overwritten, apart from A and B in memory.
    """
    cdef Py_ssize_t M = A.shape[1], K = A.shape[0], N = B.shape[1]
    require_shape("B", B.shape[0], N, K, N)
    require_shape("out", out.shape[0], out.shape[1], M, N)
    with nogil:
        _fill_zero(M * N, address(out))
        _gemm_tn(M, K, N, address(A), address(B), address(out))
