"""Training steps on several MPI ranks of one machine, and a model of larger machines.

Each rank is bound to one core, with one thread. The net is "mid", with 512 rows a step for all
ranks together. A model of two terms is compared with measurements on 1 to 4 ranks and then extended
to networks: the compute of a rank's part of a step, measured on one rank, and the sum of the
gradients, ``hops * latency + 2 (k - 1) / k * bytes / bandwidth`` for k ranks.

    python benchmarks/distributed.py [--quick] [--json FILE]
"""

from __future__ import annotations

import argparse
import json
import math
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import machine
import numpy as np
from nets import NETS, Net, first_parameters
from report import table, write_json
from timing import summary

ROWS = 512  # a step, of all ranks together
BATCHES = 20  # in the data set
RANKS = (1, 2, 3, 4)
NETWORKS = {"10 Gbit/s": (30e-6, 10e9 / 8), "100 Gbit/s": (5e-6, 100e9 / 8)}  # latency, bytes/s
LARGE = (8, 64, 512)
AVERAGE_EVERY = (None, 4, 16)


# One rank ----------------------------------------------------------------------------------------


def build(net: Net) -> Any:
    """The network in affinet."""
    import affinet as an

    arrays = first_parameters(net, "float32")
    layers: list[Any] = []
    for W, b in zip(arrays[::2], arrays[1::2], strict=True):
        layers += [an.Affine(W, b), an.ReLU()]
    return an.Sequential(*layers[:-1], loss=an.SoftmaxWithLoss())


def data(net: Net, rows: int) -> tuple[Any, Any]:
    """Random rows and classes."""
    rng = np.random.default_rng(2)
    x = rng.standard_normal((rows, net.widths[0])).astype(np.float32)
    return x, rng.integers(0, net.widths[-1], rows)


def median_of(work: Callable[[], object], count: int, before: Callable[[], object]) -> float:
    """Median seconds of ``count`` calls, each after a call of ``before``."""
    times = []
    for _ in range(count):
        before()
        started = time.perf_counter()
        work()
        times.append(time.perf_counter() - started)
    return float(np.median(times))


def step_seconds(
    name: str, rows: int, steps: int, rounds: int, **options: Any
) -> dict[str, list[float]]:
    """Seconds of a step inside ``fit`` in every round: of all ranks together, and of one alone.

    The two take turns, so that a slow phase of the machine affects both. Ranks that wait for the
    one alone sleep.
    """
    from mpi4py import MPI

    import affinet as an

    comm = MPI.COMM_WORLD
    net, (x, t) = build(NETS[name]), data(NETS[name], BATCHES * rows)
    reducer, alone = an.distributed.MPIReducer(**options), an.distributed.MPIReducer(MPI.COMM_SELF)

    def seconds(of: Any) -> float:
        history = net.fit(x, t, steps=steps, batch_size=rows, optimizer=an.SGD(0.01), reducer=of)
        return history.seconds / steps

    found: dict[str, list[float]] = {"together": [], "alone": []}
    for _ in range(rounds + 1):
        if comm.rank == 0:
            found["alone"].append(seconds(alone))
        reducer.sum_patiently(np.zeros(1))
        found["together"].append(seconds(reducer))
    return {kind: figures[1:] for kind, figures in found.items()}  # the first warms up


def parts(rows: tuple[int, ...], count: int) -> dict[str, Any]:
    """Seconds of a step's parts on one rank: the gradients of ``rows`` rows, and the update."""
    import affinet as an
    from affinet.training.record import Training
    from affinet.training.step import FusedStep

    net, (x, t) = build(NETS["mid"]), data(NETS["mid"], BATCHES * ROWS)
    step = FusedStep(Training(net, an.SGD(0.01), x, t, ROWS))
    order = np.random.default_rng(0).permutation(len(x))
    shares = {}
    for n in rows:
        step.accumulate_gradients(order[:n], 0, 0, float(ROWS))
        shares[n] = median_of(
            lambda n=n: step.accumulate_gradients(order[:n], 0, 0, float(ROWS)), count, lambda: None
        )
    update = median_of(lambda: step.apply_update(float(ROWS)), count, lambda: None)
    return {"share": shares, "update": update, "bytes": net.grads.flat.nbytes}


