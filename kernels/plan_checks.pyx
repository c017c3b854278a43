"""What a plan's doors refuse, and the numbers that they take over."""

from libc.math cimport INFINITY
from libc.stdint cimport int64_t
from libc.stdlib cimport free, malloc


cdef Group* _own_groups(list groups, const Workspace* w, char** spaces) except? NULL:
    """A copy of the groups, NULL for none, and workspaces of the matrices; both for free()."""
    cdef Group* own
    if len(groups) == 0:
        return NULL
    own = <Group*> malloc(len(groups) * sizeof(Group))
    if own == NULL:
        raise MemoryError(f"no memory for {len(groups)} groups of parameters")
    try:
        _copy_groups(groups, w.update.n, w.update.rule, own)
        spaces[0] = _own_muon_spaces(own, len(groups), w.graph.precision)
    except BaseException:
        free(own)
        raise
    return own


cdef int _copy_groups(list groups, Py_ssize_t n_parameters, int rule, Group* own) except -1:
    """Groups that together hold all parameters, in order."""
    cdef Py_ssize_t last = 0
    for group in groups:
        if len(group) not in (4, 5):
            raise ValueError(f"a group of parameters is {group}, wanted 4 or 5 numbers")
        if len(group) == 5 and group[4] != 0 and rule != MUON:
            raise ValueError(f"a group of parameters is {group}, a matrix, which only muon takes")
        own.start, own.end, own.lr, own.decay = group[0], group[1], group[2], group[3]
        own.columns = group[4] if len(group) == 5 else 0
        if own.start != last or own.end <= last:
            raise ValueError(f"a group of parameters is {group}, wanted one that starts at {last} "
                             "and ends after it")
        if not 0 <= own.lr < INFINITY or not 0 <= own.decay < INFINITY:
            raise ValueError(f"a group of parameters is {group}, wanted factors of 0 or more, "
                             "finite")
        if own.columns < 0 or own.columns > 0 and (own.end - last) % own.columns != 0:
            raise ValueError(f"a group of parameters is {group}, wanted 0 columns, or whole rows")
        last, own = own.end, own + 1
    if last != n_parameters:
        raise ValueError(f"the groups of parameters end at {last}, wanted {n_parameters}")
    return 0


cdef void _forget_factors(Workspace* w) noexcept nogil:
    """Undo what the factors of a run's last update have left."""
    w.dropout, w.update.tau = 1, 0
    if w.update.decay != NO_DECAY:
        w.rule_numbers[w.update.decay] = w.weight_decay


cdef int _require_decays(const Workspace* w, str rule, Py_ssize_t n,
                         const double* decays) except -1:
    """Factors of a weight decay that the rule has."""
    cdef Py_ssize_t i
    if w.update.decay == NO_DECAY:
        raise ValueError(f"factors of the weight decay came, but {rule} has none")
    for i in range(n):
        if not 0 <= decays[i] < INFINITY:
            raise ValueError(f"decays[{i}] is {decays[i]}, wanted 0 or more, finite")
    return 0


cdef int _require_same_operations(const Graph* own, const Graph* other) except -1:
    cdef bint same = (own.precision == other.precision
                      and own.n_parameters == other.n_parameters
                      and own.n_operations == other.n_operations)
    cdef int i
    for i in range(own.n_operations if same else 0):
        same = (same and own.operations[i].kind == other.operations[i].kind
                and own.operations[i].n_outputs == other.operations[i].n_outputs)
    if not same:
        raise ValueError("the operations of the average differ from the network's")
    return 0


cdef int _require_averages(const Workspace* w, Py_ssize_t n, const double* averages) except -1:
    """Weights in an average that the plan has."""
    cdef Py_ssize_t i
    if w.twin == NULL:
        raise ValueError("averages came, but the plan has no average: call set_average")
    for i in range(n):
        if not 0 <= averages[i] <= 1:
            raise ValueError(f"averages[{i}] is {averages[i]}, wanted 0 to 1")
    return 0


cdef int _require_dropouts(const Graph* graph, Py_ssize_t n, const double* dropouts) except -1:
    """Factors that leave every dropout's p a probability below 1."""
    cdef Py_ssize_t i
    cdef int k
    cdef double most = 0
    for k in range(graph.n_operations):
        if graph.operations[k].kind == DROPOUT:
            most = max(most, graph.operations[k].numbers[0])
    for i in range(n):
        if not (0 <= dropouts[i] < INFINITY and dropouts[i] * most < 1):
            raise ValueError(f"dropouts[{i}] is {dropouts[i]}, wanted 0 or more, and less than 1 "
                             f"times the largest p, {most}")
    return 0


cdef double _bound(str name, object bound) except -1:
    """A bound in the workspace's form: 0 for None."""
    cdef double number = 0 if bound is None else bound
    if bound is not None and not 0 < number < INFINITY:
        raise ValueError(f"{name} is {number}, wanted a finite number above 0")
    return number


cdef int _require_no_batch_norm(const Graph* graph) except -1:
    """A batch of one row has no variance."""
    cdef int i
    for i in range(graph.n_operations):
        if graph.operations[i].kind == BATCH_NORM:
            raise ValueError(f"a batch of one row: operation {i}, batch_norm, wants 2 rows or "
                             "more")
    return 0


cdef int _require_good_labels(int status) except -1:
    if status < 0:
        raise ValueError("t holds a class index that is not one of the network's outputs")
    return 0


cdef int _require_rows_in_range(const Workspace* w, Py_ssize_t n_rows,
                                const int64_t* order) except -1:
    cdef Py_ssize_t i
    cdef int64_t n = min(w.x.n_rows, w.t.n_rows)
    if w.x.source == NO_NUMBERS or w.t.source == NO_NUMBERS:
        raise RuntimeError("a plan wants inputs and targets before it runs")
    if w.weights != NULL:
        n = min(n, w.n_weights)
    for i in range(n_rows):
        if not 0 <= order[i] < n:
            raise ValueError(f"order[{i}] is {order[i]}, wanted a row 0..{n - 1}")
    return 0


cdef int _require_whole_members(Py_ssize_t members, Py_ssize_t batch_size,
                                Py_ssize_t n) except -1:
    """Every batch has as many rows for each of an ensemble's members."""
    if members > 0 and (batch_size % members != 0 or n % members != 0):
        raise ValueError(f"batches of {batch_size} of {n} rows, wanted multiples of the {members} "
                         "members")
    return 0


cdef double* _hold_numbers(Held* held, const char* name, object array, Access access,
                           Py_ssize_t length) except? NULL:
    """Acquire one more array (length,) of float64, regardless of the network's precision."""
    hold(held, name, array, DOUBLE, 1, access)
    require_size(held, held.n - 1, name, 0, length)
    return <double*> held_data(held, held.n - 1)


cdef char* _own_parameters(dict owners, const Graph* graph, str name, object array) except? NULL:
    """The address of a flat array as the parameters are."""
    return own_vector(owners, name, array, graph.precision, graph.n_parameters)
