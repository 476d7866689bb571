"""Tell a person what is under way: a bar with the time left on a terminal, plain lines elsewhere."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

Say = Callable[[str], None]


def silent(_: str) -> None:
    """Say nothing."""


@contextmanager
def progress(steps: int) -> Iterator[Say]:
    """A function that tells on stderr what begins now; each call is one of about ``steps``."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    console = Console(stderr=True)
    if not console.is_terminal:
        yield lambda text: console.print(f"· {text}", highlight=False)
        return
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True) as shown:
        bar = shown.add_task("starting", total=max(1, steps), completed=-1)

        def say(text: str) -> None:
            shown.update(bar, advance=1, description=text)
            if shown.tasks[bar].completed >= (shown.tasks[bar].total or 0):
                shown.update(bar, total=shown.tasks[bar].completed + 1)

        yield say
