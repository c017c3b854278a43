"""How many threads a training step is worth: a cost model of sizes alone, never of timings.

A team shares a step's arithmetic; what it pays is the meetings, and each cache line that one member
writes and another reads (6 to 8 ns; a flag takes 0.15 us to cross). The model counts them for a
batch of full size:

- arithmetic: multiply-adds of the products, and those that an update costs for each parameter;
- meetings: Muon, taken to have all weights as its matrices, adds one for each of its phases;
- lines: each member reads the others' new weights and writes its own, which the others have read;
  it reads its part of the inputs of each layer but the first, and all gradients, of the others'
  rows, and these rows are written again at the next step; a normalization by columns has its
  inputs, outputs and both their gradients cross.

The constants were measured on AMD EPYC (Zen 4) with AVX-512 and two cores; a line counts more than
it took there, as cores may be farther apart. So the model errs on the side of one thread, and that
decides only for the smallest networks.

A large layer for few rows is shared (team_rows.pyx) if that is cheaper: by rows each member reads
and packs all of W, which only many rows to a member hide. The model leaves out what that gains.
"""

cdef enum:
    PICOSECONDS_A_MULTIPLY_ADD = 24
    PICOSECONDS_A_LINE = 10000
    PICOSECONDS_A_MEETING = 600000      # with the wait for the last one's last instructions,
    PICOSECONDS_A_MEMBER = 50000        # and each further flag that the leader looks at
    PICOSECONDS_A_WEIGHT = 700          # of single precision, read and packed for fewer rows of a
    MANY_ROWS = 64                      # member than these
    UPDATE_MULTIPLY_ADDS = 12           # that an update of one parameter is worth,
    WAVE_MULTIPLY_ADDS = 20             # and a sine with its cosine
    PART_GRAIN = 16                     # rows of W to a whole line of x's columns
    LEAST_ROWS = 8          # of a member: a tile, at the levels with the largest ones
    ROW_GRAIN = 2           # rows of a batch: an even cut gains more than whole tiles do


cdef bint _always_team = False
cdef bint _always_shared = False


def always_team(bint on, bint shared, /):
    """Have teams wherever they are possible, whatever they cost, as tests want it.

    With ``shared`` they also share every affine layer.
    """
    global _always_team, _always_shared
    _always_team, _always_shared = on, shared


cdef bint _shared(const Operation* op, Precision precision, Py_ssize_t rows,
                  int members) noexcept nogil:
    """Whether all members compute an operation for the whole batch together, amid two meetings.

    A layer, if that saves more reading of W than lines of its inputs and outputs have to cross.
    """
    cdef double I = op.n_inputs, O = op.n_outputs, size = bytes_of(precision)
    cdef double others = (members - 1.0) / members
    cdef double saved = I * O * size / sizeof(float) * PICOSECONDS_A_WEIGHT
    cdef double crossing = (I + O) * rows * size / LINE * PICOSECONDS_A_LINE
    if op.kind != AFFINE or _always_shared:
        return op.kind in (AFFINE, BATCH_NORM)
    return (rows < O and rows < MANY_ROWS * members
            and others * (saved - crossing) > 2 * _meeting_cost(members))


cdef double _meeting_cost(int members) noexcept nogil:
    """Picoseconds."""
    return PICOSECONDS_A_MEETING + <double> members * PICOSECONDS_A_MEMBER


cdef int _batch_norms(const Graph* graph) noexcept nogil:
    """How many operations need the whole batch."""
    cdef int i, count = 0
    for i in range(graph.n_operations):
        count += graph.operations[i].kind == BATCH_NORM
    return count


cdef double _step_arithmetic(const Graph* graph, Py_ssize_t rows, bint muon) noexcept nogil:
    """Multiply-adds of one step, with its update."""
    cdef double total = UPDATE_MULTIPLY_ADDS * <double> graph.n_parameters, small
    cdef const Operation* op
    cdef int i
    for i in range(graph.n_operations):
        op = &graph.operations[i]
        if op.kind == AFFINE:
            total += (<double> rows * op.n_inputs * op.n_outputs
                      * (3 if _trains(graph, op.sources[0]) else 2))
            if muon:
                small = min(op.n_inputs, op.n_outputs)
                total += NEWTON_SCHULZ_STEPS * small * (2.0 * op.n_inputs * op.n_outputs
                                                        + small * small)
        elif op.kind == PERIODIC:       # a wave takes as long as WAVE_MULTIPLY_ADDS
            total += (<double> rows * op.n_columns * op.numbers[0]
                      * (2 * WAVE_MULTIPLY_ADDS + 4 * op.numbers[1]))
    return total


