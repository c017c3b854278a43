"""The fused training step and the compiled epoch.

A plan is a network's row of operations (forward.pyx) over memory that is set aside once: the
batch, each operation's output, two gradients that take turns. It has two compiled entries,
``gradients`` (gather, forward, loss, backward) and ``update`` (the optimizer's rule), and ``run``,
which takes the two in turn over many batches. They call the same kernels as the layers do, in the
same order, so the numbers are the same. Where processes share a batch out among them, each works
out its rows' share of the ``gradients``; these are added up outside, and then come ``regularize``
and ``update``.

Backward stops at the first operation with parameters: nothing asks for the gradient of the inputs.
"""

from libc.stdint cimport int64_t, uint8_t, uint64_t
from libc.stdlib cimport calloc, free

cdef extern from *:
    """
    #if defined(__linux__)
    #include <sys/mman.h>
    #endif
    /* Memory for free(): large pieces in large pages where the system has them, for the products
       walk through it in steps of whole rows. A step writes all that it reads: a build for
       debugging fills the memory with NaN, so that what it forgets to write is seen. */
    static void* affinet_set_aside(size_t size) {
        void* memory = NULL;
    #if defined(MADV_HUGEPAGE)
        const size_t page = (size_t)1 << 21;
        if (size >= page && posix_memalign(&memory, page, size) == 0)
            madvise(memory, size, MADV_HUGEPAGE);
        else
    #endif
            memory = malloc(size);
    #if defined(AFFINET_DEBUG_KERNELS)
        if (memory != NULL) memset(memory, 0xFF, size);
    #endif
        return memory;
    }
    """
    void* _set_aside "affinet_set_aside"(size_t size) noexcept nogil

cdef enum:
    ALIGNMENT = 64          # bytes: a cache line, and the widest vector

cdef Py_ssize_t MAX_BATCH = <Py_ssize_t> 1 << 40    # numbers: below it no size overflows

_LOSSES = {
    "SoftmaxWithLoss": SOFTMAX_WITH_LOSS, "MeanSquaredError": MEAN_SQUARED_ERROR,
    "SumSquaredError": SUM_SQUARED_ERROR, "SigmoidWithLoss": SIGMOID_WITH_LOSS,
    "MeanAbsoluteError": MEAN_ABSOLUTE_ERROR, "Huber": HUBER, "Poisson": POISSON,
    "Quantile": QUANTILE,
}

cdef struct Space:
    char* out               # an operation's output, (batch_size, n_outputs)
    uint8_t* mask           # a Dropout's mask, (batch_size, n_outputs)
    char* mean              # what a normalization found: n_outputs numbers each for a BatchNorm,
    char* variance          # batch_size for a LayerNorm


