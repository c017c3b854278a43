/* The instructions of Intel's matrix unit on a processor that has none: they raise SIGILL, whose
   handler does what Intel's Software Developer's Manual, volume 2, says of them. One configuration
   is known, the one that affinet loads: tiles of 16 rows of 64 bytes. Anything else ends the
   process, as it would without this. */
#define _GNU_SOURCE
#include <math.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <string.h>
#include <sys/syscall.h>
#include <ucontext.h>
#include <unistd.h>

enum { TILES = 8, ROWS = 16, BYTES = 64, THREADS = 64, FLUSH = 0x8040, ROUNDING = 0x6000 };
typedef struct {
    atomic_int thread;
    int configured;
    union { uint8_t bytes[ROWS][BYTES]; uint16_t parts[ROWS][32]; float sums[ROWS][16]; } tile[TILES];
} Unit;
static Unit units[THREADS];
static atomic_long products, configured;

/* Products of tiles so far, and threads that have tiles configured now. */
long unit_products(void) { return products; }
long unit_configured(void) { return configured; }

static Unit* unit_of_thread(void) {
    const int me = (int)syscall(SYS_gettid);
    for (int i = 0; i < THREADS; i++) {
        int seen = atomic_load(&units[i].thread);
        if (seen == me) return &units[i];
        if (seen == 0 && atomic_compare_exchange_strong(&units[i].thread, &seen, me))
            return &units[i];
    }
    return NULL;
}

static float widened(uint16_t part) {
    const uint32_t word = (uint32_t)part << 16;
    float x;
    memcpy(&x, &word, sizeof x);
    return x;
}

/* TDPBF16PS: chains over the even and over the odd steps of k, fused, rounded to nearest, numbers
   below 2^-126 taken for 0, whatever the thread's mode. */
__attribute__((noinline)) static void add_product(Unit* unit, int to, int a, int b) {
    for (int m = 0; m < ROWS; m++)
        for (int n = 0; n < 16; n++) {
            volatile float even = 0, odd = 0;
            for (int k = 0; k < 16; k++) {
                const uint16_t* x = &unit->tile[a].parts[m][2 * k];
                const uint16_t* y = &unit->tile[b].parts[k][2 * n];
                even = __builtin_fmaf(widened(x[0]), widened(y[0]), even);
                odd = __builtin_fmaf(widened(x[1]), widened(y[1]), odd);
            }
            volatile float both = even + odd;
            unit->tile[to].sums[m][n] += both;
        }
}

typedef struct { const uint8_t* at; greg_t* registers; int rex_b, rex_x; } Operand;

static greg_t value(const greg_t* registers, int number) {
    static const int order[16] = {REG_RAX, REG_RCX, REG_RDX, REG_RBX, REG_RSP, REG_RBP, REG_RSI,
                                  REG_RDI, REG_R8, REG_R9, REG_R10, REG_R11, REG_R12, REG_R13,
                                  REG_R14, REG_R15};
    return registers[order[number]];
}

/* The address of a memory operand whose ModRM byte is at ``at``, the stride of its index register,
   and the bytes that it takes with its displacement. */
static char* address(Operand o, greg_t* stride, int* length) {
    const int mod = o.at[0] >> 6, rm = o.at[0] & 7;
    greg_t sum = 0;
    int32_t far;
    *stride = 0;
    *length = 1;
    if (rm == 4) {
        const int sib = o.at[1], index = (sib >> 3 & 7) | o.rex_x, base = (sib & 7) | o.rex_b;
        *length = 2;
        if (index != 4) *stride = value(o.registers, index) << (sib >> 6);
        if (mod == 0 && (sib & 7) == 5) goto wide;
        sum = value(o.registers, base);
    } else if (mod == 0 && rm == 5) {
        return NULL;            /* relative to the instruction: no compiler keeps tiles there */
    } else {
        sum = value(o.registers, rm | o.rex_b);
    }
    if (mod == 1) {
        sum += (int8_t)o.at[*length];
        *length += 1;
    } else if (mod == 2) {
wide:
        memcpy(&far, o.at + *length, sizeof far);
        sum += far;
        *length += 4;
    }
    return (char*)sum;
}

