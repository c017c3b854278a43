/* Functions of one number. In all files of C here @ becomes the prefix, and a section starts with
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
