"""The first half of a team's step: each member takes some of the batch's rows, alone.

It gathers them, runs the network, the loss and the backward down to the first operation that is
trained, all in its own cache. Its workspace is the plan's, with every pointer at its first row.

Some operations are shared: all meet before and after, each takes a part, forward and backward. A
normalization by columns needs the whole batch and is cut by its columns; a large layer for few rows
is cut as its products are, mostly by columns: a member reads only its part of W.
"""

from libc.stdint cimport int64_t, uint64_t
from libc.stdlib cimport calloc, free

cdef struct Member:
    Workspace view          # of its rows
    Py_ssize_t first        # of the batch's rows, its first one
    Py_ssize_t rows
    Py_ssize_t batch_rows   # for which these two were cut; 0 for none yet
    Py_ssize_t batch        # the run's batch that it is at
    unsigned long meeting   # the last one that it has been to in this run,
    uint64_t lost           # and nanoseconds that it has waited in this step
    double* weights         # (batch_size,): of the whole batch, for its own use
    int64_t* labels         # likewise
    double hits             # of its rows
    bint bad_label
    Update update           # of some of the parameters, with its own copy of the numbers
    double[MOST_NUMBERS] numbers
    char[LINE] apart        # from the next member's line

cdef struct Team:
    Workspace* w
    int size                # members that its memory is for
    int members             # that take part in this run
    char* shared            # (n_operations,): whether it is shared in this run,
    bint shares             # and whether one is
    Member* of
    double* terms           # (batch_size,): what each row adds to the loss
    double* penalties       # (n_operations, SEGMENTS): sums of squares of weights
    double* squares         # (SEGMENTS,): of the gradient
    const int64_t* order    # of the run, like the next five
    Py_ssize_t n
    uint64_t step
    double* losses
    double* hits
    Rates rates
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
    first = m.first = _first_row_of_batch(w.graph, rows, index, members)
    m.rows = _first_row_of_batch(w.graph, rows, index + 1, members) - first
    m.view.first_row, m.view.batch_rows = first, rows
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
        elif op.kind == PARAMETRIC:
            own.kept[0] = whole.kept[0] + first * op.n_outputs * size
        elif op.kind == LAYER_NORM:
            for k in range(MOST_KEPT):
                own.kept[k] = whole.kept[k] + first * size
        for k in range(MOST_SOURCES):
            own.adds[k] = whole.adds[k]


cdef void _meet_others(Team* team, int index) noexcept nogil:
    """The next meeting of all members."""
    cdef Member* m = &team.of[index]
    m.meeting += 1
    m.lost += _meet(index, team.members, m.meeting)


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
    if team.rates.dropouts != NULL:
        view.dropout = team.rates.dropouts[m.batch]
    m.hits, m.bad_label = 0, team.shares and _has_bad_label(m, w, rows, order)
    if m.bad_label:                     # each member sees that, so nobody waits in between
        return
    if w.weights != NULL:
        _gather_weights(w.weights, rows, order, m.weights)
        weights = m.weights
    view.weight_sum = _weight_sum(rows, weights)
    if w.l2 > 0 and view.weight_sum > 0:
        _squares_of_weights(team, index, precision)
    order += m.first
    _gather(&view.x, m.rows, order, view.input_scale, <real*> view.batch)
    _forward_of_member(team, index, precision)
    if weights != NULL:
        weights = weights + m.first
    if m.rows > 0 and _loss_of_batch(view, m.rows, order, weights, &loss, &m.hits,
                                     team.terms + m.first, precision) < 0:
        m.bad_label = True
        return
    _backward_of_member(team, index, precision)


cdef void _forward_of_member(Team* team, int index, real* precision) noexcept nogil:
    """The member's rows, and between meetings its part of what is shared."""
    cdef Member* m = &team.of[index]
    cdef const Graph* graph = team.w.graph
    cdef int i = 0, end
    while i < graph.n_operations:
        end = i
        while end < graph.n_operations and not team.shared[end]:
            end += 1
        if m.rows > 0:
            _forward_some(&m.view, i, end, m.rows, team.step + <uint64_t> m.batch, m.first,
                          precision)
        if end < graph.n_operations:
            _meet_others(team, index)
            if graph.operations[end].kind == AFFINE:
                _layer_forward(team, index, end)
            else:
                _columns_forward(team, index, end, precision)
            _meet_others(team, index)
        i = end + 1


cdef void _backward_of_member(Team* team, int index, real* precision) noexcept nogil:
    """As the forward, from the end."""
    cdef Member* m = &team.of[index]
    cdef const Graph* graph = team.w.graph
    cdef int i = graph.n_operations - 1, before
    cdef real* dx
    while i >= 0:
        before = i
        while before >= 0 and not team.shared[before]:
            before -= 1
        if m.rows > 0:
            _backward_some(&m.view, i, before, m.rows, precision)
        if before >= 0:
            _meet_others(team, index)
            if graph.operations[before].kind == AFFINE:
                dx = <real*> m.view.spaces[before].dx
                _layer_dx(team, index, before)
            else:
                dx = <real*> m.view.spaces[before].dout
                _columns_backward(team, index, before, precision)
            _meet_others(team, index)
            if m.rows > 0:
                _pass_on(&m.view, before, m.rows, dx)
        i = before - 1


