"""Tables of measurements, printed as Markdown or JSON."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np

__all__ = ["Table", "memory_mb", "percentiles", "seconds", "wrong_table"]

Cell = str | int | float | None


@dataclass
class Table:
    """A table of measurements; the name of a column includes its unit.

    >>> table = Table("writing", ["how", "rows/s"])
    >>> table.add("COPY", 41234.5)
    >>> print(table.markdown())
    ### writing
    <BLANKLINE>
    | how | rows/s |
    |---|---|
    | COPY | 41,234 |
    """

    title: str
    columns: Sequence[str]
    rows: list[Sequence[Cell]] = field(default_factory=list)
    #: whether it says what did not hold: the command then exits with 1
    is_failure: bool = False

    def add(self, *cells: Cell) -> None:
        """Add a row; a cell that was not measured is None."""
        self.rows.append(cells)

    def markdown(self) -> str:
        """Return the table as Markdown, with about three significant digits."""
        lines = [f"### {self.title}", "", _row(self.columns), "|" + "---|" * len(self.columns)]
        return "\n".join([*lines, *(_row([_cell(cell) for cell in row]) for row in self.rows)])

    def json(self) -> dict[str, Any]:
        """Return the table in the shape for JSON, without rounding."""
        return {"title": self.title, "rows": [dict(zip(self.columns, row, strict=True)) for row in self.rows]}


def wrong_table(wrong: Sequence[str]) -> Iterator[Table]:
    """Yield a table of the first twenty violations; nothing if there is none."""
    if wrong:
        table = Table("What was wrong, the first twenty", ["what"], is_failure=True)
        for what in wrong[:20]:
            table.add(" ".join(what.split()))
        yield table


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _cell(value: Cell) -> str:
    match value:
        case None:
            return "–"
        case float() if abs(value) >= 100:
            return f"{value:,.0f}"
        case float() if abs(value) >= 10:
            return f"{value:.1f}"
        case float():
            return f"{value:.3f}" if abs(value) < 1 else f"{value:.2f}"
        case int():
            return f"{value:,}"
        case _:
            return str(value)


def seconds(work: Callable[[], object]) -> float:
    """Return the duration of a call in seconds."""
    started = perf_counter()
    work()
    return perf_counter() - started


def percentiles(work: Callable[[Any], object], arguments: Sequence[Any], *, warm: int = 5) -> tuple[float, float]:
    """Return the median and the 99th percentile of the duration of `work(argument)`, in milliseconds.

    :param warm: the number of calls before the measurement
    """
    for argument in arguments[:warm]:
        work(argument)
    times = [seconds(lambda argument=argument: work(argument)) for argument in arguments]  # type: ignore[misc]
    return float(np.median(times)) * 1e3, float(np.quantile(times, 0.99)) * 1e3


def memory_mb(lines: Iterator[str] | None = None) -> float | None:
    """Return the peak memory of this process on Linux; that of getrusage would include the parent's."""
    status = Path("/proc/self/status")
    if lines is None and not status.exists():
        return None
    found = next(line for line in lines or iter(status.read_text().splitlines()) if line.startswith("VmHWM"))
    return int(found.split()[1]) / 1024