cdef class Plan:
    """A network, its loss and its optimizer over memory set aside once; see ``make_plan``."""

    cdef dict owners        # views of the arrays that the pointers point into
    cdef Operations network
    cdef Space* spaces      # one for each operation
    cdef Py_ssize_t batch_size
    cdef LossKind loss
    cdef double loss_number     # label smoothing, delta or q
    cdef double input_scale
    cdef char* grads
    cdef char* memory       # everything below lies in here
    cdef char* batch        # (batch_size, n_inputs)
    cdef char* targets      # (batch_size, n_outputs), or class indices (batch_size,)
    cdef char* y            # softmax output (batch_size, n_outputs)
    cdef double* batch_weights  # (batch_size,)
    cdef char* gradient     # two of (batch_size, the widest operation)
    cdef Py_ssize_t gradient_size
    cdef Rows x
    cdef Rows t
    cdef const double* weights  # of all rows, or NULL
    cdef Py_ssize_t n_weights
    # What the last batch weighs, or the one that its rows are a part of; without weights, its rows.
    cdef readonly double weight_sum
    cdef Rule rule
    cdef double[MOST_NUMBERS] rule_numbers
    cdef char* first_average
    cdef char* second_average
    cdef readonly uint64_t updates
    cdef double l2
    cdef double max_norm    # of a gradient; 0 for no bound

    def __dealloc__(self):
        free(self.memory)
        free(self.spaces)

    def set_inputs(self, x):
        """Gather rows from x (N, n_inputs), of uint8, float32 or float64, where it lies."""
        self.owners["x"] = _set_rows(&self.x, x, self.network.n_inputs, "x")

    def set_target_rows(self, t):
        """Gather target rows from t (N, n_outputs)."""
        self.owners["t"] = _set_rows(&self.t, t, self.network.n_outputs, "t")

    def set_labels(self, t):
        """Gather class indices from t (N,), of uint8, int32 or int64."""
        if self.loss != SOFTMAX_WITH_LOSS:
            raise ValueError("class indices go with SoftmaxWithLoss only")
        self.owners["t"] = _set_labels(&self.t, t)

    def set_weights(self, weights):
        """Gather the rows' weights from ``weights`` (N,), each 0 or more."""
        cdef Held held
        hold_nothing(&held)
        try:
            hold(&held, "weights", weights, DOUBLE, 1, READ)
            if held_size(&held, 0, 0) == 0:
                raise ValueError("weights has shape (0,), wanted one a row")
            self.owners["weights"] = memoryview(weights)
            self.weights, self.n_weights = <double*> held_data(&held, 0), held_size(&held, 0, 0)
        finally:
            let_go(&held)

    def set_loss(self, str name, double number):
        """The loss's number: the label smoothing, a Huber's delta, a Quantile's q, or 0."""
        if _LOSSES[name] != self.loss:
            raise ValueError(f"the plan was not made for {name}")
        self.loss_number = number

    def set_rule(self, str name, tuple numbers, uint64_t updates):
        """The optimizer's numbers in the order of its kernel, and its updates so far."""
        cdef int i
        if _RULES[name][0] != self.rule or len(numbers) > MOST_NUMBERS:
            raise ValueError(f"the plan was not made for {name} with {numbers}")
        for i in range(len(numbers)):
            self.rule_numbers[i] = numbers[i]
        self.updates = updates

    def set_regularization(self, double l2, object clip_norm):
        """Add l2 / 2 sum W^2 / (rows of a batch) to the loss, and bound the gradient's norm.

        W are the affine operations' weights. clip_norm: None or the greatest Euclidean norm of
        the flat gradient, which is scaled down to it.
        """
        cdef double max_norm = 0 if clip_norm is None else clip_norm
        if not 0 <= l2 < INFINITY:
            raise ValueError(f"l2 is {l2}, wanted 0 <= l2, finite")
        if clip_norm is not None and not 0 < max_norm < INFINITY:
            raise ValueError(f"clip_norm is {max_norm}, wanted a finite number above 0")
        self.l2, self.max_norm = l2, max_norm

    def run(self, order, uint64_t step, losses, hits, lrs=None):
        """Train on the rows that ``order`` names, batch after batch, in one call without the GIL.

        order: (n,) row indices; step: number of the first batch, the counter of dropout masks.
        losses, hits: (number of batches,): each batch's loss, and the sum of the weights of its
        rows that the network got right: where softmax's highest output is the target's, or all
        of the sigmoid's lie on their targets' sides; 0 for other losses. Overwritten.
        lrs: (number of batches,): the learning rate of each update, the first of every rule's
        numbers; None leaves it as set_rule gave it. The last one stays.
        """
        cdef Held held
        cdef Py_ssize_t n, batches
        cdef const double* rates = NULL
        cdef int status
        hold_nothing(&held)
        try:
            n = _hold_order(self, &held, order)
            batches = (n + self.batch_size - 1) // self.batch_size
            _hold_numbers(&held, "losses", losses, WRITE, batches)
            _hold_numbers(&held, "hits", hits, WRITE, batches)
            if lrs is not None:
                rates = _hold_numbers(&held, "lrs", lrs, READ, batches)
            if n % self.batch_size == 1 or self.batch_size == 1:
                _require_no_batch_norm(self)
            with nogil:
                status = _run(self, n, <int64_t*> held_data(&held, 0), step,
                              <double*> held_data(&held, 1), <double*> held_data(&held, 2), rates)
        finally:
            let_go(&held)
        _require_good_labels(status)

    def gradients(self, order, uint64_t step, uint64_t place=0, total=None):
        """Gather, forward, loss and backward for one batch; returns the loss and the hits.

        place: where the first of these rows stands in the whole batch; dropout goes by it.
        total: None, or what a whole batch weighs of which these rows, perhaps none, are a part:
        loss and gradients are then this part's share of it, without the regularization.
        """
        cdef Held held
        cdef Py_ssize_t n
        cdef double loss = 0, hits = 0, whole = -1 if total is None else total
        cdef int status = 0
        if total is not None and not 0 <= whole < INFINITY:
            raise ValueError(f"total is {total}, wanted 0 <= total, finite")
        hold_nothing(&held)
        try:
            n = _hold_order(self, &held, order)
            if not (total is None) <= n <= self.batch_size:
                raise ValueError(f"order has shape ({n},), wanted {int(total is None)} to "
                                 f"{self.batch_size} rows")
            if n == 1:
                _require_no_batch_norm(self)
            with nogil:
                if n > 0:
                    status = _gradients(self, n, <int64_t*> held_data(&held, 0), step, place,
                                        whole, &loss, &hits)
                else:
                    memset(self.grads, 0, self.network.n_parameters * _itemsize(self.network))
                if status == 0 and whole < 0:
                    loss += _regularize(self)
        finally:
            let_go(&held)
        _require_good_labels(status)
        return loss, hits

    def regularize(self, double total):
        """Penalty and clipping for the whole gradient of a batch that weighs ``total``.

        Returns the penalty, which belongs to the loss.
        """
        cdef double penalty
        self.weight_sum = total
        with nogil:
            penalty = _regularize(self)
        return penalty

    def update(self):
        """One step of the optimizer over the flat buffers."""
        with nogil:
            _update(self)

    def eager(self, bint on):
        """Whether threads wait awake between calls, as they do inside ``run``."""
        _pool_eager(on)


