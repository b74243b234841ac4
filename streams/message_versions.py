"""The version a JSON message of ours says it is of, against the one its struct here has. A message that says none is of the first."""

import msgspec

from detector.versions import unlike


class _Versioned(msgspec.Struct):
    version: int = 1


_decoder = msgspec.json.Decoder(_Versioned)


def other_version(body: bytes, kind: type[msgspec.Struct]) -> str:
    """What a refusal says of a message that is of another version than ``kind``; '' for any other, its decoder says what else is wrong.

    >>> from streams.respond.outcomes import Outcome
    >>> other_version(b'{"version": 7}', Outcome), other_version(b"{}", Outcome)
    ('version 7, this Outpace reads version 1', '')
    """
    try:
        found = _decoder.decode(body).version
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return ""
    wanted = next(field.default for field in msgspec.structs.fields(kind) if field.name == "version")
    return unlike(found, wanted)
