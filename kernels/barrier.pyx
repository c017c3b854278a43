"""A team: threads that run one job together and meet in between.

A member that waits spins for a while and then yields its processor at every turn. How long the
leader, member 0, waited beyond its spins tells that another thread had that member's processor.
"""

from libc.stdint cimport uint64_t

cdef extern from *:
    """
    #if !defined(_WIN32)
    #include <time.h>
    #endif
    /* What a member has reached, each on a separate cache line; the leader's is the release. */
    typedef struct { _Alignas(64) unsigned long reached; } affinet_arrival;
    static affinet_arrival affinet_arrivals[AFFINET_MAX_THREADS];
    static _Thread_local int affinet_in_team;

    static uint64_t affinet_nanoseconds(void) {
    #if defined(_WIN32)
        LARGE_INTEGER now, rate;
        QueryPerformanceCounter(&now);
        QueryPerformanceFrequency(&rate);
        return (uint64_t)((double)now.QuadPart / (double)rate.QuadPart * 1e9);
    #else
        struct timespec now;
        clock_gettime(CLOCK_MONOTONIC, &now);
        return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
    #endif
    }

    /* Waits until ``member`` has reached ``meeting``; nanoseconds of the wait beyond its spins. */
    static uint64_t affinet_await(int member, unsigned long meeting) {
        const unsigned long* reached = &affinet_arrivals[member].reached;
        uint64_t since;
        for (int turn = 0; turn < AFFINET_SPINS; turn++) {
            if (__atomic_load_n(reached, __ATOMIC_ACQUIRE) >= meeting) return 0;
            affinet_pause();
        }
        since = affinet_nanoseconds();
        while (__atomic_load_n(reached, __ATOMIC_ACQUIRE) < meeting) affinet_yield();
        return affinet_nanoseconds() - since;
    }

    /* The meeting of all members with this number, counted from 1: none leaves before all have
       come. Returns what affinet_await does, for the leader. */
    static uint64_t affinet_meet(int member, int members, unsigned long meeting) {
        uint64_t lost = 0;
        if (member > 0) {
            __atomic_store_n(&affinet_arrivals[member].reached, meeting, __ATOMIC_RELEASE);
            return affinet_await(0, meeting);
        }
        for (int i = 1; i < members; i++) lost += affinet_await(i, meeting);
        __atomic_store_n(&affinet_arrivals[0].reached, meeting, __ATOMIC_RELEASE);
        return lost;
    }

    /* Between affinet_pool_claim and affinet_pool_release, when no member is at work. */
    static void affinet_reset_meetings(int members) {
        for (int i = 0; i < members; i++) affinet_arrivals[i].reached = 0;
    }
    static void affinet_set_in_team(int on) { affinet_in_team = on; }
    static int affinet_is_in_team(void) { return affinet_in_team; }
    """
    uint64_t _nanoseconds "affinet_nanoseconds"() noexcept nogil
    uint64_t _meet "affinet_meet"(int member, int members, unsigned long meeting) noexcept nogil
    void _reset_meetings "affinet_reset_meetings"(int members) noexcept nogil
    # Whether the calling thread is a member at work: it then splits no job further.
    void _set_in_team "affinet_set_in_team"(bint on) noexcept nogil
    bint _is_in_team "affinet_is_in_team"() noexcept nogil
