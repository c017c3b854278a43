"""What a newcomer types: help(net.fit), a history, and the names of other libraries."""

import inspect
import pydoc
import re

import numpy as np
import pytest

import affinet as an
from affinet._foreign_names import EVALUATE_NAMES, FIT_NAMES, SEQUENTIAL_NAMES
from affinet.training import fit
from affinet.training.trainer import method_doc


def parameters_of(function):
    return list(inspect.signature(function).parameters.values())[1:]  # without self or net


def test_net_fit_and_training_fit_have_one_signature():
    """Names, order, kinds, defaults; annotations but for those that a lower room cannot import."""
    own, other = parameters_of(an.Sequential.fit), parameters_of(fit)
    assert [(p.name, p.kind, p.default) for p in own] == [
        (p.name, p.kind, p.default) for p in other
    ]
    kinds = (inspect.Parameter.VAR_KEYWORD, inspect.Parameter.VAR_POSITIONAL)
    assert not any(p.kind in kinds for p in own)
    differing = {p.name for p, q in zip(own, other, strict=True) if p.annotation != q.annotation}
    scheduled = {"schedule", "decay_schedule", "dropout_schedule"}
    assert differing <= {"callbacks", "reducer"} | scheduled


def documented(doc):
    """Names under Parameters."""
    section = doc.split("Parameters\n----------\n", 1)[1].split("\nReturns\n", 1)[0]
    names = re.findall(r"^([\w*, ]+) : ", section, re.MULTILINE)
    return [name for line in names for name in line.split(", ")]


def test_help_documents_every_argument(net):
    for function in (an.Sequential.fit, net.fit):
        assert documented(inspect.getdoc(function)) == [
            p.name for p in parameters_of(an.Sequential.fit)
        ]
    assert "validation_data : tuple of arrays" in pydoc.render_doc(net.fit)
    assert documented(inspect.getdoc(fit)) == ["net", *documented(inspect.getdoc(net.fit))]


def test_help_is_the_same_text():
    whole, own = inspect.getdoc(fit).splitlines(), inspect.getdoc(an.Sequential.fit).splitlines()
    assert [
        line for line in whole if line not in ("net : Sequential", "    It must have a loss.")
    ] == own


# Names of other libraries ------------------------------------------------------------------------


@pytest.mark.parametrize("name", FIT_NAMES)
def test_fit_names_its_argument(net, data, name):
    if name in inspect.signature(net.fit).parameters:
        return
    before = net.params.flat.copy()
    for call in (net.fit, lambda *data, **options: fit(net, *data, **options)):
        with pytest.raises(TypeError, match=re.escape(f"name for it is {FIT_NAMES[name]}")):
            call(*data, **{name: 1})
    np.testing.assert_array_equal(net.params.flat, before)


@pytest.mark.parametrize("name", EVALUATE_NAMES)
def test_evaluate_names_its_argument(net, data, name):
    match = re.escape(f"evaluate has no argument '{name}': affinet's name for it is ")
    with pytest.raises(TypeError, match=match):
        net.evaluate(data[0], **{name: data[1]})


@pytest.mark.parametrize("name", SEQUENTIAL_NAMES)
def test_sequential_names_its_argument(name):
    with pytest.raises(TypeError, match=f"Sequential has no argument '{name}': affinet's name"):
        an.Sequential(an.ReLU(), **{name: 1})


def test_the_names_said_exist():
    """Arguments that are named alone are arguments; classes are affinet's."""
    for names, function in ((FIT_NAMES, fit), (EVALUATE_NAMES, an.Sequential.evaluate)):
        for said in names.values():
            for word in re.findall(r"\b[A-Z]\w+(?=\()", said):
                assert hasattr(an, word), said
            for word in re.findall(r"^(\w+)(?:=|$)", said):
                if names is EVALUATE_NAMES:
                    assert word in inspect.signature(function).parameters, said


def test_unknown_names_and_subclasses(net, data):
    with pytest.raises(TypeError, match="unexpected keyword argument 'foo'"):
        net.fit(*data, foo=1)

    class Open(an.Sequential):
        def __init__(self, *layers, **options):
            self.options = options
            super().__init__(*layers)

    assert Open(an.ReLU(), learning_rate=0.1).options == {"learning_rate": 0.1}


def test_a_warning_points_at_the_line_that_calls_fit(net, data):
    x = np.full_like(data[0], np.nan)
    for call in (net.fit, lambda *d, **o: fit(net, *d, **o)):
        with pytest.warns(RuntimeWarning, match="not finite|is nan") as caught:
            call(x, data[1], epochs=1)
        assert caught[0].filename == __file__


# The history -------------------------------------------------------------------------------------


def test_a_short_history_shows_every_epoch(net, data):
    history = net.fit(*data, epochs=2, batch_size=5, validation_data=data)
    lines = repr(history).splitlines()
    assert str(history) == repr(history)
    assert lines[0] == "History of 2 epochs, 10 steps (fused), ended by epochs"
    assert set(lines[1].split()) == {
        "epoch", "loss", "accuracy", "val_loss", "val_accuracy", "seconds"
    }  # fmt: skip
    assert [line.split()[0] for line in lines[2:]] == ["1", "2"]
    column = lines[1].split().index("val_loss")
    assert float(lines[3].split()[column]) == pytest.approx(history["val_loss"][1], abs=1e-4)


def test_a_long_history_shows_the_ends(net, data):
    stop = an.EarlyStopping("loss", patience=90)
    history = net.fit(*data, epochs=50, callbacks=[stop])
    lines = repr(history).splitlines()
    assert lines[0].endswith(f"ended by epochs, best epoch {history.best_epoch}")
    assert [line.split()[0] for line in lines[2:]] == ["1", "2", "3", "...", "48", "49", "50"]
    assert len({len(line) for line in lines[1:]}) == 1


def test_odd_histories():
    assert repr(an.History()) == "History of 0 epochs, 0 steps (layer by layer)"
    seven = an.History(epochs=[{"loss": 1.0}] * 7)
    assert len(repr(seven).splitlines()) == 9
    assert len(repr(an.History(epochs=[{"loss": 1.0}] * 8)).splitlines()) == 9
    mixed = an.History(epochs=[{"loss": 1.0}, {"loss": float("nan"), "extra": 1e-9}], steps=1)
    assert repr(mixed).splitlines()[2:] == ["    1  1.0000", "    2     nan  1e-09"]


def test_the_methods_text_is_the_same_without_indentation():
    """Python 3.13 compiles docstrings without it."""
    text = inspect.cleandoc(an.training.fit.__doc__)
    assert method_doc(text) == method_doc(an.training.fit.__doc__) == an.Sequential.fit.__doc__
    assert "net : Sequential" not in an.Sequential.fit.__doc__