cdef double _lines_crossed(const Graph* graph, Py_ssize_t rows, int members) noexcept nogil:
    """Cache lines that one member reads after another wrote them, or writes after it read them."""
    cdef double others = (members - 1.0) / members, numbers = graph.n_parameters
    cdef const Operation* op
    cdef int i
    for i in range(graph.n_operations):
        op = &graph.operations[i]
        if op.kind == BATCH_NORM:
            numbers += 8 * others * rows * op.n_outputs / members
        elif op.kind in (SCALE, PARAMETRIC, PERIODIC, EMBEDDING, PIECEWISE):
            numbers += 2 * others * rows * op.n_outputs / members
        elif op.kind == AFFINE:
            numbers += 2 * others * rows * op.n_outputs
            if op.sources[0] != THE_INPUT:
                numbers += 2 * others * rows * op.n_inputs / members
    return numbers * bytes_of(graph.precision) / LINE


cdef double _step_cost(const Graph* graph, Py_ssize_t rows, int members, bint muon) noexcept nogil:
    """Picoseconds of one step, as far as they depend on the number of threads."""
    cdef double own = (_step_arithmetic(graph, rows, muon) * PICOSECONDS_A_MULTIPLY_ADD
                       * bytes_of(graph.precision) / sizeof(float) / members)
    if members == 1:
        return own
    return (own + _lines_crossed(graph, rows, members) * PICOSECONDS_A_LINE
            + (2 + 4 * _batch_norms(graph) + (MUON_PHASES if muon else 0))
            * _meeting_cost(members))


cdef int _team_size(const Graph* graph, Py_ssize_t rows, int threads, bint muon) noexcept nogil:
    """The number of threads, up to ``threads``, whose step costs least; 1 means no team."""
    cdef int members, best = 1
    cdef double cost, least
    if threads < 2:
        return 1
    if _always_team:
        return threads
    least = _step_cost(graph, rows, 1, muon)
    for members in range(2, min(<Py_ssize_t> threads, (rows + LEAST_ROWS - 1) // LEAST_ROWS) + 1):
        cost = _step_cost(graph, rows, members, muon)
        if cost < least:
            best, least = members, cost
    return best


cdef inline Py_ssize_t _first_row_of_batch(const Graph* graph, Py_ssize_t rows, int index,
                                           int members) noexcept nogil:
    """Where a team's member starts; at the rows of a member of the ensemble, if it is one."""
    if graph.members > 0:
        return _cut(graph.members, index, members, 1) * (rows // graph.members)
    return _cut(rows, index, members, ROW_GRAIN)


cdef inline Py_ssize_t _first_row_of_W(const Operation* op, int index,
                                       int members) noexcept nogil:
    """Whole lines of x's columns to each member, if there are enough."""
    cdef Py_ssize_t grain = PART_GRAIN
    while grain > 1 and op.n_inputs < members * grain:
        grain //= 2
    return _cut(op.n_inputs, index, members, grain)


def team_plan(Operations network not None, Py_ssize_t batch_size, int threads, /):
    """How a team of up to ``threads`` threads divides a step of ``batch_size`` rows.

    Returns its size; the model's microseconds of a step on 1, 2, ..., ``threads`` threads, and the
    cache lines that cross to one of them; where each member's rows start; and for each affine
    operation where W starts in the flat buffer, where each member's rows of W start, and whether
    the whole team computes the operation together.
    """
    cdef const Graph* graph = &network.graph
    cdef const Operation* op
    cdef int size, i, members
    if batch_size < 1 or threads < 1:
        raise ValueError(f"batch_size is {batch_size} and threads {threads}, wanted 1 or more")
    _require_countable(graph, batch_size)
    size = _team_size(graph, batch_size, threads, False)
    costs = [_step_cost(graph, batch_size, members, False) * 1e-6
             for members in range(1, threads + 1)]
    lines = [0.0 if members == 1 else _lines_crossed(graph, batch_size, members)
             for members in range(1, threads + 1)]
    rows = [_first_row_of_batch(graph, batch_size, i, size) for i in range(size)]
    cuts = []
    for i in range(graph.n_operations):
        op = &graph.operations[i]
        if op.kind == AFFINE:
            cuts.append((op.starts[0], [_first_row_of_W(op, members, size)
                                        for members in range(size)],
                         size > 1 and _shared(op, graph.precision, batch_size, size)))
    return size, costs, lines, rows, cuts
