"""Which version a MessagePack array says it is of, though the rest of it may be laid out as nobody here knows."""

import msgspec

_array = msgspec.msgpack.Decoder(list[msgspec.Raw])


def version_of(data: bytes) -> int | None:
    """The first element of an array, where its version stands by our rules; None for anything that begins otherwise.

    >>> version_of(msgspec.msgpack.encode([7, "whatever"])), version_of(b"no array")
    (7, None)
    """
    try:
        found = msgspec.msgpack.decode(bytes(_array.decode(data)[0]))
    except (msgspec.DecodeError, UnicodeDecodeError, IndexError, RecursionError):
        return None
    return found if type(found) is int else None


def unlike(found: int, version: int) -> str:
    """What a refusal says of a version that is not ``version``; '' where it is.

    >>> unlike(7, 2), unlike(2, 2)
    ('version 7, this Outpace reads version 2', '')
    """
    return "" if found == version else f"version {found}, this Outpace reads version {version}"


def other_version(data: bytes, version: int) -> str:
    """What a refusal says of the version an array says it is of, where that is another than ``version``; else ''.

    >>> other_version(msgspec.msgpack.encode([7]), 2), other_version(b"", 2)
    ('version 7, this Outpace reads version 2', '')
    """
    found = version_of(data)
    return "" if found is None else unlike(found, version)
