"""Update rules over flat buffers: W and its averages change in place, dW is only read.

A rule is a name in ``Rule``, a row of ``_RULES``, its formula, a branch in ``_update_range`` and an
entry point; the training step uses these. The first of its numbers is the learning rate, and
``weight_decay`` is the one that schedules and groups of parameters multiply.
"""

from cpython.object cimport PyObject
from libc.math cimport NAN, sqrt
from libc.stdint cimport uint64_t

cdef enum Rule:
    SGD
    MOMENTUM
    NESTEROV
    ADAGRAD
    RMSPROP
    ADAM
    ADAMW
    LION
    SCIKIT_LEARN_ADAM       # whose eps is not corrected for the step
    MUON                    # AdamW here; its matrices follow in muon.pyx

# By kernel name: the rule, its numbers and its averages, in order.
_RULES = {
    "sgd": (SGD, ("lr", "weight_decay"), ()),
    "momentum": (MOMENTUM, ("lr", "momentum"), ("v",)),
    "nesterov": (NESTEROV, ("lr", "momentum"), ("v",)),
    "adagrad": (ADAGRAD, ("lr", "eps"), ("h",)),
    "rmsprop": (RMSPROP, ("lr", "decay", "eps"), ("h",)),
    "adam": (ADAM, ("lr", "beta1", "beta2", "eps"), ("m", "v")),
    "adamw": (ADAMW, ("lr", "beta1", "beta2", "eps", "weight_decay"), ("m", "v")),
    "lion": (LION, ("lr", "beta1", "beta2", "weight_decay"), ("m",)),
    "scikit_learn_adam": (SCIKIT_LEARN_ADAM, ("lr", "beta1", "beta2", "eps"), ("m", "v")),
    "muon": (MUON, ("lr", "momentum", "weight_decay", "adamw_lr", "beta1", "beta2", "eps",
                    "initial_lr"), ("m", "v")),
}


cdef void _sgd_update(Py_ssize_t n, const real* dW, real lr, real weight_decay,
                      real* W) noexcept nogil:
    cdef Py_ssize_t i
    if weight_decay == 0:
        for i in range(n):
            W[i] = fmadd(-lr, dW[i], W[i])
    else:
        for i in range(n):
            W[i] = fmadd(-lr, fmadd(weight_decay, W[i], dW[i]), W[i])


cdef void _momentum_update(Py_ssize_t n, const real* dW, real lr, real momentum, real* v,
                           real* W) noexcept nogil:
    cdef Py_ssize_t i
    cdef real least = _least_average(W)
    for i in range(n):
        v[i] = _settled(fmadd(-lr, dW[i], momentum * v[i]), least)
        W[i] += v[i]


cdef void _nesterov_update(Py_ssize_t n, const real* dW, real lr, real momentum, real* v,
                           real* W) noexcept nogil:
    cdef Py_ssize_t i
    cdef real least = _least_average(W)
    for i in range(n):
        v[i] = _settled(fmadd(-lr, dW[i], momentum * v[i]), least)
        W[i] += fmadd(-lr, dW[i], momentum * v[i])


cdef void _adagrad_update(Py_ssize_t n, const real* dW, real lr, real eps, real* h,
                          real* W) noexcept nogil:
    cdef Py_ssize_t i
    cdef real least = <real> _least_square(eps, W), dw, low = _sqrt(least)
    for i in range(n):
        dw = _settled(dW[i], low)
        h[i] = fmadd(dw, dw, h[i])
        W[i] -= lr * dW[i] / (_sqrt(h[i]) + eps)


cdef void _rmsprop_update(Py_ssize_t n, const real* dW, real lr, real decay, real rest, real eps,
                          real* h, real* W) noexcept nogil:
    """h = decay h + rest dW^2; W -= lr dW / (sqrt(h) + eps)."""
    cdef Py_ssize_t i
    cdef real least = <real> _least_square(eps, W), dw, low = _sqrt(least / rest)
    for i in range(n):
        dw = _settled(dW[i], low)
        h[i] = _settled(fmadd(rest * dw, dw, decay * h[i]), least)
        W[i] -= lr * dW[i] / (_sqrt(h[i]) + eps)