def make_plan(Operations network not None, grads, str loss not None, str rule not None,
              list averages not None, Py_ssize_t batch_size, object input_scale):
    """A plan for batches of up to ``batch_size`` rows.

    network: from make_operations. grads: a flat buffer for the gradients, as long as that of the
    parameters and of its precision. averages: the flat arrays that the optimizer keeps.
    input_scale: None or a number.
    """
    cdef Plan plan = Plan.__new__(Plan)
    if batch_size < 1:
        raise ValueError(f"batch_size is {batch_size}, wanted 1 or more")
    plan.owners, plan.network, plan.batch_size = {}, network, batch_size
    plan.grads = _own_parameters(plan, "grads", grads)
    plan.loss, plan.loss_number = _LOSSES[loss], 0
    plan.input_scale = 1.0 if input_scale is None else input_scale
    plan.rule = _RULES[rule][0]
    if len(averages) != _RULES[rule][1]:
        raise ValueError(f"{rule} keeps {_RULES[rule][1]} averages, got {len(averages)}")
    if averages:
        plan.first_average = _own_parameters(plan, "average", averages[0])
    if len(averages) > 1:
        plan.second_average = _own_parameters(plan, "average", averages[1])
    _set_memory_aside(plan, sizeof(float) if network.single else sizeof(double))
    return plan


cdef char* _own_parameters(Plan plan, str name, object array) except? NULL:
    """The address of a flat array as the parameters are."""
    return own_vector(plan.owners, name, array, plan.network.single, plan.network.n_parameters)


cdef Py_ssize_t _aligned(Py_ssize_t size) noexcept nogil:
    return (size + ALIGNMENT - 1) // ALIGNMENT * ALIGNMENT


