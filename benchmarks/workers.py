"""Processes that wait, each with a program and its data in memory, and call when they are told."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import threading
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from peers import HERE
from processes import PATIENCE, environment, last_words, limited

Cell = dict[str, Any]


@dataclass(frozen=True)
class Runner:
    """What one column of a table runs.

    Attributes
    ----------
    name : str
    program : str
        As `fits.PROGRAMS` or waiting.R name it.
    language : {"Python", "R"}
    root : Path
        Where lmforms is imported from.
    empty_cache : bool
        Whether compiled loops find nothing on disk (first calls only).
    """

    name: str
    program: str
    language: str = "Python"
    root: Path = HERE.parent
    empty_cache: bool = False

    @property
    def is_ours(self) -> bool:
        """Whether it runs lmforms."""
        return self.program.split()[0] in ("lmforms", "lmer_many")


@dataclass(frozen=True)
class Task:
    """What all runners do, and with what.

    Attributes
    ----------
    folder : Path
        Data, as `exchange.write` left them.
    formula : str
    reml : bool
    threads : int
    python : str
        Interpreter of Python peers; ours is the one that runs this.
    limit : float
        Seconds after which a worker that has not answered is stopped.
    """

    folder: Path
    formula: str
    reml: bool
    threads: int
    python: str
    limit: float


class WorkerError(Exception):
    """A worker ended, or was stopped at its limit; `cell` says which."""

    def __init__(self, cell: Cell) -> None:
        super().__init__(str(cell))
        self.cell = cell


class Worker:
    """A process that waits; a context in which it runs.

    Raises
    ------
    WorkerError
        When it ends or is stopped instead of answering.
    """

    def __init__(self, runner: Runner, task: Task) -> None:
        with ExitStack() as stack:
            self.limit = task.limit
            self.errors = stack.enter_context(
                tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace")
            )
            env = environment(task.threads, runner.root)
            if runner.empty_cache:
                cache = tempfile.TemporaryDirectory(ignore_cleanup_errors=True)
                env["NUMBA_CACHE_DIR"] = stack.enter_context(cache)
            self.process = subprocess.Popen(
                limited(command(runner, task)),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self.errors,
                text=True,
                env=env,
            )
            stack.callback(self._end)
            self.baseline = self._read(PATIENCE)["ready"]
            self._stack = stack.pop_all()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def calls(self, count: int) -> dict[str, Any]:
        """Let it call so often."""
        assert self.process.stdin is not None
        with suppress(BrokenPipeError):  # it has ended, which reading tells
            self.process.stdin.write(f"{count}\n")
            self.process.stdin.flush()
        return self._read(self.limit)

    def _read(self, limit: float) -> dict[str, Any]:
        stopped = threading.Event()

        def stop() -> None:
            stopped.set()
            self.process.kill()  # sh and Rscript have become the worker itself

        timer = threading.Timer(limit, stop)
        timer.start()
        assert self.process.stdout is not None
        try:
            line = next((x for x in self.process.stdout if x.startswith("{")), "")
        finally:
            timer.cancel()
        if line:
            return dict(json.loads(line))
        code = self.process.wait()
        if stopped.is_set():
            raise WorkerError({"over": limit})
        self.errors.seek(0)
        raise WorkerError({"error": last_words(self.errors.read(), code)})

    def _end(self) -> None:
        self.process.kill()
        self.process.wait()
        for pipe in (self.process.stdin, self.process.stdout):
            assert pipe is not None
            with suppress(BrokenPipeError):
                pipe.close()


def command(runner: Runner, task: Task) -> list[str]:
    """What to start."""
    arguments = [runner.program, str(task.folder), task.formula]
    if runner.language == "R":
        return ["Rscript", str(HERE / "waiting.R"), *arguments, str(task.reml).upper()]
    ml = [] if task.reml else ["--ml"]
    python = sys.executable if runner.is_ours else task.python
    return [python, str(HERE / "waiting.py"), *arguments, *ml]
