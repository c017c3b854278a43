"""The reference's products and affine layer."""

import itertools

import numpy as np

from affinet import reference
from tolerance import assert_close


def normal(*shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape)


def test_products_are_sums_of_products():
    A, B = normal(3, 5), normal(5, 2, seed=1)
    wanted = np.zeros((3, 2))
    for i, j, k in itertools.product(range(3), range(2), range(5)):
        wanted[i, j] += A[i, k] * B[k, j]
    terms = {"reduction": 5, "scale": np.abs(A) @ np.abs(B)}
    assert_close(reference.gemm_nn(A, B), wanted, **terms)
    assert_close(reference.gemm_nt(A, B.T.copy()), wanted, **terms)
    assert_close(reference.gemm_tn(A.T.copy(), B), wanted, **terms)


def test_the_bias_is_added_to_every_row():
    out = reference.affine_forward(np.zeros((3, 2)), np.ones((2, 4)), np.array([1.0, 2, 3, 4]))
    np.testing.assert_array_equal(out, [[1, 2, 3, 4]] * 3)


def test_no_inputs_leave_the_bias():
    out = reference.affine_forward(np.zeros((2, 0)), np.zeros((0, 3)), np.array([1.0, 2, 3]))
    np.testing.assert_array_equal(out, [[1, 2, 3]] * 2)


def test_an_empty_batch_has_gradients_of_zero():
    x, dout, W = np.zeros((0, 3)), np.zeros((0, 2)), np.ones((3, 2))
    assert reference.affine_forward(x, W, np.ones(2)).shape == (0, 2)
    assert reference.affine_backward_dx(dout, W).shape == (0, 3)
    np.testing.assert_array_equal(reference.affine_backward_dw(x, dout), np.zeros((3, 2)))
    np.testing.assert_array_equal(reference.affine_backward_db(dout), np.zeros(2))


def test_affine_relu_by_hand():
    out = reference.affine_relu_forward(
        np.array([[1.0, np.nan], [1, 2]]), np.array([[1.0, -1], [1, 1]]), np.array([-4.0, 1])
    )
    np.testing.assert_array_equal(out, [[np.nan, np.nan], [0, 2]])
