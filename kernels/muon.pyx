"""Muon's rule for matrices: momentum, made nearly orthogonal by Newton-Schulz iterations.

Jordan et al., "Muon: an optimizer for hidden layers in neural networks" (2024). An iteration maps
each singular value s to a s + b s^3 + c s^5: five of them bring those above 1/1000 into 0.7 to 1.2,
with products alone. They run over the smaller of the two Gram matrices.

Threads may share a matrix: the rule is a sequence of phases, each of which writes some rows of what
only later phases read, so a team meets before each (team_parameters.pyx). One thread runs them one
by one, and their products are split like any other. An element's sums do not depend on the cut.
"""

from cpython.object cimport PyObject
from libc.math cimport sqrt
from libc.stdlib cimport free

cdef enum:
    NEWTON_SCHULZ_STEPS = 5
    MUON_MOMENTUM = 0       # phases: X = dW + momentum v,
    MUON_SQUARES            # the squares of its norm,
    MUON_SCALE              # X divided by it,
    MUON_STEPS              # three a step: Gram matrix, polynomial, and the next X, then W
    MUON_PHASES = 18
    MUON_ROWS = 16          # of a matrix to a thread, if there are enough

cdef double NEWTON_SCHULZ_A = 3.4445
cdef double NEWTON_SCHULZ_B = -4.7750
cdef double NEWTON_SCHULZ_C = 2.0315
cdef double NEWTON_SCHULZ_EPS = 1e-7

cdef struct Matrix:
    Py_ssize_t I
    Py_ssize_t O
    Py_ssize_t small        # the smaller of them
    double* sums            # (SEGMENTS,): of the squares
    char* X                 # (I, O), before an even step; behind it Y
    char* Y                 # (I, O)
    char* gram              # (small, small)
    char* polynomial        # (small, small)


cdef Py_ssize_t _muon_size(Py_ssize_t I, Py_ssize_t O, Precision precision) noexcept nogil:
    """Bytes that a matrix needs beside its momentum, whole lines."""
    cdef Py_ssize_t itemsize = bytes_of(precision), small = min(I, O)
    return (_aligned(SEGMENTS * sizeof(double)) + 2 * _aligned(I * O * itemsize)
            + 2 * _aligned(small * small * itemsize))


cdef Matrix _matrix_of(Py_ssize_t I, Py_ssize_t O, char* space, Precision precision) noexcept nogil:
    """The matrix's workspace in ``space``, of _muon_size bytes."""
    cdef Matrix m
    cdef Py_ssize_t itemsize = bytes_of(precision)
    m.I, m.O, m.small = I, O, min(I, O)
    m.sums = <double*> space
    m.X = space + _aligned(SEGMENTS * sizeof(double))
    m.Y = m.X + _aligned(I * O * itemsize)
    m.gram = m.Y + _aligned(I * O * itemsize)
    m.polynomial = m.gram + _aligned(m.small * m.small * itemsize)
    return m


cdef inline Py_ssize_t _muon_row(Py_ssize_t rows, int index, int members) noexcept nogil:
    """Where a thread's rows of these start."""
    cdef Py_ssize_t grain = MUON_ROWS
    while grain > 1 and rows < members * grain:
        grain //= 2
    return _cut(rows, index, members, grain)


cdef void _muon_start(const Matrix* m, int phase, int index, int members, const real* dW,
                      real momentum, real* v) noexcept nogil:
    """The phases before the steps: X = G / |G| with G = dW + momentum v."""
    cdef real* X = <real*> m.X
    cdef real scale, least = _least_average(v)
    cdef Py_ssize_t i, n = m.I * m.O, end = _muon_row(m.I, index + 1, members) * m.O
    cdef Py_ssize_t first = _muon_row(m.I, index, members) * m.O
    cdef Sweep job
    if phase == MUON_MOMENTUM:
        for i in range(first, end):
            v[i] = _settled(fmadd(momentum, v[i], dW[i]), least)
            X[i] = fmadd(momentum, v[i], dW[i])
    elif phase == MUON_SQUARES:
        job.n, job.x, job.segments, job.sums = n, m.X, _segments(n), m.sums
        _squares_part(&job, index, members, v)
    else:
        scale = <real> (1 / (sqrt(_sum_in_order(_segments(n), m.sums)) + NEWTON_SCHULZ_EPS))
        for i in range(first, end):
            X[i] *= scale


