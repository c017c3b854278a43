/* A table's columns as inputs. */

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
