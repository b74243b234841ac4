"""Bytes looked at many at a time, for compiled scanners: unaligned words, and how far a plain stretch of a JSON string runs.

numba has no words for either, so both are a few lines of LLVM. Neither checks bounds: the caller has looked.
"""

from collections.abc import Callable
from typing import Any

from llvmlite import ir
from numba import types
from numba.extending import intrinsic

WIDE = 32
"""Bytes ``plain_run`` looks at."""

_BYTE, _WORD = ir.IntType(8), ir.IntType(64)
Emit = Callable[[Any, Any, Any, Any], Any]


def _loaded(context: Any, builder: Any, signature: Any, args: Any, kind: Any) -> Any:
    array = context.make_array(signature.args[0])(context, builder, args[0])
    place = builder.gep(array.data, [args[1]])
    return builder.load(builder.bitcast(place, kind.as_pointer()), align=1)


@intrinsic  # type: ignore[untyped-decorator]
def word(_context: Any, buffer: Any, at: Any) -> tuple[Any, Emit]:
    """The eight bytes of ``buffer`` (u1) from ``at`` on, as one u8."""

    def emit(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return _loaded(context, builder, signature, args, _WORD)

    return types.uint64(buffer, types.int64), emit


@intrinsic  # type: ignore[untyped-decorator]
def plain_run(_context: Any, buffer: Any, at: Any) -> tuple[Any, Emit]:
    """How many of the 32 bytes from ``at`` on stand before the first quote, backslash, control character or byte above 127."""
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


@intrinsic  # type: ignore[untyped-decorator]
def byte(_context: Any, buffer: Any, at: Any) -> tuple[Any, Emit]:
    """The byte at a place, as a number. Indexing would first ask whether the place counts from the end."""

    def emit(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.zext(_loaded(context, builder, signature, args, _BYTE), _WORD)

    return types.int64(buffer, types.int64), emit
