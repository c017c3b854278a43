"""A library in its own process, limited to its number of threads.

The process reads a command, runs it and answers; commands and answers are lines of JSON. It takes
its own times, so the communication costs no contender anything.
"""

from __future__ import annotations

import importlib
import json
import math
import os
import subprocess
import sys
from contextlib import suppress
from dataclasses import asdict
from types import TracebackType
from typing import Any, TextIO

import machine
from timing import seconds
from verification import VerificationError

from .cases import CASES, Case
from .tasks import Unavailable


class ProcessError(RuntimeError):
    """The process of a library ended instead of answering."""


class Contenders:
    """The parent's side: a library's contenders, at one number of threads.

    Parameters
    ----------
    module : str
        Module of this folder that holds the contenders, such as "peers_numpy".
    threads : int
        For every library in the process.

    Attributes
    ----------
    version : str
    names : dict of lists of str
        Contenders by measure.
    missing : str or None
        Why the library cannot be imported, if it cannot; then nothing else is here.
    """

    def __init__(self, module: str, threads: int) -> None:
        self.module = module
        self.threads = threads
        self._process = subprocess.Popen(
            [sys.executable, sys.argv[0], "--contenders", module],
            env=machine.thread_environment(threads),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            encoding="utf-8",
        )

    def __enter__(self) -> Contenders:
        hello = self._answer()
        self.missing: str | None = hello.get("missing")
        self.version: str = hello.get("version", "")
        self.names: dict[str, list[str]] = hello.get("names", {})
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """End the process and wait for it."""
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                with suppress(BrokenPipeError):  # it may have ended already
                    pipe.close()
        self._process.wait()

    def prepare(self, case: Case, name: str, sample_seconds: float) -> dict[str, Any]:
        """Check and prepare a contender; returns what it reports about itself.

        Raises
        ------
        VerificationError
            If it computes something else.
        Unavailable
            If it cannot run here.
        """
        answer = self._ask(
            "prepare",
            measure=case.measure,
            case=asdict(case),
            name=name,
            sample_seconds=sample_seconds,
        )
        if "failed" in answer:
            raise VerificationError(f"{name}, {self.threads} thread(s): {answer['failed']}")
        if "unavailable" in answer:
            raise Unavailable(answer["unavailable"])
        return answer

    def sample(self, name: str, count: int) -> float:
        """Seconds of ``count`` samples of a contender that is ready, for each piece of work."""
        return float(self._ask("sample", name=name, count=count)["seconds"])

    def clear(self) -> None:
        """Release everything that was prepared."""
        self._ask("clear")

    def _ask(self, command: str, **arguments: Any) -> dict[str, Any]:
        assert self._process.stdin is not None
        with suppress(BrokenPipeError):  # the missing answer says why
            print(json.dumps({"command": command, **arguments}), file=self._process.stdin)
            self._process.stdin.flush()
        return self._answer()

    def _answer(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            self.close()
            raise ProcessError(f"the process of {self.module} ended; its error stands above")
        answer: dict[str, Any] = json.loads(line)
        return answer


def serve(module: str) -> int:
    """The child's side: answer on standard output until standard input ends."""
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # whatever a library prints goes to standard error
    try:
        library = importlib.import_module(module)
    except ImportError as error:
        say(answers, {"missing": str(error).partition("\n")[0]})
        return 0
    names = {measure: list(found) for measure, found in library.CONTENDERS.items()}
    say(answers, {"version": str(library.VERSION), "names": names})
    jobs = Jobs(library.CONTENDERS)
    for line in sys.stdin:
        request = json.loads(line)
        answer = getattr(jobs, request.pop("command"))
        say(answers, answer(**request))
    return 0


def say(answers: TextIO, answer: dict[str, Any]) -> None:
    """One line to the parent."""
    print(json.dumps(answer), file=answers, flush=True)


class Jobs:
    """The contenders that are ready in this process; each method is a command."""

    def __init__(self, contenders: dict[str, dict[str, Any]]) -> None:
        self._contenders = contenders
        self._ready: dict[str, tuple[Any, int]] = {}

    def prepare(
        self, measure: str, case: dict[str, Any], name: str, sample_seconds: float
    ) -> dict[str, Any]:
        """Check, construct and warm up a contender, and choose the amount of work in a sample."""
        asked = CASES[measure](**case)
        kind = self._contenders[measure][name]
        try:
            deviation = asked.check(kind)
            contender = kind(asked.task())
            error = {"error": contender.error()} if hasattr(contender, "error") else {}
        except VerificationError as error:
            return {"failed": str(error)}
        except Unavailable as reason:
            return {"unavailable": str(reason)}
        contender.run(1)
        single = min(seconds(contender.run, 1) for _ in range(2))
        repeats = max(1, math.ceil(sample_seconds / single))
        self._ready[name] = contender, repeats
        return {
            "deviation": deviation,
            **error,
            "pieces_a_sample": repeats * asked.pieces,
            "note": getattr(contender, "note", ""),
            "accuracies": contender.accuracies() if hasattr(contender, "accuracies") else [],
        }

    def sample(self, name: str, count: int) -> dict[str, Any]:
        """Time ``count`` samples, starting from the first parameters."""
        contender, repeats = self._ready[name]
        if hasattr(contender, "reset"):  # predictors have nothing to reset
            contender.reset()
        return {"seconds": seconds(contender.run, count * repeats) / repeats}

    def clear(self) -> dict[str, Any]:
        """Drop what is ready."""
        self._ready.clear()
        return {}
