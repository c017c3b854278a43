/* Layers of integers. */

//= rescaled:
/* zero + sum factor / 2^shift, rounded, from low to the largest value. A right shift of a negative
   number rounds down, as in every compiler that this is written for. */
static @value @rescaled(int64_t sum, int32_t factor, uint8_t shift, int32_t zero, int32_t low) {
    const int64_t half = ((int64_t)1 << shift) / 2;
    const int64_t y = zero + ((sum * factor + half) >> shift);
    return (@value)(y < low ? low : (y > @MOST ? @MOST : y));
}

//= q_affine: rescaled
/* y = x W + b, W (O, I); the offsets of x and of the sums are part of b. */
static void @q_affine(const @value *x, const @value *W, const @total *b, const int32_t *factor,
                      const uint8_t *shift, int32_t zero, int32_t low, size_t I, size_t O,
                      @value *y) {
    size_t i, j;
    for (j = 0; j < O; j++) {
        @total sum = (@total)@TOTAL(&b[j]);
        for (i = 0; i < I; i++) { sum += (@total)x[i] * (@total)@VALUE(&W[i]); }
        y[j] = @rescaled(sum, (int32_t)@LONG(&factor[j]), @BYTE(&shift[j]), zero, low);
        W += I;
    }
}

//= q_scale: rescaled
/* y = x factor + b, column by column. */
static void @q_scale(const @value *x, const int32_t *factor, const int64_t *b,
                     const uint8_t *shift, int32_t zero, int32_t low, size_t n, @value *y) {
    size_t i;
    for (i = 0; i < n; i++) {
        const int64_t sum = (int64_t)x[i] * (int32_t)@LONG(&factor[i]);
        y[i] = @rescaled(sum + @WIDE(&b[i]), 1, @BYTE(&shift[i]), zero, low);
    }
}

//= q_add: rescaled
static void @q_add(const @value *x, const @value *other, int32_t x_zero, int32_t x_factor,
                   int32_t other_zero, int32_t other_factor, uint8_t shift, int32_t zero,
                   int32_t low, size_t n, @value *y) {
    size_t i;
    for (i = 0; i < n; i++) {
        const int64_t sum = (int64_t)(x[i] - x_zero) * x_factor;
        y[i] = @rescaled(sum + (int64_t)(other[i] - other_zero) * other_factor, 1, shift, zero, low);
    }
}

//= q_blend: rescaled
/* y = (1 - a) x + a f, column by column. */
static void @q_blend(const @value *x, const @value *f, int32_t x_zero, const int32_t *x_factor,
                     int32_t f_zero, const int32_t *f_factor, uint8_t shift, int32_t zero,
                     int32_t low, size_t n, @value *y) {
    size_t i;
    for (i = 0; i < n; i++) {
        const int64_t sum = (int64_t)(x[i] - x_zero) * (int32_t)@LONG(&x_factor[i]);
        const int64_t more = (int64_t)(f[i] - f_zero) * (int32_t)@LONG(&f_factor[i]);
        y[i] = @rescaled(sum + more, 1, shift, zero, low);
    }
}

//= q_increasing: rescaled
/* In groups: y_0 = x_0, y_j = y_(j-1) + f_j with f the softplus of x. */
static void @q_increasing(const @value *x, const @value *f, int32_t x_zero, int32_t x_factor,
                          int32_t f_zero, int32_t f_factor, uint8_t shift, int32_t zero,
                          int32_t low, size_t group, size_t n, @value *y) {
    int64_t sum = 0;
    size_t i;
    for (i = 0; i < n; i++) {
        const int64_t own = (int64_t)(x[i] - x_zero) * x_factor;
        const int64_t more = (int64_t)(f[i] - f_zero) * f_factor;
        sum = i % group == 0u ? own : sum + more;
        y[i] = @rescaled(sum, 1, shift, zero, low);
    }
}

//= q_member_scale: rescaled
/* y = (x - zeros) r factor / 2^shift, column by column; r is the member's. */
static void @q_member_scale(const @value *x, const @value *zeros, const @value *r, int32_t factor,
                            uint8_t shift, int32_t low, size_t n, @value *y) {
    size_t i;
    for (i = 0; i < n; i++) {
        const int32_t d = (int32_t)x[i] - @VALUE(&zeros[i]);
        y[i] = @rescaled((int64_t)d * @VALUE(&r[i]), factor, shift, 0, low);
    }
}

