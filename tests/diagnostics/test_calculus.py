"""Derivatives, descents and the cost of a gradient against closed forms."""

import math

import numpy as np
import pytest

import affinet as an
from affinet.diagnostics import all_optimizers, derivative, descent, gradient_cost
from affinet.diagnostics.descents import ERRORS, ErrorFunction, gradient_at
from tolerance import assert_close

EPS = np.finfo(float).eps


# Derivatives -------------------------------------------------------------------------------------


def test_secants_of_a_square_have_the_slope_2a_plus_h():
    found = derivative(lambda x: x * x, 3.0, df=lambda x: 2 * x, widths=[2.0, 1.0, 0.5])
    assert found.secants.tolist() == [8.0, 7.0, 6.5]  # every number here is exact in binary
    assert (found.value, found.slope, found.slope_error) == (9.0, 6.0, 0.0)


def test_the_tangent_has_the_slope_of_the_function():
    exact = derivative(math.sin, 1.0, df=math.cos)
    assert exact.slope == math.cos(1.0)
    guessed = derivative(math.sin, 1.0)
    assert abs(guessed.slope - math.cos(1.0)) <= 1e-9
    assert 0 < guessed.slope_error < 1e-9
    assert abs(guessed.second + math.sin(1.0)) < 1e-6
    assert abs(guessed.third + math.cos(1.0)) < 1e-4


def test_errors_are_those_of_taylors_series_where_rounding_is_small():
    steps = 2.0 ** -np.arange(2, 8)
    cube = derivative(lambda x: x**3, 1.0, df=lambda x: 3 * x * x, steps=steps)
    h = cube.steps
    assert_close(cube.forward_errors, 3 * h + h * h, scale=100 / h, name="forward")
    assert_close(cube.central_errors, h * h, scale=100 / h, name="central")
    first, second = cube.truncation
    np.testing.assert_allclose(first, 3 * h, rtol=1e-4)
    np.testing.assert_allclose(second, h * h, rtol=1e-4)


def test_rounding_and_truncation_meet_at_the_best_step():
    found = derivative(math.sin, 1.0, df=math.cos)
    forward, central = found.best_steps
    assert math.isclose(forward, math.sqrt(2 * EPS), rel_tol=1e-3)  # |f| = |f''|
    assert math.isclose(central, (3 * EPS * math.tan(1.0)) ** (1 / 3), rel_tol=1e-3)
    for errors, best in ((found.forward_errors, forward), (found.central_errors, central)):
        assert best / 30 < found.steps[errors.argmin()] < best * 30
        model = found.truncation[errors is found.central_errors] + found.rounding
        assert (errors <= 4 * model).all()  # a value of sin may be off by a whole unit


def test_secants_of_a_line_are_the_line():
    found = derivative(lambda x: 2 * x + 1, 0.0, df=lambda x: 2.0)
    assert (found.secants == 2).all()
    assert (found.second, found.third) == (0, 0)
    assert all(math.isnan(step) for step in found.best_steps)


@pytest.mark.parametrize(
    ("f", "problem"),
    [(abs, "kink"), (lambda x: math.nan, "finite"), (lambda x: [x, x], "one number")],
)
def test_what_has_no_tangent_is_refused(f, problem):
    with pytest.raises(ValueError, match=problem):
        derivative(f, 0.0)


@pytest.mark.parametrize("name", ["widths", "steps"])
@pytest.mark.parametrize("bad", [[], [0.0], [-1.0], [math.inf], [[1.0]]])
def test_steps_that_lead_nowhere_are_refused(name, bad):
    with pytest.raises(ValueError, match=name):
        derivative(math.sin, 1.0, **{name: bad})


# Descents ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("curvature", [0.5, 1.0, 8.0])
@pytest.mark.parametrize("share", [0.1, 0.5, 0.9, 0.99, 1.01, 1.2])
def test_a_parabola_diverges_beyond_two_over_its_curvature(curvature, share):
    rho = share * 2 / curvature
    found = descent(
        lambda w: curvature / 2 * w @ w,
        4.0,
        rates=[rho],
        steps=30,
        gradient=lambda w: curvature * w,
    )
    (path,) = found.paths
    factors = (1 - rho * curvature) ** np.arange(31)
    assert_close(path.w[:, 0], 4.0 * factors, reduction=100, scale=4 * np.abs(factors).max())
    assert (path.outcome == "diverging") == (rho > 2 / curvature)
    assert (abs(path.w[-1, 0]) < 4) == (rho < 2 / curvature)


def test_the_steepest_direction_decides_for_two_parameters():
    curvature = np.array([1.0, 10.0])  # that of the convex error
    for rho, outcome in ((0.195, True), (0.205, False)):
        (path,) = descent("convex", parameters=2, rates=[rho], steps=60).paths
        start = np.array([-4.0, 1.5])
        np.testing.assert_allclose(
            path.w[-1] - [1, 0.5], start * (1 - rho * curvature) ** 60, atol=1e-9
        )
        assert bool(path.errors[-1] < path.errors[0]) is outcome


@pytest.mark.parametrize("n", [1, 2])
@pytest.mark.parametrize("name", ["convex", "flat", "two-valley"])
def test_small_good_and_too_large_rates(name, n):
    found = descent(name, parameters=n)
    assert [path.outcome for path in found.paths] == ["slow", "converged", "diverging"]
    assert found.landscape.ndim == n
    assert len(found.edges) == n
    for path in found.paths:
        assert path.w.shape == (len(path.errors), n)
        assert (path.w[0] == ERRORS[name, n].start).all()
        assert np.isfinite(path.w).all()
        assert np.isfinite(path.errors).all()


