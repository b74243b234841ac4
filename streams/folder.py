"""Snapshot pieces in a local folder, a file each: replaced whole, durable once flushed."""

from collections.abc import Iterator
from pathlib import Path

from detector.errors import StateError
from streams.whole import NEW, replace_whole, sync_folder

_SLASH = "%"


class Folder:
    """A ``checkpoint.Store`` on disk. Raises ``StateError`` in one line where the disk does not take it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            path.mkdir(parents=True, exist_ok=True)
            for left in path.glob(f"*{NEW}"):
                left.unlink()
        except OSError as error:
            raise StateError(f"state folder {path}: {error.strerror or error}") from error

    def names(self) -> Iterator[str]:
        """The key of every piece."""
        return iter([p.name.replace(_SLASH, "/") for p in self.path.iterdir() if not p.name.endswith(NEW)])

    def get(self, key: str) -> bytes | None:
        """One piece."""
        try:
            return self._file(key).read_bytes()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise StateError(f"state folder {self.path}: {error.strerror or error}") from error

    async def put(self, key: str, value: bytes) -> None:
        """Writes one piece beside its place, then moves it there."""
        try:
            replace_whole(self._file(key), value)
        except OSError as error:
            raise StateError(f"state folder {self.path}: {error.strerror or error}") from error

    async def delete(self, key: str) -> None:
        """Drops one piece."""
        try:
            self._file(key).unlink(missing_ok=True)
        except OSError as error:
            raise StateError(f"state folder {self.path}: {error.strerror or error}") from error

    async def flush(self) -> None:
        """Waits until the folder's entries are on disk too."""
        try:
            sync_folder(self.path)
        except OSError as error:
            raise StateError(f"state folder {self.path}: {error.strerror or error}") from error

    def _file(self, key: str) -> Path:
        return self.path / key.replace("/", _SLASH)