cdef void _muon_step(const Matrix* m, int phase, int index, int members,
                     real* precision) noexcept nogil:
    """A phase of a step X = a X + (b X X' + c (X X')^2) X, which changes the places of X and Y."""
    cdef int step = (phase - MUON_STEPS) // 3, part = (phase - MUON_STEPS) % 3
    cdef real* X = <real*> (m.X if step % 2 == 0 else m.Y)
    cdef real* Y = <real*> (m.Y if step % 2 == 0 else m.X)
    cdef real* gram = <real*> m.gram
    cdef real* polynomial = <real*> m.polynomial
    cdef real* nothing = NULL
    cdef real a = <real> NEWTON_SCHULZ_A, b = <real> NEWTON_SCHULZ_B, c = <real> NEWTON_SCHULZ_C
    cdef Py_ssize_t n = m.I if part == 2 else m.small, width = m.O if part == 2 else m.small, i
    cdef Py_ssize_t first = _muon_row(n, index, members)
    cdef Py_ssize_t rows = _muon_row(n, index + 1, members) - first, start = first * width
    if rows == 0:
        return
    if part == 0 and m.I <= m.O:
        _gemm_nt(NO_PRECISION, rows, m.O, m.I, X + first * m.O, X, nothing, gram + start)
    elif part == 0:
        _gemm_tn_rows(NO_PRECISION, first, rows, m.O, m.I, m.O, X, X, gram)
    elif part == 1:
        _gemm_nn(NO_PRECISION, rows, n, n, gram + start, gram, nothing, NO_EPILOGUE,
                 polynomial + start)
        for i in range(start, start + rows * n):
            polynomial[i] = fmadd(c, polynomial[i], b * gram[i])
    else:
        if m.I <= m.O:
            _gemm_nn(NO_PRECISION, rows, m.I, m.O, polynomial + first * m.I, X, nothing,
                     NO_EPILOGUE, Y + start)
        else:
            _gemm_nn(NO_PRECISION, rows, m.O, m.O, X + start, polynomial, nothing, NO_EPILOGUE,
                     Y + start)
        for i in range(start, start + rows * m.O):
            Y[i] = fmadd(a, X[i], Y[i])


cdef void _muon_weights(const Matrix* m, int index, int members, double lr, double weight_decay,
                        real* W) noexcept nogil:
    """W -= lr (weight_decay W + max(1, O / I)^0.5 X), of the rows that the last step has written.
    """
    cdef const real* X = <real*> (m.X if NEWTON_SCHULZ_STEPS % 2 == 0 else m.Y)
    cdef real rate = <real> (lr * sqrt(max(1.0, <double> m.O / m.I)))
    cdef real decay = <real> (lr * weight_decay)
    cdef Py_ssize_t i
    for i in range(_muon_row(m.I, index, members) * m.O,
                   _muon_row(m.I, index + 1, members) * m.O):
        W[i] -= fmadd(decay, W[i], rate * X[i])


cdef void _muon_phase(const Matrix* m, int phase, int index, int members, const real* dW,
                      const double* numbers, real* v, real* W) noexcept nogil:
    """A thread's part of a phase; numbers: learning rate, momentum and weight decay."""
    if phase < MUON_STEPS:
        _muon_start(m, phase, index, members, dW, <real> numbers[1], v)
    else:
        _muon_step(m, phase, index, members, v)
    if phase == MUON_PHASES - 1:
        _muon_weights(m, index, members, numbers[0], numbers[2], W)


# All matrices of a network ----------------------------------------------------------------------


