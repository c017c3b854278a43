"""The files that ship with affinet; read them through ``affinet.datasets.load_digits``."""
