"""``affinet plot``: training records, named pictures and formulas."""

import numpy as np
import pytest

from affinet import diagnostics
from affinet.cli.formulas import Formula
from affinet.cli.pictures import errors_of
from affinet.cli.recipes import NAMED_PICTURES


def test_plot_draws_the_record_again(shell, folder, model, tmp_path):
    out, _ = shell("plot", model, "--out", tmp_path / "c.png")
    assert out == f"{tmp_path / 'c.png'}\n"
    assert (tmp_path / "c.png").read_bytes().startswith(b"\x89PNG")
    out, _ = shell("plot", model)
    assert out == f"{folder / 'm-curve.png'}\n"
    assert (folder / "m-curve.png").stat().st_size > 10_000


def test_the_history_as_a_page_of_its_own(shell, refused, model, regression, tmp_path):
    page = tmp_path / "h.html"
    assert shell("plot", "history", model, "--html", page)[0] == f"{page}\n"
    text = page.read_text("utf-8")
    assert text.startswith("<!doctype html>")
    assert "NONCE" not in text
    assert "const record = {" in text
    assert '"val_loss"' in text or '"loss"' in text
    assert shell("plot", "history", model, "--save", tmp_path / "h.png")[0].endswith("h.png\n")
    assert "no training record" in refused("plot", "history", regression, "--html", page)
    assert "MODEL" in refused("plot", "history", "--html", page)
    assert "MODEL" in refused("plot", "activations", model)
    assert "--html" in refused("plot", model, "--html", page)
    assert ".html" in refused("plot", "history", model, "--html", tmp_path / "h.txt")
    assert "--save" in refused("plot", "history", model, "--html", page, "--save", "a.png")


def test_plot_refusals(refused, model, regression, tmp_path):
    assert "no training record" in refused("plot", regression, "--out", tmp_path / "c.png")
    assert "c.gif" in refused("plot", model, "--out", tmp_path / "c.gif")


@pytest.fixture
def short_studies(monkeypatch):
    """The studies of whole size have their own tests in ``diagnostics``."""
    monkeypatch.setattr(diagnostics.gradient_cost, "__defaults__", ([1, 2, 6],))
    for name, value in {"epochs": 5, "seeds": (0, 1)}.items():
        monkeypatch.setitem(diagnostics.overfitting.__kwdefaults__, name, value)


@pytest.mark.usefixtures("short_studies")
@pytest.mark.parametrize("name", NAMED_PICTURES)
def test_plot_draws_pictures_by_name(shell, tmp_path, name):
    target = tmp_path / "a.png"
    out, err = shell("plot", name, "--save", target)
    assert err == []
    *figures, last = out.splitlines()
    assert last == str(target)
    assert len(figures) >= 3
    assert target.read_bytes().startswith(b"\x89PNG")
    assert (
        target.stat().st_size <= 400_000
    )  # those of the docs are reduced, by docs/make_pictures.py


def test_plot_by_name_writes_beside_you(shell, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert shell("plot", "three-steps")[0].endswith("\nthree-steps.png\n")
    assert [path.name for path in tmp_path.iterdir()] == ["three-steps.png"]
    shell("plot", "activations", "--reach", "2", "--out", "a.svg")
    assert (tmp_path / "a.svg").read_text().startswith("<?xml")


def test_plot_takes_formulas(shell, tmp_path):
    target = tmp_path / "a.png"
    out, _ = shell("plot", "derivative", "--function", "x**3 - x", "--at", "-1", "--save", target)
    assert ["tangent", "2"] in [line.split()[:2] for line in out.splitlines()]
    words = ("--function", "3*w**2", "--start", "1", "--steps", "1", "--rates", "0.1,0.4")
    out, _ = shell("plot", "descent", *words, "--save", target)
    first, second = out.splitlines()[1:3]  # w = 1 - 0.1 * 6 and 1 - 0.4 * 6
    assert [float(line.split()[-2]) for line in (first, second)] == [0.48, 5.88]
    words = ("--function", "w1**2 + w2**2", "--start=-1,2", "--rates", "0.5", "--steps", "1")
    out, _ = shell("plot", "descent", *words, "--save", target)
    assert abs(float(out.splitlines()[1].split()[-2])) < 1e-9


def test_plot_compares_optimizers_and_shows_histograms(shell, tmp_path):
    target = tmp_path / "a.png"
    out, _ = shell("plot", "descent", "--optimizers", "--parameters", "2", "--save", target)
    assert all(name in out for name in ("SGD", "Nesterov", "AdaGrad", "RMSprop", "AdamW"))
    shell("plot", "vanishing-gradient", "--histograms", "--save", target)


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (["nothing"], "neither a file nor one of the pictures derivative, descent"),
        (["derivative", "--rates", "1"], "--rates: derivative has no such option, only --function"),
        (["regions", "--optimizers"], "--optimizers: regions has no such option"),
        (["derivative", "--function", "x +"], "--function: 'x +' is not a formula"),
        (["derivative", "--function", "y"], "--function: 'y' has the unknown name 'y'"),
        (["derivative", "--function", "abs(x)", "--at", "0"], "kink"),
        (["derivative", "--at", "nan"], "--at"),
        (["descent", "--function", "w**2"], "--start: got nothing"),
        (["descent", "--function", "w1*w2", "--start", "1"], "--start: got 1 numbers"),
        (["descent", "--function", "w*w1", "--start", "1"], "wanted w1 and w2"),
        (["descent", "--function", "3", "--start", "1"], "neither w nor w1 and w2"),
        (["descent", "--rates", "1", "--optimizers"], "one of them at a time"),
        (["descent", "--rates", "1,x"], "--rates"),
        (["descent", "--rates", "-1"], "rates has -1"),
        (["overfitting", "--label-noise", "1"], "--label-noise"),
        (["overfitting", "--data-dir", "."], "--data-dir"),
    ],
)
def test_plot_refuses_what_makes_no_picture(refused, tmp_path, arguments, problem):
    assert problem in refused("plot", *arguments, "--save", tmp_path / "a.png")
    assert list(tmp_path.iterdir()) == []


def test_plot_looks_at_the_place_before_it_works(refused, tmp_path):
    assert "--save" in refused("plot", "regions", "--save", tmp_path / "a.txt")
    assert "--save" in refused("plot", "regions", "--save", tmp_path / "gone" / "a.png")


def test_formulas():
    f = Formula("-2 * x**2 + exp(y) / 4 - pi", ("x", "y"))
    assert f.names == ("x", "y")
    assert f(x=3.0, y=0.0) == -18 + 0.25 - np.pi
    for bad in ("__import__('os')", "x.real", "x if x else 1", "[x]", "x and x", "lambda: x",
                "True", "'a'", "sin(x, x)", "sin", "x @ x", "9e", "", "x(1)"):  # fmt: skip
        with pytest.raises(ValueError, match=r"formula|known are"):
            Formula(bad, ("x", "y"))


def test_an_error_is_found_by_its_name():
    assert errors_of("convex", None, optimizers=False) == [("convex", "convex")]
