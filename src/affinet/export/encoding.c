/* A table's columns as inputs. */

//= robust: sqrt
/* z / sqrt(1 + (z / 3)^2): far out, -3 or 3. */
static double @robust(double v, double center, double spread) {
    double u = (v - center) / spread / 3.0;
    u = u < -1e7 ? -1e7 : (u > 1e7 ? 1e7 : u);
    return 3.0 * u / @sqrt(1.0 + u * u);
}

//= quantile: sqrt log
#if defined(__AVR__) && __SIZEOF_DOUBLE__ != 4
#error "quantiles are read from flash as doubles of four bytes"
#endif
static double @ratio(const double *above, const double *below, double x) {
    double a = 0.0, b = 0.0;
    int i;
    for (i = 0; i < 8; i++) {
        a = a * x + @DOUBLE(&above[i]);
        b = b * x + @DOUBLE(&below[i]);
    }
    return a / b;
}
/* The normal score of v's place among n quantiles (Wichura's AS 241 without its far tail). */
static double @quantile(double v, const double *table, size_t n) {
    static const double central[2][8] @FLASH = {
        {2509.0809287301227, 33430.57558358813, 67265.7709270087, 45921.95393154987,
         13731.69376550946, 1971.5909503065513, 133.14166789178438, 3.3871328727963665},
        {5226.495278852545, 28729.085735721943, 39307.89580009271, 21213.794301586597,
         5394.196021424751, 687.1870074920579, 42.31333070160091, 1.0}};
    static const double tail[2][8] @FLASH = {
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

//= find:
/* The place of a text among n in flash, each with a 0 behind it; n if it is not there. */
static size_t @find(const char *text, const char *texts, size_t n) {
    size_t i, found = n;
    for (i = 0; i < n; i++) {
        const char *own = text;
        while (*own != '\0' && *own == (char)@BYTE(texts)) {
            own++;
            texts++;
        }
        found = *own == (char)@BYTE(texts) ? i : found;
        while ((char)@BYTE(texts) != '\0') { texts++; }
        texts++;
    }
    return found;
}

//= missing: find
/* True for what stands for a missing value, in large or small letters. */
static int @missing(const char *text) {
    static const char texts[] @FLASH = "\0" "?\0" "na\0" "n/a\0" "nan\0" "null";
    char own[6];
    size_t i;
    for (i = 0; i < 5u && text[i] != '\0'; i++) {
        const char c = text[i];
        own[i] = c >= 'A' && c <= 'Z' ? (char)(c + ('a' - 'A')) : c;
    }
    own[i] = '\0';
    return @find(own, texts, 6u) < 6u ? 1 : 0;
}

//= days: missing from_bits
/* A number of least to most digits, from *text on; -1 without one. */
static int32_t @digits(const char **text, int least, int most) {
    int32_t value = 0;
    int n = 0;
    while (n < most && **text >= '0' && **text <= '9') {
        value = value * 10 + (**text - '0');
        (*text)++;
        n++;
    }
    return n < least ? -1 : value;
}
/* Passes a character if it is next. */
static int @passes(const char **text, char wanted) {
    int found = 0;
    if (**text == wanted) {
        (*text)++;
        found = 1;
    }
    return found;
}
/* The days from 1970-01-01 to a date; -1e9 without one. Hinnant, "chrono-Compatible Low-Level
   Date Algorithms": years begin in March. */
static int32_t @civil(int32_t year, int32_t month, int32_t day) {
    const int32_t y = month < 3 ? year - 1 : year, m = (month + 9) % 12;
    int32_t last = 31;
    if (month == 4 || month == 6 || month == 9 || month == 11) { last = 30; }
    if (month == 2) { last = 28; }
    if (month == 2 && year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)) { last = 29; }
    if (year < 1 || month < 1 || month > 12 || day < 1 || day > last) { return -1000000000; }
    return y * 365 + y / 4 - y / 100 + y / 400 + (153 * m + 2) / 5 + day - 719469;
}
/* The seconds of a clock and, taken away, of a zone, from *text on; -1e9 if there are none. */
static double @clock(const char **text) {
    const int32_t hour = @digits(text, 1, 2), colon = @passes(text, ':');
    const int32_t minute = @digits(text, 2, 2);
    double seconds = 0.0, unit = 1.0;
    int32_t zone = 0;
    int wrong = 0;
    if (hour < 0 || hour > 23 || colon == 0 || minute < 0 || minute > 59) { wrong = 1; }
    if (@passes(text, ':') != 0) {
        const int32_t second = @digits(text, 2, 2);
        if (second < 0 || second > 59) { wrong = 1; }
        seconds = (double)second;
        if (@passes(text, '.') != 0) {
            const char *start = *text;
            const int32_t rest = @digits(text, 1, 6);
            if (rest < 0) { wrong = 1; }
            for (; start != *text; start++) { unit *= 10.0; }
            seconds += (double)rest / unit;
        }
    }
    if (**text == ' ' && (*text)[1] == 'Z') { (*text)++; }
    if (@passes(text, 'Z') == 0) {
        const int32_t ahead = @passes(text, '+'), sign = ahead - @passes(text, '-');
        if (sign != 0) {
            const int32_t hours = @digits(text, 2, 2);
            (void)@passes(text, ':');
            zone = @digits(text, 2, 2);
            if (hours < 0 || zone < 0 || hours * 60 + zone >= 1440) { wrong = 1; }
            zone = sign * (hours * 60 + zone);
        }
    }
    return wrong != 0 ? -1e9 : seconds + (double)(hour * 3600 + (minute - zone) * 60);
}
/* The days from 1970-01-01 to a text whose parts are year, month and day in these places, with
   marks between them, or these and a time; NaN if it is missing, 1e30 if it is something else. */
static double @days(const char *text, char mark, int year, int month, int day) {
    int32_t parts[3], whole;
    double seconds = 0.0;
    int i, wrong = 0;
    if (@missing(text) != 0) { return (double)@from_bits(0x7FC00000u); }
    for (i = 0; i < 3; i++) {
        parts[i] = @digits(&text, i == year ? 4 : 1, i == year ? 4 : 2);
        if (parts[i] < 0) { wrong = 1; }
        if (i < 2) {
            if (@passes(&text, mark) == 0) { wrong = 1; }
        }
    }
    whole = @civil(parts[year], parts[month], parts[day]);
    if (*text == 'T' || *text == ' ') {
        text++;
        seconds = @clock(&text);
    }
    if (whole < -900000000 || seconds < -1e8 || *text != '\0') { wrong = 1; }
    return wrong != 0 ? 1e30 : ((double)whole * 86400.0 + seconds) / 86400.0;
}

//= cycle: sincos
/* The greatest whole number that is not above v. */
static double @whole(double v) {
    const double n = (double)(int32_t)v;
    return n > v ? n - 1.0 : n;
}
/* Sine and cosine of the place in a period. */
static void @cycle(double v, double period, float *y) {
    const double turns = v / period;
    y[0] = @sincos((float)(turns - @whole(turns)), &y[1]);
}
