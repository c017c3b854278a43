"""The parts that affinet offers, one row each: what the tests know of a part beyond its class.

``activations``, ``losses``, ``optimizers`` and ``layers`` each hold the type of a row, whose
docstring explains the fields, and the rows by the name of the class. The tables of the tests, that
of the kernels included, derive from these rows, so a new part needs one row here and no other line
in the tests. ``tests/package/test_part_tables.py`` compares all tables with the public names.
"""
