"""Compiled modules: ``cpu`` and one module per instruction-set level, built from ``kernels/``."""
