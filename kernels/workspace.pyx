"""All memory that a training step reads and writes, allocated once.

Outputs stay until the backward, each in separate memory unless its operation may overwrite its
input. A gradient is needed wherever an earlier operation is trained, and only from its last
reader's backward to its own operation's: so a network without branches has two gradients that
alternate. A team of threads (team.pyx) reads all of them after the backward: its plan keeps each.
"""

from libc.stdlib cimport calloc
from libc.string cimport memset

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
    const Py_ssize_t PY_SSIZE_T_MAX

cdef enum:
    ALIGNMENT = 64          # bytes: a cache line, and the widest vector
    MOST_KEPT = 2           # arrays that a forward keeps for its backward, besides its output
    NO_SLOT = -1            # in place of a gradient
    NOWHERE = -2            # in place of a source


# Bytes that no memory has, with room to count on: PY_SSIZE_T_MAX is 2^31 - 1 in a browser.
cdef Py_ssize_t TOO_MUCH = PY_SSIZE_T_MAX // 2

cdef struct Space:          # per operation
    char* out               # (batch_size, n_outputs), possibly its source's memory
    # A dropout's mask (batch_size, n_outputs); a normalization's mean and variance:
    # (n_outputs,) by columns or (batch_size,) by rows; a parametric activation's f(x) - x, in its
    # backward times dout.
    char* kept[MOST_KEPT]
    char* dout              # its output's gradient, NULL if none is needed
    char* dx                # where its dx goes, unless over dout
    int dout_slot           # which of the gradients these two are
    int dx_slot
    bint[MOST_SOURCES] adds     # its gradient for a source is added to the existing one

cdef struct Workspace:
    const Graph* graph
    Space* spaces           # one for each operation
    Py_ssize_t batch_size
    Py_ssize_t batch_rows   # of the present batch, all threads' together,
    Py_ssize_t first_row    # and the first one here
    double input_scale
    bint of_a_member        # of a team: some rows, and gradients of parameters follow later
    bint keeps_gradients    # each operation's until the step's end, none written over another's
    char* grads             # the flat buffer of gradients
    char* memory            # contains everything below, the operations' spaces too
    char* batch             # (batch_size, n_inputs)
    char* targets           # (batch_size, n_outputs), or class indices (batch_size,)
    char* y                 # softmax output (batch_size, n_outputs)
    double* batch_weights   # (batch_size,)
    int n_gradients         # each (batch_size, the widest operation)
    Py_ssize_t gradient_size
    RowSource x
    RowSource t
    const double* weights   # of all rows, or NULL
    Py_ssize_t n_weights
    # Total weight of the last batch, including rows of other processes; without weights, its rows.
    double weight_sum
    Loss loss
    Update update           # rule, numbers and averages, with the number of updates so far
    double[MOST_NUMBERS] rule_numbers
    double weight_decay     # the rule's own, which the factors of updates multiply
    double dropout          # factor of each dropout's p
    const Graph* twin       # of the average of the network, or NULL
    double l2
    double max_value        # of an element of a gradient; 0 for no bound
    double max_norm         # of a gradient; 0 for no bound


# What is kept, and where gradients go ------------------------------------------------------------


cdef int _needs_output(const Operation* op) except -1:
    """Whether an operation's backward needs its output."""
    if op.kind == ELEMENTWISE:
        return not op.needs_input
    elif op.kind == PERIODIC:
        return op.numbers[4] != 0       # rectified
    elif op.kind in (AFFINE, DROPOUT, BATCH_NORM, LAYER_NORM, ADD, IDENTITY, MULTIPLY, SCALE,
                     PARAMETRIC, EMBEDDING, PIECEWISE, MEMBER_SCALE, MEMBER_AFFINE, INCREASING):
        return False
    return _refuse_kind(op.kind)


cdef int _needs_input(const Operation* op) except -1:
    """Whether an operation's backward needs its input."""
    if op.kind == ELEMENTWISE:
        return op.needs_input
    elif op.kind in (AFFINE, BATCH_NORM, LAYER_NORM, SCALE, PARAMETRIC, PERIODIC, EMBEDDING,
                     PIECEWISE, MEMBER_SCALE, MEMBER_AFFINE, INCREASING):
        return True
    elif op.kind in (DROPOUT, ADD, IDENTITY, MULTIPLY):
        return False
    return _refuse_kind(op.kind)


