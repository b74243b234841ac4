"""A raw topic's messages as blocks: every record once, at its offset."""

from typing import NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streams.ingest import topic
from streams.ingest.topic import blocks_of, lines_of

VALUES = st.sampled_from(
    [
        b'{"a":1}',
        b'{"a":1}',
        b'{"b":2}',
        b'{"a":\n1}',
        b'{"a":1}\n{"b":2}',
        b'{"a":1}\n{',
        b'{"c":3}\n',
        b"\n",
        b"",
        None,
    ]
)


class Raw(NamedTuple):
    """A message as a consumer gives it."""

    offset: int
    value: bytes | None


@settings(max_examples=300)
@given(
    st.lists(st.tuples(st.sampled_from([1, 1, 1, 1, 2]), VALUES), min_size=1, max_size=40),
    st.integers(1, 9),
    st.integers(1, 60),
)
def test_every_record_stands_at_its_offset(steps: list[tuple[int, bytes | None]], records: int, size: int) -> None:
    messages, at = [], 7
    for step, value in steps:
        at += step
        messages.append(Raw(at, value))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(topic, "BLOCK_RECORDS", records)
        patch.setattr(topic, "BLOCK_BYTES", size)
        blocks = list(blocks_of(messages, "raw/0"))
    found = [
        (block.position + number, line.strip())
        for block, _ in blocks
        for number, line in enumerate(block.data.split(b"\n"))
        if line.strip()
    ]
    assert found == [(m.offset, line.strip()) for m in messages for line in lines_of(m.value) if line.strip()]
    followings = [following for _, following in blocks]
    assert followings == sorted(followings)
    assert followings[-1] == messages[-1].offset + 1


def test_plain_messages_become_large_blocks() -> None:
    blocks = list(blocks_of([Raw(n, b"{}\n" if n % 3 else b"{}") for n in range(2500)], "raw/0"))
    assert [following for _, following in blocks] == [1000, 2000, 2500]
