"""Digits and ids that are the same for the same words, in every process."""

import hashlib


def digest(*words: object) -> str:
    """Hexadecimal digits that are the same for the same words, in every process."""
    return hashlib.blake2b("\x00".join(map(str, words)).encode(), digest_size=16).hexdigest()


def hashed_uuid(*words: object) -> str:
    """A version 4 UUID that is the same for the same words."""
    text = digest(*words)
    return f"{text[:8]}-{text[8:12]}-4{text[13:16]}-a{text[17:20]}-{text[20:]}"