def sums(count: int) -> dict[str, float]:
    """Seconds of a sum after a step's compute, which has used the caches."""
    from mpi4py import MPI

    import affinet as an
    from affinet.training.record import Training
    from affinet.training.step import FusedStep

    comm, net = MPI.COMM_WORLD, build(NETS["mid"])
    x, t = data(NETS["mid"], ROWS)
    step = FusedStep(Training(net, an.SGD(0.01), x, t, ROWS))
    mine = np.arange(ROWS // comm.size)
    flat, small = net.grads.flat, np.zeros(1, np.float32)
    shared = an.distributed.MPIReducer().buffer(flat.size, flat.dtype)
    reducer = an.distributed.MPIReducer()
    reducer.buffer(flat.size, flat.dtype)

    def compute() -> None:
        step.accumulate_gradients(mine, 0, 0, float(ROWS))
        if shared is not None:
            shared[...] = flat
        comm.Barrier()

    late = flat[: flat.size * 2 // 5]  # what the last layers' backward pass writes first
    early = flat[len(late) :]

    def behind() -> None:
        step.accumulate_gradients(mine, 0, 0, float(ROWS))
        comm.Allreduce(MPI.IN_PLACE, flat)

    def beside() -> None:
        request = comm.Iallreduce(MPI.IN_PLACE, late)
        step.accumulate_gradients(mine, 0, 0, float(ROWS))
        request.Wait()
        comm.Allreduce(MPI.IN_PLACE, early)

    return {
        "allreduce": median_of(lambda: comm.Allreduce(MPI.IN_PLACE, flat), count, compute),
        "shared": median_of(lambda: reducer.sum(shared), count, compute),
        "allreduce_one_number": median_of(
            lambda: comm.Allreduce(MPI.IN_PLACE, small), 20 * count, comm.Barrier
        ),
        "compute_then_sum": median_of(behind, count, comm.Barrier),
        "late_layers_sum_beside_compute": median_of(beside, count, comm.Barrier),
    }


def measure_here(quick: bool) -> None:
    """Measure on this rank; rank 0 prints the results."""
    from mpi4py import MPI

    comm = MPI.COMM_WORLD
    cores = machine.cores()
    core = cores[comm.rank % len(cores)]
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {core})
    import affinet as an

    an.set_num_threads(1)
    rounds, steps, count = (3, 20, 20) if quick else (9, 60, 60)
    found: dict[str, Any] = {"ranks": comm.size, "cores": min(comm.size, len(cores))}
    found["mid"] = step_seconds("mid", ROWS, steps, rounds)
    if comm.size == 1:
        found |= parts(tuple(ROWS // k for k in (*RANKS, *LARGE)), count)
    else:
        found["mid, Allreduce"] = step_seconds("mid", ROWS, steps, rounds, shared_memory=False)
        found["sums"] = sums(count)
    for every in AVERAGE_EVERY if comm.size <= len(cores) else ():
        found[f"seed, average_every={every}"] = step_seconds(
            "seed", 100, 20 * steps, rounds, average_every=every
        )
    found["peak_memory"] = comm.allgather(an.distributed.peak_memory())
    if comm.rank == 0:
        print(json.dumps(found))


# All of them -------------------------------------------------------------------------------------


def run_ranks(ranks: int, quick: bool) -> dict[str, Any]:
    """Start ``ranks`` ranks and read their measurements."""
    mpiexec = shutil.which("mpiexec", path=os.pathsep.join([str(Path(sys.executable).parent)]))
    done = subprocess.run(
        [
            *(mpiexec or "mpiexec", "-n", str(ranks), sys.executable, __file__, "--rank"),
            *["--quick"] * quick,
        ],
        env=machine.thread_environment(1),
        stdout=subprocess.PIPE,
        text=True,
        check=True,
        timeout=600,
    )
    result: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return result


def measure_all(quick: bool) -> list[dict[str, Any]]:
    """Every number of ranks in turn, twice, in case the machine is slow for a while."""
    results = [run_ranks(ranks, quick) for ranks in RANKS]
    for found in results[: 0 if quick else None]:
        again = run_ranks(found["ranks"], quick)
        for name in found:
            if name.startswith(("mid", "seed")):
                for kind in found[name]:
                    found[name][kind] += again[name][kind]
    return [summarized(found) for found in results]


def summarized(found: dict[str, Any]) -> dict[str, Any]:
    """What one number of ranks measured, with medians and quartiles in place of the rounds."""
    return {
        name: {kind: summary(rounds) for kind, rounds in figures.items()}
        if name.startswith(("mid", "seed"))
        else figures
        for name, figures in found.items()
    }


def sum_seconds(ranks: int, n_bytes: float, latency: float, bandwidth: float) -> float:
    """The sum of gradients by the model: halving and doubling, after Rabenseifner (ICCS 2004)."""
    if ranks == 1:
        return 0.0
    hops = 2 * math.ceil(math.log2(ranks))
    return hops * latency + 2 * (ranks - 1) / ranks * n_bytes / bandwidth


def model(one: dict[str, Any], two: dict[str, Any]) -> dict[str, Any]:
    """Latency and bandwidth, fitted to the measurements on two ranks."""
    latency = two["sums"]["allreduce_one_number"] / 2
    spent = two["sums"]["shared"] - 2 * latency
    return {"latency": latency, "bandwidth": one["bytes"] / spent}


def predict(
    one: dict[str, Any], ranks: int, rows: int, latency: float, bandwidth: float, cores: int
) -> float:
    """Seconds of a step: ranks that share a core take turns."""
    turns = math.ceil(ranks / cores)
    share = one["share"][str(rows)]
    return turns * (share + one["update"]) + sum_seconds(ranks, one["bytes"], latency, bandwidth)


def check(results: list[dict[str, Any]], fitted: dict[str, Any]) -> list[dict[str, float]]:
    """The model beside the measurements."""
    one, lines = results[0], []
    for found in results:
        k = found["ranks"]
        measured = 1e-6 * found["mid"]["together"]["median_us"]
        predicted = predict(
            one, k, ROWS // k, fitted["latency"], fitted["bandwidth"], found["cores"]
        )
        lines.append(
            {
                "ranks": k,
                "cores": found["cores"],
                "measured_ms": 1e3 * measured,
                "speedup": 1e-6 * found["mid"]["alone"]["median_us"] / measured,
                "predicted_ms": 1e3 * predicted,
                "predicted_over_measured": predicted / measured,
            }
        )
    return lines


def extend(one: dict[str, Any]) -> list[dict[str, Any]]:
    """The model at larger scale: 512 rows for all ranks together, and 512 rows for each."""
    lines = []
    alone = one["share"][str(ROWS)] + one["update"]
    for name, (latency, bandwidth) in NETWORKS.items():
        for ranks in LARGE:
            summing = sum_seconds(ranks, one["bytes"], latency, bandwidth)
            strong = one["share"][str(ROWS // ranks)] + one["update"] + summing
            lines.append(
                {
                    "network": name,
                    "ranks": ranks,
                    "sum_ms": 1e3 * summing,
                    "speedup_512_rows_for_all": alone / strong,
                    "speedup_512_rows_each": ranks * alone / (alone + summing),
                }
            )
    return lines


def print_tables(content: dict[str, Any]) -> None:
    """Print the tables."""
    print(machine.heading(content["machine"]))
    print(f"\nmid {NETS['mid'].widths}, {ROWS} rows a step for all ranks, one core each\n")
    header = ("ranks", "on cores", "step, ms", "speed-up", "model, ms", "model / measured")
    rows = [
        (
            *(str(line["ranks"]), str(line["cores"]), f"{line['measured_ms']:.2f}"),
            *(f"{line['speedup']:.2f}", f"{line['predicted_ms']:.2f}"),
            f"{line['predicted_over_measured']:.2f}",
        )
        for line in content["check"]
    ]
    print(table(header, rows))
    two = content["two_ranks"]
    print(
        f"\nsum of {content['bytes'] / 1e6:.2f} MB on two ranks: {1e3 * two['shared']:.2f} ms in "
        f"shared memory, {1e3 * two['allreduce']:.2f} ms by Allreduce\n"
        f"compute, then Allreduce: {1e3 * two['compute_then_sum']:.2f} ms; the last layers' part "
        f"beside the compute: {1e3 * two['late_layers_sum_beside_compute']:.2f} ms\n"
    )
    for name, us in content["seed_us"].items():
        print(f"seed, 100 rows, {name}: {us:.0f} us a step")
    print("\nby the model, on networks\n")
    header = ("network", "ranks", "sum, ms", "speed-up, 512 rows for all", "512 rows each")
    rows = [
        (
            *(line["network"], str(line["ranks"]), f"{line['sum_ms']:.2f}"),
            *(f"{line['speedup_512_rows_for_all']:.1f}", f"{line['speedup_512_rows_each']:.0f}"),
        )
        for line in content["extended"]
    ]
    print(table(header, rows))
    for name, (latency, bandwidth) in NETWORKS.items():
        print(f"{name}: assumed {1e6 * latency:.0f} us a message, {bandwidth / 1e9:.2f} GB/s")


def main() -> None:
    """Measure, check, extend, print and write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="fewer rounds")
    parser.add_argument("--json", type=Path, help="where to write the figures")
    parser.add_argument("--rank", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.rank:
        measure_here(options.quick)
        return
    results = measure_all(options.quick)
    one, two = results[:2]
    fitted = model(one, two)
    content = {
        "machine": machine.description(),
        "load": machine.load(),
        "rows": ROWS,
        "bytes": one["bytes"],
        "measured": results,
        "two_ranks": two["sums"],
        "model": fitted,
        "check": check(results, fitted),
        "extended": extend(one),
        "seed_us": {
            f"{found['ranks']} ranks, {name.partition(', ')[2]}": figures["together"]["median_us"]
            for found in results
            for name, figures in found.items()
            if name.startswith("seed")
        },
    }
    print_tables(content)
    write_json(options.json, "distributed", content)


if __name__ == "__main__":
    main()
