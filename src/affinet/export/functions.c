/* C functions of the kernels, cut out by their names; @ becomes the prefix. A section starts with
   the names that it defines, then a colon and the names that it needs. The arithmetic is that of
   kernels/*.pyx in single precision, operation by operation, so that results are the same to the
   bit where neither fuses a multiply-add. */

//= word:
/* A number and its bits. */
typedef union { float value; uint32_t bits; } @word;

//= to_bits: word
static uint32_t @to_bits(float x) { @word w; w.value = x; return w.bits; }

//= from_bits: word
static float @from_bits(uint32_t u) { @word w; w.bits = u; return w.value; }

//= abs: to_bits from_bits
static float @abs(float x) { return @from_bits(@to_bits(x) & 0x7FFFFFFFu); }

//= power: to_bits from_bits
/* x = n log(2) + r, |r| <= log(2) / 2; the lowest bits of *t hold n + 254. */
static float @reduce_above(float low, float x, float *t) {
    float n, r;
    x = x < low ? -176.0f : (89.0f < x ? 89.0f : x);
    *t = x * 1.44269502f + 12583166.0f;
    n = *t - 12583166.0f;
    r = n * -0.693359375f + x;
    return n * 0.000212194442f + r;
}
/* x 2^n */
static float @power(float x, float t) {
    uint32_t u = @to_bits(t), half = u >> 1, rest = u - half;
    return x * @from_bits(half << 23) * @from_bits(rest << 23);
}
/* exp(r) - 1 for |r| <= log(2) / 2 */
static float @expm1_short(float r) {
    float p = 0.000198458787f;
    p = p * r + 0.0013940623f;
    p = p * r + 0.00833338965f;
    p = p * r + 0.0416663624f;
    p = p * r + 0.166666657f;
    p = p * r + 0.5f;
    return r * r * p + r;
}

//= reduce: power
static float @reduce(float x, float *t) { return @reduce_above(-104.0f, x, t); }

//= exp: reduce power
/* exp(x), error at most 1 ulp */
static float @exp(float x) {
    float t, r = @reduce(x, &t);
    return @power(1.0f + @expm1_short(r), t);
}

//= exp_unscaled: power
/* exp(x) = power(p, t): a product with p keeps the digits that a subnormal exp(x) has lost */
static float @exp_unscaled(float x, float *t) {
    return 1.0f + @expm1_short(@reduce_above(-110.0f, x, t));
}

//= relu:
static void @relu(const float *x, size_t n, float *y) {
    size_t i;
    for (i = 0; i < n; i++) { y[i] = x[i] < 0.0f ? 0.0f : x[i]; }
}

//= leaky_relu:
static void @leaky_relu(const float *x, float slope, size_t n, float *y) {
    size_t i;
    for (i = 0; i < n; i++) { y[i] = x[i] < 0.0f ? slope * x[i] : x[i]; }
}

//= sigmoid_of: to_bits from_bits abs
/* 1 / (1 + exp(-x)), error at most 1.5 ulp */
static float @sigmoid_of(float x) {
    float y = @abs(x), t, n, r, p, power, base, s;
    y = 132.39f < y ? 132.39f : y;
    t = (y + 0.05889f) * -1.44269502f + 12583103.0f;
    n = t - 12583103.0f;
    r = n * -0.000212194442f + (n * 0.693359375f + y);
    p = -0.000208743717f;
    p = p * r + 0.00139275379f;
    p = p * r + -0.00833197217f;
    p = p * r + 0.0416664667f;
    p = p * r + -0.166666716f;
    p = p * r + 0.5f;
    p = r * r * p + -r;
    power = @from_bits(@to_bits(t) << 23) * @from_bits(@to_bits(12582975.0f) << 23);
    base = 1.0f - power > 0.5f ? 1.0f - power : 0.5f;
    s = p * (-base * power + 1.0f) + (-base * power + (1.0f - base));
    s = power * (base + s / (power * p + (1.0f + power)));
    return x < 0.0f ? s : 1.0f - s;
}

