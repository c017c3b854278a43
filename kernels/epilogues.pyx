"""Epilogues: elementwise operations after a product, while the sum is still in registers."""

cdef enum Epilogue:
    NO_EPILOGUE
    RELU_EPILOGUE               # relu(sum)
    RELU_GRADIENT_EPILOGUE      # the sum as ReLU's gradient: 0 where ReLU's output y was 0


cdef inlined_void _apply_epilogue(Epilogue epilogue, vector* sums, const vector* y,
                                  Py_ssize_t left) noexcept nogil:
    """One vector of sums, of which ``left`` lanes, or all, belong to out; y is as out."""
    if epilogue == RELU_EPILOGUE:
        sums[0] = vrelu(sums[0])
    elif epilogue == RELU_GRADIENT_EPILOGUE:
        sums[0] = vrelu_gradient(vload(y, left), sums[0])
    elif epilogue != NO_EPILOGUE:
        refuse("epilogue", epilogue)


cdef void _apply_epilogue_to_all(Epilogue epilogue, Py_ssize_t n, const vector* y,
                                 vector* out) noexcept nogil:
    """The same for n sums in memory, for products that are computed without the micro-kernel."""
    cdef vector sums
    while n > 0:
        sums = vload(out, n)
        _apply_epilogue(epilogue, &sums, y, n)
        vstore(out, sums, n)
        y, out, n = y + 1, out + 1, n - vlanes(out)
