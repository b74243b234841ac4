"""This machine: can state be written down, is compiled code kept between runs."""

import shutil
import tempfile
from pathlib import Path

from streams.doctor.finding import Finding, fault, ok

WANTED_BYTES = 1 << 30
_GIB = float(1 << 30)


def state_finding(folder: str) -> Finding:
    """The state folder can be made or written, and its disk has room."""
    place = Path(folder).resolve()
    reason = unwritable(place)
    if reason:
        return fault("state folder", f"{place}: {reason}", "let this user write there, or set state_folder")
    free = shutil.disk_usage(_existing(place)).free
    if free < WANTED_BYTES:
        text = f"{place}: {free / _GIB:.2f} GiB free, wanted {WANTED_BYTES / _GIB:g}"
        return fault("state folder", text, "make room, or set state_folder to a larger disk")
    return ok("state folder", f"{place}: writable, {free / _GIB:.0f} GiB free")


def compiled_code_finding() -> Finding:
    """Compiled code is kept: else every start compiles for a minute before the first event is scored."""
    from detector.scoring import walk  # compiled on import: only this check pays for it

    place = Path(walk.stats.cache_path)  # type: ignore[attr-defined]
    reason = unwritable(place)
    if reason:
        return fault("compiled code", f"{place}: {reason}", "set NUMBA_CACHE_DIR to a folder this user may write")
    return ok("compiled code", f"kept in {place}")


def unwritable(folder: Path) -> str:
    """Why nothing can be written in a folder, or in the nearest one above that exists; '' where it can. Leaves nothing behind."""
    place = _existing(folder)
    if not place.is_dir():
        return f"{place} is not a folder"
    try:
        with tempfile.TemporaryFile(dir=place) as probe:
            probe.write(b"outpace doctor")
            probe.flush()
    except OSError as error:
        return error.strerror or str(error)
    return ""


def _existing(place: Path) -> Path:
    return next(p for p in (place, *place.parents) if p.exists())
