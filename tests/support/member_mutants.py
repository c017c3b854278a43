"""Wrong formulas for kernels of ensembles and piecewise-linear embeddings; see mutants.py."""

import numpy as np

from affinet import reference
from column_mutants import with_changes


def neighbours(parameters):
    """Each member with the parameters of the one before."""
    return np.roll(parameters, 1, axis=0)


def in_turn(array, k):
    """Rows that belong to the members in turn, put one member after another."""
    return (
        array.reshape(len(array) // k, k, -1).swapaxes(0, 1).reshape(array.shape)
        if array.size
        else array
    )


def scale_in_turn(x, s, b):
    right = reference.member_scale_forward(in_turn(x, len(s)), s, b)
    return in_turn(right, max(len(x) // len(s), 1))


def over_all_rows(name):
    """Gradients of parameters as sums over the rows of all members."""
    return with_changes(name, lambda dx, *sums: (dx, *(0 * g + np.sum(g, axis=0) for g in sums)))


def means(name):
    right = getattr(reference, name)

    def mutant(x, dout, own):
        dx, *sums = right(x, dout, own)
        return dx, *(g / max(len(x) // len(own), 1) for g in sums)

    return mutant


def last_row_left_out(name):
    """The last member's sums lack the last row."""
    right = getattr(reference, name)

    def mutant(x, dout, own):
        results = right(x, dout, own)
        if len(x):
            dout = dout.copy()
            dout[-1] = 0
        return results[0], *right(x, dout, own)[1:]

    return mutant


def piecewise(**arguments):
    return with_changes("piecewise_embedding_forward", **arguments)


def piecewise_gradients(change=lambda *results: results, **arguments):
    return with_changes("piecewise_embedding_backward", change, **arguments)


def within(x, w, b, W, edges, columns, counts):
    """Constant beyond the edges."""
    right = reference.piecewise_embedding_forward
    clipped = np.array(x)
    for p, column in enumerate(columns):
        clipped[:, column] = np.clip(x[:, column], edges[p, 0], edges[p, counts[p]])
    return right(clipped, w, b, W, edges, columns, counts)


def the_bin_alone(x, w, b, W, edges, columns, counts):
    """Without the bins before."""
    right = reference.piecewise_embedding_forward
    out = right(x, w, b, W, edges, columns, counts)
    start = 0
    for column in range(x.shape[1]):
        if column not in columns:
            start += 1
            continue
        p = list(columns).index(column)
        s = np.sum(x[:, [column]] >= edges[p, 1 : counts[p]], axis=1)
        for t in range(counts[p]):
            out[s > t, start : start + W.shape[2]] -= W[p, t]
        start += W.shape[2]
    return out


def absolute_share(x, dout, w, W, edges, columns, counts):
    """dW by the distance from the edge, not by the share of the bin."""
    edges = np.cumsum(np.ones_like(edges), axis=1) + edges[:, :1] - 1
    right = reference.piecewise_embedding_backward
    return right(x, dout, w, W, edges, columns, counts)


SCALE, AFFINE = "member_scale_backward", "member_affine_backward"
OFFSETS = {
    "no offsets": with_changes("member_scale_forward", b=np.zeros_like),
    "the neighbour's offsets": with_changes("member_scale_forward", b=neighbours),
    "offsets scaled": lambda x, s, b: reference.member_scale_forward(x, s, s * b),
}
FACTORS = {
    "the neighbour's factors": with_changes("member_scale_forward", s=neighbours),
    "the first member's for all": with_changes("member_scale_forward", s=lambda s: 0 * s + s[0]),
    "members in turn": scale_in_turn,
}
MEMBER_MUTANTS = {
    "member_scale_forward": FACTORS,
    "member_scale_forward with b": FACTORS | OFFSETS,
    SCALE: {
        "the neighbour's factors": with_changes(SCALE, s=neighbours),
        "not scaled": with_changes(SCALE, s=np.ones_like),
        "sums over all rows": over_all_rows(SCALE),
        "means": means(SCALE),
        "last row left out": last_row_left_out(SCALE),
        "ds uphill": with_changes(SCALE, lambda dx, ds, db: (dx, -ds, db)),
        "db scaled": lambda x, dout, s: (
            *reference.member_scale_backward(x, dout, s)[:2],
            s * reference.member_scale_backward(x, dout, s)[2],
        ),
    },
    "member_affine_forward": {
        "the neighbour's weights": with_changes("member_affine_forward", W=neighbours),
        "the neighbour's biases": with_changes("member_affine_forward", b=neighbours),
        "no biases": with_changes("member_affine_forward", b=np.zeros_like),
        "the first member's for all": with_changes(
            "member_affine_forward", W=lambda W: 0 * W + W[0]
        ),
    },
    AFFINE: {
        "the neighbour's weights": with_changes(AFFINE, W=neighbours),
        "sums over all rows": over_all_rows(AFFINE),
        "means": means(AFFINE),
        "last row left out": last_row_left_out(AFFINE),
        "dW uphill": with_changes(AFFINE, lambda dx, dW, db: (dx, -dW, db)),
        "db uphill": with_changes(AFFINE, lambda dx, dW, db: (dx, dW, -db)),
    },
    "piecewise_embedding_forward": {
        "no slope": piecewise(w=np.zeros_like),
        "no bias": piecewise(b=np.zeros_like),
        "bins backwards": piecewise(W=lambda W: W[:, ::-1].copy()),
        "the neighbour's bins": piecewise(W=neighbours),
        "outputs backwards": piecewise(W=lambda W: W[:, :, ::-1].copy()),
        "one bin fewer": piecewise(counts=lambda counts: np.maximum(counts - 1, 1)),
        "constant beyond the edges": within,
        "the bin alone": the_bin_alone,
    },
    "piecewise_embedding_backward": {
        "no slope": piecewise_gradients(w=np.zeros_like),
        "no bins": piecewise_gradients(W=np.zeros_like),
        "the neighbour's bins": piecewise_gradients(W=neighbours),
        "one bin fewer": piecewise_gradients(counts=lambda counts: np.maximum(counts - 1, 1)),
        "bins of width 1": absolute_share,
        "dx uphill": piecewise_gradients(lambda dx, dw, db, dW: (-dx, dw, db, dW)),
        "a mean": piecewise_gradients(lambda dx, dw, db, dW: (dx, dw / max(len(dx), 1), db, dW)),
        "dW uphill": piecewise_gradients(lambda dx, dw, db, dW: (dx, dw, db, -dW)),
    },
}
