"""An optimizer's state belongs to an array and dies with it."""

import gc

import numpy as np

import affinet as an
from array_forms import draw
from optimizer_rows import OPTIMIZERS, every_optimizer, updated, with_memory


@every_optimizer
def test_one_optimizer_for_several_networks(make):
    shared, params = make(), [{"W": draw("float64", 3, seed)} for seed in (1, 2)]
    alone = [{"W": p["W"].copy()} for p in params]
    for step in range(6):
        for place in (0, 1, 0)[: 2 + step % 2]:  # one of them gets more updates
            shared.update(params[place], {"W": np.full(3, step - place)})
    for place, own in enumerate([make(), make()]):
        for step in range(6):
            for other in (0, 1, 0)[: 2 + step % 2]:
                if other == place:
                    own.update(alone[place], {"W": np.full(3, step - place)})
        np.testing.assert_array_equal(params[place]["W"], alone[place]["W"])


@with_memory
def test_state_follows_the_array_not_the_name_or_the_dict(make):
    optimizer, W = updated(make, 3)
    twin = W.copy()
    dW = np.full(2, -0.01)  # the other way, so that a step by its sign alone tells too
    optimizer.update({"new name": W}, {"new name": dW})
    expected, same = updated(make, 3)
    expected.update(same, dW)
    np.testing.assert_array_equal(W, same)
    make().update(twin, dW)
    assert (twin != W).all()  # the average made a difference


@with_memory
def test_an_array_put_in_place_of_another_starts_anew(make):
    optimizer, W = updated(make, 3)
    params = {"W": W}
    params["W"] = W.copy()
    expected = W.copy()
    optimizer.update(params, {"W": np.ones(2)})
    make().update(expected, np.ones(2))
    np.testing.assert_array_equal(params["W"], expected)


def test_state_is_forgotten_when_its_array_dies():
    optimizer = an.Adam()
    kept = np.ones(3)
    optimizer.update(kept, kept)
    for _ in range(20):
        optimizer.update(np.ones(1000), np.ones(1000))
    gc.collect()
    assert len(optimizer._states) == 1


def test_state_keeps_no_array_alive():
    import weakref

    optimizer, W = updated(OPTIMIZERS["Adam"], 2)
    reference_to_W = weakref.ref(W)
    del W
    gc.collect()
    assert reference_to_W() is None
    assert not optimizer._states


@with_memory
def test_a_new_array_at_an_old_address_gets_no_old_state(make):
    optimizer = make()
    expected = updated(make, 1)[1]
    places = set()
    for _ in range(50):  # the allocator reuses the same address
        W = np.ones(2)
        places.add(id(W))
        optimizer.update(W, np.ones(2))
        np.testing.assert_array_equal(W, expected)
        del W
    assert len(places) < 50


@with_memory
def test_state_of_a_float_belongs_to_its_key(make):
    optimizer, params, twin = make(), {"w": 1.0}, np.ones(1)
    same = make()
    for _ in range(4):
        optimizer.update(params, {"w": 0.5})
        same.update(twin, np.full(1, 0.5))
        params = dict(params)  # the dict may change, the key remains
    assert params["w"] == twin[0]


@with_memory
def test_views_of_one_buffer_have_states_of_their_own(make):
    buffer = np.ones(4)
    halves, optimizer = [buffer[:2], buffer[2:]], make()
    for _ in range(3):
        for half in halves:
            optimizer.update(half, np.ones(2))
    np.testing.assert_array_equal(buffer, np.tile(updated(make, 3)[1], 2))
