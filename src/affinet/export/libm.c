/* What stands in for sections of the same names where math.h may be used. */

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
