"""The options of ``affinet train``."""

from __future__ import annotations

import argparse

from affinet.cli.arguments import (
    add_data,
    add_json,
    add_reading,
    add_target,
    choice,
    option,
    several,
)
from affinet.cli.recipes import (
    ACTIVATIONS,
    AVERAGES,
    CLASS_WEIGHTS,
    DTYPES,
    IMPUTATIONS,
    LEARNING_RATES,
    LR_SCHEDULES,
    METHODS,
    NUMBERS_L2,
    OPTIMIZER,
    PATIENCE,
    PRESETS,
    TASKS,
    VALIDATION,
    by_dataset,
)
from affinet.cli.values import (
    count,
    folds,
    fraction,
    initial_scale,
    port,
    positive_count,
    positive_number,
    strength,
    widths,
)
from affinet.precision import PRECISIONS


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of ``affinet train DATASET``."""
    add_data(parser)
    add_model_choice(parser.add_argument_group("model"))
    add_table(parser.add_argument_group("files"))
    add_network(parser.add_argument_group("network"))
    add_training(parser.add_argument_group("training"))
    add_several(parser.add_argument_group("several networks, and averages"))
    add_modes(parser.add_argument_group("ways of training"))
    add_output(parser.add_argument_group("output"))


def add_model_choice(group: argparse._ArgumentGroup) -> None:
    """Options of the model, and of how long and thoroughly it is trained."""
    choice(
        group,
        "--model",
        METHODS,
        None,
        "realmlp for tables, arrays with two dimensions among them; mlp for named sets, folders "
        "and arrays of images",
        "realmlp, the simpler realmlp-s and tabm, an ensemble in one network, are for tables: they "
        "take missing values as they are, and a fifth of the training rows selects the epoch; mlp "
        "is a plain network",
    )
    choice(
        group,
        "--preset",
        PRESETS,
        None,
        "default",
        "fast: fewer epochs, of narrower layers (tabm: fewer members); best: twice as "
        "many epochs (tabm: embeddings of numbers)",
    )
    option(
        group,
        "--time-limit",
        positive_number,
        "SECONDS",
        "train for as many epochs as fit into this time, at most those of the preset or --epochs; "
        "schedules extend over all of them",
    )
    choice(
        group,
        "--class-weight",
        CLASS_WEIGHTS,
        None,
        "every row has the same weight",
        "balanced: all classes have the same weight in total",
    )
    group.add_argument(
        "--early-stopping",
        nargs="?",
        type=positive_count,
        const=PATIENCE,
        metavar="PATIENCE",
        help="stop after this many epochs without a lower error on a fifth of the training rows, "
        f"which is not trained on, and keep the best epoch; {PATIENCE} if no number follows "
        "(default: only tabm stops early)",
    )
    choice(
        group,
        "--schedule",
        LR_SCHEDULES,
        None,
        "coslog4 for realmlp and realmlp-s, constant for tabm and mlp",
        "schedule of the learning rate",
    )


def add_table(group: argparse._ArgumentGroup) -> None:
    """Options of files that are read as tables."""
    add_target(group, "default: the array t of a .npz, the last column of a .npy")
    choice(
        group,
        "--task",
        TASKS,
        None,
        "texts, and whole numbers with few different values, are classes",
        "the task",
    )
    option(
        group,
        "--validation",
        fraction,
        "P",
        "fraction of the rows that is held out, the same of every class; 0 for none "
        f"(default: {VALIDATION:g})",
    )
    several(group, "--ignore", "a column to leave out")
    several(group, "--categorical", "a column of numbers or dates to treat as names of categories")
    choice(
        group,
        "--impute",
        IMPUTATIONS,
        None,
        "missing values are an error",
        "mlp: replace missing numbers and dates (empty, ?, NA, N/A, NaN, null) by the column's "
        "mean or median, and missing texts by the most frequent one",
    )
    add_reading(group, remembered=False)


def add_network(group: argparse._ArgumentGroup) -> None:
    """Options of the network."""
    option(
        group,
        "--hidden",
        widths,
        "N,N",
        "number of units of each hidden layer; 0 for none "
        f"({by_dataset('hidden')}; 256,256,256 for realmlp)",
    )
    choice(
        group,
        "--activation",
        ACTIVATIONS,
        None,
        "relu; selu for classes and mish for numbers with realmlp",
        "activation of the hidden layers",
    )
    option(
        group,
        "--dropout",
        fraction,
        "P",
        f"probability of dropping a hidden unit ({by_dataset('dropout')}; 0.15 for realmlp). If "
        "neither --dropout nor --l2 is given, mlp cross-validates a table's training rows with "
        "both defaults and without both, and takes what is better",
    )
    option(
        group,
        "--input-dropout",
        fraction,
        "P",
        "mlp: probability of dropping an input; if left out, --dropout 0 sets it to 0 too "
        f"({by_dataset('input_dropout')})",
    )
    option(
        group,
        "--init",
        initial_scale,
        "auto|S",
        "mlp: initial weights: auto is Xavier for sigmoid and tanh, He for the others; a number S "
        "is S times N(0, 1) (default: auto)",
    )
    choice(group, "--dtype", DTYPES, None, "float32", "precision; only mlp takes float64")
    choice(
        group,
        "--precision",
        PRECISIONS,
        None,
        "that of --dtype",
        "multiply matrices in bfloat16 parts, in one product, or to float32's accuracy in 3 "
        "or 6; see affinet info for whether a matrix unit does it",
    )


def add_training(group: argparse._ArgumentGroup) -> None:
    """Options of the optimizer and of the length of the training."""
    choice(group, "--optimizer", LEARNING_RATES, None, OPTIMIZER, "mlp: update rule")
    rates = ", ".join(f"{rate:g} for {name}" for name, rate in LEARNING_RATES.items())
    option(
        group,
        "--lr",
        positive_number,
        "RATE",
        f"learning rate (default: {rates}; other models have their own)",
    )
    option(
        group,
        "--batch-size",
        positive_count,
        "N",
        f"rows per step ({by_dataset('batch_size')}; 256 for realmlp)",
    )
    option(
        group,
        "--l2",
        strength,
        "S",
        "mlp: penalty: S / 2 times the sum of squared weights, divided by the rows of a step, is "
        f"added to the loss (default: {NUMBERS_L2:g} * batch size / rows for numbers, 0 for "
        "classes; see --dropout)",
    )
    length = group.add_mutually_exclusive_group()
    option(
        length,
        "--epochs",
        positive_count,
        "N",
        "passes over the training rows, in place of the preset's "
        f"({by_dataset('epochs')}; 256 for realmlp)",
    )
    option(length, "--steps", positive_count, "N", "mlp: number of updates, instead of --epochs")
    option(
        group,
        "--seed",
        count,
        "N",
        "seed of the rows held out of a file, the initial weights, the order of the rows and "
        "dropout (default: 0)",
        0,
    )


def add_several(group: argparse._ArgumentGroup) -> None:
    """Options that train several networks, or average the weights of one."""
    option(
        group,
        "--n-estimators",
        positive_count,
        "N",
        "train this many networks at once, which differ by their seeds, each on one thread, and "
        "write them to one file that predicts the mean of their answers; the first is the network "
        "of --seed alone (default: 1)",
    )
    group.add_argument(
        "--bootstrap",
        action="store_true",
        default=None,
        help="train each of them on as many rows drawn with replacement",
    )
    option(
        group,
        "--cv",
        folds,
        "K",
        "cross-validate: K folds of the training rows, of each class alike, and for each fold "
        "--n-estimators networks trained on the other rows, whose epoch it selects; the figures "
        "called out-of-fold are theirs on the folds. Statistics of columns come from all "
        "training rows",
    )
    choice(
        group,
        "--average",
        AVERAGES,
        None,
        "the weights after the last update, or of the best epoch",
        "average each network's weights over the updates: ema exponentially (decay 0.999, in "
        "short trainings less), swa over the ends of the last quarter of the epochs",
    )


def add_modes(group: argparse._ArgumentGroup) -> None:
    """Options to resume, distribute and watch a training."""
    group.add_argument(
        "--resume",
        metavar="PATH",
        help="continue from a file of --checkpoint; with the same options the network is the same, "
        "to the bit, as without the interruption",
    )
    group.add_argument(
        "--data-parallel",
        action="store_true",
        help="mlp: split every batch across the processes of an mpiexec, such as 'mpiexec -n 4 "
        "affinet train mnist --data-parallel'; the first of them writes and prints (needs mpi4py)",
    )
    group.add_argument(
        "--monitor",
        action="store_true",
        help="watch gradients, updates, dead units and the gap to validation, end with advice "
        "where the numbers support it, and keep the record in the model, for 'affinet inspect'",
    )
    group.add_argument(
        "--live",
        nargs="?",
        type=port,
        const=0,
        metavar="PORT",
        help="show the training in the browser while it runs, with --monitor and a button that "
        "stops it: one page, reachable from this machine only, at the address that is printed "
        "(default: a free port)",
    )


def add_output(group: argparse._ArgumentGroup) -> None:
    """Options of the files to write and of what is printed."""
    group.add_argument(
        "--out",
        metavar="MODEL.npz",
        help="the model's file, .npz or .safetensors (default: DATASET-model.npz)",
    )
    group.add_argument(
        "--checkpoint",
        metavar="PATH",
        help="write everything needed to continue to this file, .npz or .safetensors, after every "
        "epoch",
    )
    group.add_argument(
        "--plot",
        metavar="CURVE.png",
        help="picture of the learning curve, .png, .pdf or .svg (default: DATASET-curve.png)",
    )
    group.add_argument(
        "--quiet", action="store_true", help="no progress, and only the last line of the results"
    )
    add_json(group)
