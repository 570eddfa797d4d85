"""The progress of a run on a terminal: virtual and real time, converged nodes, events per second."""

import time
from types import TracebackType
from typing import Any, Final, Self

from rich.console import Console
from rich.progress import BarColumn, TextColumn
from rich.progress import Progress as Bar

_EVERY_S: Final = 0.2


class Progress:
    """A progress bar that fills as nodes converge: a context manager that takes the records of the run."""

    def __init__(self, nodes: int, *, console: Console, is_shown: bool) -> None:
        self._bar = Bar(
            TextColumn("{task.fields[what]}"),
            BarColumn(),
            TextColumn("{task.completed:.0f}/{task.total:.0f} nodes converged"),
            TextColumn("{task.fields[times]}"),
            console=console,
            transient=True,
            disable=not is_shown or not console.is_terminal,
        )
        self._task = self._bar.add_task("", total=nodes, what="start", times="")
        self._shown_at = 0.0
        self._before = (0.0, 0)
        self._rate = 0.0

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bar.stop()

    def take(self, record: dict[str, Any]) -> None:
        """Shows the state that a record reports, at most a few times per second."""
        if record["type"] == "action":
            self._bar.update(self._task, what=record["what"])
        elif record["type"] == "sample" and time.monotonic() - self._shown_at >= _EVERY_S:
            self._shown_at = time.monotonic()
            wall_s, events = self._before
            if record["wall_s"] > wall_s:
                self._rate = (record["events"] - events) / (record["wall_s"] - wall_s)
            self._before = (record["wall_s"], record["events"])
            times = f"{record['t']:.2f} s virtual, {record['wall_s']:.1f} s real, {self._rate:,.0f} events/s"
            self._bar.update(self._task, completed=record["converged_nodes"], times=times)
