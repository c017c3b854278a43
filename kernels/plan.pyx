"""The training step's interface: a plan is a network, a loss and an optimizer over a workspace.

``gradients`` (gather, forward, loss, backward) and ``update`` (the optimizer's rule) are the two
halves of a step; ``run`` alternates them over many batches. For a part of a batch, call
``regularize`` between them.
"""

from libc.math cimport INFINITY, isnan
from libc.stdint cimport int64_t, uint64_t
from libc.stdlib cimport free
from libc.string cimport memset


cdef class Plan:
    """A network, its loss and its optimizer over memory allocated once; see ``make_plan``."""

    cdef dict owners        # views of the arrays that the pointers point into
    cdef Operations network     # keeps the graph in place
    cdef str loss
    cdef str rule
    cdef Workspace w
    cdef Team* team         # NULL if a second thread does not pay
    cdef Group* groups      # NULL if all parameters have the rule's own numbers
    cdef char* muon         # the workspaces of Muon's matrices; NULL without any

    def __dealloc__(self):
        _free_team(self.team)
        free(self.groups)
        free(self.muon)
        free(self.w.memory)
        free(self.w.spaces)

    @property
    def weight_sum(self):
        """The total weight of the last batch, including rows of other processes."""
        return self.w.weight_sum

    @property
    def team_size(self):
        """The number of threads that a step of full size is worth; 1 means no team."""
        return 1 if self.team == NULL else self.team.size

    @property
    def team_steps(self):
        """How many steps a team of threads has done so far."""
        return 0 if self.team == NULL else self.team.steps

    @property
    def updates(self):
        """Number of updates so far."""
        return self.w.update.step

    def set_inputs(self, x, /):
        """Gather rows from x (N, n_inputs), of uint8, float32 or float64, without copying it."""
        self.owners["x"] = _set_rows(&self.w.x, x, self.w.graph.n_inputs, b"x")

    def set_target_rows(self, t, /):
        """Gather target rows from t (N, n_outputs)."""
        self.owners["t"] = _set_rows(&self.w.t, t, self.w.graph.n_outputs, b"t")

    def set_labels(self, t, /):
        """Gather class indices from t (N,), of uint8, int32 or int64."""
        if not self.w.loss.softmax:
            raise ValueError(f"t holds class indices, which go with softmax_cross_entropy only, "
                             f"not with {self.loss}")
        self.owners["t"] = _set_labels(&self.w.t, t)

    def set_weights(self, weights, /):
        """Gather the rows' weights from ``weights`` (N,), each 0 or more."""
        cdef Held held
        hold_nothing(&held)
        try:
            hold(&held, b"weights", weights, DOUBLE, 1, READ)
            if held_size(&held, 0, 0) == 0:
                raise ValueError("weights has shape (0,), wanted one a row")
            self.owners["weights"] = memoryview(weights)
            self.w.weights = <double*> held_data(&held, 0)
            self.w.n_weights = held_size(&held, 0, 0)
        finally:
            let_go(&held)

    def set_loss(self, str name, number, /):
        """The loss's parameter: a label smoothing, a Huber loss's delta, a q or several, or 0."""
        if name != self.loss:
            raise ValueError(f"the plan was made for {self.loss}, not for {name}")
        _set_loss_number(&self.w.loss, name, number, self.w.graph.n_outputs)

    def set_rule(self, str name, tuple numbers, uint64_t updates, /):
        """The optimizer's numbers in the order of its kernel, and its updates so far."""
        cdef int k
        if name != self.rule:
            raise ValueError(f"the plan was made for {self.rule}, not for {name}")
        _row_of_rule(name, len(numbers), None)
        for k in range(len(numbers)):
            self.w.rule_numbers[k] = numbers[k]
        self.w.update.step = updates
        if self.w.update.decay != NO_DECAY:
            self.w.weight_decay = numbers[self.w.update.decay]

    def set_groups(self, list groups not None, /):
        """Multiply the learning rate and the weight decay of ranges of the flat buffer.

        groups: tuples (start, end, lr, weight_decay) in order, each starting where the previous one
        ends, which together hold all parameters; lr and weight_decay are factors. A fifth number is
        0, or for one of muon's matrices its columns; muon's other parameters are adamw's. An empty
        list gives all parameters the rule's own numbers.
        """
        cdef char* spaces = NULL
        cdef Group* own = _own_groups(groups, &self.w, &spaces)
        free(self.groups)
        free(self.muon)
        self.groups, self.muon = own, spaces
        self.w.update.groups, self.w.update.n_groups = own, len(groups)

    def set_average(self, Operations twin not None, /):
        """Average the parameters and batch_norm's statistics into those of ``twin``, alike."""
        _require_same_operations(self.w.graph, &twin.graph)
        self.owners["average"] = twin
        self.w.twin, self.w.update.mean = &twin.graph, twin.graph.params

    def set_regularization(self, double l2, object clip_norm, object clip_value=None, /):
        """Add l2 / 2 sum W^2 / (rows of a batch) to the loss, and bound the gradient.

        W are the affine operations' weights. clip_value: None or the most that an element of the
        gradient may be in size. clip_norm: None or the most that the result's norm may be.
        """
        if not 0 <= l2 < INFINITY:
            raise ValueError(f"l2 is {l2}, wanted 0 <= l2, finite")
        cdef double max_norm = _bound("clip_norm", clip_norm)
        cdef double max_value = _bound("clip_value", clip_value)
        self.w.l2, self.w.max_norm, self.w.max_value = l2, max_norm, max_value

    def run(self, order, uint64_t step, losses, hits, /, lrs=None, decays=None,
            dropouts=None, averages=None, Py_ssize_t epochs=1):
        """Train on the rows that ``order`` names, batch after batch, in one call without the GIL.

        order: (n,) row indices; step: number of the first batch, the counter of dropout masks.
        losses, hits: (number of batches,), overwritten: each batch's loss, and the weights of its
        rows that are right: softmax's highest output is the target's, or all of the sigmoid's
        are on their targets' sides; 0 for other losses.
        lrs: (number of batches,): the learning rate of each update, the first of every rule's
        numbers; None keeps the rate from set_rule. The last one is kept.
        decays, dropouts: (number of batches,): the factors by which each update multiplies the
        weight decay from set_rule, and the p of every dropout; None is 1. averages: the weights of
        the new parameters in their average (set_average), 0 to 1; None is 0.
        epochs: equal parts of order; the call ends after one with a loss that is not finite.
        """
        cdef Held held
        cdef Py_ssize_t n, batches
        cdef Rates rates = Rates(NULL, NULL, NULL, NULL)
        cdef int status
        hold_nothing(&held)
        try:
            n = _hold_order(self, &held, order)
            if epochs < 1 or n % epochs != 0:
                raise ValueError(f"epochs is {epochs}, wanted a divisor of order's {n} rows")
            n = n // epochs
            batches = epochs * ((n + self.w.batch_size - 1) // self.w.batch_size)
            _hold_numbers(&held, b"losses", losses, WRITE, batches)
            _hold_numbers(&held, b"hits", hits, WRITE, batches)
            if lrs is not None:
                rates.lrs = _hold_numbers(&held, b"lrs", lrs, READ, batches)
            if decays is not None:
                rates.decays = _hold_numbers(&held, b"decays", decays, READ, batches)
                _require_decays(&self.w, self.rule, batches, rates.decays)
            if dropouts is not None:
                rates.dropouts = _hold_numbers(&held, b"dropouts", dropouts, READ, batches)
                _require_dropouts(self.w.graph, batches, rates.dropouts)
            if averages is not None:
                rates.averages = _hold_numbers(&held, b"averages", averages, READ, batches)
                _require_averages(&self.w, batches, rates.averages)
            if n % self.w.batch_size == 1 or self.w.batch_size == 1:
                _require_no_batch_norm(self.w.graph)
            with nogil:
                status = _run_epochs(&self.w, self.team, epochs, n, <int64_t*> held_data(&held, 0),
                                     step, <double*> held_data(&held, 1),
                                     <double*> held_data(&held, 2), &rates)
        finally:
            let_go(&held)
            _forget_factors(&self.w)
        _require_good_labels(status)

    def gradients(self, order, uint64_t step, /, uint64_t place=0, total=None, double dropout=1):
        """Gather, forward, loss and backward for one batch; returns the loss and the hits.

        place: index of the first of these rows in the whole batch; dropout depends on it.
        total: None, or the total weight of the batch that these rows, possibly none, are part of:
        loss and gradients are then this part's share, unregularized. dropout: the factor of all p.
        """
        cdef Held held
        cdef Py_ssize_t n
        cdef double loss = 0, hits = 0, whole = -1 if total is None else total
        cdef int status = 0
        if total is not None and not 0 <= whole < INFINITY:
            raise ValueError(f"total is {total}, wanted 0 <= total, finite")
        _require_dropouts(self.w.graph, 1, &dropout)
        hold_nothing(&held)
        try:
            self.w.dropout = dropout
            n = _hold_order(self, &held, order)
            if not (total is None) <= n <= self.w.batch_size:
                raise ValueError(f"order has shape ({n},), wanted {int(total is None)} to "
                                 f"{self.w.batch_size} rows")
            if n == 1:
                _require_no_batch_norm(self.w.graph)
            with nogil:
                if n > 0:
                    status = _gradients(&self.w, n, <int64_t*> held_data(&held, 0), step, place,
                                        whole, &loss, &hits)
                else:
                    memset(self.w.grads, 0,
                           self.w.graph.n_parameters * bytes_of(self.w.graph.precision))
                if status == 0 and whole < 0:
                    loss += _regularize(&self.w)
        finally:
            let_go(&held)
            _forget_factors(&self.w)
        _require_good_labels(status)
        return loss, hits

    def regularize(self, double total, /):
        """Apply penalty and clipping to the gradient of a batch of total weight ``total``.

        Returns the penalty, which is part of the loss.
        """
        cdef double penalty
        self.w.weight_sum = total
        with nogil:
            penalty = _regularize(&self.w)
        return penalty

    def update(self, decay=None, double average=0, /):
        """One step of the optimizer over the flat buffers.

        decay: None, or the factor of the weight decay from set_rule. average: the weight of the
        parameters in their average.
        """
        cdef Rates rates = Rates(NULL, NULL, NULL, NULL)
        cdef double factor
        if average != 0:
            _require_averages(&self.w, 1, &average)
        if decay is not None:
            factor, rates.decays = decay, &factor
            _require_decays(&self.w, self.rule, 1, rates.decays)
        with nogil:
            _numbers_of_update(&rates, 0, self.w.update.decay, self.w.weight_decay,
                               self.w.rule_numbers)
            self.w.update.tau = average
            _apply_update(&self.w)
            _forget_factors(&self.w)

    def eager(self, bint on, /):
        """Set whether threads spin between calls, as they do inside ``run``."""
        _pool_eager(on)


def make_plan(Operations network not None, grads, str loss not None, str rule not None,
              list averages not None, Py_ssize_t batch_size, object input_scale, /):
    """A plan for batches of up to ``batch_size`` rows.

    network: from make_operations. grads: a flat buffer for the gradients, with the length and the
    precision of the parameters. loss, rule: one of ``known_losses()`` and of
    ``known_optimizers()``. averages: the flat arrays that the optimizer keeps, in the order of
    its kernel. input_scale: None or a number.
    """
    cdef Plan plan = Plan.__new__(Plan)
    cdef Workspace* w = &plan.w
    cdef tuple row
    cdef int k, size
    if batch_size < 1:
        raise ValueError(f"batch_size is {batch_size}, wanted 1 or more")
    plan.owners, plan.network, plan.loss, plan.rule = {}, network, loss, rule
    w.graph, w.batch_size = &network.graph, batch_size
    _require_countable(w.graph, batch_size)
    w.grads = _own_parameters(plan.owners, w.graph, "grads", grads)
    _set_loss(&w.loss, loss)
    w.input_scale = 1.0 if input_scale is None else input_scale
    row = _row_of_rule(rule, None, len(averages))
    w.update.rule, w.update.decay, w.dropout = row[0], _decay_of_rule(rule), 1
    w.update.n, w.update.numbers = w.graph.n_parameters, w.rule_numbers
    w.update.W, w.update.dW = w.graph.params, w.grads
    for k in range(len(averages)):
        w.update.averages[k] = _own_parameters(plan.owners, w.graph, row[2][k], averages[k])
    size = _team_size(w.graph, batch_size, _threads(), w.update.rule == MUON)
    w.keeps_gradients = size > 1
    _set_memory_aside(w)
    if size > 1:
        plan.team = _new_team(w, size)
    return plan


cdef Py_ssize_t _hold_order(Plan plan, Held* held, object order) except -1:
    """Acquire the first array of a call, row indices within range; returns its length."""
    hold(held, b"order", order, INT64, 1, READ)
    _require_whole_members(plan.w.graph.members, plan.w.batch_size, held_size(held, 0, 0))
    if isnan(plan.w.loss.numbers[0]):
        raise RuntimeError(f"the plan needs the number of {plan.loss} before it runs: call "
                           "set_loss")
    _require_rows_in_range(&plan.w, held_size(held, 0, 0), <int64_t*> held_data(held, 0))
    return held_size(held, 0, 0)