cdef void _adam_update(Py_ssize_t n, const real* dW, real beta1, real rest1, real beta2,
                       real rest2, real rate, real eps, real least_v, real* m, real* v,
                       real* W) noexcept nogil:
    """m = beta1 m + rest1 dW; v = beta2 v + rest2 dW^2; W -= rate m / (sqrt(v) + eps)."""
    cdef Py_ssize_t i
    cdef real low = _sqrt(least_v / rest2), least_m = _least_average(W), dw
    for i in range(n):
        m[i] = _settled(fmadd(beta1, m[i], rest1 * dW[i]), least_m)
        dw = _settled(dW[i], low)
        v[i] = _settled(fmadd(rest2 * dw, dw, beta2 * v[i]), least_v)
        W[i] -= rate * m[i] / (_sqrt(v[i]) + eps)


cdef void _adamw_update(Py_ssize_t n, const real* dW, real beta1, real rest1, real beta2,
                        real rest2, real rate, real eps, real decay, real least_v, real* m,
                        real* v, real* W) noexcept nogil:
    """m and v as Adam's; W -= decay W + rate m / (sqrt(v) + eps).

    Both are subtracted as one sum: in single precision, rounding the factor 1 - decay would lose a
    large part of a small decay, with the same sign at every step.
    """
    cdef Py_ssize_t i
    cdef real low = _sqrt(least_v / rest2), least_m = _least_average(W), dw
    for i in range(n):
        m[i] = _settled(fmadd(beta1, m[i], rest1 * dW[i]), least_m)
        dw = _settled(dW[i], low)
        v[i] = _settled(fmadd(rest2 * dw, dw, beta2 * v[i]), least_v)
        W[i] -= fmadd(decay, W[i], rate * m[i] / (_sqrt(v[i]) + eps))


cdef void _rmsprop_step(Py_ssize_t n, const real* dW, double lr, double decay, double eps,
                        real* h, real* W) noexcept nogil:
    """The update from the rule's numbers as users give them: 1 - decay in double precision."""
    _rmsprop_update(n, dW, <real> lr, <real> decay, <real> (1 - decay), <real> eps, h, W)


cdef void _adam_step(Py_ssize_t n, const real* dW, double lr, double beta1, double beta2,
                     double eps, double weight_decay, uint64_t step, real* m, real* v,
                     real* W) noexcept nogil:
    """The update number ``step``, 1 or more, from the rule's numbers as users give them.

    With c1, c2 = 1 - beta^step, lr (m / c1) / (sqrt(v / c2) + eps) is
    (lr sqrt(c2) / c1) m / (sqrt(v) + eps sqrt(c2)): one division for each element. All that is
    the same for all of them is worked out in double precision; in single precision 1 - 0.999
    alone would be off by 5e-5 of itself.
    """
    cdef double root = sqrt(_one_less_power(beta2, step))
    cdef real rate = <real> (lr * root / _one_less_power(beta1, step)), small = <real> (eps * root)
    cdef real least_v = <real> _least_square(eps, W)
    if weight_decay == 0:
        _adam_update(n, dW, <real> beta1, <real> (1 - beta1), <real> beta2, <real> (1 - beta2),
                     rate, small, least_v, m, v, W)
    else:
        _adamw_update(n, dW, <real> beta1, <real> (1 - beta1), <real> beta2, <real> (1 - beta2),
                      rate, small, <real> (lr * weight_decay), least_v, m, v, W)


cdef void _lion_update(Py_ssize_t n, const real* dW, real lr, real beta1, real rest1, real beta2,
                       real rest2, real decay, real* m, real* W) noexcept nogil:
    """W -= decay W + lr sign(beta1 m + rest1 dW), then m = beta2 m + rest2 dW."""
    cdef Py_ssize_t i
    cdef real least = _least_average(W), c, sign
    for i in range(n):
        c = fmadd(beta1, m[i], rest1 * dW[i])
        sign = 1 if c > 0 else -1 if c < 0 else c       # 0, or NaN
        W[i] -= fmadd(decay, W[i], lr * sign)
        m[i] = _settled(fmadd(beta2, m[i], rest2 * dW[i]), least)


