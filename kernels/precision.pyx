"""The one place where a job's precision picks the body of a fused function.

A job that the pool cuts into parts is a fused function for each precision, handed over together;
a further precision is a further argument here, without which no call compiles.
"""

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
    """The job in so many parts, by the body for its precision."""
    cdef Work work
    work.precision, work.job = precision, job
    work.in_single, work.in_double = in_single, in_double
    _pool_run(_work_in_precision, &work, parts)
