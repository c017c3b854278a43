"""The second half of a team's step: each member takes some of the parameters, over all rows.

Gradients are whole chains over the batch, so every bit is as it is on one thread. A member takes
rows of each W, columns of a normalization, and the last one the biases; it updates a part right
behind its gradient, while the part is in its cache.
"""

from libc.math cimport NAN, isfinite, sqrt
from libc.stdint cimport int64_t, uint64_t
from libc.string cimport memcpy

cdef enum:
    UPDATE_BYTES = 16384    # of parameters that are updated in a copy


cdef void _parameters_of_member(Team* team, int index, real* precision) noexcept nogil:
    """Gradients and update of this member's parameters; with a bound on the norm only gradients."""
    cdef const Graph* graph = team.w.graph
    cdef Member* m = &team.of[index]
    cdef int i
    _begin_update(team, m)
    if index == 0:
        _blend_buffers(team.w, m.update.tau)
    for i in range(graph.n_operations - 1, -1, -1):
        if graph.operations[i].kind == AFFINE:
            _affine_part(team, index, i, precision)
        elif graph.operations[i].kind in (LAYER_NORM, BATCH_NORM):
            _normalization_part(team, index, i, precision)
        elif graph.operations[i].kind in (MEMBER_SCALE, MEMBER_AFFINE):
            _members_part(team, index, i, precision)
        elif graph.operations[i].n_starts > 0:
            _learned_part(team, index, i, precision)


cdef void _members_part(Team* team, int index, int i, real* precision) noexcept nogil:
    """The parameters of an ensemble's members whose rows this thread had, with their gradients."""
    cdef const Operation* op = &team.w.graph.operations[i]
    cdef Py_ssize_t k = <Py_ssize_t> op.numbers[0], first = _cut(k, index, team.members, 1)
    cdef Py_ssize_t n = _cut(k, index + 1, team.members, 1) - first, each
    cdef int p
    for p in range(op.n_starts):
        each = _parameter_size(op, p) // k
        _finish_part(&team.of[index], op.starts[p] + first * each, n * each, False, precision)


cdef void _learned_part(Team* team, int index, int i, real* precision) noexcept nogil:
    """A member's columns of a scale, a parametric activation or an embedding."""
    cdef Workspace* w = team.w
    cdef Member* m = &team.of[index]
    cdef const Operation* op = &w.graph.operations[i]
    cdef Py_ssize_t n = _learned_width(op)
    cdef Py_ssize_t grain = 1 if op.n_columns > 0 else PART_GRAIN
    cdef Py_ssize_t first = _cut(n, index, team.members, grain)
    cdef Py_ssize_t end = _cut(n, index + 1, team.members, grain), start, size
    cdef int k
    _learned_columns(w, i, first, end, m.batch_rows, <const real*> _output(w, op.sources[0]),
                     <const real*> w.spaces[i].dout)
    for k in range(op.n_starts):
        start = _parameter_start(op, k, first)
        size = _parameter_start(op, k, end) - start
        _finish_part(m, op.starts[k] + start, size, False, precision)


cdef Py_ssize_t _parameter_start(const Operation* op, int k, Py_ssize_t column) noexcept nogil:
    """Where what belongs to a column starts in the k-th parameter."""
    cdef const int64_t* firsts = <int64_t*> op.arrays[1]
    if op.kind == EMBEDDING:
        if column == op.n_columns:
            return _parameter_size(op, k)
        return firsts[column] * <Py_ssize_t> op.numbers[1]
    return _parameter_size(op, k) // _learned_width(op) * column


cdef void _affine_part(Team* team, int index, int i, real* precision) noexcept nogil:
    """A member's rows of W, and for the last member the biases."""
    cdef Workspace* w = team.w
    cdef Member* m = &team.of[index]
    cdef const Operation* op = &w.graph.operations[i]
    cdef const real* x = <real*> _output(w, op.sources[0])
    cdef const real* dout = <real*> w.spaces[i].dout
    cdef Py_ssize_t O = op.n_outputs, first = _first_row_of_W(op, index, team.members)
    cdef Py_ssize_t rows = _first_row_of_W(op, index + 1, team.members) - first
    if rows > 0:
        _gemm_tn_rows(op.multiplied, first, rows, op.n_inputs, m.batch_rows, O, x, dout,
                      <real*> w.grads + op.starts[0])
        _finish_part(m, op.starts[0] + first * O, rows * O, True, precision)
    if index == team.members - 1 and op.n_starts > 1:
        _affine_backward_db(m.batch_rows, O, dout, <real*> w.grads + op.starts[1])
        _finish_part(m, op.starts[1], O, False, precision)


