"""Records with nonsense in them: every place inside a record, and what may stand there instead."""

import json
from typing import Any

from hypothesis import strategies as st

ODD: list[Any] = [
    None,
    True,
    0,
    -1,
    1.5,
    10**30,
    "",
    "unknown",
    "{",
    '{"a": 1}',
    "😀" * 300,
    "=",
    "a:b/c@d",
    [],
    [None, [1]],
    {},
    {"id": []},
]

_words = st.text("ab:/=@<{.1", max_size=12)
nonsense = (
    st.sampled_from(ODD)
    | _words
    | st.lists(st.sampled_from(ODD) | _words, max_size=3)
    | st.dictionaries(_words, st.sampled_from(ODD) | _words, max_size=3)
)
"""A JSON value nobody would expect."""


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Every place inside a record, as the keys that lead there."""
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [p for key, child in inner for p in ((*path, key), *places(child, (*path, key)))]


def with_odd(value: Any, path: tuple[Any, ...], odd: Any) -> Any:
    """A deep copy of a record with another value at one place."""
    copy = json.loads(json.dumps(value))
    at = copy
    for key in path[:-1]:
        at = at[key]
    at[path[-1]] = odd
    return copy
