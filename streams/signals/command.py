"""``outpace signals``: make keys, serve."""

import asyncio
import sys
from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter

from detector.errors import ConfigError
from streams import logs
from streams.config import read_settings
from streams.heap import share_heaps
from streams.signals.keys import KEPT, LEAST_BITS, new_key, read_keys, write_keys

signals = App(name="signals", help="Tell others what was decided, and hear what they say.")


@signals.command
def keys(
    path: str = "signals.keys.json",
    /,
    *,
    rotate: Annotated[bool, Parameter(negative=())] = False,
    bits: int = LEAST_BITS,
) -> int:
    """Make the file of the RSA key SETs are signed with. Readable by its owner only.

    Parameters
    ----------
    path
        The file.
    rotate
        Put a new key before the one there is, which stays published until the next rotation. A running server takes it up.
    bits
        Size of the new key.
    """
    file = Path(path)
    if file.exists() and not rotate:
        raise ConfigError(f"signing keys {path}: there already; --rotate puts a new one before it")
    before = read_keys(file) if rotate else []
    fresh = new_key(bits)
    try:
        write_keys(file, [fresh, *before][:KEPT])
    except OSError as error:
        raise ConfigError(f"signing keys {path}: {error.strerror or error}") from error
    sys.stdout.write(f"{path}: key {fresh.kid} of {bits} bits signs, {min(KEPT, 1 + len(before))} published\n")
    return 0


@signals.command
def serve(*, settings: str | None = None, log_style: logs.Style = "json") -> int:
    """Run the transmitter, the receivers, or both.

    Parameters
    ----------
    settings
        TOML file with [signals].
    log_style
        Log lines as JSON, or coloured for people.
    """
    from streams.signals.serving import run

    chosen = read_settings(settings)
    logs.configure(log_style, logs.key_in(Path(chosen.state_folder)))
    share_heaps()
    asyncio.run(run(chosen))
    return 0