//= tanh_of: to_bits from_bits abs
/* tanh(x), error at most 1 ulp */
static float @tanh_of(float x) {
    float y = @abs(x), t, n, a, g, p, minus_u, numerator, denominator, power, base;
    y = 10.0f < y ? 10.0f : y;
    t = y * -2.88539004f + 12583039.0f;
    t = y < 0.55f ? 12583039.0f : t;
    n = t - 12583039.0f;
    a = n * -0.000106097221f + (n * 0.346679688f + y);
    power = @from_bits(@to_bits(t) << 23);
    g = a * a;
    p = -0.00019925482f;
    p = p * g + 0.00211409666f;
    p = p * g + -0.0222220849f;
    p = p * g + 0.333333343f;
    g = g * p;
    minus_u = (a - 1.0f) - g;
    numerator = power * minus_u + -(a + a);
    denominator = minus_u + numerator;
    power = power + power;
    base = y < 0.55f ? a : 1.0f - power;
    numerator = y < 0.55f ? a * g : numerator;
    y = power * (numerator / denominator) + base;
    return @from_bits((@to_bits(y) & 0x7FFFFFFFu) | (@to_bits(x) & 0x80000000u));
}

//= gelu_of: reduce to_bits from_bits abs power
/* exp(-z^2 / 2) */
static float @gauss(float z) {
    float t, h = @from_bits(@to_bits(z) >> 12 << 12), r = @reduce(-0.5f * h * h, &t);
    return @power(1.0f + @expm1_short(-0.5f * (z - h) * (z + h) + r), t);
}
/* x Phi(x), error at most 4 ulp; 2^64 keeps the digits of a subnormal x */
static float @gelu_of(float x) {
    float z = @abs(x), q, t, p;
    z = 14.5f < z ? 14.5f : z;
    q = z * 18446744073709551616.0f / (z + 3.375f);
    t = q * 1.08420217e-19f - 1.0f;
    p = 0.000136481016f;
    p = p * t + 0.000312510499f;
    p = p * t + -0.000849872129f;
    p = p * t + -0.00225412217f;
    p = p * t + 0.00782452803f;
    p = p * t + 0.00872018375f;
    p = p * t + -0.0983842686f;
    p = p * t + 0.295375794f;
    p = p * t + -0.552992225f;
    p = p * t + 0.741080284f;
    return (x < 0.0f ? 0.0f : x) - p * q * @gauss(z) * 5.42101086e-20f;
}

//= silu_of: abs exp_unscaled
/* x / (1 + exp(-x)), error at most 4 ulp */
static float @silu_of(float x) {
    float z = @abs(x), p, t;
    z = 1000.0f < z ? 1000.0f : z;
    p = @exp_unscaled(-z, &t);
    return (x < 0.0f ? 0.0f : x) - @power(z * (p / (1.0f + @power(p, t))), t);
}

//= mish_of: abs exp_unscaled
/* x tanh(log(1 + exp(x))), error at most 4 ulp */
static float @mish_of(float x) {
    float z = @abs(x), p, t, e, m, y;
    z = 1000.0f < z ? 1000.0f : z;
    p = @exp_unscaled(-z, &t);
    e = @power(p, t);
    m = e * e + (x < 0.0f ? e : 0.0f);
    y = 1.0f - m / (m + (e + (x < 0.0f ? 2.0f : 0.5f)));
    y = (x < 0.0f ? z * p : x) * y;
    return x < 0.0f ? 0.0f - @power(y, t) : y;
}

//= selu_of: reduce power
/* lambda x, or lambda alpha (exp(x) - 1) below 0, error at most 4 ulp */
static float @selu_of(float x) {
    float t, rest = @expm1_short(@reduce(0.0f < x ? 0.0f : x, &t));
    float less = @power(rest, t) + (@power(1.0f, t) - 1.0f);
    return x < 0.0f ? 1.75809932f * less : 1.05070102f * x;
}

