"""Bytes looked at many at a time, for compiled scanners: unaligned words, and how far a plain stretch of a JSON string runs.

numba has no words for either, so both are a few lines of LLVM. None of them checks bounds, the caller has looked; under ``NUMBA_BOUNDSCHECK=1``
slow stand-ins do.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
from llvmlite import ir
from numba import config, types
from numba.extending import intrinsic

from models.compiled import compiled

WIDE = 32
"""Bytes ``plain_run`` looks at."""

_BYTE, _WORD = ir.IntType(8), ir.IntType(64)
Emit = Callable[[Any, Any, Any, Any], Any]
Look = Callable[[np.ndarray, int], int]
_look: Any = intrinsic


def _loaded(context: Any, builder: Any, signature: Any, args: Any, kind: Any) -> Any:
    array = context.make_array(signature.args[0])(context, builder, args[0])
    place = builder.gep(array.data, [args[1]])
    return builder.load(builder.bitcast(place, kind.as_pointer()), align=1)


def _word(_context: Any, buffer: Any, at: Any) -> tuple[Any, Emit]:
    def emit(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return _loaded(context, builder, signature, args, _WORD)

    return types.uint64(buffer, types.int64), emit


def _plain_run(_context: Any, buffer: Any, at: Any) -> tuple[Any, Emit]:
    kind, mask = ir.VectorType(_BYTE, WIDE), ir.IntType(WIDE)

    def emit(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        def all_of(value: int) -> Any:
            return ir.Constant(kind, [value] * WIDE)

        text = _loaded(context, builder, signature, args, kind)
        # as signed numbers both control characters and bytes above 127 are less than a space
        odd = builder.icmp_signed("<", text, all_of(ord(" ")))
        odd = builder.or_(odd, builder.icmp_signed("==", text, all_of(ord('"'))))
        odd = builder.or_(odd, builder.icmp_signed("==", text, all_of(ord("\\"))))
        first = builder.cttz(builder.bitcast(odd, mask), ir.Constant(ir.IntType(1), 0))
        return builder.zext(first, _WORD)

    return types.int64(buffer, types.int64), emit


def _byte(_context: Any, buffer: Any, at: Any) -> tuple[Any, Emit]:
    def emit(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.zext(_loaded(context, builder, signature, args, _BYTE), _WORD)

    return types.int64(buffer, types.int64), emit


def _checked_byte(buffer: np.ndarray, at: int) -> int:
    assert at >= 0  # noqa: S101 (indexing counts a negative place from the end)
    return np.int64(buffer[at])  # type: ignore[return-value]


def _checked_word(buffer: np.ndarray, at: int) -> int:
    value = np.uint64(0)
    for i in range(8):
        value |= np.uint64(byte(buffer, at + i)) << np.uint64(8 * i)
    return value  # type: ignore[return-value]


def _checked_run(buffer: np.ndarray, at: int) -> int:
    run = WIDE
    for i in range(WIDE - 1, -1, -1):
        c = byte(buffer, at + i)
        if c < 32 or c > 127 or c in (34, 92):
            run = i
    return run


_IS_CHECKED = bool(getattr(config, "BOUNDSCHECK", None))
byte: Look = compiled(_checked_byte) if _IS_CHECKED else _look(_byte)
"""The byte at a place, as a number. Indexing would first ask whether the place counts from the end."""

word: Look = compiled(_checked_word) if _IS_CHECKED else _look(_word)
"""The eight bytes from a place on, as one u8."""

plain_run: Look = compiled(_checked_run) if _IS_CHECKED else _look(_plain_run)
"""How many of the 32 bytes from a place on stand before the first quote, backslash, control character or byte above 127."""
