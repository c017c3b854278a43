"""C in a folder of its own."""

import pytest

from compiled_c import Compiled


@pytest.fixture
def c(tmp_path):
    return Compiled(tmp_path / "c")