cdef void _muon_phases(const Update* job, int phase, int index, int members,
                       real* precision) noexcept nogil:
    """A thread's part of a phase of all matrices among the groups."""
    cdef const Group* group
    cdef Matrix m
    cdef double[MOST_NUMBERS] numbers
    cdef Py_ssize_t k, row
    for k in range(job.n_groups):
        group = &job.groups[k]
        if group.columns > 0:
            m = _matrix_of((group.end - group.start) // group.columns, group.columns, group.space,
                           precision_of(precision))
            _numbers_of_group(job, group, numbers)
            _muon_phase(&m, phase, index, members, <real*> job.dW + group.start, numbers,
                        _average(job, 0, group.start, precision), <real*> job.W + group.start)
            if phase == MUON_PHASES - 1:
                row = _muon_row(m.I, index, members)
                _average_range(job, group.start + row * m.O,
                               (_muon_row(m.I, index + 1, members) - row) * m.O, precision)


cdef void _run_muon(const Update* job, Precision precision) noexcept nogil:
    """All matrices' updates."""
    cdef int phase
    if job.groups != NULL:
        for phase in range(MUON_PHASES):
            if precision == SINGLE_PRECISION:
                _muon_phases(job, phase, 0, 1, <float*> NULL)
            elif precision == DOUBLE_PRECISION:
                _muon_phases(job, phase, 0, 1, <double*> NULL)
            else:
                refuse("precision", precision)


cdef char* _own_muon_spaces(Group* groups, Py_ssize_t n, Precision precision) except? NULL:
    """Workspaces for the matrices among the groups, for free(); NULL for none."""
    cdef Py_ssize_t k, size = 0
    cdef char* memory
    cdef char* space
    for k in range(n):
        if groups[k].columns > 0:
            size += _muon_size((groups[k].end - groups[k].start) // groups[k].columns,
                               groups[k].columns, precision)
    if size == 0:
        return NULL
    memory = <char*> _set_aside(size + ALIGNMENT)
    if memory == NULL:
        raise MemoryError(f"no memory for Muon's matrices ({size} bytes)")
    space = memory + (ALIGNMENT - <Py_ssize_t> memory % ALIGNMENT) % ALIGNMENT
    for k in range(n):
        if groups[k].columns > 0:
            groups[k].space = space
            space += _muon_size((groups[k].end - groups[k].start) // groups[k].columns,
                                groups[k].columns, precision)
    return memory


# Door ---------------------------------------------------------------------------------------------


cdef struct MuonJob:
    double[3] numbers
    bint no_memory


cdef void _muon_held(void* job_, const Held* held, real* precision) noexcept nogil:
    """dW, v and W, in this order."""
    cdef MuonJob* job = <MuonJob*> job_
    cdef Py_ssize_t I = held_size(held, 0, 0), O = held_size(held, 0, 1)
    cdef char* space
    cdef Matrix m
    cdef int phase
    if I == 0 or O == 0:
        return
    space = <char*> _set_aside(_muon_size(I, O, held.precision))
    job.no_memory = space == NULL
    if not job.no_memory:
        m = _matrix_of(I, O, space, held.precision)
        for phase in range(MUON_PHASES):
            _muon_phase(&m, phase, 0, 1, <real*> held_data(held, 0), job.numbers,
                        <real*> held_data(held, 1), <real*> held_data(held, 2))
    free(space)


def muon_update(dW, double lr, double momentum, double weight_decay, v, W, /):
    """v = momentum v + dW; W -= lr (weight_decay W + max(1, O / I)^0.5 X), X from dW + momentum v.

    dW, v, W: (I, O). X is G = dW + momentum v divided by its Frobenius norm, then five times
    X = a X + (b X X' + c (X X')^2) X. Jordan et al. (2024), whose matrices are (O, I).
    """
    cdef MuonJob job
    cdef PyObject** arrays = [<PyObject*> dW, <PyObject*> v, <PyObject*> W]
    job.numbers[0], job.numbers[1], job.numbers[2] = lr, momentum, weight_decay
    job.no_memory = False
    enter(b"dW IO, =v IO, =W IO", arrays, NULL, _muon_held, _muon_held, &job)
    if job.no_memory:
        raise MemoryError(f"no memory for the update of a matrix {W.shape}")
