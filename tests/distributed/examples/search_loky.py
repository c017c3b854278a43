"""A grid search in processes of loky, joblib's engine."""

from sklearn.model_selection import GridSearchCV

import affinet as an
from affinet.estimators import MLPClassifier


def threads(model, X, y):
    """A score: the number of threads that affinet uses in the worker."""
    return an.get_num_threads()


def main():
    (X, y), _ = an.datasets.load_digits()
    search = GridSearchCV(
        MLPClassifier(hidden_layer_sizes=(16,), solver="sgd", max_iter=20, tol=0, random_state=0),
        {"learning_rate_init": [0.001, 0.1]},
        scoring={"accuracy": "accuracy", "threads": threads},
        refit="accuracy",
        cv=2,
        n_jobs=2,
    )
    search.fit(X, y)
    print(search.best_params_, f"{search.best_score_:.2f}")
    print("threads a worker", search.cv_results_["mean_test_threads"].max())


if __name__ == "__main__":
    main()
