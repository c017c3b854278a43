"""Graphs made by hand, written and read."""

import pytest


@pytest.fixture
def made(tmp_path):
    from onnx_graphs import Made  # it needs onnx, without which this folder is skipped

    return Made(tmp_path)