cdef Py_ssize_t _kept_size(const Operation* op, int k, Py_ssize_t B,
                           Py_ssize_t itemsize) except -1:
    """Bytes of the k-th array that an operation's forward stores for B rows."""
    if op.kind == DROPOUT:
        return B * op.n_outputs if k == 0 else 0
    elif op.kind == BATCH_NORM:
        return op.n_outputs * itemsize
    elif op.kind == LAYER_NORM:
        return B * itemsize
    elif op.kind == PARAMETRIC:
        return B * op.n_outputs * itemsize if k == 0 else 0
    elif op.kind in (AFFINE, ELEMENTWISE, ADD, IDENTITY, MULTIPLY, SCALE, PERIODIC, EMBEDDING,
                     PIECEWISE, MEMBER_SCALE, MEMBER_AFFINE, INCREASING):
        return 0
    return _refuse_kind(op.kind)


cdef int _in_place(const Graph* graph, int i) except -3:
    """The source that operation i overwrites, NOWHERE for none.

    No other operation may read it, and neither operation's backward may need it.
    """
    cdef const Operation* op = &graph.operations[i]
    cdef int k, source
    if op.kind == DROPOUT or _needs_input(op):
        return NOWHERE
    for k in range(op.n_sources):
        source = op.sources[k]
        if source == THE_INPUT:
            if graph.input_readers == 1:
                return source
        elif graph.operations[source].readers == 1:
            if not _needs_output(&graph.operations[source]):
                return source
    return NOWHERE


cdef int _take_slot(Workspace* w, char* taken) noexcept:
    """The first free gradient buffer."""
    cdef int slot = 0
    while taken[slot]:
        slot += 1
    taken[slot], w.n_gradients = True, max(w.n_gradients, slot + 1)
    return slot


cdef bint _has_own_dx(const Workspace* w, const Operation* op) noexcept nogil:
    """Whether dx has separate memory; other operations write it over dout."""
    return (op.kind in (AFFINE, PERIODIC, EMBEDDING, PIECEWISE, MEMBER_AFFINE)
            or (w.keeps_gradients and op.kind in (LAYER_NORM, SCALE)))


cdef void _assign_gradients(Workspace* w) noexcept:
    """Assign each gradient's buffer, from the last operation back to the first that trains.

    The first gradient of an output, from the last of its readers, is written; the others are added
    to it, in order of their readers from last to first. Nearly all operations except affine work in
    place on dout, which then belongs to one of their sources.
    """
    cdef char[2 * MAX_OPERATIONS + 1] taken
    cdef int i, k, slot, n = w.graph.n_operations
    cdef const Operation* op
    cdef Space* space
    cdef Space* source
    cdef bint passed_on
    memset(taken, 0, sizeof(taken))
    for i in range(n):
        w.spaces[i].dout_slot = w.spaces[i].dx_slot = NO_SLOT
    w.n_gradients, w.spaces[n - 1].dout_slot, taken[0] = 1, 0, True
    for i in range(n - 1, -1, -1):
        op, space = &w.graph.operations[i], &w.spaces[i]
        if not op.trains:
            continue
        slot, passed_on = space.dout_slot, False
        for k in range(op.n_sources):
            if not _trains(w.graph, op.sources[k]):
                continue
            source = &w.spaces[op.sources[k]]
            space.adds[k] = source.dout_slot != NO_SLOT
            if _has_own_dx(w, op):
                space.dx_slot = _take_slot(w, taken)
                if not space.adds[k]:
                    source.dout_slot = space.dx_slot
                elif not w.keeps_gradients:
                    taken[space.dx_slot] = False    # only until it is added
            elif not space.adds[k] and not passed_on:
                source.dout_slot, passed_on = slot, True
            elif not space.adds[k]:
                source.dout_slot = _take_slot(w, taken)
        if not passed_on and not w.keeps_gradients:
            taken[slot] = False


