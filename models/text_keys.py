"""The stable 64-bit key of a text: the same in every process, on every machine.

Python's ``hash()`` changes with the process, so nothing that is stored or ordered may use it. Text is hashed with BLAKE2b
(RFC 7693) cut to eight bytes. Nothing here is compiled, so that who only needs keys does not load a compiler; how keys are combined is
``hashing``'s.
"""

from functools import lru_cache
from hashlib import blake2b

NO_KEY = 0
"""The key of something absent. No text hashes to it."""


@lru_cache(maxsize=1 << 16)
def text_key(text: str) -> int:
    """Stable key of a text; empty text gives ``NO_KEY``.

    >>> text_key("iam:CreateAccessKey") == text_key("iam:CreateAccessKey")
    True
    >>> text_key("")
    0
    """
    return bytes_key(text.encode("utf-8", "surrogatepass")) if text else NO_KEY


def bytes_key(data: bytes) -> int:
    """Stable key of some bytes."""
    return int.from_bytes(blake2b(data, digest_size=8).digest(), "little") | 2