static int configure(Unit* unit, const uint8_t* layout) {
    uint8_t wanted[64] = {1};
    for (int i = 0; i < TILES; i++) {
        wanted[16 + 2 * i] = BYTES;
        wanted[48 + i] = ROWS;
    }
    if (memcmp(layout, wanted, sizeof wanted) != 0) return 0;
    memset(unit->tile, 0, sizeof unit->tile);
    if (!unit->configured) configured++;
    unit->configured = 1;
    return 1;
}

/* The length of the instruction at ``at`` once it is done; 0 if it is none of the unit's. */
static int execute(Unit* unit, const uint8_t* at, greg_t* registers) {
    if (at[0] != 0xC4 || (at[1] & 0x9F) != 0x82) return 0; /* VEX in three bytes, map 0F38 */
    const int opcode = at[3], prefix = at[2] & 3, reg = at[4] >> 3 & 7, rm = at[4] & 7;
    const int vvvv = ~(at[2] >> 3) & 15, in_registers = at[4] >> 6 == 3;
    Operand operand = {at + 4, registers, at[1] & 0x20 ? 0 : 8, at[1] & 0x40 ? 0 : 8};
    greg_t stride;
    int length;
    if (opcode == 0x49 && prefix == 0 && !in_registers) {       /* LDTILECFG */
        char* from = address(operand, &stride, &length);
        return from != NULL && configure(unit, (uint8_t*)from + stride) ? 4 + length : 0;
    }
    if (!unit->configured) return 0;
    if (opcode == 0x49 && prefix == 0 && at[4] == 0xC0) {       /* TILERELEASE */
        unit->configured = 0;
        configured--;
        return 5;
    }
    if (opcode == 0x49 && prefix == 3 && in_registers && rm == 0) {     /* TILEZERO */
        memset(&unit->tile[reg], 0, sizeof unit->tile[reg]);
        return 5;
    }
    if (opcode == 0x5C && prefix == 2 && in_registers) {        /* TDPBF16PS */
        if (reg == rm || reg == vvvv || rm == vvvv || vvvv >= TILES) return 0;
        add_product(unit, reg, rm, vvvv);
        products++;
        return 5;
    }
    if (opcode == 0x4B && (prefix == 3 || prefix == 2) && rm == 4) {    /* TILELOADD, TILESTORED */
        char* memory = address(operand, &stride, &length);
        for (int row = 0; row < ROWS; row++) {
            if (prefix == 3) memcpy(unit->tile[reg].bytes[row], memory + row * stride, BYTES);
            else memcpy(memory + row * stride, unit->tile[reg].bytes[row], BYTES);
        }
        return 4 + length;
    }
    return 0;
}

static void on_illegal(int number, siginfo_t* info, void* context) {
    greg_t* registers = ((ucontext_t*)context)->uc_mcontext.gregs;
    Unit* unit = unit_of_thread();
    const unsigned mode = __builtin_ia32_stmxcsr();
    (void)info;
    __builtin_ia32_ldmxcsr((mode & ~(unsigned)ROUNDING) | FLUSH);
    const int length = unit == NULL ? 0 : execute(unit, (uint8_t*)registers[REG_RIP], registers);
    __builtin_ia32_ldmxcsr(mode);
    if (length == 0) signal(number, SIG_DFL);   /* the same instruction again ends the process */
    registers[REG_RIP] += length;
}

static struct sigaction before;

int emulate_unit(void) {
    struct sigaction action = {.sa_sigaction = on_illegal, .sa_flags = SA_SIGINFO | SA_NODEFER};
    return sigaction(SIGILL, &action, &before);
}
int emulate_no_more(void) { return sigaction(SIGILL, &before, NULL); }
