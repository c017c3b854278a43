"""What is not an ensemble is refused by name."""

import numpy as np
import pytest

import affinet as an


class Square:
    """A custom loss."""

    def forward(self, x, t):
        return float(((x - t) ** 2).sum())

    def backward(self, dout=1.0):
        return dout


def test_networks_that_do_not_fit(made):
    nets = made()
    with pytest.raises(ValueError, match=r"nets is empty"):
        an.Ensemble([])
    with pytest.raises(TypeError, match=r"nets is Sequential"):
        an.Ensemble(nets[0])
    with pytest.raises(TypeError, match=r"nets\[1\] is ReLU"):
        an.Ensemble([nets[0], an.ReLU()])
    with pytest.raises(ValueError, match=r"nets\[2\] is nets\[0\] again"):
        an.Ensemble([nets[0], nets[1], nets[0]])
    wide = an.Sequential(an.Affine.init(5, 3), loss=an.SoftmaxWithLoss())
    with pytest.raises(ValueError, match=r"nets\[1\] takes 5 numbers a row, nets\[0\] 4"):
        an.Ensemble([nets[0], wide])
    with pytest.raises(ValueError, match=r"nets\[1\] returns 2 numbers a row, nets\[0\] 3"):
        an.Ensemble([nets[0], *made(n=1, n_outputs=2)])


def test_losses_must_agree(made):
    nets = made()
    with pytest.raises(ValueError, match=r"nets\[1\] has the loss SigmoidWithLoss"):
        an.Ensemble([nets[0], *made(an.SigmoidWithLoss, n=1)])
    with pytest.raises(ValueError, match=r"nets\[1\] has the loss None"):
        an.Ensemble([nets[0], *made(None, n=1)])
    with pytest.raises(ValueError, match=r"nets\[1\] has the loss Huber\(delta=2.0\)"):
        an.Ensemble([*made(an.Huber, n=1), *made(lambda: an.Huber(2.0), n=1)])
    with pytest.raises(ValueError, match=r"nets\[1\] has the loss"):
        an.Ensemble(made(Square, n=2))
    shared = Square()
    assert len(an.Ensemble(made(lambda: shared, n=2))) == 2


def test_classes_and_encodings_must_agree(made):
    nets = made(n=2)
    for net in nets:
        net.metadata = {"classes": ["a", "b", "c"], "by": id(net)}
    assert an.Ensemble(nets).metadata == {"classes": ["a", "b", "c"]}
    nets[1].metadata["classes"] = ["a", "c", "b"]
    with pytest.raises(ValueError, match=r"nets\[1\] has metadata\['classes'\]"):
        an.Ensemble(nets)


@pytest.mark.parametrize(
    ("weights", "match"),
    [
        ([1, 2], r"weights has shape \(2,\), wanted \(3,\)"),
        ([1, -1, 1], r"weights\[1\] is -1.0"),
        ([1, 1, np.nan], r"weights\[2\] is nan"),
        ([0, 0, 0], r"weights are all 0"),
    ],
)
def test_weights(made, weights, match):
    with pytest.raises(ValueError, match=match):
        an.Ensemble(made(), weights)


def test_huge_weights_are_divided_by_their_sum(made):
    assert np.array_equal(an.Ensemble(made(), [1e308, 1e308, 0]).weights, [0.5, 0.5, 0])


def test_predictions_without_meaning(made, x):
    ensemble = an.Ensemble(made(None))
    with pytest.raises(TypeError, match="predict_proba"):
        ensemble.predict_proba(x)
    with pytest.raises(RuntimeError, match="no loss"):
        ensemble.evaluate(x, x)
    with pytest.raises(RuntimeError, match="no loss"):
        ensemble.pruned(2, x, x)
    with pytest.raises(ValueError, match=r"q is 1.5"):
        ensemble.quantile(x, [0.5, 1.5])
    with pytest.raises(ValueError, match=r"q has shape \(1, 1\)"):
        ensemble.quantile(x, [[0.5]])
    with pytest.raises(ValueError, match=r"x has shape \(\)"):
        ensemble.predict(1.0)
    with pytest.raises(ValueError, match="sample_weight"):
        an.Ensemble(made()).evaluate(x, np.zeros(7, int), np.ones(6))


def test_outputs_of_different_shapes(x):
    class Cut:
        def __init__(self, n):
            self.n = n

        def forward(self, x):
            return x[:, : self.n]

        def backward(self, dout):
            return dout

    ensemble = an.Ensemble([an.Sequential(Cut(2)), an.Sequential(Cut(3))])
    with pytest.raises(ValueError, match=r"nets\[1\] gave outputs of shape \(7, 3\)"):
        ensemble.predict(x)