cdef bint _needs_output(Kind kind) noexcept nogil:
    """True if the operation's backward goes by its output, and not by its input or a mask."""
    return kind in (RELU, LEAKY_RELU, SIGMOID, TANH)


cdef bint _in_place(Operations network, int i) noexcept nogil:
    """True if operation i may overwrite its input: neither it nor the one before needs it."""
    return (_needs_output(network.operations[i].kind)
            and (i == 0 or not _needs_output(network.operations[i - 1].kind)))


cdef Py_ssize_t _n_statistics(const Operation* operation, Py_ssize_t B) noexcept nogil:
    """How many means, and as many variances, an operation finds in a batch of B rows."""
    if operation.kind == BATCH_NORM:
        return operation.n_outputs
    return B if operation.kind == LAYER_NORM else 0


cdef Py_ssize_t _itemsize(Operations network) noexcept nogil:
    return sizeof(float) if network.single else sizeof(double)


cdef int _set_memory_aside(Plan plan, Py_ssize_t itemsize) except -1:
    """One allocation for all that a step writes, cut into aligned pieces."""
    cdef Operations network = plan.network
    cdef Py_ssize_t B = plan.batch_size, total, n
    cdef char* next_
    cdef char* last
    cdef int i
    plan.spaces = <Space*> calloc(network.n_operations, sizeof(Space))
    if plan.spaces == NULL or B > MAX_BATCH // network.widest:
        raise MemoryError(f"no memory for a batch of {B} rows")
    plan.gradient_size = _aligned(B * network.widest * itemsize)
    # The batch and its gradients, the targets (indices take 8 bytes), y and the weights, then the
    # outputs.
    total = (ALIGNMENT + _aligned(B * network.n_inputs * itemsize) + 2 * plan.gradient_size
             + _aligned(B * (network.n_outputs * itemsize + 8))
             + _aligned(B * network.n_outputs * itemsize) + _aligned(B * sizeof(double)))
    for i in range(network.n_operations):
        total += _aligned(B * network.operations[i].n_outputs * (itemsize + 1)) + ALIGNMENT
        total += 2 * _aligned(_n_statistics(&network.operations[i], B) * itemsize)
    plan.memory = <char*> _set_aside(total)
    if plan.memory == NULL:
        raise MemoryError(f"no memory for a batch of {B} rows ({total} bytes)")
    next_ = plan.memory + (ALIGNMENT - <Py_ssize_t> plan.memory % ALIGNMENT) % ALIGNMENT
    plan.batch = next_
    next_ += _aligned(B * network.n_inputs * itemsize)
    plan.gradient = next_
    next_ += 2 * plan.gradient_size
    plan.targets = next_
    next_ += _aligned(B * (network.n_outputs * itemsize + 8))
    plan.y = next_
    next_ += _aligned(B * network.n_outputs * itemsize)
    plan.batch_weights = <double*> next_
    next_ += _aligned(B * sizeof(double))
    last = plan.batch
    for i in range(network.n_operations):
        n = B * network.operations[i].n_outputs
        if _in_place(network, i):
            plan.spaces[i].out = last
        else:
            plan.spaces[i].out = next_
            next_ += _aligned(n * itemsize)
        if network.operations[i].kind == DROPOUT:
            plan.spaces[i].mask = <uint8_t*> next_
            next_ += _aligned(n)
        n = _aligned(_n_statistics(&network.operations[i], B) * itemsize)
        plan.spaces[i].mean, plan.spaces[i].variance = next_, next_ + n
        next_ += 2 * n
        last = plan.spaces[i].out
    return 0


cdef int _require_no_batch_norm(Plan plan) except -1:
    """A batch of one row has no variance."""
    cdef int i
    for i in range(plan.network.n_operations):
        if plan.network.operations[i].kind == BATCH_NORM:
            raise ValueError(f"a batch of one row: layer {i}, a BatchNorm, wants 2 rows or more")
    return 0


