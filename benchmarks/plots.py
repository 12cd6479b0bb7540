"""growth.json as pictures: log–log lines that carry their names."""

from __future__ import annotations

from dataclasses import dataclass
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
STYLE: Any = {
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


@dataclass(frozen=True)
class Line:
    """Points with a time, the name at their end, why they end, and where a call was stopped."""

    label: str
    colour: str
    dashes: str
    x: np.ndarray
    y: np.ndarray
    end: str = ""
    stopped: tuple[float, float] | None = None

    @property
    def own(self) -> bool:
        return self.label.startswith("lmforms")

    @property
    def last(self) -> tuple[float, float]:
        """Where the name belongs: the last point, or size and limit of the call beyond it."""
        return self.stopped or (float(self.x[-1]), float(self.y[-1]))


def draw(growth: dict[str, Any], folder: Path, ending: str = "svg") -> list[Path]:
    """One picture for every curve."""
    return [
        picture(curve, folder / f"growth-{name}.{ending}")
        for name, curve in growth["curves"].items()
    ]


def picture(curve: dict[str, Any], path: Path) -> Path:
    """Seconds against size, a line per peer with its name at its end."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    with matplotlib.rc_context(STYLE):
        figure, axes = plt.subplots(figsize=(7.6, 4.6), layout="constrained")
        lines = lines_of(curve)
        for line in lines:
            width, size, order = (2.6, 6, 3) if line.own else (1.5, 4, 2)
            style: dict[str, Any] = {"color": line.colour, "lw": width, "marker": "o", "ms": size}
            axes.plot(line.x, line.y, line.dashes, zorder=order, **style)
            if line.stopped:  # it took longer than this
                axes.plot(*line.stopped, "^", color=line.colour, mfc="white", ms=6, zorder=order)
        axes.set(xscale="log", yscale="log", xlabel=curve["title"])
        axes.set_title("time of a whole call", loc="left", fontsize=11, color=INK)
        axes.tick_params(which="both", length=0)
        axes.spines[["top", "right", "left"]].set_visible(False)
        scales(axes, lines)
        name_lines(axes, lines)
        meta = {"Date": None} if path.suffix == ".svg" else {}
        figure.savefig(path, metadata=meta, dpi=150)
        plt.close(figure)
    return path


def lines_of(curve: dict[str, Any]) -> list[Line]:
    """A line per peer; for lmforms a second one if single evaluations were timed."""
    lines = []
    for peer, points in curve["points"].items():
        done = [p for p in points if "seconds" in p]
        if not done:
            continue
        # what is fitted without correlations is drawn dashed
        last = points[-1]
        loose = any("no correlations" in p["remarks"] for p in done)
        lines.append(
            Line(
                label=peer + (" (no correlations)" if loose else ""),
                colour=COLOURS.get(peer, INK),
                dashes="--" if loose else "-",
                x=np.array([p["x"] for p in done], dtype=float),
                y=np.array([p["seconds"] for p in done]),
                end=why_ended(last),
                stopped=(float(last["x"]), last["over"]) if "over" in last else None,
            )
        )
        told = [p for p in done if "evaluation" in p]
        if told:
            x = np.array([p["x"] for p in told], dtype=float)
            y = np.array([p["evaluation"] for p in told])
            lines.append(Line(f"{peer}, {EVALUATION}", COLOURS[peer], ":", x, y))
    return lines


def why_ended(last: dict[str, Any]) -> str:
    """What happened at the first size that a peer did not master, if there is one."""
    if "over" in last:
        return f", then > {last['over']:g} s"
    return ", then failed" if "error" in last else ""


def scales(axes: Any, lines: list[Line]) -> None:
    """Room for names on the right; few ticks, in words, and a grid that ends with the data."""
    from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

    sizes = np.unique(np.concatenate([np.append(line.x, line.last[0]) for line in lines]))
    values = np.concatenate([np.append(line.y, line.last[1]) for line in lines])
    left, right = sizes[0], sizes[-1]
    span = max(right / left, 2.0)
    low, high = np.floor(np.log10(values.min())), np.ceil(np.log10(values.max()))
    axes.set_xlim(left / span**0.03, right * span**0.45)
    axes.set_ylim(10.0**low * 0.8, 10.0**high * 1.2)
    few = sizes if len(sizes) <= 6 else np.array(spaced(sizes))
    axes.xaxis.set_major_locator(FixedLocator(list(few)))
    powers = right >= 1e4
    axes.xaxis.set_major_formatter(
        FuncFormatter(lambda v, _: in_powers(v) if powers else f"{v:.0f}")
    )
    axes.xaxis.label.set(x=0.5 * 1.03 / 1.48, ha="center")  # below the data
    decades = 10.0 ** np.arange(low, high + 1)
    axes.yaxis.set_major_locator(FixedLocator(list(decades)))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda v, _: in_units(v)))
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_minor_locator(NullLocator())
    grid = {"color": PALE, "lw": 0.8, "zorder": 0}
    axes.hlines(decades, left / span**0.03, right, **grid)
    axes.vlines(few, *axes.get_ylim(), **grid)
    axes.spines["bottom"].set_bounds(left / span**0.03, right)


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


def in_powers(size: float) -> str:
    """10⁵ for 100,000."""
    power = round(float(np.log10(size)))
    if abs(size / 10.0**power - 1.0) > 1e-9:
        return f"{size:,.0f}"
    return "10" + str(power).translate(str.maketrans("0123456789", "⁰¹²³⁴⁵⁶⁷⁸⁹"))


def name_lines(axes: Any, lines: list[Line]) -> None:
    """Each line's name on the right, moved up or down where names would touch."""
    low, high = np.log10(axes.get_ylim())
    left, right = min(line.x[0] for line in lines), max(line.last[0] for line in lines)
    span = max(right / left, 2.0)
    edge = right * span**0.045
    # of calls that were stopped at the same limit, the smallest size is the slowest
    wanted = np.array([np.log10(line.last[1]) - 1e-6 * np.log10(line.last[0]) for line in lines])
    places = 10.0 ** apart(wanted, 0.052 * (high - low), low, high)
    for line, place in zip(lines, places, strict=True):
        # a thin thread from the last point to the name, dotted where no size was finished
        thread = {"color": line.colour, "lw": 0.7, "alpha": 0.7, "zorder": 1}
        x, y = line.last
        axes.plot([line.x[-1], x], [line.y[-1], y], ":", **{**thread, "lw": 1.2})
        axes.plot([x, edge], [y, place], ":" if line.end else "-", **thread)
        axes.text(
            edge * span**0.008,
            place,
            line.label + line.end,
            color=line.colour,
            va="center",
            weight="bold" if line.own else "normal",
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
