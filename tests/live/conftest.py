"""A live view that closes after its test."""

import pytest

from live_client import quiet


@pytest.fixture
def view():
    with quiet() as opened:
        yield opened
