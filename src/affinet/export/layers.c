/* Layers in single precision, with the kernels' order of every sum. */

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
static void @copy(const @value *x, size_t n, @value *y) {
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
