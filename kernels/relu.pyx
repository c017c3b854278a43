"""ReLU and its gradient, lane by lane: activations, and epilogues of a product."""


cdef inline vector vrelu(vector x) noexcept nogil:
    """max(x, 0); x < 0 is false for NaN, so a NaN stays visible."""
    cdef vector zero = vnumber(&x, 0)
    return vselect_less(x, zero, zero, x)


cdef inline vector vrelu_gradient(vector y, vector dout) noexcept nogil:
    """dout where the output y is above 0, 0 elsewhere."""
    cdef vector zero = vnumber(&y, 0)
    return vselect_at_most(y, zero, zero, dout)
