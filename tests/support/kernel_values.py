"""How to draw a kernel's arguments: arrays from (rng, shape, sizes), scalars from rng alone."""

import numpy as np


def normal(rng, shape, sizes):
    return rng.standard_normal(shape)


def normal_with_zeros(rng, shape, sizes):
    return rng.standard_normal(shape) * (rng.random(shape) < 0.8)


def wide(rng, shape, sizes):
    """Magnitudes from 1e-4 to 100, both signs: the bend and both ends of a sigmoid."""
    return rng.standard_normal(shape) * 10 ** rng.uniform(-4, 2, shape)


def bend(rng, shape, sizes):
    """Where slopes are not 0 in any precision, so that infinity times one is not NaN."""
    return rng.uniform(-9, 9, shape)


def unit_interval(rng, shape, sizes):
    return rng.random(shape)


def minus_one_to_one(rng, shape, sizes):
    return rng.uniform(-1, 1, shape)


def logits(rng, shape, sizes):
    """Rows far from zero, so that an exponential of the bare logit would overflow."""
    return 5 * rng.standard_normal(shape) + rng.choice([0, -1e4, 1e4, 100], (shape[0], 1))


def off_centre(rng, shape, sizes):
    """Some columns far from 0, where a variance loses digits if it is a difference of squares."""
    return rng.standard_normal(shape) + rng.choice([0, 30], shape[-1:])


def squares(rng, shape, sizes):
    return normal_with_zeros(rng, shape, sizes) ** 2


def target_weights(rng, shape, sizes):
    return rng.random(shape) * (rng.random(shape) < 0.6)


def probabilities(rng, shape, sizes):
    """0, 1 and what lies between."""
    return np.where(rng.random(shape) < 0.5, rng.integers(0, 2, shape), rng.random(shape))


def counts(rng, shape, sizes):
    return rng.poisson(2.0, shape)


def row_weights(rng, shape, sizes):
    """Weights of rows, a fifth of them 0."""
    return rng.uniform(0.1, 3, shape) * (rng.random(shape) < 0.8)


def labels(rng, shape, sizes):
    return rng.integers(0, sizes["C"], shape)


def zero_or_one(rng, shape, sizes):
    return rng.integers(0, 2, shape)


def log_uniform(low, high):
    return lambda rng: float(10 ** rng.uniform(low, high))


def uniform(low, high):
    return lambda rng: float(rng.uniform(low, high))


def whole(low, high):
    return lambda rng: int(rng.integers(low, high, dtype=np.uint64, endpoint=True))


ANY_64_BITS = whole(0, 2**64 - 1)


def share(rng):
    """The weight of a running mean: usual values, where 1 - share is small, or any."""
    return float(rng.choice([0.0, 0.9, 0.999, rng.uniform()]))


def weight_decay(rng):
    return float(rng.choice([0.0, 10 ** rng.uniform(-4, 0)]))


def any_share(rng):
    return float(rng.choice([0.0, 0.1, 1.0, rng.uniform()]))


def yes_or_no(rng):
    return bool(rng.integers(2))


def drop_rate(rng):
    return float(rng.choice([0.0, 0.1, 0.5, rng.uniform(0, 0.95)]))


def smoothing(rng):
    return float(rng.choice([0.0, 0.1, rng.uniform(0, 0.9)]))


def nothing(rng):
    return None


def one_of(*choices):
    return lambda rng: str(rng.choice(choices))


def a_divisor(rng):
    """Of 6."""
    return int(rng.choice([1, 2, 3, 6]))


def no_numbers(rng):
    return ()


# Of embeddings: P of I columns are embedded, and the p-th table of codes has so many rows.


def table_rows(P):
    return [2 + p % 3 for p in range(P)]


def ascending(rng, shape, sizes):
    """Embedded columns: the same ones for the same sizes."""
    own = np.random.default_rng([sizes["P"], sizes["I"]])
    return np.sort(own.permutation(sizes["I"])[: sizes["P"]])


def first_rows(rng, shape, sizes):
    return np.cumsum([0, *table_rows(sizes["P"])[:-1]])


def bin_counts(rng, shape, sizes):
    """Of T bins the first column uses all, the others fewer."""
    return np.array([1 + (sizes["T"] - 1) // (1 + p) for p in range(sizes["P"])], np.int64)


def bin_edges(rng, shape, sizes):
    """Ascending edges around 0; NaN where a column has fewer bins."""
    edges = np.cumsum(rng.uniform(0.1, 1, shape), axis=1) - 0.3 * shape[1]
    counts = bin_counts(rng, shape, sizes)
    return np.where(np.arange(shape[1]) <= counts[:, np.newaxis], edges, np.nan)


def beside_codes(rng, shape, sizes):
    """Numbers, and in the embedded columns codes or, now and then, what is none."""
    x = rng.standard_normal(shape)
    for column, rows in zip(ascending(rng, shape, sizes), table_rows(sizes["P"]), strict=True):
        codes = rng.integers(0, rows, len(x)).astype(np.float64)
        wrong = rng.choice([-1, 0.5, rows, 1e30, np.nan, np.inf, -0.0], len(x))
        x[:, column] = np.where(rng.random(len(x)) < 0.1, wrong, codes)
    return x
