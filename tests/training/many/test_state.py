"""What is given once belongs to each network alone."""

import copy
import pickle
import threading

import numpy as np
import pytest

import affinet as an
from many_networks import Counter, N, OwnLoss, OwnReLU, build, crowd, data, require_same

X, T = data()


class Remembers:
    """A callback that keeps the epochs of its network."""

    made = []  # noqa: RUF012 - all that were trained with

    def begin(self, state):
        self.net, self.epochs = state.net, []
        self.made.append(self)

    def __call__(self, state):
        assert state.net is self.net
        self.epochs.append(state.epoch)


class Uncopied(Remembers):
    def __init__(self):
        self.lock = threading.Lock()


def halve(state):
    state.optimizer.lr /= 2


def test_a_callback_with_a_state_is_copied_and_the_one_given_stays_as_it_was(threads):
    given = Remembers()
    Remembers.made.clear()
    an.fit_many(crowd(), X, T, epochs=2, callbacks=[given])
    assert len({id(part) for part in Remembers.made}) == N
    assert all(part.epochs == [1, 2] for part in Remembers.made)
    assert vars(given) == {}


def test_a_copy_refers_to_the_data_and_the_networks_themselves():
    class Refers(Remembers):
        def begin(self, state):
            super().begin(state)
            assert self.x is X
            assert any(self.first is net for net in nets)

    nets, given = crowd(), Refers()
    given.x, given.first = X, nets[0]
    an.fit_many(nets, X, T, epochs=1, callbacks=[an.every_steps(2, given)])


def test_a_callback_without_one_is_shared(threads):
    counter = Counter()
    an.fit_many(crowd(), X, T, epochs=2, callbacks=[counter])
    assert counter.calls == 2 * N


def test_what_cannot_be_copied_is_refused_by_name():
    nets = crowd()
    before = nets[0].params.flat.copy()
    with pytest.raises(TypeError, match=r"callbacks has .*Uncopied.*give callback_lists"):
        an.fit_many(nets, X, T, callbacks=[Uncopied()])
    np.testing.assert_array_equal(nets[0].params.flat, before)
    an.fit_many(nets, X, T, epochs=1, callback_lists=[[Uncopied()] for _ in nets])


def test_the_optimizer_continues_from_the_averages_of_all(threads):
    """Two calls with one optimizer are as two fits of each network with one of its own."""
    nets, own = crowd(), crowd()
    adam, each = an.Adam(0.02), [an.Adam(0.02) for _ in range(N)]
    for seed in (0, 1):
        an.fit_many(nets, X, T, epochs=2, optimizer=adam, seed=seed, callbacks=[halve])
        for net, optimizer in zip(own, each, strict=True):
            optimizer.lr = 0.02
            net.fit(X, T, epochs=2, optimizer=optimizer, seed=seed, callbacks=[halve])
    assert adam.lr == 0.02
    require_same(nets, own)
    for net, other, optimizer in zip(nets, own, each, strict=True):
        mine, its = adam.state_of(net.params.flat), optimizer.state_of(other.params.flat)
        assert mine.step == its.step > 0
        for one, two in zip(mine.averages, its.averages, strict=True):
            np.testing.assert_array_equal(one, two)


def test_optimizers_of_a_list_are_the_networks_own(threads):
    nets, optimizers = crowd(), [an.Adam(0.02) for _ in range(N)]
    an.fit_many(nets, X, T, epochs=1, optimizers=optimizers, callbacks=[halve])
    assert [optimizer.lr for optimizer in optimizers] == [0.01] * N
    assert all(o.state_of(n.params.flat).step for o, n in zip(optimizers, nets, strict=True))


def test_a_custom_optimizer_is_copied():
    class Own:
        lr, count = 0.1, 0

        def update(self, params, grads):
            self.count += 1
            params.flat -= (self.lr / self.count * np.sign(grads.flat)).astype(params.flat.dtype)

    nets, own, given = crowd(), crowd(), Own()
    an.fit_many(nets, X, T, epochs=2, optimizer=given)
    for net in own:
        net.fit(X, T, epochs=2, optimizer=Own())
    require_same(nets, own)
    assert given.count == 0


@pytest.mark.parametrize("what", ["loss", "activation"])
def test_networks_that_share_a_part_train_one_after_the_other(what, three_threads):
    """Layer by layer the loss and an activation store what their backward needs."""

    def make():
        shared = OwnLoss() if what == "loss" else OwnReLU()
        if what == "loss":
            return [build(seed, loss=shared) for seed in range(5)]
        return [build(seed, relu=lambda: shared) for seed in range(5)]

    nets, own = make(), make()
    an.fit_many(nets, X, T, epochs=3)
    for net in own:
        net.fit(X, T, epochs=3)
    require_same(nets, own)


def test_fused_networks_that_share_a_loss_need_not_wait():
    from affinet.training.crowd import Crowd
    from affinet.training.many_options import ManyOptions

    loss, own = an.SoftmaxWithLoss(), OwnLoss()
    nets = [build(i, loss=loss) for i in range(3)] + [build(i, loss=own) for i in range(2)]
    groups = Crowd(nets, X, T, None, ManyOptions({}, len(nets))).groups
    assert sorted(groups) == [[0], [1], [2], [3, 4]]


def test_trained_networks_are_copied_and_pickled_as_usual():
    nets = crowd()
    an.fit_many(nets, X, T, epochs=1, optimizer=an.Adam())
    twins = pickle.loads(pickle.dumps(nets[:3])) + copy.deepcopy(nets[3:])
    require_same(twins, nets)


def test_monitors_write_their_record_into_each_network():
    nets, own = crowd()[:3], crowd()[:3]
    an.fit_many(nets, X, T, epochs=2, callbacks=[an.diagnostics.Monitor(verbose=False)])
    for net in own:
        net.fit(X, T, epochs=2, callbacks=[an.diagnostics.Monitor(verbose=False)])
    assert [net.metadata["monitor"] for net in nets] == [net.metadata["monitor"] for net in own]
