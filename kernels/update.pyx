"""One optimizer step over a plan's flat buffers, by several threads where they are long."""

from libc.stdint cimport uint64_t

cdef enum:
    ENOUGH_UPDATES = 19000  # parameters a part for which a thread more surely pays,
    ENOUGH_UPDATES_TO_WAKE = 300000     # and for which a sleeping one does
    GRAIN = 64               # parameters: parts begin at whole lines of the cache
    MOST_NUMBERS = 5         # that a rule has

cdef enum Rule:
    SGD
    MOMENTUM
    ADAGRAD
    ADAM
    NESTEROV
    RMSPROP
    ADAMW
    SCIKIT_LEARN_ADAM   # whose eps is not corrected for the step

# Each rule and how many averages it keeps.
_RULES = {
    "SGD": (SGD, 0), "Momentum": (MOMENTUM, 1), "AdaGrad": (ADAGRAD, 1), "Adam": (ADAM, 2),
    "Nesterov": (NESTEROV, 1), "RMSprop": (RMSPROP, 1), "AdamW": (ADAMW, 2),
    "ScikitLearnAdam": (SCIKIT_LEARN_ADAM, 2),
}

cdef struct Update:
    bint single
    Rule rule
    Py_ssize_t n
    const double* numbers
    uint64_t step
    const char* dW
    char* first
    char* second
    char* W


cdef void _work_update(void* job, int part, int parts) noexcept nogil:
    if (<Update*> job).single:
        _work_update_in(<Update*> job, part, parts, <float*> NULL)
    else:
        _work_update_in(<Update*> job, part, parts, <double*> NULL)


cdef void _work_update_in(const Update* job, int part, int parts, real* precision) noexcept nogil:
    """One part of an update: some of the parameters."""
    cdef Py_ssize_t i = _cut(job.n, part, parts, GRAIN)
    cdef Py_ssize_t n = _cut(job.n, part + 1, parts, GRAIN) - i
    cdef const real* dW = <const real*> job.dW + i
    cdef real* W = <real*> job.W + i
    cdef real* first = <real*> job.first + i if job.first != NULL else NULL
    cdef const double* numbers = job.numbers
    cdef double eps
    if job.rule == SGD:
        _sgd_update(n, dW, <real> numbers[0], <real> numbers[1], W)
    elif job.rule == MOMENTUM:
        _momentum_update(n, dW, <real> numbers[0], <real> numbers[1], first, W)
    elif job.rule == ADAGRAD:
        _adagrad_update(n, dW, <real> numbers[0], <real> numbers[1], first, W)
    elif job.rule == NESTEROV:
        _nesterov_update(n, dW, <real> numbers[0], <real> numbers[1], first, W)
    elif job.rule == RMSPROP:
        _rmsprop_step(n, dW, numbers[0], numbers[1], numbers[2], first, W)
    else:
        eps = numbers[3]
        if job.rule == SCIKIT_LEARN_ADAM:  # _adam_step multiplies by this root
            eps /= sqrt(_one_less_power(numbers[2], job.step))
        _adam_step(n, dW, numbers[0], numbers[1], numbers[2], eps,
                   numbers[4] if job.rule == ADAMW else 0, job.step, first,
                   <real*> job.second + i, W)


cdef void _run_update(Update* job) noexcept nogil:
    _pool_run(_work_update, job, _parts(job.n, ENOUGH_UPDATES, ENOUGH_UPDATES_TO_WAKE))


cdef int _update_door(Rule rule, object dW, const double* numbers, uint64_t step, str first_name,
                      object first, str second_name, object second, object W) except -1:
    """For a rule that keeps averages of these names, None where it keeps none."""
    cdef Held held
    cdef Update job
    hold_nothing(&held)
    try:
        hold_vector(&held, "dW", dW, READ, ANY)
        job.n = held_size(&held, 0, 0)
        hold_vector(&held, "W", W, WRITE, job.n)
        job.first = job.second = NULL
        if first_name is not None:
            hold_vector(&held, first_name, first, WRITE, job.n)
            job.first = <char*> held_data(&held, 2)
        if second_name is not None:
            hold_vector(&held, second_name, second, WRITE, job.n)
            job.second = <char*> held_data(&held, 3)
        job.single, job.rule, job.numbers, job.step = held.single, rule, numbers, step
        job.dW, job.W = <char*> held_data(&held, 0), <char*> held_data(&held, 1)
        with nogil:
            _run_update(&job)
    finally:
        let_go(&held)
    return 0