cdef Py_ssize_t _hold_order(Plan plan, Held* held, object order) except -1:
    """The first of a call's arrays, of rows that there are; returns its length."""
    hold(held, "order", order, INT64, 1, READ)
    _require_rows_in_range(plan, held_size(held, 0, 0), <int64_t*> held_data(held, 0))
    return held_size(held, 0, 0)


cdef double* _hold_numbers(Held* held, str name, object array, Access access,
                           Py_ssize_t length) except? NULL:
    """One more array (length,), of float64 whatever the network's precision is."""
    hold(held, name, array, DOUBLE, 1, access)
    require_held_length(held, name, length)
    return <double*> held_data(held, held.n - 1)


cdef int _require_good_labels(int status) except -1:
    if status < 0:
        raise ValueError("t holds a class index that is not one of the network's outputs")
    return 0


cdef int _require_rows_in_range(Plan plan, Py_ssize_t n_rows, const int64_t* order) except -1:
    cdef Py_ssize_t i
    cdef int64_t n = min(plan.x.n_rows, plan.t.n_rows)
    if plan.x.source == NO_NUMBERS or plan.t.source == NO_NUMBERS:
        raise RuntimeError("a plan wants inputs and targets before it runs")
    if plan.weights != NULL:
        n = min(n, plan.n_weights)
    for i in range(n_rows):
        if not 0 <= order[i] < n:
            raise ValueError(f"order[{i}] is {order[i]}, wanted a row 0..{n - 1}")
    return 0


# The step ----------------------------------------------------------------------------------------


cdef int _run(Plan plan, Py_ssize_t n, const int64_t* order, uint64_t step, double* losses,
              double* hits, const double* lrs) noexcept nogil:
    """Batch after batch of the n rows; -1 for a class index out of range."""
    cdef Py_ssize_t start = 0, i = 0
    cdef int status = 0
    _pool_eager(True)
    while start < n and status == 0:
        status = _gradients(plan, min(plan.batch_size, n - start), order + start,
                            step + <uint64_t> i, 0, -1, losses + i, hits + i)
        if status == 0:
            losses[i] += _regularize(plan)
            if lrs != NULL:
                plan.rule_numbers[0] = lrs[i]
            _update(plan)
        start, i = start + plan.batch_size, i + 1
    _pool_eager(False)
    return status


cdef int _gradients(Plan plan, Py_ssize_t rows, const int64_t* order, uint64_t step,
                    uint64_t place, double total, double* loss, double* hits) noexcept nogil:
    """Gather, forward, loss and backward for one batch; -1 for a class index out of range.

    A ``total`` below 0 stands for the weight of these rows themselves.
    """
    if plan.network.single:
        return _gradients_in(plan, rows, order, step, place, total, loss, hits, <float*> NULL)
    return _gradients_in(plan, rows, order, step, place, total, loss, hits, <double*> NULL)


cdef int _gradients_in(Plan plan, Py_ssize_t rows, const int64_t* order, uint64_t step,
                       uint64_t place, double total, double* loss, double* hits,
                       real* precision) noexcept nogil:
    cdef Py_ssize_t O = plan.network.n_outputs
    cdef const double* weights = NULL
    cdef real* out = <real*> plan.spaces[plan.network.n_operations - 1].out
    cdef real* dout = <real*> plan.gradient
    _gather(&plan.x, rows, order, plan.input_scale, <real*> plan.batch)
    _forward(plan, rows, step, place, precision)
    if plan.weights != NULL:
        _gather_weights(plan.weights, rows, order, plan.batch_weights)
        weights = plan.batch_weights
    plan.weight_sum = total if total >= 0 else _weight_sum(rows, weights)
    if plan.t.n_columns == 0:
        _gather_labels(&plan.t, rows, order, <int64_t*> plan.targets)
        if _first_bad_label(rows, O, <int64_t*> plan.targets) >= 0:
            return -1
        loss[0] = _softmax_cross_entropy_labels(rows, O, out, <int64_t*> plan.targets, weights,
                                                plan.weight_sum, plan.loss_number,
                                                <real*> plan.y, dout)
        hits[0] = _label_hits(rows, O, <real*> plan.y, <int64_t*> plan.targets, weights)
    else:
        _gather(&plan.t, rows, order, 1, <real*> plan.targets)
        loss[0] = _row_loss(plan, rows, out, weights, dout, hits)
    _backward(plan, rows, precision)
    return 0