//= softplus_of: abs exp
/* log(1 + exp(x)), error at most 4 ulp */
static float @softplus_of(float x) {
    float e = @exp(-@abs(x)), twice = 2.0f / (2.0f + e), s = 0.5f * e * twice, q = s * s, p;
    p = 0.0588235296f;
    p = p * q + 0.0666666701f;
    p = p * q + 0.0769230798f;
    p = p * q + 0.0909090936f;
    p = p * q + 0.111111112f;
    p = p * q + 0.142857149f;
    p = p * q + 0.200000003f;
    p = p * q + 0.333333343f;
    p = p * q + 1.0f;
    return (x < 0.0f ? 0.0f : x) + e * twice * p;
}

//= relu_of:
static float @relu_of(float x) { return x < 0.0f ? 0.0f : x; }

//= log: to_bits from_bits
/* log(x) for normal x > 0, error at most 2 ulp; -88 for 0 */
static float @log(float x) {
    float k, s, z, p;
    uint32_t u = @to_bits(x < 1.17549435e-38f ? 1.17549435e-38f : x) + 0x004AFB0Du;
    k = (float)(int32_t)(u >> 23) - 127.0f;
    x = @from_bits((u & 0x007FFFFFu) + 0x3F3504F3u) - 1.0f;
    s = x / (x + 2.0f);
    z = s * s;
    p = 0.222221985f;
    p = p * z + 0.285714288f;
    p = p * z + 0.4f;
    p = p * z + 0.666666687f;
    return k * 0.693359375f + (k * -0.000212194440f + (x - s * (x - z * p)));
}

//= affine:
/* y = x W + b, W (I, O): each y_j is b_j + x_0 W_0j + x_1 W_1j + ... in this order. */
static void @affine(const float *x, const float *W, const float *b, size_t I, size_t O, float *y) {
    size_t i, j;
    for (j = 0; j < O; j++) { y[j] = @FLOAT(&b[j]); }
    for (i = 0; i < I; i++) {
        const float value = x[i];
        for (j = 0; j < O; j++) { y[j] = value * @FLOAT(&W[j]) + y[j]; }
        W += O;
    }
}

//= linear:
/* y = x W, W (I, O). */
static void @linear(const float *x, const float *W, size_t I, size_t O, float *y) {
    size_t i, j;
    for (j = 0; j < O; j++) { y[j] = 0.0f; }
    for (i = 0; i < I; i++) {
        const float value = x[i];
        for (j = 0; j < O; j++) { y[j] = value * @FLOAT(&W[j]) + y[j]; }
        W += O;
    }
}

//= add:
static void @add(const float *x, const float *other, size_t n, float *y) {
    size_t i;
    for (i = 0; i < n; i++) { y[i] = x[i] + other[i]; }
}

//= multiply:
static void @multiply(const float *x, float factor, size_t n, float *y) {
    size_t i;
    for (i = 0; i < n; i++) { y[i] = factor * x[i]; }
}

//= scale:
static void @scale(const float *x, const float *s, size_t n, float *y) {
    size_t i;
    for (i = 0; i < n; i++) { y[i] = @FLOAT(&s[i]) * x[i]; }
}

//= scale_shift:
static void @scale_shift(const float *x, const float *s, const float *b, size_t n, float *y) {
    size_t i;
    for (i = 0; i < n; i++) { y[i] = @FLOAT(&s[i]) * x[i] + @FLOAT(&b[i]); }
}

//= sqrt: to_bits from_bits
/* sqrt(x) for 0 < x < 3e38 by Newton's method. */
static double @sqrt(double x) {
    double y = @from_bits((@to_bits((float)x) >> 1) + 0x1FBB4F2Eu);
    int i;
    for (i = 0; i < 4; i++) { y = 0.5 * (y + x / y); }
    return y;
}

