"""A search by Optuna that prunes bad trials: the callback reports the score of every epoch."""

import optuna

import affinet as an


def objective(trial):
    (x, t), test = an.datasets.load_digits()
    net = an.Sequential(
        an.Affine.init(64, 32, rng=0),
        an.ReLU(),
        an.Affine.init(32, 10, rng=1),
        loss=an.SoftmaxWithLoss(),
    )

    def prune(state):
        trial.report(state.metrics["val_loss"], state.epoch)
        if trial.should_prune():
            raise optuna.TrialPruned

    optimizer = an.SGD(trial.suggest_float("lr", 1e-5, 1, log=True))
    net.fit(x, t, epochs=10, optimizer=optimizer, validation_data=test, callbacks=[prune])
    return net.evaluate(*test)["loss"]


def main():
    optuna.logging.disable_default_handler()
    study = optuna.create_study(
        sampler=optuna.samplers.RandomSampler(seed=0),
        pruner=optuna.pruners.MedianPruner(n_startup_trials=2, n_warmup_steps=1),
    )
    study.optimize(objective, n_trials=10)
    states = [trial.state.name for trial in study.trials]
    epochs = [len(trial.intermediate_values) for trial in study.trials]
    print(f"{states.count('COMPLETE')} complete of 10 epochs, {states.count('PRUNED')} pruned of "
          f"{min(epochs)} and more, best loss {study.best_value:.2f}")  # fmt: skip


if __name__ == "__main__":
    main()
