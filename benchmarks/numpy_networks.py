"""``affinet.bench.numpy_networks`` under the short name that these scripts use."""

from affinet.bench.numpy_networks import (
    BookAffine,
    BookNetwork,
    BookReLU,
    BookSoftmaxWithLoss,
    InPlaceNetwork,
    Network,
    shuffled_batches,
    train,
    views,
)

__all__ = [
    "BookAffine",
    "BookNetwork",
    "BookReLU",
    "BookSoftmaxWithLoss",
    "InPlaceNetwork",
    "Network",
    "shuffled_batches",
    "train",
    "views",
]