//= layer_norm: sqrt
/* The sum of x, or with the squares of x - mean: eight running sums that take the terms in turn. */
static double @sum(const float *x, size_t n, double mean, int squares) {
    double s[8] = {0, 0, 0, 0, 0, 0, 0, 0};
    size_t i;
    for (i = 0; i < n; i++) {
        const double d = x[i] - mean;
        s[i % 8] += squares ? d * d : d;
    }
    return ((s[0] + s[4]) + (s[2] + s[6])) + ((s[1] + s[5]) + (s[3] + s[7]));
}
static void @layer_norm(const float *x, const float *gamma, const float *beta, double eps,
                        size_t n, float *y) {
    const double mean = @sum(x, n, 0.0, 0) / (double)n;
    const float variance = (float)(@sum(x, n, mean, 1) / (double)n);
    const float m = (float)mean, inverse = (float)(1.0 / @sqrt(variance + eps));
    size_t i;
    for (i = 0; i < n; i++) {
        y[i] = (x[i] - m) * inverse * @FLOAT(&gamma[i]) + @FLOAT(&beta[i]);
    }
}

//= increasing: softplus_of
/* In groups of n: y_0 = x_0, y_j = y_(j-1) + log(1 + exp(x_j)). */
static void @increasing(const float *x, size_t group, size_t n, float *y) {
    float last = 0.0f;
    size_t i;
    for (i = 0; i < n; i++) {
        last = i % group == 0 ? x[i] : @softplus_of(x[i]) + last;
        y[i] = last;
    }
}

//= copy:
static void @copy(const float *x, size_t n, float *y) {
    size_t i;
    for (i = 0; i < n; i++) { y[i] = x[i]; }
}

//= embedding: copy from_bits
/* The rows of E of n columns' codes, each from row firsts[p] on; NaN for what is not a code. */
static void @embedding(const float *x, const float *E, const uint32_t *columns,
                       const uint32_t *firsts, size_t n, size_t d, size_t I, float *y) {
    size_t p, k, start = 0;
    for (p = 0; p < n; p++) {
        const size_t column = @INDEX(&columns[p]), first = @INDEX(&firsts[p]);
        const size_t rows = @INDEX(&firsts[p + 1]) - first;
        const float code = x[column];
        const size_t row = code >= 0.0f && code < (float)rows ? (size_t)code : rows;
        const int known = row < rows && (float)row == code;
        @copy(x + start, column - start, y);
        y += column - start;
        for (k = 0; k < d; k++) { y[k] = known ? @FLOAT(&E[(first + row) * d + k]) : @NAN; }
        y += d;
        start = column + 1;
    }
    @copy(x + start, I - start, y);
}

//= piecewise_embedding: copy
/* w x + b + the bins below x + the share of the bin that x is in. */
static void @piecewise_embedding(const float *x, const float *w, const float *b, const float *W,
                                 const uint32_t *columns, const uint32_t *counts,
                                 const float *edges, size_t n, size_t T, size_t d, size_t I,
                                 float *y) {
    size_t p, k, t, start = 0;
    for (p = 0; p < n; p++) {
        const size_t column = @INDEX(&columns[p]), bins = @INDEX(&counts[p]);
        const float value = x[column];
        size_t s = 0;
        float share;
        for (t = 1; t < T; t++) { s += t < bins && value >= @FLOAT(&edges[t]) ? 1u : 0u; }
        share = (value - @FLOAT(&edges[s])) / (@FLOAT(&edges[s + 1]) - @FLOAT(&edges[s]));
        @copy(x + start, column - start, y);
        y += column - start;
        for (k = 0; k < d; k++) {
            float sum = @FLOAT(&w[k]) * value + @FLOAT(&b[k]);
            for (t = 0; t < T; t++) { sum = t < s ? sum + @FLOAT(&W[t * d + k]) : sum; }
            y[k] = share * @FLOAT(&W[s * d + k]) + sum;
        }
        y += d;
        w += d;
        b += d;
        W += T * d;
        edges += T + 1;
        start = column + 1;
    }
    @copy(x + start, I - start, y);
}