//= q_shared_affine: rescaled
/* y = (x W) factor + b 2^up, W (O, I); factor and b are the member's. */
static void @q_shared_affine(const @value *x, const @value *W, const int32_t *factor,
                             const int32_t *b, uint8_t up, uint8_t shift, int32_t zero,
                             int32_t low, size_t I, size_t O, @value *y) {
    const int64_t unit = (int64_t)1 << up;
    size_t i, j;
    for (j = 0; j < O; j++) {
        const int64_t added = (int32_t)@LONG(&b[j]) * unit;
        @total sum = 0;
        for (i = 0; i < I; i++) { sum += (@total)x[i] * (@total)@VALUE(&W[i]); }
        y[j] = @rescaled((int64_t)sum * (int32_t)@LONG(&factor[j]) + added, 1, shift, zero, low);
        W += I;
    }
}

//= q_layer_norm: rescaled
/* The integer part of sqrt(v). */
static uint64_t @isqrt(uint64_t v) {
    uint64_t root = 0, bit = (uint64_t)1 << 62;
    int i;
    for (i = 0; i < 32; i++) {
        const uint64_t next = root + bit;
        root >>= 1;
        if (v >= next) {
            v -= next;
            root += bit;
        }
        bit >>= 2;
    }
    return root;
}
/* With d = n (x - mean): d / sqrt(sum of d^2 / n + eps) in units of 2^-14, times factor, plus b. */
static void @q_layer_norm(const @value *x, const int32_t *factor, const int64_t *b, uint8_t shift,
                          uint64_t eps, uint8_t extra, int32_t zero, int32_t low, size_t n,
                          @value *y) {
    const uint32_t bits = 14u + (uint32_t)extra / 2u;
    const int64_t one = (int64_t)1 << bits;
    int64_t sum = 0, root;
    uint64_t squares = 0;
    size_t i;
    for (i = 0; i < n; i++) { sum += x[i]; }
    for (i = 0; i < n; i++) {
        const int64_t d = (int64_t)n * x[i] - sum;
        squares += (uint64_t)(d * d);
    }
    root = (int64_t)@isqrt((squares / n << extra) + eps);
    root = root == 0 ? 1 : root;
    for (i = 0; i < n; i++) {
        const int64_t q = ((int64_t)n * x[i] - sum) * one / root;
        y[i] = @rescaled(q * (int32_t)@LONG(&factor[i]) + @WIDE(&b[i]), 1, shift, zero, low);
    }
}

//= q_relu:
static void @q_relu(const @value *x, int32_t zero, size_t n, @value *y) {
    size_t i;
    for (i = 0; i < n; i++) { y[i] = x[i] < zero ? (@value)zero : x[i]; }
}

//= q_map8:
/* A function by its values for all 256 numbers. */
static void @q_map8(const @value *x, const @value *table, size_t n, @value *y) {
    size_t i;
    for (i = 0; i < n; i++) { y[i] = (@value)@VALUE(&table[(size_t)(x[i] + 128)]); }
}

//= q_map16:
/* A function by its values at every 64th number, and straight lines between them. */
static void @q_map16(const @value *x, const @value *table, size_t n, @value *y) {
    size_t i;
    for (i = 0; i < n; i++) {
        const uint32_t place = (uint32_t)((int32_t)x[i] + 32768);
        const int32_t a = @VALUE(&table[place >> 6]), b = @VALUE(&table[(place >> 6) + 1u]);
        y[i] = (@value)(a + (((b - a) * (int32_t)(place & 63u) + 32) >> 6));
    }
}

//= q_embedding: copy
/* The rows of E of n columns' codes, each from row firsts[p] on; its last one is for no code. */
static void @q_embedding(const @value *x, const @value *E, const uint32_t *columns,
                         const uint32_t *firsts, size_t n, size_t d, size_t I, @value *y) {
    size_t p, k, start = 0;
    for (p = 0; p < n; p++) {
        const size_t column = @INDEX(&columns[p]), first = @INDEX(&firsts[p]);
        const size_t last = @INDEX(&firsts[p + 1u]) - first - 1u;
        const size_t code = (size_t)((int32_t)x[column] + @MOST);
        const @value *row = &E[(first + (code < last ? code : last)) * d];
        @copy(&x[start], column - start, y);
        y += column - start;
        for (k = 0; k < d; k++) { y[k] = (@value)@VALUE(&row[k]); }
        y += d;
        start = column + 1u;
    }
    @copy(&x[start], I - start, y);
}