cdef void _forward(Plan plan, Py_ssize_t rows, uint64_t step, uint64_t place,
                   real* precision) noexcept nogil:
    cdef int i
    cdef const Operation* op
    cdef real* x = <real*> plan.batch
    cdef real* out
    for i in range(plan.network.n_operations):
        op = &plan.network.operations[i]
        out = <real*> plan.spaces[i].out
        if op.kind == DROPOUT:
            _dropout_forward(rows, op.n_outputs, x, op.value, op.key, step, place, out,
                             plan.spaces[i].mask)
        elif op.kind in (BATCH_NORM, LAYER_NORM):
            _normalize(plan, i, rows, x, out)
        else:
            _apply(op, rows, <real*> plan.network.params, x, out)
        x = out


cdef void _normalize(Plan plan, int i, Py_ssize_t rows, const real* x, real* out) noexcept nogil:
    """A normalization's forward in training, with what follows a batch's statistics."""
    cdef const Operation* op = &plan.network.operations[i]
    cdef const real* gamma = <real*> plan.network.params + op.W
    cdef const real* beta = <real*> plan.network.params + op.b
    cdef real* mean = <real*> plan.spaces[i].mean
    cdef real* variance = <real*> plan.spaces[i].variance
    if op.kind == LAYER_NORM:
        _layer_norm_forward(rows, op.n_outputs, x, gamma, beta, op.value, out, mean, variance)
        return
    _batch_norm_forward(rows, op.n_outputs, x, gamma, beta, op.value, out, mean, variance)
    _batch_norm_update(op.n_outputs, mean, variance, op.momentum, rows,
                       <real*> op.running_mean, <real*> op.running_var)


cdef double _row_loss(Plan plan, Py_ssize_t rows, const real* out, const double* weights,
                      real* dout, double* hits) noexcept nogil:
    """Loss, gradient and hits for targets that are rows."""
    cdef Py_ssize_t O = plan.network.n_outputs
    cdef const real* t = <const real*> plan.targets
    cdef double loss
    hits[0] = 0
    if plan.loss == SOFTMAX_WITH_LOSS:
        loss = _softmax_cross_entropy_rows(rows, O, out, t, weights, plan.weight_sum,
                                           plan.loss_number, <real*> plan.y, dout)
        hits[0] = _row_hits(rows, O, <real*> plan.y, t, weights)
        return loss
    if plan.loss == SIGMOID_WITH_LOSS:
        hits[0] = _side_hits(rows, O, out, t, weights)
    return _elementwise_loss(plan.loss, rows, O, out, t, weights, plan.weight_sum,
                             plan.loss_number, dout)


