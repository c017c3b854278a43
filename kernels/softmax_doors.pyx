"""The checked entry points of softmax_losses.pyx."""

from cpython.object cimport PyObject
from libc.stdint cimport int64_t


def _require_smoothing(double smoothing, /):
    if not 0 <= smoothing < 1:
        raise ValueError(f"label_smoothing is {smoothing}, wanted 0 <= label_smoothing < 1")


cdef struct SoftmaxJob:
    double smoothing
    double loss


cdef int _require_good_targets(void* job, const Held* held) except -1:
    """At least one row and one class, and class indices within range."""
    cdef Py_ssize_t B = size_of(held, c"B"), C = size_of(held, c"C"), bad_row
    cdef const int64_t* t = <int64_t*> held_data(held, 3)
    if B == 0 or C == 0:
        raise ValueError(f"x has shape ({B}, {C}), wanted at least one row and one class")
    if held.buffers[3].ndim == 1:
        bad_row = _first_bad_label(B, C, t)
        if bad_row >= 0:
            raise ValueError(f"t[{bad_row}] is {t[bad_row]}, wanted a class index 0..{C - 1}")
    return 0


cdef void _softmax_loss_held(void* job_, const Held* held, real* precision) noexcept nogil:
    """The loss of x, y, dx, the targets (class indices or rows) and weights, in this order."""
    cdef SoftmaxJob* job = <SoftmaxJob*> job_
    cdef Py_ssize_t B = held_size(held, 0, 0), C = held_size(held, 0, 1)
    cdef const double* weights = <double*> held_data(held, 4)
    cdef double weight_sum = _weight_sum(B, weights)
    cdef const real* x = <real*> held_data(held, 0)
    cdef real* y = <real*> held_data(held, 1)
    cdef real* dx = <real*> held_data(held, 2)
    if held.buffers[3].ndim == 1:
        job.loss = _softmax_cross_entropy_labels(B, C, x, <int64_t*> held_data(held, 3), weights,
                                                 weight_sum, job.smoothing, y, dx, NULL)
    else:
        job.loss = _softmax_cross_entropy_rows(B, C, x, <real*> held_data(held, 3), weights,
                                               weight_sum, job.smoothing, y, dx, NULL)


cdef double _softmax_loss_door(const char* shapes, object x, object t, object weights,
                               double smoothing, object y, object dx) except? -1:
    cdef SoftmaxJob job = SoftmaxJob(smoothing, 0)
    cdef PyObject** arrays = [<PyObject*> x, <PyObject*> y, <PyObject*> dx, <PyObject*> t,
                              <PyObject*> weights]
    _require_smoothing(smoothing)
    enter(shapes, arrays, _require_good_targets, _softmax_loss_held, _softmax_loss_held, &job)
    return job.loss


def softmax_cross_entropy_labels(x, t, weights, double label_smoothing, y, dx, /):
    """Loss = sum_i w_i sum_j t'_ij (log sum_k exp(x_ik) - x_ij) / sum_i w_i; y = softmax(x).

    t' = (1 - s) onehot(t) + s / C for s = label_smoothing; dx = w_i (y - t') / sum_i w_i.
    x, y, dx: (B, C) with B, C >= 1, t: (B,) class indices 0..C-1, weights: (B,) or None,
    0 <= s < 1. y and dx are overwritten and must not overlap x or each other; neither is
    touched when a label is refused.
    """
    return _softmax_loss_door(b"x BC, =y BC, =dx BC, t B:q, ?weights B:d", x, t, weights,
                              label_smoothing, y, dx)


def softmax_cross_entropy_rows(x, t, weights, double label_smoothing, y, dx, /):
    """Loss = sum_i w_i sum_j t'_ij (log sum_k exp(x_ik) - x_ij) / sum_i w_i; y = softmax(x).

    t' = (1 - s) t + s / C for s = label_smoothing; dx = w_i (y_ij sum_k t'_ik - t'_ij) /
    sum_i w_i. x, t, y, dx: (B, C) with B, C >= 1, weights: (B,) or None, 0 <= s < 1. y and dx are
    overwritten and must not overlap x, t or each other.
    """
    return _softmax_loss_door(b"x BC, =y BC, =dx BC, t BC, ?weights B:d", x, t, weights,
                              label_smoothing, y, dx)
