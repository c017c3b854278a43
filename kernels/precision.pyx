"""The only place where a job's precision selects the body of a fused function.

A job that the pool splits into parts is passed as one function per precision; an additional
precision is an additional argument here, without which no call compiles.
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
    """Run the job in ``parts`` parts with the body for its precision."""
    cdef Work work
    work.precision, work.job = precision, job
    work.in_single, work.in_double = in_single, in_double
    _pool_run(_work_in_precision, &work, parts)
