"""Fixtures of the tests of fit_many."""

import pytest

import affinet as an


@pytest.fixture(params=[1, 3])
def threads(request):
    """The networks train in the calling thread, or on several."""
    with an.num_threads(request.param):
        yield request.param


@pytest.fixture
def three_threads():
    with an.num_threads(3):
        yield
