"""Where the cases lie that ``outpace replay --out`` writes and ``outpace explain`` reads."""

from pathlib import Path


def cases_path(out: str) -> Path:
    """Where the case files of a decisions file lie.

    >>> cases_path("out/decisions.jsonl").as_posix()
    'out/decisions.cases.jsonl'
    """
    return Path(out).with_suffix(".cases.jsonl")
