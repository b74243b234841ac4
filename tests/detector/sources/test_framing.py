"""Records out of blocks: every wrapping is taken off, and a broken piece costs only itself."""

import json

import msgspec
import pytest

from detector.sources.framing import Block, decode_block, unwrapped


class Thing(msgspec.Struct):
    eventTime: str  # noqa: N815


DECODERS = msgspec.json.Decoder(Thing), msgspec.json.Decoder(list[Thing])
ONE = '{"eventTime": "a"}'


@pytest.mark.parametrize(
    "wrapped",
    [
        ONE,
        f"[{ONE}]",
        f'{{"Records": [{ONE}]}}',
        json.dumps({"eventJson": ONE}),
        json.dumps({"eventData": ONE}),
        json.dumps({"logEvents": [{"message": ONE}]}),
        f'{{"detail-type": "x", "detail": {ONE}}}',
        json.dumps({"logEvents": [{"message": json.dumps({"Records": [json.loads(ONE)]})}]}),
    ],
)
def test_every_wrapping_is_taken_off(wrapped: str) -> None:
    assert [json.loads(bytes(raw)) for raw in unwrapped(wrapped.encode())] == [{"eventTime": "a"}]


def test_positions_are_lines_and_count_blank_ones() -> None:
    decoded = decode_block(Block(f"{ONE}\n\n[\n{ONE}\n".encode(), "log", 7, True), *DECODERS)
    assert decoded.positions == [7, 10]
    assert [r.position for r in decoded.rejected] == [9]


@pytest.mark.parametrize("broken", ["{x}", '{"eventTime": x}', '{"a" 1}', "7"])
def test_a_broken_piece_of_a_document_costs_only_itself(broken: str) -> None:
    decoded = decode_block(Block(f"[{ONE}, {broken}, {ONE}, {ONE}]".encode(), "log", 1, False), *DECODERS)
    assert len(decoded.records) == 3
    assert [r.position for r in decoded.rejected] == [2]


def test_a_record_longer_than_the_window_is_read_whole() -> None:
    long = json.dumps({"eventTime": "a" * 3_000_000})
    decoded = decode_block(Block(f"[{ONE}, {long}, 7]".encode(), "log", 1, False), *DECODERS)
    assert [len(r.eventTime) for r in decoded.records] == [1, 3_000_000]
