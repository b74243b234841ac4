"""The ``outpace`` command with an engine that breaks at the frame of offset 1."""

from typing import Any

from streams.cli import main
from streams.shard import Applied, Shard

_apply = Shard.apply


def _breaks_at_one(self: Shard, offset: int, data: Any) -> Applied:
    if offset == 1:
        raise ZeroDivisionError("this frame")
    return _apply(self, offset, data)


if __name__ == "__main__":
    Shard.apply = _breaks_at_one  # type: ignore[method-assign]
    main()
