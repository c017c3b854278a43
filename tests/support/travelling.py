"""Steps that worker processes take with what was sent to them: they import this module."""

import numpy as np

import affinet as an


def data(n):
    rng = np.random.default_rng(0)
    x = rng.standard_normal((12, n)).astype("f4")
    return x, np.arange(12) % 2


def step_net(pair):
    """One more epoch, then the parameters, the optimizer's step and first averages."""
    net, optimizer = pair
    net.fit(*data(net.params["0.W"].shape[0]), epochs=1, batch_size=4, optimizer=optimizer, seed=1)
    state = optimizer.state_of(net.params.flat)
    return [net.params.flat.copy(), state.step, *[a.copy() for a in state.averages]]


def step_estimator(model):
    x, t = data(model.n_features_in_)
    model.partial_fit(x, t)
    return [
        *model.coefs_,
        *model.intercepts_,
        model._optimizer.state_of(model.net_.params.flat).step,
    ]


def step_arrays(pair):
    params, optimizer = pair
    for name, value in params.items():  # loky's maps of files are read-only: a user copies them
        if isinstance(value, np.ndarray) and not value.flags.writeable:
            params[name] = value.copy()
    for _ in range(2):
        optimizer.update(params, {name: np.cos(np.asarray(v)) for name, v in params.items()})
    steps = [
        optimizer.state_of(value).step for value in params.values() if isinstance(value, np.ndarray)
    ]
    return [*params.values(), steps]


def worker(task):
    """What a worker makes of a thing that it was sent: a function and the thing."""
    step, thing = task
    return step(thing)


class Halving(an.Optimizer):
    n_averages = 1

    def _apply(self, dW, W, state):
        state.averages[0] += dW
        W -= self.lr * state.averages[0] / 2**state.step
