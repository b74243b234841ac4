"""A disk that is really full: a few megabytes of tmpfs in a mount namespace of its own, gone with the test."""

import errno
import os
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from tests.tools import need, unavailable

ROOT = Path(__file__).parents[1]
PIECE = b"x" * 4096


class SmallDisk:
    """``path``: where it is for processes that ``start`` starts, or whose command begins with ``inside``; ``seen``: the same place for everybody else."""

    def __init__(self, path: Path, keeper: int) -> None:
        self.path, self.seen = path, Path(f"/proc/{keeper}/root{path}")
        self.inside = ["nsenter", "-t", str(keeper), "-U", "-m", "--preserve-credentials"]

    def start(self, command: Sequence[str], out: IO[bytes] | int) -> "subprocess.Popen[bytes]":
        """A process that sees the disk."""
        environment = os.environ | {"PYTHONPATH": str(ROOT)}
        return subprocess.Popen([*self.inside, *command], cwd=ROOT, stdout=out, stderr=out, env=environment)

    def fill(self) -> None:
        """Takes all the room there is."""
        self.fill_up(self.seen / "ballast")

    def fill_up(self, path: Path) -> None:
        """Adds to a file until there is room for not a byte more in it."""
        with path.open("ab", buffering=0) as file:
            for piece in (PIECE, b"\n"):
                while _took(file, piece):
                    pass

    def make_room(self) -> None:
        """Gives it back."""
        (self.seen / "ballast").unlink(missing_ok=True)

    def leave(self, size: int) -> None:
        """Gives some bytes back, rounded up to whole pages."""
        ballast = self.seen / "ballast"
        os.truncate(ballast, ballast.stat().st_size - size)

    @property
    def free(self) -> int:
        """Bytes."""
        return shutil.disk_usage(self.seen).free


def _took(file: IO[bytes], piece: bytes) -> bool:
    try:
        return bool(file.write(piece))
    except OSError as error:
        if error.errno != errno.ENOSPC:
            raise
        return False


@contextmanager
def small_disk(folder: Path, megabytes: int) -> Iterator[SmallDisk]:
    """A disk under ``folder``. Without namespaces of one's own the test is skipped with the reason, under ``CI=true`` it fails."""
    need("nsenter", "util-linux")
    place = folder / "disk"
    place.mkdir()
    # It lasts for as long as the shell has something to read from us.
    script = 'mount -t tmpfs -o size="$1"m none "$2" && echo mounted && exec cat'
    command = [need("unshare", "util-linux"), "-Urm", "sh", "-c", script, "sh", str(megabytes), str(place)]
    keeper = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    assert keeper.stdin
    assert keeper.stdout
    try:
        said = keeper.stdout.readline().decode().strip()
        if said != "mounted":
            unavailable(f"no mount namespace of our own: {said or 'unshare says nothing'}")
        yield SmallDisk(place, keeper.pid)
    finally:
        keeper.stdin.close()
        keeper.wait(30)
        keeper.stdout.close()
