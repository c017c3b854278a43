"""Groups of kernels with a common property."""

LINEAR = [
    "affine_backward_db",
    "affine_backward_dw",
    "affine_backward_dx",
    "affine_forward",
    "affine_relu_forward",
    "gemm_nn",
    "gemm_nt",
    "gemm_tn",
]