cdef void _layer_forward(Team* team, int index, int i) noexcept nogil:
    """A member's part of an affine layer of the whole batch."""
    cdef Workspace* w = team.w
    cdef Product p
    _set_affine(&p, &w.graph.operations[i], team.of[index].batch_rows, w.graph.precision,
                w.graph.params, <const char*> _output(w, w.graph.operations[i].sources[0]),
                w.spaces[i].out)
    _gemm_part(&p, index, team.members)


cdef void _layer_dx(Team* team, int index, int i) noexcept nogil:
    """A member's part of its dx, if something before it is trained."""
    cdef Product p
    if _trains(team.w.graph, team.w.graph.operations[i].sources[0]):
        _set_affine_dx(&p, team.w, i, team.of[index].batch_rows, team.w.spaces[i].dout)
        _gemm_part(&p, index, team.members)


cdef void _columns_forward(Team* team, int index, int i, real* precision) noexcept nogil:
    """A normalization of the whole batch, in the member's columns."""
    cdef Workspace* w = team.w
    cdef const Operation* op = &w.graph.operations[i]
    cdef Py_ssize_t rows = team.of[index].batch_rows, O = op.n_outputs
    cdef Py_ssize_t j = _cut(O, index, team.members, PART_GRAIN)
    cdef Py_ssize_t n = _cut(O, index + 1, team.members, PART_GRAIN) - j
    cdef real* mean = <real*> w.spaces[i].kept[0] + j
    cdef real* variance = <real*> w.spaces[i].kept[1] + j
    _batch_norm_forward(rows, O, n, <const real*> _output(w, op.sources[0]) + j,
                        <const real*> w.graph.params + op.starts[0] + j,
                        <const real*> w.graph.params + op.starts[1] + j, op.numbers[0],
                        <real*> w.spaces[i].out + j, mean, variance)
    _batch_norm_update(n, mean, variance, op.numbers[1], rows, <real*> op.arrays[0] + j,
                       <real*> op.arrays[1] + j)


cdef void _columns_backward(Team* team, int index, int i, real* precision) noexcept nogil:
    """Its gradients over the whole batch, in the member's columns; dx over dout."""
    cdef Workspace* w = team.w
    cdef const Operation* op = &w.graph.operations[i]
    cdef Py_ssize_t rows = team.of[index].batch_rows, O = op.n_outputs
    cdef Py_ssize_t j = _cut(O, index, team.members, PART_GRAIN)
    cdef Py_ssize_t n = _cut(O, index + 1, team.members, PART_GRAIN) - j
    cdef real* dout = <real*> w.spaces[i].dout + j
    cdef real* nothing = NULL
    _batch_norm_backward(rows, O, n, <const real*> _output(w, op.sources[0]) + j, dout,
                         <const real*> w.graph.params + op.starts[0] + j,
                         <const real*> w.spaces[i].kept[0] + j,
                         <const real*> w.spaces[i].kept[1] + j, op.numbers[0], True,
                         dout if _trains(w.graph, op.sources[0]) else nothing,
                         <real*> w.grads + op.starts[0] + j, <real*> w.grads + op.starts[1] + j)


cdef bint _has_bad_label(Member* m, const Workspace* w, Py_ssize_t rows,
                         const int64_t* order) noexcept nogil:
    """Whether a class index of the whole batch is out of range."""
    if w.t.n_columns > 0:
        return False
    _gather_labels(&w.t, rows, order, m.labels)
    return _first_bad_label(rows, w.graph.n_outputs, m.labels) >= 0


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
        team.shared = <char*> calloc(w.graph.n_operations, 1)
        team.terms = <double*> calloc(w.batch_size, sizeof(double))
        team.penalties = <double*> calloc(w.graph.n_operations * SEGMENTS, sizeof(double))
        team.squares = <double*> calloc(SEGMENTS, sizeof(double))
        whole = (team.of != NULL and team.shared != NULL and team.terms != NULL
                 and team.penalties != NULL and team.squares != NULL)
    if whole:
        for i in range(size):
            m = &team.of[i]
            m.view.spaces = <Space*> calloc(w.graph.n_operations, sizeof(Space))
            m.weights = <double*> calloc(w.batch_size, sizeof(double))
            m.labels = <int64_t*> calloc(w.batch_size, sizeof(int64_t))
            whole = (whole and m.view.spaces != NULL and m.weights != NULL
                     and m.labels != NULL)
    if not whole:
        _free_team(team)
        raise MemoryError(f"no memory for {size} threads over batches of {w.batch_size} rows")
    return team


cdef void _free_team(Team* team) noexcept:
    cdef int i
    if team == NULL:
        return
    if team.of != NULL:
        for i in range(team.size):
            free(team.of[i].view.spaces)
            free(team.of[i].weights)
            free(team.of[i].labels)
    free(team.of)
    free(team.shared)
    free(team.terms)
    free(team.penalties)
    free(team.squares)
    free(team)