cdef void _normalization_part(Team* team, int index, int i, real* precision) noexcept nogil:
    """A member's columns; those of batch_norm have their gradients already."""
    cdef Workspace* w = team.w
    cdef Member* m = &team.of[index]
    cdef const Operation* op = &w.graph.operations[i]
    cdef const Space* space = &w.spaces[i]
    cdef Py_ssize_t O = op.n_outputs, first = _cut(O, index, team.members, PART_GRAIN)
    cdef Py_ssize_t end = _cut(O, index + 1, team.members, PART_GRAIN)
    cdef int k
    if op.kind == LAYER_NORM:
        _layer_norm_columns(first, end, m.batch_rows, O, <const real*> _output(w, op.sources[0]),
                            <const real*> space.dout, <const real*> space.kept[0],
                            <const real*> space.kept[1], op.numbers[0],
                            <real*> w.grads + op.starts[0], <real*> w.grads + op.starts[1])
    for k in range(2):
        _finish_part(m, op.starts[k] + first, end - first, False, precision)


cdef void _begin_update(Team* team, Member* m) noexcept nogil:
    """The optimizer's numbers and count for this step."""
    m.update.step = team.updates + <uint64_t> m.batch + 1
    _numbers_of_update(&team.rates, m.batch, m.view.update.decay, m.view.weight_decay, m.numbers)
    m.update.tau = 0 if team.rates.averages == NULL else team.rates.averages[m.batch]


cdef void _finish_part(Member* m, Py_ssize_t start, Py_ssize_t n, bint penalized,
                       real* precision) noexcept nogil:
    """The penalty and the elements' bound for n parameters, and their update where it can follow.
    """
    cdef Workspace* w = &m.view
    cdef real* grads = <real*> w.grads + start
    if penalized and w.l2 > 0 and w.weight_sum > 0:
        _add_scaled(n, <real> (w.l2 / w.weight_sum), <real*> w.graph.params + start, grads)
    if w.max_value > 0:
        _write_bounded(n, <real> w.max_value, grads, grads)
    if w.max_norm == 0:
        _update_some(m, start, n, precision)


cdef void _update_some(Member* m, Py_ssize_t start, Py_ssize_t n, real* precision) noexcept nogil:
    """The rule for n parameters from number ``start`` on.

    Others have read the parameters, so a store to them waits for its line, and only a few stores
    wait at a time. Between stores to averages, which need not wait, there would be half as many: so
    the parameters of a rule with averages change in a copy, which is then written as a whole.
    """
    cdef const Update* whole = &m.view.update
    cdef Update* part = &m.update
    cdef char[UPDATE_BYTES] copy
    cdef Py_ssize_t size = sizeof(real), end = start + n
    cdef int k
    cdef bint apart = whole.averages[0] != NULL
    part.rule, part.numbers, part.decay = whole.rule, m.numbers, whole.decay
    part.groups, part.n_groups = whole.groups, whole.n_groups
    while start < end:
        if whole.groups != NULL and _group_at(whole, start).columns > 0:    # not here
            start = _group_at(whole, start).end
            continue
        part.first = start
        part.n = min(UPDATE_BYTES // size, end - start) if apart else end - start
        part.dW, part.W = whole.dW + start * size, whole.W + start * size
        part.mean = whole.mean + start * size
        for k in range(MOST_AVERAGES):
            if whole.averages[k] != NULL:
                part.averages[k] = whole.averages[k] + start * size
        if apart:
            memcpy(copy, part.W, part.n * size)
            part.W = copy
        _update_part(part, 0, 1, precision)
        if apart:
            memcpy(whole.W + start * size, copy, part.n * size)
        start += part.n


cdef void _muon_of_member(Team* team, int index, real* precision) noexcept nogil:
    """This member's rows of all matrices, in phases."""
    cdef Update job = team.w.update
    cdef int phase
    job.numbers, job.tau = team.of[index].numbers, team.of[index].update.tau
    for phase in range(MUON_PHASES):
        _meet_others(team, index)
        _muon_phases(&job, phase, index, team.members, precision)


# A bound on the norm: the whole gradient comes first --------------------------------------------


cdef void _squares_of_gradient(Team* team, int index, real* precision) noexcept nogil:
    """This member's segments of the sum of squares of the gradient."""
    cdef Sweep job
    job.n, job.x = team.w.graph.n_parameters, team.w.grads
    job.segments, job.sums = _segments(job.n), team.squares
    _squares_part(&job, index, team.members, precision)


cdef void _clip_and_update(Team* team, int index, real* precision) noexcept nogil:
    """Scale this member's part of the gradient as _clip_norm does, and update its parameters."""
    cdef Member* m = &team.of[index]
    cdef Py_ssize_t n = team.w.graph.n_parameters
    cdef Py_ssize_t first = _cut(n, index, team.members, GRAIN)
    cdef Py_ssize_t count = _cut(n, index + 1, team.members, GRAIN) - first
    cdef double norm = sqrt(_sum_in_order(_segments(n), team.squares))
    cdef real* grads = <real*> team.w.grads + first
    if not norm <= team.w.max_norm:
        _write_scaled(count, team.w.max_norm / norm if isfinite(norm) else NAN, grads, grads)
    _update_some(m, first, count, precision)