//= sincos: abs
/* sin and cos of 2 pi t, absolute error at most 1.7 2^-23. */
static float @sincos(float t, float *cosine) {
    float r = t - ((t + 25165824.0f) - 25165824.0f), size, y, q, c, s;
    r = r - ((r + 12582912.0f) - 12582912.0f);
    r = @abs(t) < 8388608.0f ? r : t - t;
    size = @abs(r);
    y = 0.5f - size < size ? 0.5f - size : size;
    q = y * y;
    c = -24.9814339f;
    c = c * q + 60.1438904f;
    c = c * q + -85.4535675f;
    c = c * q + 64.9393463f;
    c = c * q + -19.7392082f;
    c = c * q + 1.0f;
    s = -14.3939667f;
    s = s * q + 42.0097809f;
    s = s * q + -76.704277f;
    s = s * q + 81.6052246f;
    s = s * q + -41.3417015f;
    s = s * q + 6.28318548f;
    s = y * s;
    *cosine = 0.25f < size ? -c : c;
    return r < 0.0f ? -s : s;
}

//= periodic_embedding: copy sincos
/* Waves of n columns: c + V cos(2 pi w x + b), with sines also V sin; the phases are in turns. */
static void @periodic_embedding(const float *x, const float *w, const float *b, const float *V,
                                const float *c, const uint32_t *columns, size_t n, size_t K,
                                size_t M, int sines, int with_x, int rectified, size_t I,
                                float *y) {
    const size_t length = sines ? 2 * K : K;
    size_t p, k, m, start = 0;
    for (p = 0; p < n; p++) {
        const size_t column = @INDEX(&columns[p]);
        const float value = x[column];
        @copy(x + start, column - start, y);
        y += column - start;
        if (with_x != 0) {
            y[0] = value;
            y++;
        }
        for (m = 0; m < M; m++) { y[m] = @FLOAT(&c[m]); }
        for (k = 0; k < K; k++) {
            float cosine;
            const float sine = @sincos(@FLOAT(&w[k]) * value + @FLOAT(&b[k]), &cosine);
            for (m = 0; m < M; m++) {
                y[m] = @FLOAT(&V[m * length + k]) * cosine + y[m];
                if (sines != 0) { y[m] = @FLOAT(&V[m * length + K + k]) * sine + y[m]; }
            }
        }
        for (m = 0; m < M; m++) { y[m] = rectified && y[m] < 0.0f ? 0.0f : y[m]; }
        y += M;
        w += K;
        b += K;
        V += M * length;
        c += M;
        start = column + 1;
    }
    @copy(x + start, I - start, y);
}

//= softmax: exp
/* exp(x - most) in 16 running sums that take the terms in turn, then divided by their sum. */
static void @softmax(const float *x, size_t n, float *y) {
    float most = x[0], s[16] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}, share;
    size_t i;
    for (i = 1; i < n; i++) { most = x[i] > most ? x[i] : most; }
    for (i = 0; i < n; i++) {
        y[i] = @exp(x[i] - most);
        s[i % 16] += y[i];
    }
    for (i = 0; i < 4; i++) { s[i] = (s[i] + s[i + 8]) + (s[i + 4] + s[i + 12]); }
    share = (float)(1.0 / (double)((s[0] + s[2]) + (s[1] + s[3])));
    for (i = 0; i < n; i++) { y[i] = y[i] * share; }
}

//= libm exp:
static float @exp(float x) { return expf(x); }

//= libm log:
static float @log(float x) { return x > 0.0f ? logf(x) : -88.0f; }

//= libm sigmoid_of:
static float @sigmoid_of(float x) { return 1.0f / (1.0f + expf(-x)); }

//= libm tanh_of:
static float @tanh_of(float x) { return tanhf(x); }

//= libm gelu_of:
static float @gelu_of(float x) {
    return x < -15.0f ? 0.0f : 0.5f * x * erfcf(-0.707106781f * x);
}

