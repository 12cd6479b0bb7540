"""Programs on one job in one run: they call in rounds, one after the other, in an order drawn anew.

So whatever else the machine does meets all of them alike. A round gives each program the median
of its calls by the clock and their mean of processor time; a cell has the medians over the
rounds, and a ratio is the median of the quotients within a round, with 95 % limits that are
quotients, too (those of a sign test). On a machine with other work a quotient of the same code
with itself varies by a tenth or more from round to round.
"""

from __future__ import annotations

import random
import statistics
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

from peers import LONG
from scipy.stats import binom
from workers import Cell, Runner, Task, Worker, WorkerError

MOST_CALLS = 25
"""Calls of one program in a round, at most."""

SEED = 1
"""Of the orders of the programs in rounds."""

CONFIDENCE = 0.95

MEASURES = ("wall", "cpu")
"""Seconds by the clock, and of the processor in all threads."""


@dataclass(frozen=True)
class Pace:
    """How often a program calls.

    Attributes
    ----------
    calls : int
        In a round.
    rounds : int
        The first so many of all.
    answer : dict, optional
        Of a call that counts although it was the first.
    """

    calls: int
    rounds: int
    answer: dict[str, Any] | None = None


def in_rounds(
    runners: Sequence[Runner],
    task: Task,
    rounds: int,
    seconds: float,
    budget: float | None = None,
) -> dict[str, Any]:
    """Warm calls of all runners, in so many rounds of about so many seconds for each.

    Parameters
    ----------
    budget : float, optional
        Seconds that a program may take in all rounds: a slow one calls in the first of them only,
        at least in one. A call of more than `peers.LONG` seconds is not repeated, and counts
        although it is the first. None: all call in all rounds.

    Returns
    -------
    dict
        `cells` by runner, and `ratios` of all to each of ours: own, peer, measure.
    """
    cells: dict[str, Cell] = {}
    found: dict[str, list[dict[str, Any]]] = {}
    shared: dict[str, Pace] = {}
    paces: dict[str, Pace] = {}
    with ExitStack() as stack:
        workers: dict[str, Worker] = {}
        for runner in runners:
            try:
                worker = stack.enter_context(Worker(runner, task))
                pace = warm_up(worker, rounds, seconds, budget)
                if pace.answer is None:
                    pace = shared.setdefault(runner.program, pace)
                workers[runner.name] = worker
                paces[runner.name] = pace
                found[runner.name] = [] if pace.answer is None else [pace.answer]
            except WorkerError as failure:
                cells[runner.name] = failure.cell
        order = random.Random(SEED)
        for i in range(rounds):
            for name in order.sample(list(workers), len(workers)):
                if name in cells or i >= paces[name].rounds:
                    continue
                try:
                    found[name].append(workers[name].calls(paces[name].calls))
                except WorkerError as failure:
                    cells[name] = failure.cell
        for name, worker in workers.items():
            if name not in cells:
                cells[name] = cell(found[name], worker.baseline, paces[name].calls)
    found = {name: answers for name, answers in found.items() if "wall" in cells[name]}
    ours = [runner.name for runner in runners if runner.is_ours and runner.name in found]
    return {
        "cells": {runner.name: cells[runner.name] for runner in runners},
        "ratios": {
            own: {peer: quotients(found[peer], found[own]) for peer in found} for own in ours
        },
    }


def warm_up(worker: Worker, rounds: int, seconds: float, budget: float | None) -> Pace:
    """Calls that do not count, but for one that took very long; and how often it will call."""
    answer = worker.calls(1)
    took = answer["wall"][0]
    if took > LONG:
        return Pace(1, rounds) if budget is None else Pace(1, 0, answer)
    if budget is None or took < budget / 2:  # the first call reads and compiles what it needs
        took = worker.calls(1)["wall"][0]
    count = max(1, min(MOST_CALLS, round(seconds / took)))
    if count > 1:
        worker.calls(count)
    if budget is not None:
        rounds = max(1, min(rounds, int(budget / (count * took))))
    return Pace(count, rounds)


def cell(answers: list[dict[str, Any]], baseline: int, calls: int) -> Cell:
    """Medians over the rounds."""
    last = answers[-1]
    return {
        **{measure: statistics.median(values(answers, measure)) for measure in MEASURES},
        "calls": calls * len(answers),
        "memory": last["memory"],
        "baseline": baseline,
        "evaluations": last["evaluations"],
        "criterion": last["criterion"],
    }


def values(answers: list[dict[str, Any]], measure: str) -> list[float]:
    """One number for each round."""
    return [statistics.median(a["wall"]) if measure == "wall" else a["cpu"] for a in answers]


def quotients(theirs: list[dict[str, Any]], ours: list[dict[str, Any]]) -> dict[str, Any]:
    """Their time in units of ours: medians over rounds for each measure, and limits.

    Who does not call in all rounds calls in the first.
    """
    found: dict[str, Any] = {"limits": {}}
    both = min(len(theirs), len(ours))
    for measure in MEASURES:
        pairs = zip(values(theirs[:both], measure), values(ours[:both], measure), strict=True)
        each = sorted(a / b for a, b in pairs)
        found[measure] = statistics.median(each)
        found["limits"][measure] = limits(each)
    return found


def limits(ordered: list[float]) -> list[float]:
    """Between which values of a sample the median lies; the whole of a sample of less than six."""
    n = len(ordered)
    k = max(int(binom.ppf((1.0 - CONFIDENCE) / 2.0, n, 0.5)), 1)
    return [ordered[k - 1], ordered[n - k]]


def first_calls(runners: Sequence[Runner], task: Task, runs: int) -> dict[str, Cell]:
    """The first call in a new process, its package imported: medians of runs in turn.

    A run before them does not count: bytecode and compiled loops are on disk after it.
    """
    found: dict[str, list[dict[str, Any]]] = {runner.name: [] for runner in runners}
    cells: dict[str, Cell] = {}
    for i in range(runs + 1):
        for runner in runners:
            if runner.name in cells or (i == 0 and runner.empty_cache):
                continue
            try:
                with Worker(runner, task) as worker:
                    answer = worker.calls(1)
            except WorkerError as failure:
                cells[runner.name] = failure.cell
                continue
            if i:
                found[runner.name].append(answer)
    for name, answers in found.items():
        if name not in cells:
            cells[name] = {m: statistics.median(values(answers, m)) for m in MEASURES}
    return cells
