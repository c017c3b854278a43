"""The only place where a job's precision selects the body of a fused function.

A job that the pool splits into parts, or that works on a call's arrays, is passed as one function
per precision; an additional precision is an additional argument here, without which no call
compiles.
"""

from cpython.object cimport PyObject

ctypedef void (*single_part)(void* job, int part, int parts, float* precision) noexcept nogil
ctypedef void (*double_part)(void* job, int part, int parts, double* precision) noexcept nogil

cdef struct Work:
    Precision precision
    single_part in_single
    double_part in_double
    void* job


cdef void _work_in_precision(void* work_, int part, int parts) noexcept nogil:
    cdef const Work* work = <const Work*> work_
    if work.precision == SINGLE_PRECISION:
        work.in_single(work.job, part, parts, NULL)
    elif work.precision == DOUBLE_PRECISION:
        work.in_double(work.job, part, parts, NULL)
    else:
        refuse("precision", work.precision)


cdef void _run_parts(Precision precision, single_part in_single, double_part in_double,
                     void* job, int parts) noexcept nogil:
    """Run the job in ``parts`` parts with the body for its precision."""
    cdef Work work
    work.precision, work.job = precision, job
    work.in_single, work.in_double = in_single, in_double
    _pool_run(_work_in_precision, &work, parts)


# Entry points -----------------------------------------------------------------------------------

# A kernel over a call's arrays: the job holds its other arguments, and takes its results.
ctypedef void (*single_kernel)(void* job, const Held* held, float* precision) noexcept nogil
ctypedef void (*double_kernel)(void* job, const Held* held, double* precision) noexcept nogil
ctypedef int (*held_check)(void* job, const Held* held) except -1


cdef int enter(const char* shapes, PyObject** arrays, held_check check, single_kernel in_single,
               double_kernel in_double, void* job) except -1:
    """Run a kernel over arrays of these shapes (doors.pyx), without the GIL.

    check, unless NULL, sees the arrays first and may raise.
    """
    cdef Held held
    hold_nothing(&held)
    try:
        hold_all(&held, shapes, arrays)
        if check != NULL:
            check(job, &held)
        with nogil:
            if held.precision == SINGLE_PRECISION:
                in_single(job, &held, NULL)
            elif held.precision == DOUBLE_PRECISION:
                in_double(job, &held, NULL)
            else:
                refuse("precision", held.precision)
    finally:
        let_go(&held)
    return 0
