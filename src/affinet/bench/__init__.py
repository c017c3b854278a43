"""A training step of affinet against one of pure NumPy: verified first, then timed.

``affinet bench`` runs this; the scripts in ``benchmarks/`` use the same networks, checks and clock.
"""