cdef void _update_part(void* job_, int part, int parts, real* precision) noexcept nogil:
    """Update some of the parameters, those of each group with its numbers, except matrices."""
    cdef const Update* job = <const Update*> job_
    cdef Py_ssize_t i = _cut(job.n, part, parts, GRAIN)
    cdef Py_ssize_t end = _cut(job.n, part + 1, parts, GRAIN), stop
    cdef const Group* group
    cdef double[MOST_NUMBERS] numbers
    if job.groups == NULL:
        _update_range(job, i, end - i, job.numbers, precision)
        _average_range(job, i, end - i, precision)
        i = end
    while i < end:
        group = _group_at(job, job.first + i)
        stop = min(end, group.end - job.first)
        if group.columns == 0:
            _numbers_of_group(job, group, numbers)
            _update_range(job, i, stop - i, numbers, precision)
            _average_range(job, i, stop - i, precision)
        i = stop


cdef inline void _average_range(const Update* job, Py_ssize_t i, Py_ssize_t n,
                                real* precision) noexcept nogil:
    """Take n new parameters from number i on into their average, if there is one."""
    if job.tau > 0:
        _blend(n, job.tau, <const real*> job.W + i, <real*> job.mean + i)


cdef void _update_range(const Update* job, Py_ssize_t i, Py_ssize_t n, const double* c,
                        real* precision) noexcept nogil:
    """Update n parameters from number i on, with the rule's numbers c; NaN for an unknown rule."""
    cdef const real* dW = <const real*> job.dW + i
    cdef real* W = <real*> job.W + i
    cdef double eps
    cdef Py_ssize_t k
    if job.rule == SGD:
        _sgd_update(n, dW, <real> c[0], <real> c[1], W)
    elif job.rule == MOMENTUM:
        _momentum_update(n, dW, <real> c[0], <real> c[1], _average(job, 0, i, W), W)
    elif job.rule == NESTEROV:
        _nesterov_update(n, dW, <real> c[0], <real> c[1], _average(job, 0, i, W), W)
    elif job.rule == ADAGRAD:
        _adagrad_update(n, dW, <real> c[0], <real> c[1], _average(job, 0, i, W), W)
    elif job.rule == RMSPROP:
        _rmsprop_step(n, dW, c[0], c[1], c[2], _average(job, 0, i, W), W)
    elif job.rule == ADAM:
        _adam_step(n, dW, c[0], c[1], c[2], c[3], 0, job.step, _average(job, 0, i, W),
                   _average(job, 1, i, W), W)
    elif job.rule == ADAMW:
        _adam_step(n, dW, c[0], c[1], c[2], c[3], c[4], job.step, _average(job, 0, i, W),
                   _average(job, 1, i, W), W)
    elif job.rule == LION:
        _lion_update(n, dW, <real> c[0], <real> c[1], <real> (1 - c[1]), <real> c[2],
                     <real> (1 - c[2]), <real> (c[0] * c[3]), _average(job, 0, i, W), W)
    elif job.rule == SCIKIT_LEARN_ADAM:
        eps = c[3] / sqrt(_one_less_power(c[2], job.step))  # _adam_step multiplies by this root
        _adam_step(n, dW, c[0], c[1], c[2], eps, 0, job.step, _average(job, 0, i, W),
                   _average(job, 1, i, W), W)
    elif job.rule == MUON:      # adamw_lr belongs to the learning rate initial_lr
        _adam_step(n, dW, c[3] * (c[0] / c[7]), c[4], c[5], c[6], c[2], job.step,
                   _average(job, 0, i, W), _average(job, 1, i, W), W)
    else:
        for k in range(n):
            W[k] = NAN


cdef void _run_update(Update* job, Precision precision) noexcept nogil:
    """One optimizer step, multithreaded if there are enough parameters."""
    _run_parts(precision, _update_part, _update_part, job,
               _parts(job.n, ENOUGH_UPDATES, ENOUGH_UPDATES_TO_WAKE))