cdef void _backward(Plan plan, Py_ssize_t rows, real* precision) noexcept nogil:
    """From the loss gradient in the first of the two gradients down to the first parameters."""
    cdef int i, first = plan.network.first_trained
    cdef const Operation* op
    cdef real* params = <real*> plan.network.params
    cdef real* grads = <real*> plan.grads
    cdef real* dout = <real*> plan.gradient
    cdef real* other = <real*> (plan.gradient + plan.gradient_size)
    cdef real* x
    cdef real* y
    cdef Py_ssize_t n
    for i in range(plan.network.n_operations - 1, first - 1, -1):
        op = &plan.network.operations[i]
        x = <real*> (plan.spaces[i - 1].out if i > 0 else plan.batch)
        y, n = <real*> plan.spaces[i].out, rows * op.n_outputs
        if op.kind == AFFINE:
            _gemm_tn(op.n_inputs, rows, op.n_outputs, x, dout, grads + op.W)
            _affine_backward_db(rows, op.n_outputs, dout, grads + op.b)
            if i > first:
                y = <real*> plan.spaces[i - 1].out if (op - 1).kind == RELU else <real*> NULL
                _gemm_nt(rows, op.n_outputs, op.n_inputs, dout, params + op.W, y, other)
                dout, other = other, dout
        elif op.kind == RELU:
            # Where an affine operation follows, its product has done this.
            if i == plan.network.n_operations - 1 or (op + 1).kind != AFFINE:
                _relu_backward(n, y, dout, dout)
        elif op.kind == LEAKY_RELU:
            _leaky_relu_backward(n, y, dout, <real> op.value, dout)
        elif op.kind == SIGMOID:
            _sigmoid_backward(n, y, dout, dout)
        elif op.kind == TANH:
            _tanh_backward(n, y, dout, dout)
        elif op.kind == GELU:
            _gelu_backward(n, x, dout, dout)
        elif op.kind == SILU:
            _silu_backward(n, x, dout, dout)
        elif op.kind in (BATCH_NORM, LAYER_NORM):
            _normalize_backward(plan, i, rows, x, dout, dout if i > first else NULL)
        else:
            _dropout_backward(n, dout, plan.spaces[i].mask, <real> (1 / (1 - op.value)), dout)


cdef void _normalize_backward(Plan plan, int i, Py_ssize_t rows, const real* x,
                              const real* dout, real* dx) noexcept nogil:
    """A normalization's gradients for what its forward found; without dx where that is NULL."""
    cdef const Operation* op = &plan.network.operations[i]
    cdef const real* gamma = <real*> plan.network.params + op.W
    cdef real* dgamma = <real*> plan.grads + op.W
    cdef real* dbeta = <real*> plan.grads + op.b
    cdef const real* mean = <real*> plan.spaces[i].mean
    cdef const real* variance = <real*> plan.spaces[i].variance
    if op.kind == LAYER_NORM:
        _layer_norm_backward(rows, op.n_outputs, x, dout, gamma, mean, variance, op.value, dx,
                             dgamma, dbeta)
    else:
        _batch_norm_backward(rows, op.n_outputs, x, dout, gamma, mean, variance, op.value, True,
                             dx, dgamma, dbeta)


cdef double _regularize(Plan plan) noexcept nogil:
    """The penalty of the weights, its gradient added to theirs, and the whole gradient clipped."""
    if plan.network.single:
        return _regularize_in(plan, <float*> NULL)
    return _regularize_in(plan, <double*> NULL)


cdef double _regularize_in(Plan plan, real* precision) noexcept nogil:
    cdef int i
    cdef const Operation* op
    cdef double penalty = 0, scale
    if plan.l2 > 0 and plan.weight_sum > 0:     # a batch without weight pulls at nothing
        scale = plan.l2 / plan.weight_sum
        for i in range(plan.network.n_operations):
            op = &plan.network.operations[i]
            if op.kind == AFFINE:
                penalty += _l2_penalty(op.n_inputs * op.n_outputs,
                                       <real*> plan.network.params + op.W, scale,
                                       <real*> plan.grads + op.W)
    if plan.max_norm > 0:
        _clip_norm(plan.network.n_parameters, <real*> plan.grads, plan.max_norm,
                   <real*> plan.grads)
    return penalty


cdef void _update(Plan plan) noexcept nogil:
    """One step of the optimizer, and its count; by several threads where it is large enough."""
    cdef Update job
    plan.updates += 1
    job.single, job.rule, job.n = plan.network.single, plan.rule, plan.network.n_parameters
    job.numbers, job.step = plan.rule_numbers, plan.updates
    job.W, job.dW = plan.network.params, plan.grads
    job.first, job.second = plan.first_average, plan.second_average
    _run_update(&job)