@pytest.mark.parametrize(("name", "n"), list(ERRORS))
def test_named_gradients_are_those_of_their_errors(name, n):
    error = ERRORS[name, n]
    for w in (error.start, error.start / 3 + 0.2):
        numerical = an.numerical_gradient(lambda v: error.f(v), w.copy(), 1e-5)
        np.testing.assert_allclose(error.gradient(w), numerical, rtol=0, atol=1e-7)


def test_the_landscape_is_the_error():
    found = descent("two-valley", parameters=2)
    across, down = found.edges
    f = found.error.f
    assert found.landscape[3, 7] == f(np.array([across[7], down[3]]))


def test_each_optimizer_takes_its_own_way_from_the_same_start():
    rules = all_optimizers()
    assert {type(rule).__name__ for rule in rules} == {
        kind for kind in an.__all__ if isinstance(getattr(an, kind), type)
        and issubclass(getattr(an, kind), an.Optimizer) and kind != "Optimizer"
    }  # fmt: skip
    found = descent("convex", parameters=2, optimizers=rules, steps=40)
    assert len({path.w[1].tobytes() for path in found.paths}) >= 5
    assert all((path.w[0] == found.paths[0].w[0]).all() for path in found.paths)
    assert all(path.errors[-1] < 0.02 * path.errors[0] for path in found.paths)
    w = found.paths[1].w.copy()
    v, gradient = np.zeros(2), found.error.gradient
    for k in range(40):  # Momentum as its formula says
        v = 0.9 * v - 0.02 * gradient(w[k])
        np.testing.assert_allclose(w[k + 1], w[k] + v, rtol=0, atol=1e-12)
    (muon,) = (path.w for path in found.paths if path.label.startswith("Muon"))
    matrix = found.paths[0].w[:1].copy()  # one row, which a step makes about as long as the rate
    an.Muon(0.3).update(matrix, gradient(matrix[0])[np.newaxis])
    np.testing.assert_array_equal(muon[1], matrix[0])


def test_an_error_of_ones_own_needs_no_gradient():
    with_it = descent(lambda w: np.cosh(w[0]), 2.0, rates=[0.1], gradient=lambda w: np.sinh(w))
    without = descent(lambda w: math.cosh(w[0]), [2.0], rates=[0.1])
    np.testing.assert_allclose(without.paths[0].w, with_it.paths[0].w, rtol=0, atol=1e-7)
    (away,) = descent(lambda w: math.exp(w[0] ** 2), 3.0, rates=[10.0]).paths
    assert (away.outcome, len(away.w)) == ("diverging", 1)


@pytest.mark.parametrize(
    ("arguments", "kind", "problem"),
    [
        (("bowl",), ValueError, "error is 'bowl'"),
        ((3,), TypeError, "error is 3"),
        ((abs,), ValueError, "start is None"),
        ((abs, [1.0, 2.0, 3.0]), ValueError, "start has 3, wanted 1 or 2"),
        ((lambda w: math.nan, 1.0), ValueError, "E is nan at the start"),
        (("convex", math.inf), ValueError, "start"),
    ],
)
def test_what_cannot_be_descended_is_refused(arguments, kind, problem):
    with pytest.raises(kind, match=problem):
        descent(*arguments)


def test_settings_of_a_descent_are_checked():
    with pytest.raises(ValueError, match="rates"):
        descent("convex", rates=[0.0])
    with pytest.raises(ValueError, match="steps"):
        descent("convex", steps=0)
    with pytest.raises(ValueError, match="parameters has 3"):
        descent("convex", parameters=3)
    with pytest.raises(ValueError, match="optimizers is empty"):
        descent("convex", optimizers=[])
    with pytest.raises(ValueError, match=r"gradient\(w\) has shape"):
        descent(lambda w: w @ w, 1.0, gradient=lambda w: 2.0)


# The price of a gradient -------------------------------------------------------------------------


def test_a_numerical_gradient_takes_two_evaluations_a_parameter():
    cost = gradient_cost([1, 4, 9])
    assert cost.parameters.tolist() == [75 * n + 10 for n in (1, 4, 9)]
    assert (cost.evaluations["central"] == 2 * cost.parameters).all()
    assert (cost.evaluations["forward"] == cost.parameters + 1).all()
    assert (cost.evaluations["backward"] == 1).all()
    assert (cost.errors["central"] < 1e-6).all()
    assert (cost.errors["forward"] > cost.errors["central"]).all()
    assert all((seconds > 0).all() for seconds in cost.seconds.values())
    assert len(cost.rows()) == 4


def test_settings_of_the_cost_are_checked():
    for bad in ([], [0]):
        with pytest.raises(ValueError, match="hidden"):
            gradient_cost(bad)
    with pytest.raises(ValueError, match="rows"):
        gradient_cost([1], rows=0)


def test_there_is_no_slope_at_infinity():
    error = ErrorFunction("E", "w", lambda w: float(w[0]), None, np.ones(1), np.ones(1), None)
    assert np.isnan(gradient_at(error, np.array([np.inf]))).all()