cdef tuple _row_of_rule(str name, object n_numbers, object n_averages):
    """A rule's row of the table; raises if a count is neither None nor the rule's."""
    cdef tuple row
    if name not in _RULES:
        raise ValueError(f"no update rule is called {name}, wanted one of {', '.join(_RULES)}")
    row = _RULES[name]
    if n_numbers not in (None, len(row[1])) or len(row[1]) > MOST_NUMBERS:
        raise ValueError(f"{name} got {n_numbers} numbers, wanted {', '.join(row[1])}")
    if n_averages not in (None, len(row[2])) or len(row[2]) > MOST_AVERAGES:
        raise ValueError(f"{name} got {n_averages} averages, wanted {len(row[2])}")
    return row


cdef int _decay_of_rule(str name) except -2:
    """Which of the rule's numbers is its weight decay; NO_DECAY for none."""
    cdef tuple numbers = _RULES[name][1]
    return numbers.index("weight_decay") if "weight_decay" in numbers else NO_DECAY


def known_optimizers():
    """The names of all update rules, for plans; ``<name>_update`` is the rule's own kernel."""
    return tuple(_RULES)


cdef void _update_held(void* job_, const Held* held, real* precision) noexcept nogil:
    """dW, W and the rule's averages, in this order."""
    cdef Update* job = <Update*> job_
    cdef int k
    job.n, job.groups = held_size(held, 0, 0), NULL
    job.tau = 0
    job.dW, job.W = <char*> held_data(held, 0), <char*> held_data(held, 1)
    for k in range(held.n - 2):
        job.averages[k] = <char*> held_data(held, 2 + k)
    _run_update(job, held.precision)


cdef int _update_door(Rule rule, const char* shapes, PyObject** arrays, const double* numbers,
                      uint64_t step) except -1:
    cdef Update job
    job.rule, job.numbers, job.step = rule, numbers, step
    return enter(shapes, arrays, NULL, _update_held, _update_held, &job)


def sgd_update(dW, double lr, double weight_decay, W, /):
    """W -= lr (dW + weight_decay W).

    dW, W: (n,).
    """
    cdef PyObject** arrays = [<PyObject*> dW, <PyObject*> W]
    cdef double* numbers = [lr, weight_decay]
    _update_door(SGD, b"dW n, =W n", arrays, numbers, 0)


def momentum_update(dW, double lr, double momentum, v, W, /):
    """v = momentum v - lr dW; W += v.

    dW, v, W: (n,).
    """
    cdef PyObject** arrays = [<PyObject*> dW, <PyObject*> W, <PyObject*> v]
    cdef double* numbers = [lr, momentum]
    _update_door(MOMENTUM, b"dW n, =W n, =v n", arrays, numbers, 0)


def nesterov_update(dW, double lr, double momentum, v, W, /):
    """v = momentum v - lr dW; W += momentum v - lr dW.

    dW, v, W: (n,). Sutskever et al., ICML 2013, with W at the point where dW was taken.
    """
    cdef PyObject** arrays = [<PyObject*> dW, <PyObject*> W, <PyObject*> v]
    cdef double* numbers = [lr, momentum]
    _update_door(NESTEROV, b"dW n, =W n, =v n", arrays, numbers, 0)


def adagrad_update(dW, double lr, double eps, h, W, /):
    """h += dW^2; W -= lr dW / (sqrt(h) + eps).

    dW, h, W: (n,). Duchi, Hazan, Singer, JMLR 12 (2011).
    """
    cdef PyObject** arrays = [<PyObject*> dW, <PyObject*> W, <PyObject*> h]
    cdef double* numbers = [lr, eps]
    _update_door(ADAGRAD, b"dW n, =W n, =h n", arrays, numbers, 0)


def rmsprop_update(dW, double lr, double decay, double eps, h, W, /):
    """h = decay h + (1 - decay) dW^2; W -= lr dW / (sqrt(h) + eps).

    dW, h, W: (n,). Tieleman, Hinton, Neural Networks for Machine Learning (2012), lecture 6.5.
    """
    cdef PyObject** arrays = [<PyObject*> dW, <PyObject*> W, <PyObject*> h]
    cdef double* numbers = [lr, decay, eps]
    _update_door(RMSPROP, b"dW n, =W n, =h n", arrays, numbers, 0)