//= q_piecewise: copy
/* The values V of n columns at their edges, from edge firsts[p] on, with straight lines between. */
static void @q_piecewise(const @value *x, const @value *edges, const @value *V,
                         const uint32_t *columns, const uint32_t *firsts, size_t n, size_t d,
                         size_t I, @value *y) {
    size_t p, k, t, start = 0;
    for (p = 0; p < n; p++) {
        const size_t column = @INDEX(&columns[p]), first = @INDEX(&firsts[p]);
        const size_t last = @INDEX(&firsts[p + 1u]) - 1u;
        const int32_t value = x[column];
        size_t s = first;
        int32_t left, share;
        for (t = first + 1u; t < last; t++) { s += value >= @VALUE(&edges[t]) ? 1u : 0u; }
        left = @VALUE(&edges[s]);
        share = (int32_t)((((uint32_t)(value - left) << 15) /
                           (uint32_t)(@VALUE(&edges[s + 1u]) - left) + 1u) >> 1);
        @copy(&x[start], column - start, y);
        y += column - start;
        for (k = 0; k < d; k++) {
            const int32_t a = @VALUE(&V[s * d + k]), b = @VALUE(&V[(s + 1u) * d + k]);
            y[k] = (@value)(a + (((b - a) * share + 8192) >> 14));
        }
        y += d;
        start = column + 1u;
    }
    @copy(&x[start], I - start, y);
}

//= q_periodic: copy q_affine
/* sin(2 pi u / 2^32) times the greatest integer, by a table of 2^bits parts of a quarter turn. */
static @value @wave(uint32_t u, const int16_t *quarter, uint32_t bits) {
    const uint32_t rest = u & 0x3FFFFFFFu, r = (u & 0x40000000u) != 0u ? 0x40000000u - rest : rest;
    const size_t i = (size_t)(r >> (30u - bits));
    const int32_t a = @SHORT(&quarter[i]), b = @SHORT(&quarter[i + 1u]);
    const int32_t v = a + (((b - a) * (int32_t)((r >> (15u - bits)) & 0x7FFFu) + 16384) >> 15);
    return (@value)((((u & 0x80000000u) != 0u ? -v : v) * @MOST + 16384) >> 15);
}
/* Waves of n columns; f and phase are in 2^-32 turns, and whole turns drop out. */
static void @q_periodic(const @value *x, const uint32_t *f, const uint32_t *phase,
                        const int16_t *quarter, const @value *V, const @total *b,
                        const int32_t *factor, const uint8_t *shift, const uint32_t *columns,
                        uint32_t bits, int32_t zero, int32_t low, size_t n, size_t K, size_t M,
                        int sines, int with_x, size_t I, @value *waves, @value *y) {
    const size_t length = sines != 0 ? 2u * K : K;
    size_t p, k, start = 0;
    for (p = 0; p < n; p++) {
        const size_t column = @INDEX(&columns[p]);
        const uint32_t value = (uint32_t)(int32_t)x[column];
        @copy(&x[start], column - start, y);
        y += column - start;
        if (with_x != 0) {
            y[0] = x[column];
            y++;
        }
        for (k = 0; k < K; k++) {
            const uint32_t u = (uint32_t)@LONG(&f[k]) * value + (uint32_t)@LONG(&phase[k]);
            waves[k] = @wave(u + 0x40000000u, quarter, bits);
            if (sines != 0) { waves[K + k] = @wave(u, quarter, bits); }
        }
        @q_affine(waves, V, b, factor, shift, zero, low, length, M, y);
        y += M;
        f += K;
        phase += K;
        V += M * length;
        b += M;
        factor += M;
        shift += M;
        start = column + 1u;
    }
    @copy(&x[start], I - start, y);
}

//= quantized:
/* The nearest integer on a scale; NaN is the least. */
static @value @quantized(float v, int32_t zero) {
    int32_t n;
    v = v > -70000.0f ? (v < 70000.0f ? v : 70000.0f) : -70000.0f;
    n = (int32_t)(v < 0.0f ? v - 0.5f : v + 0.5f) + zero;
    return (@value)(n < -@MOST - 1 ? -@MOST - 1 : (n > @MOST ? @MOST : n));
}