cdef inline bint _trains(const Graph* graph, int source) noexcept nogil:
    """Whether this source of an operation needs a gradient."""
    return source != THE_INPUT and graph.operations[source].trains


# Memory ------------------------------------------------------------------------------------------


cdef inline void* _output(const Workspace* w, int i) noexcept nogil:
    """The output of operation i for the batch, or the batch itself."""
    return w.batch if i == THE_INPUT else w.spaces[i].out


cdef inline char* _gradient(char* gradients, const Workspace* w, int slot) noexcept nogil:
    """The address of one of the gradients; NULL without memory or without a slot."""
    if gradients == NULL or slot == NO_SLOT:
        return NULL
    return gradients + slot * w.gradient_size


cdef Py_ssize_t _aligned(Py_ssize_t size) noexcept nogil:
    return (size + ALIGNMENT - 1) // ALIGNMENT * ALIGNMENT


cdef char* _cut_off(char* start, Py_ssize_t* used, Py_ssize_t size) noexcept:
    """Allocate the next piece of this size; only counts if start is NULL, at most to TOO_MUCH."""
    cdef char* piece = NULL if start == NULL else start + used[0]
    used[0] = TOO_MUCH if size > TOO_MUCH - ALIGNMENT - used[0] else used[0] + _aligned(size)
    return piece


cdef Py_ssize_t _cut_memory(Workspace* w, char* start) except -1:
    """Split the memory from start on into aligned pieces; returns their total size."""
    cdef const Graph* graph = w.graph
    cdef Py_ssize_t B = w.batch_size, itemsize = bytes_of(graph.precision), used = 0
    cdef char* gradients
    cdef int i, k, source, _slot
    cdef const Operation* op
    w.gradient_size = _aligned(B * graph.widest * itemsize)
    w.batch = _cut_off(start, &used, B * graph.n_inputs * itemsize)
    gradients = _cut_off(start, &used, w.gradient_size)
    for _slot in range(1, w.n_gradients):
        _cut_off(start, &used, w.gradient_size)
    # A class index takes 8 bytes.
    w.targets = _cut_off(start, &used, B * max(graph.n_outputs * itemsize, <Py_ssize_t> 8))
    w.y = _cut_off(start, &used, B * graph.n_outputs * itemsize)
    w.batch_weights = <double*> _cut_off(start, &used, B * sizeof(double))
    for i in range(graph.n_operations):
        op = &graph.operations[i]
        source = _in_place(graph, i)
        if source == NOWHERE:
            w.spaces[i].out = _cut_off(start, &used, B * op.n_outputs * itemsize)
        else:
            w.spaces[i].out = <char*> _output(w, source)
        w.spaces[i].dout = _gradient(gradients, w, w.spaces[i].dout_slot)
        w.spaces[i].dx = _gradient(gradients, w, w.spaces[i].dx_slot)
        for k in range(MOST_KEPT):
            w.spaces[i].kept[k] = _cut_off(start, &used, _kept_size(op, k, B, itemsize))
    return used


cdef int _require_countable(const Graph* graph, Py_ssize_t B) except -1:
    """Raise MemoryError for a batch whose sizes would overflow."""
    # No piece takes more than 8 bytes for each of B numbers of the widest operation.
    if B > TOO_MUCH // 16 // graph.widest:
        raise MemoryError(f"no memory for a batch of {B} rows")
    return 0


cdef int _set_memory_aside(Workspace* w) except -1:
    """Allocate everything that a step writes at once."""
    cdef Py_ssize_t B = w.batch_size, size
    w.spaces = <Space*> calloc(w.graph.n_operations, sizeof(Space))
    if w.spaces == NULL:
        raise MemoryError(f"no memory for a batch of {B} rows")
    _assign_gradients(w)
    size = _cut_memory(w, NULL)
    if size < TOO_MUCH:
        w.memory = <char*> _set_aside(size + ALIGNMENT)
    if w.memory == NULL:
        raise MemoryError(f"no memory for a batch of {B} rows ({size} bytes)")
    _cut_memory(w, w.memory + (ALIGNMENT - <Py_ssize_t> w.memory % ALIGNMENT) % ALIGNMENT)
    return 0
