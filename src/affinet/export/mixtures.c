/* What several networks, or members, say together, in integers; their weights are in 2^-30. */

//= mix_mean: rescaled
static void @mix_mean(const @value *all, const int32_t *weights, int32_t all_zero, uint8_t shift,
                      int32_t zero, int32_t low, size_t K, size_t n, @value *y) {
    size_t j, m;
    for (j = 0; j < n; j++) {
        int64_t sum = 0;
        for (m = 0; m < K; m++) {
            sum += (int64_t)(all[m * n + j] - all_zero) * (int32_t)@LONG(&weights[m]);
        }
        y[j] = @rescaled(sum, 1, shift, zero, low);
    }
}

//= q_exp:
/* exp(-d step) in 2^-31, by tables for the upper and the lower bits of d. */
static uint32_t @q_exp(const uint32_t *table, int32_t d, uint8_t bits) {
    const uint32_t size = (uint32_t)1 << bits, upper = (uint32_t)d >> bits;
    const uint32_t a = @LONG(&table[upper]), b = @LONG(&table[size + ((uint32_t)d & (size - 1u))]);
    return (uint32_t)(((uint64_t)a * b) >> 31);
}

//= q_log:
/* log2(v / 2^30) in 2^-20, error at most 5e-5; 0 is as 1. */
static int32_t @q_log(const uint32_t *table, uint32_t v) {
    int32_t whole = 1, a, b;
    size_t i;
    v = v == 0u ? 1u : v;
    if (v < 0x10000u) { v <<= 16; whole -= 16; }
    if (v < 0x1000000u) { v <<= 8; whole -= 8; }
    if (v < 0x10000000u) { v <<= 4; whole -= 4; }
    if (v < 0x40000000u) { v <<= 2; whole -= 2; }
    if (v < 0x80000000u) { v <<= 1; whole -= 1; }
    i = (size_t)((v >> 25) & 63u);
    a = (int32_t)@LONG(&table[i]);
    b = (int32_t)@LONG(&table[i + 1u]);
    return whole * 1048576 + a + (((b - a) * (int32_t)((v >> 10) & 0x7FFFu)) >> 15);
}

//= mix_softmax: rescaled q_exp q_log
/* The logarithms of the mean of the softmax of all. */
static void @mix_softmax(const @value *all, const uint32_t *weights, const uint32_t *exps,
                         uint8_t bits, const uint32_t *logs, int32_t factor, uint8_t shift,
                         int32_t zero, int32_t low, size_t K, size_t n, @value *y) {
    uint32_t sums[@OUTPUTS];
    size_t j, m;
    for (j = 0; j < n; j++) { sums[j] = 0u; }
    for (m = 0; m < K; m++) {
        const @value *x = &all[m * n];
        const uint64_t weight = (uint64_t)@LONG(&weights[m]);
        uint64_t total = 0;
        int32_t most = x[0];
        for (j = 1; j < n; j++) { most = x[j] > most ? x[j] : most; }
        for (j = 0; j < n; j++) { total += @q_exp(exps, most - x[j], bits); }
        for (j = 0; j < n; j++) {
            sums[j] += (uint32_t)(weight * @q_exp(exps, most - x[j], bits) / total);
        }
    }
    for (j = 0; j < n; j++) {
        y[j] = @rescaled(@q_log(logs, sums[j]), factor, shift, zero, low);
    }
}

//= mix_sigmoid: rescaled q_exp q_log
/* The logit of the mean of 1 / (1 + exp(-x)). */
static void @mix_sigmoid(const @value *all, const uint32_t *weights, int32_t all_zero,
                         const uint32_t *exps, uint8_t bits, const uint32_t *logs, int32_t factor,
                         uint8_t shift, int32_t zero, int32_t low, size_t K, size_t n, @value *y) {
    size_t j, m;
    for (j = 0; j < n; j++) {
        uint32_t yes = 0, no = 0;
        for (m = 0; m < K; m++) {
            const int32_t v = all[m * n + j] - all_zero;
            const uint64_t weight = (uint64_t)@LONG(&weights[m]);
            const uint64_t e = @q_exp(exps, v < 0 ? -v : v, bits), total = e + 0x80000000u;
            const uint32_t more = (uint32_t)((weight << 31) / total);
            const uint32_t less = (uint32_t)(weight * e / total);
            yes += v < 0 ? less : more;
            no += v < 0 ? more : less;
        }
        y[j] = @rescaled((int64_t)@q_log(logs, yes) - @q_log(logs, no), factor, shift, zero, low);
    }
}

//= mix_exp: rescaled q_exp q_log
/* The logarithm of the mean of exp(x). */
static void @mix_exp(const @value *all, const uint32_t *weights, int32_t all_zero,
                     const uint32_t *exps, uint8_t bits, const uint32_t *logs, int32_t all_factor,
                     int32_t factor, uint8_t shift, int32_t zero, int32_t low, size_t K, size_t n,
                     @value *y) {
    size_t j, m;
    for (j = 0; j < n; j++) {
        int32_t most = all[j];
        uint32_t sum = 0;
        int64_t total;
        for (m = 1; m < K; m++) { most = all[m * n + j] > most ? all[m * n + j] : most; }
        for (m = 0; m < K; m++) {
            const uint64_t e = @q_exp(exps, most - all[m * n + j], bits);
            sum += (uint32_t)(e * @LONG(&weights[m]) >> 31);
        }
        total = (int64_t)(most - all_zero) * all_factor;
        y[j] = @rescaled(total + (int64_t)@q_log(logs, sum) * factor, 1, shift, zero, low);
    }
}
