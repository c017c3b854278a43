"""A run by a team of threads, which meets twice a step.

    rows        each member runs its rows of the batch through the whole network (team_rows.pyx)
    meeting
    parameters  each member computes the gradients of its parameters over all rows and updates
                them (team_parameters.pyx); the leader adds up the loss
    meeting

With a bound on the norm, all meet twice more in between: after the gradients, and after their
squares. Muon's matrices follow in phases, with a meeting before each (muon.pyx). Each normalization
by columns, and each large layer for few rows, adds four meetings: before and after it, in the
forward and in the backward. No cut
changes a bit: a row's numbers depend on no other row, an output's sum on no other output, and sums
over rows are the leader's, in the order of one thread.

A member whose processor another thread takes holds up all others. If the leader has waited for a
millisecond twice, it ends the run early and works alone for a while (run.pyx).
"""

from libc.stdint cimport int64_t, uint64_t

cdef enum:
    LATE = 1000000          # nanoseconds that the leader has waited in a step,
    LATE_SHARE = 4          # which also is more than this part of a step of this run
    REST_FACTOR = 20        # it works alone for this many times what it lost,
    LONGEST_REST = 200000000    # but no longer than this
    FORGIVEN = 2000         # steps on time after which a late one counts as the first again


cdef void _team_part(void* team_, int index, int members) noexcept nogil:
    """One member's part of a run."""
    cdef Team* team = <Team*> team_
    _set_in_team(True)
    if team.w.graph.precision == SINGLE_PRECISION:
        _member_run(team, index, <float*> NULL)
    elif team.w.graph.precision == DOUBLE_PRECISION:
        _member_run(team, index, <double*> NULL)
    else:
        refuse("precision", team.w.graph.precision)
    _set_in_team(False)


cdef void _member_run(Team* team, int index, real* precision) noexcept nogil:
    """Step after step, until the run ends or the leader stops it."""
    cdef Member* m = &team.of[index]
    cdef Py_ssize_t batches = (team.n + team.w.batch_size - 1) // team.w.batch_size
    while not team.stop:
        _rows_of_member(team, index, precision)
        _meet_others(team, index)
        if _any_bad_label(team):
            if index == 0:
                team.status = -1
            return
        _parameters_of_member(team, index, precision)
        if team.w.max_norm > 0:
            _meet_others(team, index)
            _squares_of_gradient(team, index, precision)
            _meet_others(team, index)
            _clip_and_update(team, index, precision)
        if team.w.update.rule == MUON:
            _muon_of_member(team, index, precision)
        m.batch += 1
        if index == 0:
            _record(team, m.batch - 1, precision)
            team.stop = m.batch == batches or _late(team, m.lost)
            m.lost = 0
        _meet_others(team, index)


cdef bint _any_bad_label(const Team* team) noexcept nogil:
    cdef int i
    for i in range(team.members):
        if team.of[i].bad_label:
            return True
    return False


cdef bint _late(Team* team, uint64_t lost) noexcept nogil:
    """Whether the leader has lost so much time twice that it had better rest from the team.

    A large step is late by its own size: halves of it are never quite equal.
    """
    cdef uint64_t steps = <uint64_t> (team.of[0].batch - team.first)
    if lost < LATE or LATE_SHARE * lost * steps < _nanoseconds() - team.since:
        team.on_time += 1
        if team.on_time >= FORGIVEN:
            team.offences = 0
        return False
    team.on_time, team.offences = 0, team.offences + 1
    if team.offences < 2:
        return False
    team.offences = 1
    team.rest_until = _nanoseconds() + min(REST_FACTOR * lost, <uint64_t> LONGEST_REST)
    return True


# What the leader writes down -------------------------------------------------------------------


cdef void _record(Team* team, Py_ssize_t batch, real* precision) noexcept nogil:
    """A step's loss, with its penalty, and its hits."""
    cdef Py_ssize_t rows = team.of[0].batch_rows
    cdef const double* weights = NULL if team.w.weights == NULL else team.of[0].weights
    team.losses[batch] = _loss_of_team(team, rows, weights, precision)
    team.losses[batch] += _penalty_of_team(team)
    team.hits[batch] = _hits_of_team(team, rows, weights, precision)


cdef double _loss_of_team(Team* team, Py_ssize_t rows, const double* weights,
                          real* precision) noexcept nogil:
    """The batch's loss from its rows' terms, in the order of one thread.

    An elementwise loss of rows without weights adds up elements: it is computed once more.
    """
    cdef Workspace* w = team.w
    cdef const Loss* loss = &w.loss
    cdef Py_ssize_t O = w.graph.n_outputs
    cdef double weight_sum = team.of[0].view.weight_sum, divisor = weight_sum
    if not loss.softmax:
        if weights == NULL:
            return _elementwise_loss(loss.elementwise, rows, O,
                                     <real*> w.spaces[w.graph.n_operations - 1].out,
                                     <real*> w.targets, weights, weight_sum, loss.numbers,
                                     <real*> w.y, NULL)
        divisor = _divisor(loss.elementwise, weight_sum, O)
    return _sum_in_order(rows, team.terms) / divisor if weight_sum != 0 else 0


cdef double _penalty_of_team(const Team* team) noexcept nogil:
    """The penalty from the segments' sums, as _l2_penalty adds it up."""
    cdef const Graph* graph = team.w.graph
    cdef double weight_sum = team.of[0].view.weight_sum, penalty = 0
    cdef int i, segments
    if team.w.l2 > 0 and weight_sum > 0:
        for i in range(graph.n_operations):
            if graph.operations[i].kind == AFFINE:
                segments = _segments(graph.operations[i].n_inputs * graph.operations[i].n_outputs)
                penalty += (0.5 * (team.w.l2 / weight_sum)
                            * _sum_in_order(segments, team.penalties + i * SEGMENTS))
    return penalty


cdef double _hits_of_team(Team* team, Py_ssize_t rows, const double* weights,
                          real* precision) noexcept nogil:
    """The members' hits; weights are added up in the order of one thread."""
    cdef Workspace* w = team.w
    cdef Py_ssize_t O = w.graph.n_outputs
    cdef double hits = 0
    cdef int i
    if weights == NULL or (not w.loss.softmax and w.loss.hits != ALL_SIDES):
        for i in range(team.members):
            hits += team.of[i].hits
        return hits
    if not w.loss.softmax:
        return _side_hits(rows, O, <real*> w.spaces[w.graph.n_operations - 1].out,
                          <real*> w.targets, weights)
    if w.t.n_columns > 0:
        return _row_hits(rows, O, <real*> w.y, <real*> w.targets, weights)
    return _label_hits(rows, O, <real*> w.y, <int64_t*> w.targets, weights)
