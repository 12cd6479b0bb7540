"""How the time grows: with rows, with levels, with parameters.

Every peer fits every size, smallest first, until one of its calls exceeds the limit. Points
go to growth.json as they are measured; then the plots are drawn.

    python benchmarks/growth.py                 # all curves
    python benchmarks/growth.py --curves n      # one again
    python benchmarks/growth.py --only-plots
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import exchange
import frames
import machine
import pandas as pd
import plots
import store
from jobs import Job
from peers import HERE, PEERS, Peer
from processes import cell, leave_nothing_running

LIMIT = 30.0
"""Seconds of a call beyond which a peer is not run at larger sizes."""

Data = Callable[[], pd.DataFrame]


@dataclass(frozen=True)
class Curve:
    """Models of growing size.

    Attributes
    ----------
    title, about : str
    sizes : tuple of int
    model : callable
        Size to formula and data.
    x : callable
        What the size means on the axis.
    without : tuple of str
        Peers that do not fit this model.
    evaluation : bool
        Time one evaluation of lmforms, too.
    """

    title: str
    about: str
    sizes: tuple[int, ...]
    model: Callable[[int], tuple[str, Data]]
    x: Callable[[int], int] = lambda size: size
    without: tuple[str, ...] = ()
    evaluation: bool = False


def rows(n: int) -> tuple[str, Data]:
    return "y ~ x + (x | g)", partial(frames.slopes, groups=100, rows=n // 100)


def levels(q: int) -> tuple[str, Data]:
    return "y ~ x + (1 | g)", partial(frames.small_groups, groups=q, rows=5)


def parameters(slopes: int) -> tuple[str, Data]:
    basis = " + ".join(["1", *(f"x{i}" for i in range(1, slopes + 1))])
    return f"y ~ 1 + ({basis} | g)", partial(frames.many_slopes, slopes)


CURVES = {
    "n": Curve(
        "number of rows",
        "`y ~ x + (x | g)` with 100 groups. One evaluation of the criterion with gradient and "
        "information works on cross-products: it does not see the rows. gpboost fits the model "
        "without the correlation.",
        (10**3, 10**4, 10**5, 10**6, 10**7),
        rows,
        evaluation=True,
    ),
    "q": Curve(
        "number of levels",
        "`y ~ x + (1 | g)` with five rows in each level.",
        (10**2, 10**3, 10**4, 10**5, 10**6),
        levels,
    ),
    "theta": Curve(
        "number of covariance parameters",
        "`y ~ 1 + (1 + x1 + … + xk | g)` with 200 groups of 50 rows and k(k + 3)/2 + 1 parameters. "
        "gpboost has no correlated slopes.",
        tuple(range(11)),
        parameters,
        x=lambda k: (k + 1) * (k + 2) // 2,
        without=("gpboost",),
    ),
}


def main() -> None:
    args = arguments()
    leave_nothing_running()
    path = args.folder / "growth.json"
    found = store.load(path)
    curves = found.setdefault("curves", {})
    if not args.only_plots:
        found["about"] = machine.about(args.peers, args.python, args.threads)
        there = found["about"]["versions"]
        peers = [PEERS[p] for p in args.peers if PEERS[p].package in there]
        peers = [p for p in peers if not p.variant]
        for name in args.curves:
            curve = CURVES[name]
            points = dict(curves.get(name, {}).get("points", {}))
            chosen = [p for p in peers if p.name not in curve.without]
            points.update({p.name: [] for p in chosen})
            curves[name] = {"title": curve.title, "about": curve.about, "points": points}
            follow(curve, chosen, points, args, lambda: store.save(path, found))
        found["curves"] = {name: curves[name] for name in CURVES if name in curves}
        store.save(path, found)
    plots.draw(found, args.folder)


def follow(
    curve: Curve,
    peers: list[Peer],
    points: dict[str, list[dict[str, Any]]],
    args: argparse.Namespace,
    save: Callable[[], None],
) -> None:
    """Measure one curve, adding to `points`."""
    running = list(peers)
    for size in curve.sizes:
        if not running or curve.x(size) > args.largest:
            return
        formula, data = curve.model(size)
        job = Job(f"{size}", formula, data, repeats=args.repeats, limit=args.limit)
        with tempfile.TemporaryDirectory() as name:
            exchange.write(data(), Path(name))
            for peer in list(running):
                got = cell(
                    peer,
                    job,
                    Path(name),
                    python=args.python,
                    threads=args.threads,
                    memory=int(args.memory * 2**30),
                    evaluation=curve.evaluation and peer.name == "lmforms",
                )
                points[peer.name].append({"x": curve.x(size), **got})
                sys.stderr.write(f"{curve.title} {curve.x(size)}: {peer.name} {got}\n")
                if "seconds" not in got:
                    running.remove(peer)
                save()


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--curves", nargs="+", choices=CURVES, default=list(CURVES))
    parser.add_argument("--peers", nargs="+", choices=PEERS, default=list(PEERS))
    parser.add_argument("--python", default=sys.executable, help="interpreter of Python peers")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--limit", type=float, default=LIMIT, help="seconds per call")
    parser.add_argument("--largest", type=float, default=float("inf"), help="size to end at")
    parser.add_argument("--memory", type=float, default=0.0, help="GiB a peer may have")
    parser.add_argument("--only-plots", action="store_true")
    parser.add_argument("--folder", type=Path, default=HERE, help="where the results are")
    return parser.parse_args()


if __name__ == "__main__":
    main()
