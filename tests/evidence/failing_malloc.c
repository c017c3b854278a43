/* An allocator whose k-th call fails, for LD_PRELOAD; see row14_allocations.py.

   fail_at(k) lets the k-th allocation of this thread from now on fail, once; fail_at(0) ends it.
   fail_count() is the number of allocations since then. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <stddef.h>

static __thread long armed, count;

static int fails(void) { return armed && ++count == armed; }

void fail_at(long k) { count = 0; armed = k; }
long fail_count(void) { return count; }

extern void *__libc_malloc(size_t), *__libc_calloc(size_t, size_t), *__libc_realloc(void *, size_t);
extern void *__libc_memalign(size_t, size_t);

void *malloc(size_t n) { return fails() ? (errno = ENOMEM, NULL) : __libc_malloc(n); }
void *calloc(size_t n, size_t size) {
    return fails() ? (errno = ENOMEM, NULL) : __libc_calloc(n, size);
}
void *realloc(void *p, size_t n) { return fails() ? (errno = ENOMEM, NULL) : __libc_realloc(p, n); }
void *aligned_alloc(size_t at, size_t n) {
    return fails() ? (errno = ENOMEM, NULL) : __libc_memalign(at, n);
}
int posix_memalign(void **p, size_t at, size_t n) {
    if (fails()) return ENOMEM;
    *p = __libc_memalign(at, n);
    return *p ? 0 : ENOMEM;
}
