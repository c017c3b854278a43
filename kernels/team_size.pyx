"""How many threads a training step is worth: a cost model of sizes alone, never of timings.

A team shares a step's arithmetic; what it pays is two meetings, and each cache line that one member
writes and another reads (6 to 8 ns; flags take 0.15 us to cross). The model counts both for a batch
of full size:

- arithmetic: multiply-adds of the products, and those that an update costs for each parameter;
- lines: each member reads the others' new weights and writes its own, which the others have read;
  it reads its part of the inputs of each layer but the first, and all gradients, of the others'
  rows, and these rows are written again at the next step.

The constants were measured on AMD EPYC (Zen 4) with AVX-512: the smallest networks, for which a
team does not pay, decide them, so they err on the side of one thread.
"""

cdef enum:
    PICOSECONDS_A_MULTIPLY_ADD = 24
    PICOSECONDS_A_LINE = 10000
    PICOSECONDS_A_MEETING = 600000      # with the wait for the other's last instructions
    UPDATE_MULTIPLY_ADDS = 12           # that an update of one parameter is worth
    PART_GRAIN = 16                     # rows of W to a whole line of x's columns


cdef bint _always_team = False


def always_team(bint on):
    """Have teams wherever they are possible, whatever they cost, as tests want it."""
    global _always_team
    _always_team = on


cdef bint _team_capable(const Graph* graph) noexcept nogil:
    """Whether every operation treats rows apart, up to the gradients of parameters.

    batch_norm does not: its statistics are sums over rows.
    """
    cdef int i
    for i in range(graph.n_operations):
        if graph.operations[i].kind == BATCH_NORM:
            return False
    return True


cdef double _step_arithmetic(const Graph* graph, Py_ssize_t rows) noexcept nogil:
    """Multiply-adds of one step, with its update."""
    cdef double total = UPDATE_MULTIPLY_ADDS * <double> graph.n_parameters
    cdef const Operation* op
    cdef int i
    for i in range(graph.n_operations):
        op = &graph.operations[i]
        if op.kind == AFFINE:
            total += (<double> rows * op.n_inputs * op.n_outputs
                      * (3 if _trains(graph, op.sources[0]) else 2))
    return total


cdef double _lines_crossed(const Graph* graph, Py_ssize_t rows, int members) noexcept nogil:
    """Cache lines that one member reads after another wrote them, or writes after it read them."""
    cdef double others = (members - 1.0) / members, numbers = graph.n_parameters
    cdef const Operation* op
    cdef int i
    for i in range(graph.n_operations):
        op = &graph.operations[i]
        if op.kind == AFFINE:
            numbers += 2 * others * rows * op.n_outputs
            if op.sources[0] != THE_INPUT:
                numbers += 2 * others * rows * op.n_inputs / members
    return numbers * bytes_of(graph.precision) / LINE


cdef double _step_cost(const Graph* graph, Py_ssize_t rows, int members) noexcept nogil:
    """Picoseconds of one step, as far as they depend on the number of threads."""
    cdef double own = (_step_arithmetic(graph, rows) * PICOSECONDS_A_MULTIPLY_ADD
                       * bytes_of(graph.precision) / sizeof(float) / members)
    if members == 1:
        return own
    return (own + _lines_crossed(graph, rows, members) * PICOSECONDS_A_LINE
            + 2.0 * PICOSECONDS_A_MEETING)


cdef int _team_size(const Graph* graph, Py_ssize_t rows, int threads) noexcept nogil:
    """The number of threads, up to ``threads``, whose step costs least; 1 means no team."""
    cdef int members, best = 1
    cdef double cost, least
    if threads < 2 or not _team_capable(graph):
        return 1
    if _always_team:
        return threads
    least = _step_cost(graph, rows, 1)
    for members in range(2, min(<Py_ssize_t> threads, (rows + MR - 1) // MR) + 1):
        cost = _step_cost(graph, rows, members)
        if cost < least:
            best, least = members, cost
    return best
