"""A halving random search on the workers of a Dask cluster."""

import joblib
from dask.distributed import Client, LocalCluster
from scipy.stats import loguniform
from sklearn.experimental import enable_halving_search_cv  # noqa: F401
from sklearn.model_selection import HalvingRandomSearchCV

import affinet as an
from affinet.estimators import MLPClassifier


def threads(model, X, y):
    """As a score beside the accuracy, in its fourth decimal: affinet's threads in the worker."""
    return round(model.score(X, y), 3) + an.get_num_threads() / 10_000


def main():
    (X, y), _ = an.datasets.load_digits()
    cluster = LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None)
    with cluster, Client(cluster), joblib.parallel_config(backend="dask"):
        search = HalvingRandomSearchCV(
            MLPClassifier(hidden_layer_sizes=(16,), solver="sgd", random_state=0),
            {"learning_rate_init": loguniform(1e-3, 1)},
            resource="max_iter",
            max_resources=9,
            min_resources=3,
            n_candidates=3,
            scoring=threads,
            cv=2,
            random_state=0,
            error_score="raise",
        ).fit(X, y)
    print(search.best_params_, f"{search.best_score_:.2f}")
    print("threads a worker", round(search.best_score_ * 10_000) % 10)


if __name__ == "__main__":
    main()
