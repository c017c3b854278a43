"""Splits a job into parts that write to disjoint memory, and runs them on the pool.

A part's result never depends on the number of parts, so the number of threads changes no bit.
"""

from libc.stdint cimport int64_t

cdef extern from *:
    """
    static void affinet_pool_grow(int workers) {
        if (!affinet_pool_ready()) return;
        while (affinet_workers < workers) {
            affinet_slots[affinet_workers + 1].called = 0;
            if (!affinet_pool_start(affinet_workers + 1)) return;
            __atomic_store_n(&affinet_workers, affinet_workers + 1, __ATOMIC_RELAXED);
        }
    }

    /* Threads that the caller has for itself until it releases the pool, itself among them: up to
       ``parts``, or 0 if the pool is busy. */
    static int affinet_pool_claim(int parts) {
        if (!affinet_try_lock(&affinet_busy)) return 0;
        if (affinet_workers < parts - 1) affinet_pool_grow(parts - 1);
        affinet_pool_place();
        return affinet_workers + 1 < parts ? affinet_workers + 1 : parts;
    }
    static void affinet_pool_release(void) { affinet_unlock(&affinet_busy); }

    /* Run a job on ``called`` claimed threads; the caller takes the parts beyond them. */
    static void affinet_pool_share(affinet_part work, void* job, int called, int parts) {
        affinet_work = work;
        affinet_job = job;
        affinet_parts = parts;
        affinet_callers_mode = affinet_read_mode();
        __atomic_store_n(&affinet_pending, called - 1, __ATOMIC_RELAXED);
        for (int i = 1; i < called; i++)
            __atomic_add_fetch(&affinet_slots[i].called, 1, __ATOMIC_SEQ_CST);
        if (__atomic_load_n(&affinet_sleepers, __ATOMIC_SEQ_CST) > 0) {
            affinet_do_lock(&affinet_lock);
            affinet_wake_all(&affinet_wake);
            affinet_unlock(&affinet_lock);
        }
        work(job, 0, parts);
        for (int part = called; part < parts; part++) work(job, part, parts);
        for (int turn = 0; __atomic_load_n(&affinet_pending, __ATOMIC_ACQUIRE) > 0; turn++) {
            if (turn < AFFINET_SPINS) affinet_pause();
            else affinet_yield();
        }
    }

    static void affinet_pool_run(affinet_part work, void* job, int parts) {
        int called = 0;
        if (parts > AFFINET_MAX_THREADS) parts = AFFINET_MAX_THREADS;
        if (parts > 1) called = affinet_pool_claim(parts);
        if (called > 0) {
            affinet_pool_share(work, job, called, parts);
            affinet_pool_release();
        } else {
            for (int part = 0; part < parts; part++) work(job, part, parts);
        }
    }
    static int affinet_pool_workers(void) {     /* also while another thread starts some */
        return __atomic_load_n(&affinet_workers, __ATOMIC_RELAXED);
    }
    /* While eager, workers wait awake for a moment: the jobs of a training follow each other. */
    static void affinet_pool_eager(int on) {
        __atomic_store_n(&affinet_eager, on, __ATOMIC_RELAXED);
    }
    /* The most parts of a job; any thread may change it while others read it. */
    static int affinet_threads = 1;
    static void affinet_set_threads(int n) {
        __atomic_store_n(&affinet_threads, n, __ATOMIC_RELAXED);
    }
    static int affinet_get_threads(void) {
        return __atomic_load_n(&affinet_threads, __ATOMIC_RELAXED);
    }
    static int affinet_pool_is_eager(void) {
        return __atomic_load_n(&affinet_eager, __ATOMIC_RELAXED);
    }
    """
    ctypedef void (*part_function "affinet_part")(void* job, int part, int parts) noexcept nogil
    const int MAX_THREADS "AFFINET_MAX_THREADS"
    void _pool_run "affinet_pool_run"(part_function work, void* job, int parts) noexcept nogil
    int _pool_claim "affinet_pool_claim"(int parts) noexcept nogil
    void _pool_release "affinet_pool_release"() noexcept nogil
    void _pool_share "affinet_pool_share"(part_function work, void* job, int called,
                                          int parts) noexcept nogil
    int _pool_workers "affinet_pool_workers"() noexcept nogil
    void _pool_eager "affinet_pool_eager"(int on) noexcept nogil
    void _set_threads "affinet_set_threads"(int n) noexcept nogil
    int _threads "affinet_get_threads"() noexcept nogil
    bint _pool_is_eager "affinet_pool_is_eager"() noexcept nogil


def set_threads(int n, /):
    """Split jobs that are large enough into up to n parts, 1 <= n <= 256."""
    if not 1 <= n <= MAX_THREADS:
        raise ValueError(f"n is {n}, wanted 1..{MAX_THREADS}")
    _set_threads(n)


def threads():
    """The maximum number of parts of a job, and the number of workers started."""
    return _threads(), _pool_workers()


cdef inline int _parts(int64_t work, Py_ssize_t enough, Py_ssize_t to_wake) noexcept nogil:
    """The number of parts to split a job into, so that each has ``enough`` work.

    ``to_wake`` applies if the workers must be woken first, which takes about 25 microseconds.
    """
    cdef int64_t most = work // (enough if _pool_is_eager() else to_wake)
    if most <= 1 or _is_in_team():
        return 1
    return <int> max(<int64_t> 1, min(<int64_t> _threads(), most))


cdef inline Py_ssize_t _cut(Py_ssize_t n, int part, int parts, Py_ssize_t grain) noexcept nogil:
    """Start of the part if n items are divided in whole grains; n for part = parts."""
    cdef Py_ssize_t grains = (n + grain - 1) // grain
    # Where Py_ssize_t has 32 bits, the product has more.
    return min(n, <Py_ssize_t> (<int64_t> grains * part // parts) * grain)
