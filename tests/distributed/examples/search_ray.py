"""A grid search on the workers of Ray."""

import joblib
import ray
from ray.util.joblib import register_ray
from sklearn.model_selection import GridSearchCV

import affinet as an
from affinet.estimators import MLPRegressor


def threads(model, X, y):
    """A score: the number of threads that affinet uses in the worker."""
    return an.get_num_threads()


def main():
    (X, y), _ = an.datasets.load_digits()
    ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False)
    register_ray()
    with joblib.parallel_config(backend="ray", n_jobs=2):
        search = GridSearchCV(
            MLPRegressor(hidden_layer_sizes=(16,), max_iter=10, tol=0, random_state=0),
            {"alpha": [1e-4, 1.0]},
            scoring={"r2": "r2", "threads": threads},
            refit="r2",
            cv=2,
        ).fit(X, y)
    print(search.best_params_, f"{search.best_score_:.2f}")
    print("threads a worker", search.cv_results_["mean_test_threads"].max())
    ray.shutdown()


if __name__ == "__main__":
    main()
