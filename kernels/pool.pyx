"""The worker pool: threads, and how they receive a job.

Workers start with the first job that is split, sleep between jobs and are dropped in a forked
child. If a second thread calls while the pool is busy, it runs all parts itself. For each job,
workers adopt the caller's rounding mode and its handling of subnormal numbers, which other
libraries may change per thread: the bits of a result do not depend on the thread.
"""

cdef extern from *:
    """
    /* The symbol by which threadpoolctl recognises the module among others with similar names. */
    #include <stdint.h>
    #if defined(_WIN32)
    __declspec(dllexport)
    #else
    __attribute__((visibility("default")))
    #endif
    extern const int affinet_pool;
    const int affinet_pool = 1;

    typedef void (*affinet_part)(void* job, int part, int parts);
    #define AFFINET_MAX_THREADS 256

    /* The system's locks, conditions and threads. */
    #if defined(_WIN32)
    #define WIN32_LEAN_AND_MEAN
    #define NOMINMAX
    #include <windows.h>
    typedef SRWLOCK affinet_mutex;
    typedef CONDITION_VARIABLE affinet_condition;
    #define AFFINET_MUTEX SRWLOCK_INIT
    #define AFFINET_CONDITION CONDITION_VARIABLE_INIT
    #define affinet_try_lock(mutex) TryAcquireSRWLockExclusive(mutex)
    #define affinet_do_lock(mutex) AcquireSRWLockExclusive(mutex)
    #define affinet_unlock(mutex) ReleaseSRWLockExclusive(mutex)
    #define affinet_wait(condition, mutex) SleepConditionVariableSRW(condition, mutex, INFINITE, 0)
    #define affinet_wake_all(condition) WakeAllConditionVariable(condition)
    #define affinet_yield() SwitchToThread()
    typedef HANDLE affinet_thread;
    #define AFFINET_WORKER(name, place) static DWORD WINAPI name(void* place)
    #else
    #include <pthread.h>
    #include <sched.h>
    #include <signal.h>
    typedef pthread_mutex_t affinet_mutex;
    typedef pthread_cond_t affinet_condition;
    #define AFFINET_MUTEX PTHREAD_MUTEX_INITIALIZER
    #define AFFINET_CONDITION PTHREAD_COND_INITIALIZER
    #define affinet_try_lock(mutex) (pthread_mutex_trylock(mutex) == 0)
    #define affinet_do_lock(mutex) pthread_mutex_lock(mutex)
    #define affinet_unlock(mutex) pthread_mutex_unlock(mutex)
    #define affinet_wait(condition, mutex) pthread_cond_wait(condition, mutex)
    #define affinet_wake_all(condition) pthread_cond_broadcast(condition)
    #define affinet_yield() sched_yield()
    typedef pthread_t affinet_thread;
    #define AFFINET_WORKER(name, place) static void* name(void* place)
    #endif

    /* Spins before a thread yields: about 100 microseconds for the caller, about two milliseconds
       for a worker during training. A worker that sleeps sooner can be woken
       again and again on the caller's own processor; awake, it is soon moved to a free one. */
    #define AFFINET_SPINS 2000
    #define AFFINET_WORKER_SPINS 40000
    #define AFFINET_STACK (1 << 20)     /* bytes: a product's panels lie there; musl gives less */
    #if defined(__x86_64__)
    #define affinet_pause() __builtin_ia32_pause()
    #elif defined(__aarch64__)
    #define affinet_pause() __asm__ volatile("yield")
    #else
    #define affinet_pause() ((void)0)
    #endif

    /* The part of a thread's floating-point mode that results depend on: the rounding, and whether
       subnormal operands and results are 0; neither exception flags nor traps. MXCSR: Intel's
       Software Developer's Manual, volume 1, 10.2.3. FPCR: Arm's Architecture Reference Manual,
       C5.2 (also the default NaN, and what ARMv8.7 adds). */
    #if defined(__SSE2__)
    typedef unsigned affinet_mode;
    #define AFFINET_MODE_BITS (1u << 15 | 3u << 13 | 1u << 6)    /* FTZ, RC, DAZ */
    #define affinet_read_mode() __builtin_ia32_stmxcsr()
    #define affinet_write_mode(mode) __builtin_ia32_ldmxcsr(mode)
    #elif defined(__aarch64__)
    typedef uint64_t affinet_mode;
    #define AFFINET_MODE_BITS (UINT64_C(31) << 22 | UINT64_C(1) << 19 | UINT64_C(7))
    static inline affinet_mode affinet_read_mode(void) {
        affinet_mode mode;
        __asm__ volatile("mrs %0, fpcr" : "=r"(mode));
        return mode;
    }
    static inline void affinet_write_mode(affinet_mode mode) {
        __asm__ volatile("msr fpcr, %0" : : "r"(mode) : "memory");
    }
    #else
    typedef unsigned affinet_mode;
    #define AFFINET_MODE_BITS 0u
    #define affinet_read_mode() 0u
    #define affinet_write_mode(mode) ((void)(mode))
    #endif

    /* A worker's own cache line: the number of the job that it is called to. */
    typedef struct { _Alignas(64) unsigned long called; affinet_thread thread; } affinet_slot;
    static affinet_slot affinet_slots[AFFINET_MAX_THREADS];
    static affinet_mutex affinet_busy = AFFINET_MUTEX;      /* held during a job */
    static affinet_mutex affinet_lock = AFFINET_MUTEX;      /* guards sleeping */
    static affinet_condition affinet_wake = AFFINET_CONDITION;
    static int affinet_sleepers, affinet_workers, affinet_eager, affinet_pending;
    static int affinet_place = -1, affinet_placed; /* the caller's processor, workers kept off it */
    static affinet_part affinet_work;
    static void* affinet_job;
    static int affinet_parts;
    static affinet_mode affinet_callers_mode;

    /* Keeps the workers off the caller's processor. Woken there, a worker would take turns with
       its caller instead of working beside it, until the system happens to move one of them. */
    static void affinet_pool_place(void) {
    #if defined(__linux__)
        cpu_set_t usable, others;
        int here = sched_getcpu();
        if (here < 0 || (here == affinet_place && affinet_workers == affinet_placed)) return;
        if (sched_getaffinity(0, sizeof usable, &usable) != 0) return;
        others = usable;
        CPU_CLR(here, &others);
        for (int i = 1; i <= affinet_workers; i++)
            pthread_setaffinity_np(affinet_slots[i].thread, sizeof others,
                                   CPU_COUNT(&others) > 0 ? &others : &usable);
        affinet_place = here;
        affinet_placed = affinet_workers;
    #endif
    }

    /* One part of the job, in the caller's mode. Writing the mode drains the processor, so only
       where it differs. */
    static void affinet_run_part(int place) {
        const affinet_mode own = affinet_read_mode();
        const affinet_mode other = (own ^ affinet_callers_mode) & AFFINET_MODE_BITS;
        if (other) affinet_write_mode(own ^ other);
        affinet_work(affinet_job, place, affinet_parts);
        if (other) affinet_write_mode(own);
    }

    AFFINET_WORKER(affinet_worker, place) {
        affinet_slot* slot = &affinet_slots[(intptr_t)place];
        unsigned long done = 0, called;
        for (;;) {
            for (int turn = 0; turn < AFFINET_WORKER_SPINS; turn++) {
                if (__atomic_load_n(&slot->called, __ATOMIC_ACQUIRE) != done) break;
                if (!__atomic_load_n(&affinet_eager, __ATOMIC_RELAXED)) break;
                affinet_pause();
            }
            if (__atomic_load_n(&slot->called, __ATOMIC_ACQUIRE) == done) {
                affinet_do_lock(&affinet_lock);
                __atomic_add_fetch(&affinet_sleepers, 1, __ATOMIC_SEQ_CST);
                while (__atomic_load_n(&slot->called, __ATOMIC_SEQ_CST) == done)
                    affinet_wait(&affinet_wake, &affinet_lock);
                __atomic_sub_fetch(&affinet_sleepers, 1, __ATOMIC_SEQ_CST);
                affinet_unlock(&affinet_lock);
            }
            called = __atomic_load_n(&slot->called, __ATOMIC_ACQUIRE);
            affinet_run_part((int)(intptr_t)place);
            done = called;
            __atomic_sub_fetch(&affinet_pending, 1, __ATOMIC_RELEASE);
        }
        return 0;
    }

    #if defined(_WIN32)
    static int affinet_pool_ready(void) { return 1; }
    /* Start one more worker; 0 if the system refuses. */
    static int affinet_pool_start(int place) {
        affinet_slots[place].thread = CreateThread(NULL, AFFINET_STACK, affinet_worker,
                                                   (void*)(intptr_t)place,
                                                   STACK_SIZE_PARAM_IS_A_RESERVATION, NULL);
        return affinet_slots[place].thread != NULL;
    }
    #elif defined(__EMSCRIPTEN__) && !defined(__EMSCRIPTEN_PTHREADS__)
    /* Python in a browser has no threads: the caller takes every part of a job. */
    static int affinet_pool_ready(void) { return 0; }
    static int affinet_pool_start(int place) { return (void)affinet_worker, (void)place, 0; }
    #else
    /* A forked child has only the thread that forked: it starts with an empty pool. */
    static void affinet_after_fork(void) {
        affinet_mutex fresh_lock = AFFINET_MUTEX;
        affinet_condition fresh_wake = AFFINET_CONDITION;
        affinet_busy = fresh_lock;
        affinet_lock = fresh_lock;
        affinet_wake = fresh_wake;
        affinet_sleepers = affinet_workers = affinet_eager = affinet_pending = 0;
        affinet_placed = 0;
        for (int i = 0; i < AFFINET_MAX_THREADS; i++) affinet_slots[i].called = 0;
    }

    static int affinet_pool_ready(void) {
        static int handler;
        if (!handler) handler = pthread_atfork(NULL, NULL, affinet_after_fork) == 0;
        return handler;
    }

    /* Start one more worker; 0 if the system refuses. It takes no signals, which are for Python's
       threads, but those of its own faults: a program may have a handler that reports them. */
    static int affinet_pool_start(int place) {
        sigset_t all, before;
        pthread_attr_t attributes;
        int started;
        static const int faults[4] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL};
        if (pthread_attr_init(&attributes) != 0) return 0;
        pthread_attr_setstacksize(&attributes, AFFINET_STACK);
        pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
        sigfillset(&all);
        for (int i = 0; i < 4; i++) sigdelset(&all, faults[i]);
        pthread_sigmask(SIG_SETMASK, &all, &before);
        started = pthread_create(&affinet_slots[place].thread, &attributes, affinet_worker,
                                 (void*)(intptr_t)place) == 0;
        pthread_sigmask(SIG_SETMASK, &before, NULL);
        pthread_attr_destroy(&attributes);
        return started;
    }
    #endif
    """
