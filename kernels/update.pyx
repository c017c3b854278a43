"""Shared by all update rules: a job over flat buffers, and the flushing of small averages.

Averages decay towards zero where a gradient vanishes, and subnormal numbers are a hundred times
slower on a processor. So an average that becomes this small is set to zero. The effect on a step is
far below its rounding error: with an eps of SETTLING_EPS or more it is less than 2^-29 of the step,
and with a smaller eps averages of squares are not changed.
"""

from libc.float cimport DBL_EPSILON, DBL_MIN, FLT_EPSILON, FLT_MIN
from libc.math cimport fabs, fabsf, sqrt, sqrtf
from libc.stdint cimport uint64_t
from libc.string cimport memcpy

cdef extern from *:
    """
    /* ab - p for p = ab rounded, exactly: Veltkamp's and Dekker's, where the level has no fused
       multiply-add: libm's is not in every browser. Of numbers up to 1; where a rest underflows,
       the power that it belongs to is far below any last place of 1. */
    static double affinet_rest(double a, double b, double p) {
    #if AFFINET_HAS_FMA
        return __builtin_fma(a, b, -p);
    #else
        const double split = 134217729, a_split = split * a, b_split = split * b;
        const double a_high = a_split - (a_split - a), b_high = b_split - (b_split - b);
        const double a_low = a - a_high, b_low = b - b_high;
        return a_low * b_low - (((p - a_high * b_high) - a_low * b_high) - a_high * b_low);
    #endif
    }
    """
    double affinet_rest(double a, double b, double p) noexcept nogil

cdef enum:
    ENOUGH_UPDATES = 19000  # parameters per part from which an extra thread pays,
    ENOUGH_UPDATES_TO_WAKE = 300000     # and from which waking a sleeping one pays
    GRAIN = 64              # parameters: parts begin at whole cache lines
    MOST_NUMBERS = 8        # of a rule
    MOST_AVERAGES = 2       # of a rule, each as long as the parameters
    NO_DECAY = -1           # in place of a number's index

cdef double SETTLING_EPS = 1e-10

cdef struct Group:          # parameters whose rate and weight decay are multiplied
    Py_ssize_t start        # in the flat buffer
    Py_ssize_t end
    double lr
    double decay
    Py_ssize_t columns      # of one of Muon's matrices, which has a group for itself; 0 otherwise
    char* space             # the matrix's workspace

cdef struct Rates:          # of a run's updates, (number of batches,) each, or NULL
    const double* lrs
    const double* decays    # factors of the weight decay,
    const double* dropouts  # and of the dropouts' p;
    const double* averages  # weights of the new parameters in their average

cdef struct Update:         # one optimizer step
    int rule                # a Rule of optimizers.pyx
    int decay               # which of the numbers is the weight decay; NO_DECAY for none
    const Group* groups     # of the whole flat buffer, in order; NULL for the numbers as they are
    Py_ssize_t n_groups
    Py_ssize_t first        # where these parameters start in the flat buffer
    Py_ssize_t n
    const double* numbers
    uint64_t step           # counts from 1
    const char* dW
    char* averages[MOST_AVERAGES]
    char* W
    double tau              # weight of the new parameters in their average; 0 leaves it as it is
    char* mean              # that average


cdef const Group* _group_at(const Update* job, Py_ssize_t i) noexcept nogil:
    """The group of parameter i of the flat buffer."""
    cdef Py_ssize_t low = 0, high = job.n_groups - 1, middle
    while low < high:
        middle = (low + high) // 2
        if job.groups[middle].end <= i:
            low = middle + 1
        else:
            high = middle
    return &job.groups[low]


cdef void _numbers_of_group(const Update* job, const Group* group, double* numbers) noexcept nogil:
    """The rule's numbers, with the group's learning rate and weight decay."""
    cdef int k
    for k in range(MOST_NUMBERS):
        numbers[k] = job.numbers[k]
    numbers[0] *= group.lr
    if job.decay != NO_DECAY:
        numbers[job.decay] *= group.decay


cdef void _numbers_of_update(const Rates* rates, Py_ssize_t batch, int decay, double weight_decay,
                             double* numbers) noexcept nogil:
    """Set the learning rate and the weight decay of one of a run's updates."""
    if rates.lrs != NULL:
        numbers[0] = rates.lrs[batch]
    if rates.decays != NULL:
        numbers[decay] = weight_decay * rates.decays[batch]


cdef void _blend(Py_ssize_t n, double tau, const real* x, real* mean) noexcept nogil:
    """mean += tau (x - mean), and exactly x for a tau of 1, whatever mean was."""
    cdef Py_ssize_t i
    cdef real share = <real> tau
    if share == 1:
        memcpy(mean, x, n * sizeof(real))
        return
    for i in range(n):
        mean[i] = fmadd(share, x[i] - mean[i], mean[i])


cdef inline real* _average(const Update* job, int k, Py_ssize_t i, real* precision) noexcept nogil:
    """Average k of the parameters from number i on."""
    return <real*> job.averages[k] + i


cdef inline real _settled(real x, real least) noexcept nogil:
    """x, or 0 where |x| < least; NaN stays NaN."""
    if real is float:
        return 0 if fabsf(x) < least else x
    else:
        return 0 if fabs(x) < least else x


cdef inline real _least_average(real* precision) noexcept nogil:
    """The smallest average of gradients kept: in a product with a rate it is a normal number."""
    if real is float:
        return FLT_MIN / FLT_EPSILON
    else:
        return DBL_MIN / DBL_EPSILON


cdef inline double _least_square(double eps, real* precision) noexcept nogil:
    """The smallest average of squares kept, the smallest normal number; 0 for a tiny eps."""
    if eps < SETTLING_EPS:
        return 0
    if real is float:
        return FLT_MIN
    else:
        return DBL_MIN


cdef inline real _sqrt(real x) noexcept nogil:
    if real is float:
        return sqrtf(x)
    else:
        return sqrt(x)


cdef double _one_less_power(double beta, uint64_t step) noexcept nogil:
    """1 - beta^step, to the last place.

    The power is computed by squaring, as high + low (Dekker, "A floating-point technique for
    extending the available precision", Numerische Mathematik 18, 1971): where it is close to 1,
    one double's rounding error would be a large part of what is left.
    """
    cdef double high = 1, low = 0, square = beta, square_low = 0, product
    while step > 0:
        if step & 1:
            product = high * square
            low = affinet_rest(high, square, product) + (high * square_low + low * square)
            high = product
        product = square * square
        square_low = affinet_rest(square, square, product) + 2 * square * square_low
        square = product
        step >>= 1
    return (1 - high) - low
