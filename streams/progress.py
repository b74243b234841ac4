"""A progress bar while long input is read, on a terminal only."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

from detector.errors import InputError
from streams.inputs import expand


@contextmanager
def reading_progress(paths: list[str], baseline: list[str], quiet: bool) -> Iterator[Callable[[int], None] | None]:
    """A callback taking the bytes read so far of one pass; None where there is no terminal to draw on."""
    console = Console(stderr=True)
    if quiet or not console.is_terminal:
        yield None
        return
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task("reading", total=_size(paths) + _size(baseline))
        done, last = 0, 0

        def advance(bytes_read: int) -> None:
            nonlocal done, last
            done += bytes_read - last if bytes_read >= last else bytes_read
            last = bytes_read
            bar.update(task, completed=done, total=max(done, int(bar.tasks[0].total or 0)))

        yield advance


def _size(paths: list[str]) -> int:
    try:
        return sum(Path(p).stat().st_size for p in expand(paths) if p != "-")
    except (OSError, InputError):
        return 0
