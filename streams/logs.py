"""Log lines: one event a line, JSON for machines or coloured for people. A credential shows only as a short keyed hash.

The same key names the same credential alike in every line of an installation, and says nothing to anybody without the key.
"""

import errno
import hashlib
import logging
import os
import secrets
import sys
from collections.abc import Callable, MutableMapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Literal, TextIO

import structlog

from detector.decision import Decision

Style = Literal["json", "console"]
_KEY_BYTES = 32
_HASHED = ("credential", "parent_credential", "minted")


def configure(style: Style = "json", key: bytes = b"", level: int = logging.INFO) -> None:
    """Sets logging up for this process, on stderr. ``key``: what credentials are hashed with; a fresh one for this process if empty.

    What libraries log (aiokafka, aiohttp) takes the same way, from WARNING up.
    """
    shared = _shared(key or secrets.token_bytes(_KEY_BYTES))
    renderer: Any = (
        structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())
        if style == "console"
        else structlog.processors.JSONRenderer(sort_keys=False)
    )
    structlog.configure(
        processors=[*shared, structlog.processors.format_exc_info, renderer]
        if style == "json"
        else [*shared, renderer],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.PrintLoggerFactory(_Lossy(sys.stderr)),  # type: ignore[arg-type]  # all it uses
        cache_logger_on_first_use=False,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[structlog.stdlib.add_logger_name, *shared],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer],
        )
    )
    logging.basicConfig(handlers=[handler], level=logging.WARNING, force=True)


class _Lossy:
    """A text stream that drops what its disk has no room for: the process it belongs to has better things to do than to end of that."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> None:
        """Writes, if there is room."""
        self._try(lambda: self._stream.write(text))

    def flush(self) -> None:
        """Flushes, if there is room."""
        self._try(self._stream.flush)

    @staticmethod
    def _try(act: Callable[[], object]) -> None:
        try:
            act()
        except OSError as error:
            if error.errno not in (errno.ENOSPC, errno.EDQUOT):
                raise


def logger(room: str) -> Any:
    """A logger whose lines carry the part of Outpace they come from."""
    return structlog.get_logger(room=room)


def short_hash(credential: str, key: bytes) -> str:
    """How a credential shows in a log.

    >>> short_hash("AKIAEXAMPLE", b"k") == short_hash("AKIAEXAMPLE", b"k") != short_hash("AKIAEXAMPLE", b"other")
    True
    """
    return hashlib.blake2s(credential.encode("utf-8", "surrogatepass"), key=key, digest_size=6).hexdigest()


def key_in(folder: Path) -> bytes:
    """The key of an installation, made on first use: ``log.key``, readable by its owner only.

    Where it can be neither read nor kept, a key for this process, with a word on stderr: nothing but hashes in logs depends on it.
    """
    path = folder / "log.key"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        return _kept_key(path) or _new_key(path)
    except OSError as error:
        sys.stderr.write(f"outpace: warning: {path}: {error.strerror or error}; log lines hash under another key\n")
        return secrets.token_bytes(_KEY_BYTES)


def _kept_key(path: Path) -> bytes:
    """The key in a file; b'' where there is none, or less than one: a disk that filled up just then."""
    try:
        kept = path.read_bytes()[:_KEY_BYTES]
    except FileNotFoundError:
        return b""
    if len(kept) < _KEY_BYTES:
        path.unlink()
        return b""
    return kept


def _new_key(path: Path) -> bytes:
    """A fresh key, in the file whole or not at all; another process's, where that was faster."""
    beside = path.with_name(f"{path.name}.{secrets.token_hex(4)}")
    try:
        with open(beside, "xb", opener=lambda name, flags: os.open(name, flags, 0o600)) as out:
            out.write(secrets.token_bytes(_KEY_BYTES))
        with suppress(FileExistsError):
            os.link(beside, path)
    finally:
        beside.unlink(missing_ok=True)
    return path.read_bytes()[:_KEY_BYTES]


def _shared(key: bytes) -> list[Any]:
    def hashed(_logger: Any, _method: str, line: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        for name in _HASHED:
            if line.get(name):
                line[name] = short_hash(str(line[name]), key)
        return line

    return [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        hashed,
    ]


def log_decision(decision: Decision, seconds: float | None) -> None:
    """The canonical line of one decision. ``seconds``: from receiving its event to now."""
    logger("decision").info(
        "decided",
        decision_id=decision.decision_id,
        action=decision.action,
        pattern=decision.pattern,
        path=decision.path,
        provider=decision.provider,
        credential=decision.credential,
        evidence_bits=decision.evidence_bits,
        threshold_bits=decision.threshold_bits,
        actions_before=decision.actions_before,
        dry_run=decision.dry_run,
        seconds=None if seconds is None else round(seconds, 4),
    )
