"""The first half of a team's step: each member takes some of the batch's rows, alone.

It gathers them, runs the network, the loss and the backward down to the first operation that is
trained, all in its own cache. Its workspace is the plan's, with every pointer at its first row.
"""

from libc.stdint cimport int64_t, uint64_t
from libc.stdlib cimport calloc, free

cdef enum:
    ROW_GRAIN = 2           # rows: an even cut gains more than whole tiles do

cdef struct Member:
    Workspace view          # of its rows
    Py_ssize_t first        # of the batch's rows, its first one
    Py_ssize_t rows
    Py_ssize_t batch_rows   # for which these two were cut; 0 for none yet
    Py_ssize_t batch        # the run's batch that it is at
    double* weights         # (batch_size,): of the whole batch, for its own use
    double hits             # of its rows
    bint bad_label
    Update update           # of some of the parameters, with its own copy of the numbers
    double[MOST_NUMBERS] numbers
    char[LINE] apart        # from the next member's line

cdef struct Team:
    Workspace* w
    int size                # members that its memory is for
    int members             # that take part in this run
    Member* of
    double* terms           # (batch_size,): what each row adds to the loss
    double* penalties       # (n_operations, SEGMENTS): sums of squares of weights
    double* squares         # (SEGMENTS,): of the gradient
    const int64_t* order    # of the run, like the next five
    Py_ssize_t n
    uint64_t step
    double* losses
    double* hits
    const double* lrs
    uint64_t updates        # before the run's first batch
    bint stop               # after this step; the leader's decision before the last meeting
    int status              # -1 for a class index out of range
    uint64_t since          # nanoseconds: when this team began,
    Py_ssize_t first        # with this batch
    Py_ssize_t steps        # of teams so far
    int offences            # late steps; see _late
    Py_ssize_t on_time      # steps since the last of them
    uint64_t rest_until     # in nanoseconds of _nanoseconds


cdef void _look_at(Member* m, const Workspace* w, int index, int members,
                   Py_ssize_t rows) noexcept nogil:
    """Cut a batch of this many rows, and point the member's workspace at its part."""
    cdef Py_ssize_t size = bytes_of(w.graph.precision), O = w.graph.n_outputs, first
    cdef const Operation* op
    cdef const Space* whole
    cdef Space* own
    cdef int i, k
    if m.batch_rows == rows:
        return
    m.batch_rows = rows
    first = m.first = _cut(rows, index, members, ROW_GRAIN)
    m.rows = _cut(rows, index + 1, members, ROW_GRAIN) - first
    m.view.batch = w.batch + first * w.graph.n_inputs * size
    m.view.targets = w.targets + first * (O * size if w.t.n_columns > 0 else <Py_ssize_t> 8)
    m.view.y = w.y + first * O * size
    for i in range(w.graph.n_operations):
        op, whole, own = &w.graph.operations[i], &w.spaces[i], &m.view.spaces[i]
        own.out = whole.out + first * op.n_outputs * size
        own.dout = NULL if whole.dout == NULL else whole.dout + first * op.n_outputs * size
        own.dx = NULL if whole.dx == NULL else whole.dx + first * op.n_inputs * size
        if op.kind == DROPOUT:
            own.kept[0] = whole.kept[0] + first * op.n_outputs
        elif op.kind == LAYER_NORM:
            for k in range(MOST_KEPT):
                own.kept[k] = whole.kept[k] + first * size
        for k in range(MOST_SOURCES):
            own.adds[k] = whole.adds[k]


cdef void _rows_of_member(Team* team, int index, real* precision) noexcept nogil:
    """Everything that the rows of this step's batch need, down to the gradients of outputs."""
    cdef Member* m = &team.of[index]
    cdef Workspace* w = team.w
    cdef Workspace* view = &m.view
    cdef Py_ssize_t start = m.batch * w.batch_size
    cdef Py_ssize_t rows = min(w.batch_size, team.n - start)
    cdef const int64_t* order = team.order + start
    cdef const double* weights = NULL
    cdef double loss = 0
    _look_at(m, w, index, team.members, rows)
    m.hits, m.bad_label = 0, False
    if w.weights != NULL:
        _gather_weights(w.weights, rows, order, m.weights)
        weights = m.weights
    view.weight_sum = _weight_sum(rows, weights)
    if w.l2 > 0 and view.weight_sum > 0:
        _squares_of_weights(team, index, precision)
    if m.rows == 0:
        return
    order += m.first
    _gather(&view.x, m.rows, order, view.input_scale, <real*> view.batch)
    _forward(view, m.rows, team.step + <uint64_t> m.batch, m.first, precision)
    if weights != NULL:
        weights = weights + m.first
    if _loss_of_batch(view, m.rows, order, weights, &loss, &m.hits, team.terms + m.first,
                      precision) < 0:
        m.bad_label = True
        return
    _backward(view, m.rows, precision)


cdef void _squares_of_weights(Team* team, int index, real* precision) noexcept nogil:
    """This member's segments of the sums of squares for the penalty, while nobody updates."""
    cdef const Graph* graph = team.w.graph
    cdef const Operation* op
    cdef Sweep job
    cdef int i
    for i in range(graph.n_operations):
        op = &graph.operations[i]
        if op.kind == AFFINE:
            job.n, job.x = op.n_inputs * op.n_outputs, <char*> (<real*> graph.params + op.starts[0])
            job.segments, job.sums = _segments(job.n), team.penalties + i * SEGMENTS
            _squares_part(&job, index, team.members, precision)


# Memory ------------------------------------------------------------------------------------------


cdef Team* _new_team(Workspace* w, int size) except NULL:
    """Memory for a team of this size over a workspace; see _free_team."""
    cdef Team* team = <Team*> calloc(1, sizeof(Team))
    cdef Member* m
    cdef int i
    cdef bint whole = team != NULL
    if whole:
        team.w, team.size = w, size
        team.of = <Member*> calloc(size, sizeof(Member))
        team.terms = <double*> calloc(w.batch_size, sizeof(double))
        team.penalties = <double*> calloc(w.graph.n_operations * SEGMENTS, sizeof(double))
        team.squares = <double*> calloc(SEGMENTS, sizeof(double))
        whole = (team.of != NULL and team.terms != NULL and team.penalties != NULL
                 and team.squares != NULL)
    if whole:
        for i in range(size):
            m = &team.of[i]
            m.view.spaces = <Space*> calloc(w.graph.n_operations, sizeof(Space))
            m.weights = <double*> calloc(w.batch_size, sizeof(double))
            whole = whole and m.view.spaces != NULL and m.weights != NULL
    if not whole:
        _free_team(team)
        raise MemoryError(f"no memory for a team of {size} threads over batches of "
                          f"{w.batch_size} rows")
    return team


cdef void _free_team(Team* team) noexcept:
    cdef int i
    if team == NULL:
        return
    if team.of != NULL:
        for i in range(team.size):
            free(team.of[i].view.spaces)
            free(team.of[i].weights)
    free(team.of)
    free(team.terms)
    free(team.penalties)
    free(team.squares)
    free(team)
