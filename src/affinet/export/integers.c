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
static void @q_scale(const @value *x, int32_t x_zero, const int32_t *factor, const int64_t *b,
                     const uint8_t *shift, int32_t zero, int32_t low, size_t n, @value *y) {
    size_t i;
    for (i = 0; i < n; i++) {
        const int64_t sum = (int64_t)(x[i] - x_zero) * (int32_t)@LONG(&factor[i]);
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
    const int64_t one = (int64_t)1 << (14 + extra / 2);
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

//= quantize:
void @quantize(const float *x, @value *q) {
    size_t i;
    for (i = 0; i < @INPUTS; i++) {
        float v = x[i] * @INPUT_PER_SCALE;
        v = v > -70000.0f ? (v < 70000.0f ? v : 70000.0f) : -70000.0f;
        {
            const int32_t n = (int32_t)(v < 0.0f ? v - 0.5f : v + 0.5f) + @INPUT_ZERO;
            q[i] = (@value)(n < -@MOST - 1 ? -@MOST - 1 : (n > @MOST ? @MOST : n));
        }
    }
}
