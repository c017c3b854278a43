"""A loss by its name: the loss of a batch, its gradient, and which rows are right.

Softmax's takes class indices or rows as targets and counts a row as a hit where its highest output
is the target's (softmax_losses.pyx); all others compare element by element
(elementwise_losses.pyx). What hits are is in hits.pyx. terms, unless NULL, receives what each row
adds to the loss's sum; an elementwise loss of rows without weights has none.
"""

from libc.math cimport NAN
from libc.stdint cimport int64_t

cdef struct Loss:
    bint softmax            # softmax_cross_entropy, or an elementwise one
    ElementwiseLoss elementwise
    Hits hits
    # Label smoothing, a Huber loss's delta, or quantiles, which 0 ends; NaN until set.
    double[MOST_LEVELS + 1] numbers


def known_losses():
    """The names of all losses, for plans."""
    return ("softmax_cross_entropy", *_ELEMENTWISE_LOSSES)


cdef int _set_loss(Loss* loss, str name) except -1:
    cdef tuple row
    loss.softmax = name == "softmax_cross_entropy"
    loss.elementwise, loss.hits, loss.numbers[0] = NO_LOSS, NO_HITS, 0
    if not loss.softmax:
        if name not in _ELEMENTWISE_LOSSES:
            raise ValueError(f"no loss is called {name}, wanted one of "
                             f"{', '.join(known_losses())}")
        row = _ELEMENTWISE_LOSSES[name]
        loss.elementwise, loss.hits = row[0], row[1]
        if row[2] is not None:
            loss.numbers[0] = NAN
    return 0


cdef int _set_loss_number(Loss* loss, str name, object number, Py_ssize_t O) except -1:
    """The parameter of the loss with this name; 0 if it has none, several for quantiles."""
    check = _require_smoothing if loss.softmax else _ELEMENTWISE_LOSSES[name][2]
    if not loss.softmax:
        _require_whole_targets(loss.elementwise, O)
        if loss.elementwise == QUANTILE_LOSS:
            return _set_levels(number, O, loss.numbers)
    if check is not None:
        check(number)
    elif number != 0:
        raise ValueError(f"{name} got the number {number}, wanted 0: it takes none")
    loss.numbers[0] = number
    return 0


cdef double _loss_of_labels(const Loss* loss, Py_ssize_t B, Py_ssize_t C, const real* x,
                            const int64_t* t, const double* weights, double weight_sum, real* y,
                            real* dx, double* hits, double* terms) noexcept nogil:
    """For targets that are class indices, all of them in range: softmax's."""
    cdef double result = _softmax_cross_entropy_labels(B, C, x, t, weights, weight_sum,
                                                       loss.numbers[0], y, dx, terms)
    hits[0] = _label_hits(B, C, y, t, weights)
    return result


cdef double _loss_of_rows(const Loss* loss, Py_ssize_t B, Py_ssize_t O, const real* x,
                          const real* t, const double* weights, double weight_sum, real* y,
                          real* dx, double* hits, double* terms) noexcept nogil:
    """For targets that are rows. y: softmax's output, written by softmax's loss only."""
    cdef double result
    if loss.softmax:
        result = _softmax_cross_entropy_rows(B, O, x, t, weights, weight_sum, loss.numbers[0], y,
                                             dx, terms)
        hits[0] = _row_hits(B, O, y, t, weights)
        return result
    if loss.hits == NO_HITS:
        hits[0] = 0
    elif loss.hits == ALL_SIDES:
        hits[0] = _side_hits(B, O, x, t, weights)
    else:
        hits[0] = NAN
    return _elementwise_loss(loss.elementwise, B, O, x, t, weights, weight_sum, loss.numbers,
                             dx, terms)
