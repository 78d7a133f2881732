"""Takes series of numbers, leaves the geometry of a plot: templates/admin/plot.html draws it as SVG.

Positions are attributes and colours are classes, since the content policy lets no style into a page.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

RIGHT, TOP, BOTTOM = 584, 16, 180  # the frame, in the units of the viewBox
LINES = 4  # above the zero line
APART = 16  # two labels closer than this cannot be read


@dataclass(frozen=True, slots=True)
class Series:
    """One line: its values from left to right, what it is called, and how its last value is written."""

    name: str
    values: Sequence[int]
    last: str


@dataclass(frozen=True, slots=True)
class Mark:
    """A line across the plot with its number, or a moment below it."""

    at: int
    text: str


@dataclass(frozen=True, slots=True)
class Curve:
    """One series: its points as SVG wants them, where it ends, and how it is called there."""

    name: str
    kind: str
    points: str
    end_x: int
    end_y: int
    label_y: int
    last: str


@dataclass(frozen=True, slots=True)
class Plot:
    """All that the template draws; `summary` says the same in one sentence."""

    title: str
    summary: str
    left: int
    marks: tuple[Mark, ...]
    moments: tuple[Mark, ...]
    curves: tuple[Curve, ...]
    area: str

    @property
    def numbers_x(self) -> int:
        """Where the numbers of the lines across end."""
        return self.left - 6


def draw(
    series: Sequence[Series],
    moments: Sequence[tuple[int, str]],
    *,
    title: str,
    summary: str,
    left: int = 40,
    least: int = LINES,
    write: Callable[[int], str] = "{:,}".format,
) -> Plot:
    """One or two series on one scale. `moments` are words below the plot, by index; `least` is the lowest scale."""
    top = _round_up(max([least, *(value for one in series for value in one.values)]))
    count = len(series[0].values)
    xs = [round(left + (RIGHT - left) * index / max(count - 1, 1)) for index in range(count)]

    def y(value: int) -> int:
        return round(BOTTOM - (BOTTOM - TOP) * value / top)

    labels = [y(one.values[-1]) for one in series]
    if len(labels) == 2 and abs(labels[0] - labels[1]) < APART:
        labels[1] = labels[0] + (APART if series[0].values[-1] >= series[1].values[-1] else -APART)
    if labels[-1] > BOTTOM:  # the moments stand there
        labels = [label - APART for label in labels]
    curves = []
    for number, (one, label) in enumerate(zip(series, labels, strict=True), start=1):
        points = " ".join(f"{x},{y(value)}" for x, value in zip(xs, one.values, strict=True))
        curves.append(Curve(one.name, str(number), points, xs[-1], y(one.values[-1]), label + 4, one.last))
    return Plot(
        title=title,
        summary=summary,
        left=left,
        marks=tuple(Mark(y(top * step // LINES), write(top * step // LINES)) for step in range(LINES + 1)),
        moments=tuple(Mark(xs[index], words) for index, words in moments),
        curves=tuple(curves),
        area=f"{left},{BOTTOM} {curves[0].points} {xs[-1]},{BOTTOM}",
    )


def _round_up(value: int) -> int:
    """The next number that four lines divide evenly: 4, 8, 20, 40, 80, 200, …"""
    step = 1
    while True:
        for factor in (1, 2, 5):
            if LINES * factor * step >= value:
                return LINES * factor * step
        step *= 10
