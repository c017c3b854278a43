"""Wrong formulas for the kernels of layers that work on columns; see mutants.py."""

import numpy as np

from affinet import reference


def with_changes(name, change=lambda *results: results, **arguments):
    """The reference with altered arguments, whose results are altered."""
    right = getattr(reference, name)

    def mutant(*given):
        names = right.__code__.co_varnames[: len(given)]
        changed = [
            arguments[n](value) if n in arguments else value
            for n, value in zip(names, given, strict=True)
        ]
        results = right(*changed)
        return change(*results) if isinstance(results, tuple) else change(results)[0]

    return mutant


def parametric_of_f(x, a, activation, numbers):
    """a f(x), without what is left of x."""
    out, step = reference.parametric_forward(x, a, activation, numbers)
    return out - (1 - a) * x, step


def parametric_slope_alone(x, dout, a, activation, numbers, step):
    dx, da, products = reference.parametric_backward(x, dout, a, activation, numbers, step)
    return dx - (1 - a) * dout, da, products


def waves_with(**arguments):
    return with_changes("periodic_embedding_forward", **arguments)


def wave_gradients_with(change=lambda *results: results, **arguments):
    return with_changes("periodic_embedding_backward", change, **arguments)


def radians(w):
    """Frequencies that are taken for radians per unit."""
    return w / (2 * np.pi)


def neighbours_table(x, E, columns, firsts):
    return reference.embedding_forward(x, np.roll(E, -1, axis=0), columns, firsts)


def codes_cut(x):
    """What is no code taken for the nearest one."""
    return np.trunc(np.nan_to_num(x))


def last_looked_up(x, dout, columns, firsts, dE):
    """The last row that looked up a vector gives its gradient alone."""
    dx, total = reference.embedding_backward(x, dout, columns, firsts, dE)
    if len(x) > 1:
        total = total - reference.embedding_backward(x[:1], dout[:1], columns, firsts, dE)[1]
    return dx, total


def codes_that_move(x, dout, columns, firsts, dE):
    dx, total = reference.embedding_backward(x, dout, columns, firsts, dE)
    dx[:, columns] = 1
    return dx, total


COLUMN_MUTANTS = {
    "scale_forward": {
        "the neighbour's factor": with_changes("scale_forward", s=lambda s: np.roll(s, 1)),
        "one factor for all": with_changes(
            "scale_forward", s=lambda s: np.full_like(s, s[:1].sum())
        ),
        "a term added": lambda x, s: s + x,
    },
    "scale_backward": {
        "not scaled": with_changes("scale_backward", s=np.ones_like),
        "a mean": with_changes("scale_backward", lambda dx, ds: (dx, ds / max(len(dx), 1))),
        "ds uphill": with_changes("scale_backward", lambda dx, ds: (dx, -ds)),
        "last row": lambda x, dout, s: (s * dout, np.sum(x[:-1] * dout[:-1], axis=0)),
    },
    "parametric_forward": {
        "f alone": with_changes("parametric_forward", a=np.ones_like),
        "a the other way round": with_changes("parametric_forward", a=lambda a: 1 - a),
        "a f(x)": parametric_of_f,
        "step the other way round": with_changes(
            "parametric_forward", lambda out, step: (out, -step)
        ),
        "another function": with_changes("parametric_forward", activation=lambda f: "gelu"),
    },
    "parametric_backward": {
        "f alone": with_changes("parametric_backward", a=np.ones_like),
        "the slope alone": parametric_slope_alone,
        "a mean": with_changes(
            "parametric_backward", lambda dx, da, step: (dx, da / max(len(dx), 1), step)
        ),
        "step as it was": lambda x, dout, a, f, numbers, step: (
            *reference.parametric_backward(x, dout, a, f, numbers, step)[:2],
            step,
        ),
    },
    "periodic_embedding_forward": {
        "radians": waves_with(w=radians),
        "no phase": waves_with(b=np.zeros_like),
        "phase in turns": waves_with(b=lambda b: 2 * np.pi * b),
        "no bias": waves_with(c=np.zeros_like),
        "never rectified": waves_with(rectified=lambda rectified: False),
        "always rectified": waves_with(rectified=lambda rectified: True),
        "waves backwards": waves_with(V=lambda V: V[:, :, ::-1].copy()),
        "outputs backwards": waves_with(V=lambda V: V[:, ::-1].copy()),
        "the neighbour's frequencies": waves_with(w=lambda w: np.roll(w, 1, axis=0)),
    },
    "periodic_embedding_backward": {
        "radians": wave_gradients_with(w=radians),
        "never rectified": wave_gradients_with(rectified=lambda rectified: False),
        "by the gradient's sign": lambda x, y, dout, *rest: reference.periodic_embedding_backward(
            x, dout, dout, *rest
        ),
        "no factor of 2 pi in dw": wave_gradients_with(
            lambda dx, dw, db, dV, dc: (dx, dw / (2 * np.pi), db, dV, dc)
        ),
        "dx uphill": wave_gradients_with(lambda dx, dw, db, dV, dc: (-dx, dw, db, dV, dc)),
        "db uphill": wave_gradients_with(lambda dx, dw, db, dV, dc: (dx, dw, -db, dV, dc)),
        "dV by the neighbour's row": lambda x, y, dout, *rest: (
            *reference.periodic_embedding_backward(x, y, dout, *rest)[:3],
            *reference.periodic_embedding_backward(np.roll(x, 1, axis=0), y, dout, *rest)[3:],
        ),
    },
    "embedding_forward": {
        "the next row": neighbours_table,
        "what is no code": with_changes("embedding_forward", x=codes_cut),
        "vectors backwards": with_changes("embedding_forward", E=lambda E: E[:, ::-1].copy()),
    },
    "embedding_backward": {
        "one row left out": last_looked_up,
        "a gradient of codes": codes_that_move,
        "a mean": with_changes("embedding_backward", lambda dx, dE: (dx, dE / max(len(dx), 1))),
    },
}
