"""Sine and cosine of an angle in turns, lane by lane.

The angle is reduced exactly, so the absolute error is at most 1.7 eps in single and 1.5 eps in
double precision, whatever the angle; fused or not. Near 0 a sine's error is relative. The
polynomials in y^2 interpolate at Chebyshev nodes, found in 50 digits; their errors are 2^-32 and
2^-76.
"""

cdef extern from *:
    """
    /* cos(2 pi y) and sin(2 pi y) / y for 0 <= y <= 1/4, in powers of y^2. */
    static const double COSINE_F[] = {
        0x1p+0, -0x1.3bd3ccp+4, 0x1.03c1e4p+6, -0x1.55d074p+6, 0x1.e126bp+5, -0x1.8fb3f4p+4
    };
    static const double SINE_F[] = {
        0x1.921fb6p+2, -0x1.4abbcep+5, 0x1.466bcp+6, -0x1.32d12ep+6, 0x1.501408p+5, -0x1.cc9b6p+3
    };
    static const double COSINE_D[] = {
        0x1p+0, -0x1.3bd3cc9be45dep+4, 0x1.03c1f081b5ac4p+6, -0x1.55d3c7e3cbffap+6,
        0x1.e1f506891ba5cp+5, -0x1.a6d1f2a2012f9p+4, 0x1.f9d38a34dcbd7p+2, -0x1.b6e24e163c2aap+0,
        0x1.20c5d15363bcdp-2, -0x1.29ea6be37bb71p-5, 0x1.e114484d3752ep-9
    };
    static const double SINE_D[] = {
        0x1.921fb54442d18p+2, -0x1.4abbce625be53p+5, 0x1.466bc6775aae2p+6, -0x1.32d2cce62bd86p+6,
        0x1.50783487ee768p+5, -0x1.e3074fde868b4p+3, 0x1.e8f434ceb6a7ap+1, -0x1.6fadb94bc9ce7p-1,
        0x1.aaebcf3c7d9bbp-4, -0x1.8a1b2161164b1p-7, 0x1.209d7ae5bfd37p-10
    };
    """
    const double* COSINE_F
    const double* SINE_F
    const double* COSINE_D
    const double* SINE_D

cdef double TURN = 6.283185307179586476925286766559     # 2 pi
cdef double PER_TURN = 0.15915494309189533576888376337251


cdef inline vector _distance_to_turn(vector t) noexcept nogil:
    """t minus the nearest integer; 0 from where on t has no fraction, 2^23 (in double 2^52).

    Adding 3 2^23 and subtracting it again rounds to an even number, which leaves up to 1; half as
    much rounds that to an integer. The second alone would lose the halves from 2^22 on.
    """
    cdef double most = <double> (1 << 23) if vector is vfloat else <double> (1 << 23) * (1 << 29)
    cdef vector even = vnumber(&t, 3 * most), magic = vnumber(&t, 1.5 * most)
    cdef vector rest = t - ((t + even) - even)
    rest = rest - ((rest + magic) - magic)
    return vselect_less(vabs(t), vnumber(&t, most), rest, t - t)


cdef inline vector vsincos(vector t, vector* cosine) noexcept nogil:
    """sin(2 pi t), and cos(2 pi t) to ``cosine``.

    With r the distance to the nearest turn and y = min(|r|, 1/2 - |r|), the sine is that of y with
    the sign of r, and the cosine that of y, negative where |r| > 1/4. NaN for what is not finite.
    """
    cdef vector r = _distance_to_turn(t), size = vabs(r), half = vnumber(&t, 0.5)
    cdef vector y = vmin(half - size, size), square = y * y, c, s
    if vector is vfloat:
        c, s = vpolynomial(5, COSINE_F, square), y * vpolynomial(5, SINE_F, square)
    else:
        c, s = vpolynomial(10, COSINE_D, square), y * vpolynomial(10, SINE_D, square)
    cosine[0] = vselect_less(vnumber(&t, 0.25), size, -c, c)
    return vselect_less(r, vnumber(&t, 0), -s, s)
