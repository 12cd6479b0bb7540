"""growth.json as pictures: log–log lines that carry their names."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

COLOURS = {
    "lmforms": "#0b5cad",
    "lme4": "#d55e00",
    "glmmTMB": "#b8860b",
    "mixedlm": "#117a65",
    "gpboost": "#9b4f96",
    "statsmodels": "#7f7f7f",
}
EVALUATION = "one evaluation"
INK, PALE = "#333333", "#e4e4e4"
STYLE = {
    "font.family": "sans-serif",
    "font.size": 11,
    "text.color": INK,
    "axes.labelcolor": INK,
    "axes.edgecolor": "#999999",
    "axes.linewidth": 0.8,
    "xtick.color": INK,
    "ytick.color": INK,
    "svg.fonttype": "path",
    "svg.hashsalt": "lmforms",
}

Line = tuple[str, str, str, np.ndarray, np.ndarray]
"""Label, colour, dashes, x, y."""


def draw(growth: dict[str, Any], folder: Path, ending: str = "svg") -> list[Path]:
    """One picture for every curve."""
    return [
        picture(curve, growth["limit"], folder / f"growth-{name}.{ending}")
        for name, curve in growth["curves"].items()
    ]


def picture(curve: dict[str, Any], limit: float, path: Path) -> Path:
    """Seconds against size, a line per peer with its name at its end."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    with matplotlib.rc_context(STYLE):
        figure, axes = plt.subplots(figsize=(7.6, 4.6), layout="constrained")
        lines = lines_of(curve)
        for label, colour, dashes, x, y in lines:
            own = label == "lmforms"
            width, size = (2.6, 6) if own else (1.5, 4)
            axes.plot(
                x, y, dashes, color=colour, lw=width, marker="o", ms=size, zorder=3 if own else 2
            )
        axes.set(xscale="log", yscale="log", xlabel=curve["title"])
        axes.set_title("seconds for a whole call", loc="left", fontsize=11, color=INK)
        axes.grid(which="major", color=PALE, lw=0.8)
        axes.set_axisbelow(True)
        axes.tick_params(which="both", length=0)
        axes.spines[["top", "right", "left"]].set_visible(False)
        ticks(axes, lines)
        name_lines(axes, lines, limit)
        meta = {"Date": None} if path.suffix == ".svg" else {}
        figure.savefig(path, metadata=meta, dpi=150)
        plt.close(figure)
    return path


def lines_of(curve: dict[str, Any]) -> list[Line]:
    """Points with a time; for lmforms a second line if single evaluations were timed."""
    lines = []
    for peer, points in curve["points"].items():
        done = [p for p in points if "seconds" in p]
        if not done:
            continue
        x = np.array([p["x"] for p in done], dtype=float)
        # what is fitted without correlations is drawn dashed
        dashes = "--" if any("no correlations" in p["remarks"] for p in done) else "-"
        label = peer + (" (no correlations)" if dashes == "--" else "")
        y = np.array([p["seconds"] for p in done])
        lines.append((label, COLOURS.get(peer, INK), dashes, x, y))
        told = [p for p in done if "evaluation" in p]
        if told:
            x = np.array([p["x"] for p in told], dtype=float)
            y = np.array([p["evaluation"] for p in told])
            lines.append((f"{peer}, {EVALUATION}", COLOURS[peer], ":", x, y))
    return lines


def ticks(axes: Any, lines: list[Line]) -> None:
    """Few, in words: 1 ms, 10 ms … and 1,000, 10,000 …"""
    from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

    values = np.concatenate([y for *_, y in lines])
    low, high = np.floor(np.log10(values.min())), np.ceil(np.log10(values.max()))
    axes.set_ylim(10.0**low * 0.8, 10.0**high * 1.2)
    axes.yaxis.set_major_locator(FixedLocator(10.0 ** np.arange(low, high + 1)))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda v, _: in_units(v)))
    sizes = np.unique(np.concatenate([x for *_, x, _ in lines]))
    if np.log10(sizes.max() / sizes.min()) < 2.5:
        axes.xaxis.set_major_locator(FixedLocator(list(spaced(sizes))))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda v, _: f"{v:,.0f}"))
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_minor_locator(NullLocator())


def spaced(sizes: np.ndarray, apart: float = 0.06) -> list[float]:
    """Sizes whose labels do not touch on a logarithmic axis, the largest among them."""
    kept = [float(sizes[-1])]
    span = np.log(sizes[-1] / sizes[0]) or 1.0
    for size in sizes[-2::-1]:
        if np.log(kept[-1] / size) > apart * span:
            kept.append(float(size))
    return kept[::-1]


def in_units(seconds: float) -> str:
    for size, unit in ((1.0, "s"), (1e-3, "ms"), (1e-6, "µs")):
        if seconds >= 0.999 * size:
            return f"{seconds / size:,.0f} {unit}"
    return f"{seconds:g} s"


def name_lines(axes: Any, lines: list[Line], limit: float) -> None:
    """Each line's name beside its last point, moved up or down where names would touch."""
    low, high = np.log10(axes.get_ylim())
    right = max(x[-1] for *_, x, _ in lines)
    left = min(x[0] for *_, x, _ in lines)
    height = 0.052 * (high - low)
    wanted = np.array([np.log10(y[-1]) for *_, y in lines])
    places = apart(wanted, height, low, high)
    span = right / left
    axes.set_xlim(left / span**0.03, right * span**0.40)
    axes.xaxis.set_major_locator(_within(axes.xaxis.get_major_locator(), right))
    edge = right * span**0.05
    for (label, colour, _, x, y), place in zip(lines, places, strict=True):
        weight = "bold" if label.startswith("lmforms") else "normal"
        stopped = f" (> {limit:.0f} s)" if x[-1] < right else ""
        axes.plot([x[-1], edge], [y[-1], 10**place], color=colour, lw=0.6, alpha=0.6, zorder=1)
        axes.text(
            edge * span**0.01,
            10**place,
            label + stopped,
            color=colour,
            va="center",
            weight=weight,
            fontsize=10,
        )


def apart(wanted: np.ndarray, gap: float, low: float, high: float) -> np.ndarray:
    """Places as near as possible to those wanted, at least `gap` from each other."""
    order = np.argsort(wanted)
    steps = gap * np.arange(len(wanted))
    # isotonic regression of what is left when the gaps are taken off
    groups: list[tuple[float, int]] = []
    for value in wanted[order] - steps:
        groups.append((float(value), 1))
        while len(groups) > 1 and groups[-2][0] > groups[-1][0]:
            (a, n), (b, m) = groups[-2:]
            groups[-2:] = [((a * n + b * m) / (n + m), n + m)]
    level = np.concatenate([np.full(n, value) for value, n in groups]) + steps
    level += max(0.0, low + gap / 2 - level[0]) - max(0.0, level[-1] - high + gap / 2)
    places = np.empty_like(level)
    places[order] = level
    return places


def _within(locator: Any, right: float) -> Any:
    """The same ticks, but none beyond the data, where the names stand."""
    from matplotlib.ticker import FixedLocator

    return FixedLocator([t for t in locator() if t <= right * 1.001])