def adam_update(dW, double lr, double beta1, double beta2, double eps, uint64_t step, m, v, W, /):
    """m = beta1 m + (1 - beta1) dW; v = beta2 v + (1 - beta2) dW^2; W -= lr m' / (sqrt(v') + eps).

    m' = m / (1 - beta1^step) and v' = v / (1 - beta2^step), with step = 1, 2, ...
    dW, m, v, W: (n,). Kingma, Ba, "Adam", ICLR 2015, algorithm 1.
    """
    cdef PyObject** arrays = [<PyObject*> dW, <PyObject*> W, <PyObject*> m, <PyObject*> v]
    cdef double* numbers = [lr, beta1, beta2, eps]
    _require_step(step)
    _update_door(ADAM, b"dW n, =W n, =m n, =v n", arrays, numbers, step)


def adamw_update(dW, double lr, double beta1, double beta2, double eps, double weight_decay,
                 uint64_t step, m, v, W, /):
    """W -= lr weight_decay W, then as adam_update, which it is if weight_decay is 0.

    dW, m, v, W: (n,). Loshchilov, Hutter, "Decoupled weight decay regularization", ICLR 2019,
    algorithm 2, with the decay multiplied by lr.
    """
    cdef PyObject** arrays = [<PyObject*> dW, <PyObject*> W, <PyObject*> m, <PyObject*> v]
    cdef double* numbers = [lr, beta1, beta2, eps, weight_decay]
    _require_step(step)
    _update_door(ADAMW, b"dW n, =W n, =m n, =v n", arrays, numbers, step)


def lion_update(dW, double lr, double beta1, double beta2, double weight_decay, m, W, /):
    """W -= lr (sign(beta1 m + (1 - beta1) dW) + weight_decay W); m = beta2 m + (1 - beta2) dW.

    dW, m, W: (n,). Chen et al., "Symbolic Discovery of Optimization Algorithms", NeurIPS 2023,
    algorithm 2.
    """
    cdef PyObject** arrays = [<PyObject*> dW, <PyObject*> W, <PyObject*> m]
    cdef double* numbers = [lr, beta1, beta2, weight_decay]
    _update_door(LION, b"dW n, =W n, =m n", arrays, numbers, 0)


def scikit_learn_adam_update(dW, double lr, double beta1, double beta2, double eps, uint64_t step,
                             m, v, W, /):
    """m and v as adam_update; W -= lr sqrt(1 - beta2^step) / (1 - beta1^step) m / (sqrt(v) + eps).

    dW, m, v, W: (n,). Kingma, Ba, "Adam", ICLR 2015, the end of section 2, as scikit-learn's MLPs.
    """
    cdef PyObject** arrays = [<PyObject*> dW, <PyObject*> W, <PyObject*> m, <PyObject*> v]
    cdef double* numbers = [lr, beta1, beta2, eps]
    _require_step(step)
    _update_door(SCIKIT_LEARN_ADAM, b"dW n, =W n, =m n, =v n", arrays, numbers, step)


cdef void _blend_held(void* tau, const Held* held, real* precision) noexcept nogil:
    _blend(size_of(held, c"n"), (<double*> tau)[0], <const real*> held_data(held, 0),
           <real*> held_data(held, 1))


def blend(x, double tau, mean, /):
    """mean += tau (x - mean), and exactly x for a tau of 1, whatever mean was.

    x, mean: (n,). With a tau of 1 - beta an exponential average, with 1 / k the mean of k.
    """
    cdef PyObject** arrays = [<PyObject*> x, <PyObject*> mean]
    if not 0 <= tau <= 1:
        raise ValueError(f"tau is {tau}, wanted 0 <= tau <= 1")
    enter(b"x n, =mean n", arrays, NULL, _blend_held, _blend_held, &tau)


cdef void _blend_in(Py_ssize_t n, double tau, const char* x, char* mean,
                    Precision precision) noexcept nogil:
    """The same for numbers of this precision."""
    if precision == SINGLE_PRECISION:
        _blend(n, tau, <const float*> x, <float*> mean)
    elif precision == DOUBLE_PRECISION:
        _blend(n, tau, <const double*> x, <double*> mean)
    else:
        refuse("precision", precision)


cdef int _require_step(uint64_t step) except -1:
    if step < 1:
        raise ValueError(f"step is {step}, wanted 1 or more")
    return 0
