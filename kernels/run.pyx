"""Many steps in one call: by a team where the plan has one and the threads are free."""

from libc.math cimport isfinite
from libc.stdint cimport int64_t, uint64_t


cdef int _run(Workspace* w, Team* team, Py_ssize_t n, const int64_t* order, uint64_t step,
              double* losses, double* hits, const Rates* rates) noexcept nogil:
    """Batch after batch of the n rows; -1 for a class index out of range."""
    cdef Py_ssize_t batch = 0
    cdef int status = 0
    cdef bint rests, teams = team != NULL
    if teams:
        team.order, team.n, team.step = order, n, step
        team.losses, team.hits, team.rates = losses, hits, rates[0]
        team.updates = w.update.step
    _pool_eager(True)
    while batch * w.batch_size < n and status == 0:
        rests = teams and team.rest_until > 0 and _nanoseconds() < team.rest_until
        if teams and not rests and _team_takes_over(team, &batch):
            status = team.status
            continue
        teams = rests                   # without free threads not in this run any more
        _set_in_team(rests)             # alone at rest: the late member would delay its parts too
        status = _one_step(w, n, order, step, batch, losses, hits, rates)
        _set_in_team(False)
        batch += 1
    _pool_eager(False)
    return status


cdef int _run_epochs(Workspace* w, Team* team, Py_ssize_t epochs, Py_ssize_t n,
                     const int64_t* order, uint64_t step, double* losses, double* hits,
                     const Rates* rates) noexcept nogil:
    """Epochs of n rows, until one has a loss that is not finite; likewise -1."""
    cdef Py_ssize_t batches = (n + w.batch_size - 1) // w.batch_size, _epoch, batch
    cdef Rates here = rates[0]
    cdef bint finite = True
    for _epoch in range(epochs):
        if _run(w, team, n, order, step, losses, hits, &here) < 0:
            return -1
        for batch in range(batches):
            finite = finite and isfinite(losses[batch])
        if not finite:
            return 0
        order, step = order + n, step + <uint64_t> batches
        losses, hits = losses + batches, hits + batches
        _move_rates(&here, batches)
    return 0


cdef void _move_rates(Rates* rates, Py_ssize_t batches) noexcept nogil:
    """To those of the updates after these many."""
    if rates.lrs != NULL:
        rates.lrs += batches
    if rates.decays != NULL:
        rates.decays += batches
    if rates.dropouts != NULL:
        rates.dropouts += batches
    if rates.averages != NULL:
        rates.averages += batches


cdef int _one_step(Workspace* w, Py_ssize_t n, const int64_t* order, uint64_t step,
                   Py_ssize_t batch, double* losses, double* hits,
                   const Rates* rates) noexcept nogil:
    """One of the run's batches, its products split one by one."""
    cdef Py_ssize_t start = batch * w.batch_size
    if rates.dropouts != NULL:
        w.dropout = rates.dropouts[batch]
    if _gradients(w, min(w.batch_size, n - start), order + start, step + <uint64_t> batch, 0, -1,
                  losses + batch, hits + batch) < 0:
        return -1
    losses[batch] += _regularize(w)
    _numbers_of_update(rates, batch, w.update.decay, w.weight_decay, w.rule_numbers)
    w.update.tau = 0 if rates.averages == NULL else rates.averages[batch]
    _apply_update(w)
    return 0


cdef bint _team_takes_over(Team* team, Py_ssize_t* batch) noexcept nogil:
    """Run on from this batch with the threads that are free; False if there is no second one."""
    cdef Workspace* w = team.w
    cdef bint muon = w.update.rule == MUON
    cdef int members = _team_size(w.graph, w.batch_size, min(_threads(), team.size), muon)
    cdef Py_ssize_t first = batch[0]
    if members > 1:
        members = _pool_claim(members)
        if members == 1:
            _pool_release()
    if members < 2:
        return False
    _call_members(team, members, first)
    _reset_meetings(members)
    team.since, team.first = _nanoseconds(), first
    _pool_share(_team_part, team, members, members)
    _pool_release()
    batch[0] = team.of[0].batch
    team.steps += batch[0] - first
    if batch[0] > first:
        w.update.step = team.updates + <uint64_t> batch[0]
        w.weight_sum = team.of[0].view.weight_sum
        if team.rates.lrs != NULL:
            w.rule_numbers[0] = team.rates.lrs[batch[0] - 1]
    return True


cdef void _call_members(Team* team, int members, Py_ssize_t batch) noexcept nogil:
    """Give each member the plan's workspace and numbers as they are now."""
    cdef Member* m
    cdef Space* spaces
    cdef int i, k
    team.members, team.stop, team.status = members, False, 0
    team.shares = False
    for i in range(team.w.graph.n_operations):
        team.shared[i] = _shared(&team.w.graph.operations[i], team.w.graph.precision,
                                 team.w.batch_size, members)
        team.shares = team.shares or team.shared[i]
    for i in range(members):
        m = &team.of[i]
        spaces = m.view.spaces
        m.view = team.w[0]
        m.view.spaces, m.view.of_a_member = spaces, True
        m.batch, m.batch_rows, m.meeting, m.lost = batch, 0, 0, 0
        for k in range(MOST_NUMBERS):
            m.numbers[k] = team.w.rule_numbers[k]