//= libm silu_of:
static float @silu_of(float x) { return x < -1000.0f ? 0.0f : x / (1.0f + expf(-x)); }

//= libm mish_of:
static float @mish_of(float x) { return x < -1000.0f ? 0.0f : x * tanhf(log1pf(expf(x))); }

//= libm selu_of:
static float @selu_of(float x) { return x < 0.0f ? 1.75809932f * expm1f(x) : 1.05070102f * x; }

//= libm softplus_of:
static float @softplus_of(float x) { return (x < 0.0f ? 0.0f : x) + log1pf(expf(-fabsf(x))); }

//= libm sqrt:
static double @sqrt(double x) { return sqrt(x); }

//= libm sincos:
static float @sincos(float t, float *cosine) {
    const float angle = 6.28318531f * (t - roundf(t));
    *cosine = cosf(angle);
    return sinf(angle);
}

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

//= robust: sqrt
/* z / sqrt(1 + (z / 3)^2): far out, -3 or 3. */
static double @robust(double v, double center, double spread) {
    double u = (v - center) / spread / 3.0;
    u = u < -1e7 ? -1e7 : (u > 1e7 ? 1e7 : u);
    return 3.0 * u / @sqrt(1.0 + u * u);
}

//= quantile: sqrt log
static double @ratio(const double *above, const double *below, double x) {
    double a = 0.0, b = 0.0;
    int i;
    for (i = 0; i < 8; i++) {
        a = a * x + above[i];
        b = b * x + below[i];
    }
    return a / b;
}
/* The normal score of v's place among n quantiles (Wichura's AS 241 without its far tail). */
static double @quantile(double v, const double *table, size_t n) {
    static const double central[2][8] = {
        {2509.0809287301227, 33430.57558358813, 67265.7709270087, 45921.95393154987,
         13731.69376550946, 1971.5909503065513, 133.14166789178438, 3.3871328727963665},
        {5226.495278852545, 28729.085735721943, 39307.89580009271, 21213.794301586597,
         5394.196021424751, 687.1870074920579, 42.31333070160091, 1.0}};
    static const double tail[2][8] = {
        {7.745450142783414e-4, 0.022723844989269184, 0.2417807251774506, 1.2704582524523684,
         3.6478483247632045, 5.769497221460691, 4.630337846156546, 1.4234371107496835},
        {1.0507500716444169e-9, 5.475938084995345e-4, 0.015198666563616457, 0.14810397642748008,
         0.6897673349851, 1.6763848301838038, 2.053191626637759, 1.0}};
    size_t i, below = 0, most = 0;
    double p, q, z;
    for (i = 0; i < n; i++) {
        below += @DOUBLE(&table[i]) < v ? 1u : 0u;
        most += @DOUBLE(&table[i]) <= v ? 1u : 0u;
    }
    if (most > below) {
        p = 0.5 * (double)(below + most - 1);
    } else if (below == 0 || below == n) {
        p = below == 0 ? 0.0 : (double)(n - 1);
    } else {
        const double low = @DOUBLE(&table[below - 1]), high = @DOUBLE(&table[below]);
        p = (double)(below - 1) + (v / 16.0 - low / 16.0) / (high / 16.0 - low / 16.0);
    }
    p /= (double)(n - 1);
    p = p < 1e-7 ? 1e-7 : (p > 1.0 - 1e-7 ? 1.0 - 1e-7 : p);
    q = p - 0.5;
    if (q >= -0.425 && q <= 0.425) { return q * @ratio(central[0], central[1], 0.180625 - q * q); }
    z = @sqrt(-(double)@log((float)(p < 0.5 ? p : 1.0 - p)));
    z = @ratio(tail[0], tail[1], z - 1.6);
    return q < 0.0 ? -z : z;
}

//= same:
static int @same(const char *a, const char *b) {
    while (*a != '\0' && *a == *b) {
        a++;
        b++;
    }
    return *a == *b;
}
