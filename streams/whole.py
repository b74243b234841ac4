"""Files replaced whole: a crash or a full disk leaves the old one or the new one, never half of either."""

import os
import stat
from pathlib import Path

from detector.errors import InputError

NEW = ".new"


def replace_whole(path: Path, data: bytes) -> None:
    """Writes beside the file's place, waits for the disk, moves it there. Raises ``OSError``; what was written beside is gone then."""
    beside = path.with_name(path.name + NEW)
    try:
        with beside.open("wb") as out:
            out.write(data)
            out.flush()
            os.fsync(out.fileno())
        beside.replace(path)
    except OSError:
        beside.unlink(missing_ok=True)  # a full disk needs the room
        raise


def sync_folder(path: Path) -> None:
    """Waits until a folder's entries are on disk. Raises ``OSError``."""
    folder = os.open(path, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def write_output(path: str, data: bytes) -> None:
    """Writes what a user asked for at ``path``: all of it, or the file there stays as it was. Raises ``InputError`` in one line.

    A pipe or a device is written to as it is, and a link is followed.
    """
    try:
        place = Path(path).resolve()
        if place.exists() and not stat.S_ISREG(place.stat().st_mode):
            place.write_bytes(data)
            return
        replace_whole(place, data)
    except OSError as error:
        raise InputError(f"{path}: not written, {error.strerror or error}") from error
