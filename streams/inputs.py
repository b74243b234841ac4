"""The files behind the paths a user gives: files, folders, globs, pipes, standard input."""

import os
from collections.abc import Iterator
from pathlib import Path

from detector.errors import InputError
from streams.reading import LogFile, is_special

_SPECIAL = "a pipe, device or socket inside a folder; name it to have it read"


def opened(paths: list[str]) -> list[LogFile]:
    """Every input behind paths. A pipe is read only where it is named: one that lies about in a folder may never end."""
    named = set(paths)
    return [LogFile(path, refused=_SPECIAL if _is_stray(path, named) else "") for path in expand(paths)]


def _is_stray(path: str, named: set[str]) -> bool:
    return path not in named and is_special(path)


def expand(paths: list[str]) -> list[str]:
    """What lies behind paths, folders and globs; ``-`` is standard input. Raises ``InputError`` for a path with nothing behind it.

    Folders that cannot be listed are among them, so that reading them says why.
    """
    found: list[str] = []
    walked: set[tuple[int, int]] = set()
    for text in paths:
        if not text:
            raise InputError("an empty path: name a file, a folder or -")
        if os.path.isdir(text):
            found += _files_in(text, walked)
        elif text == "-" or os.path.lexists(text):
            found.append(text)
        else:
            found += _matching(Path(text), walked)
    return list(dict.fromkeys(found))


def _matching(pattern: Path, walked: set[tuple[int, int]]) -> Iterator[str]:
    try:
        matches = sorted(map(str, Path(pattern.anchor or ".").glob(str(pattern.relative_to(pattern.anchor)))))
    except (ValueError, NotImplementedError, OSError) as error:
        raise InputError(f"{pattern}: {error}") from error
    if not matches:
        raise InputError(f"{pattern}: no such file or folder")
    for match in matches:
        if os.path.isdir(match):
            yield from _files_in(match, walked)
        else:
            yield match


def _files_in(folder: str, walked: set[tuple[int, int]]) -> list[str]:
    """Everything under a folder that is no folder. Links are followed, each folder is entered once: a loop of links ends."""
    found: list[str] = []

    def unlisted(error: OSError) -> None:
        found.append(str(error.filename))

    for parent, folders, names in os.walk(folder, onerror=unlisted, followlinks=True):
        identity = _identity(parent)
        if identity in walked:
            folders.clear()
            continue
        walked.add(identity)
        found += [os.path.join(parent, name) for name in names]
    return sorted(found)


def _identity(folder: str) -> tuple[int, int]:
    try:
        status = os.stat(folder)
    except OSError:  # gone since it was listed
        return (0, 0)
    return (status.st_dev, status.st_ino)
