"""The simulation's command line: `demo` writes the shipped example, `stream` a benchmark stream."""

import argparse
import sys
from pathlib import Path

from simulation import demo, stream


def main(arguments: list[str] | None = None) -> int:
    """Exit code of one command: 0, or 2 with one line on stderr for options that cannot be met."""
    chosen = _parser().parse_args(arguments)
    try:
        print(_demo(chosen) if chosen.command == "demo" else _stream(chosen))
    except (ValueError, OSError) as error:
        print(f"simulation: {error}", file=sys.stderr)
        return 2
    return 0


def _demo(chosen: argparse.Namespace) -> str:
    written = demo.write(chosen.out, chosen.seed)
    counts = ", ".join(f"{count} {part}" for part, count in written.items())
    return f"{chosen.out}: {counts}"


def _stream(chosen: argparse.Namespace) -> str:
    lines = stream.records(chosen.events, chosen.credentials, chosen.seed)
    with chosen.out.open("wb", buffering=1 << 20) as file:
        file.writelines(lines)
    return f"{chosen.out}: {chosen.events} events of {chosen.credentials} credentials"


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m simulation", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    one = commands.add_parser("demo", help="a baseline week, a live day with three attacks, and the truth about them")
    one.add_argument("--out", type=Path, required=True)
    one.add_argument("--seed", type=int, default=7)
    many = commands.add_parser("stream", help="a benchmark stream, one record a line")
    many.add_argument("--out", type=Path, required=True)
    many.add_argument("--events", type=int, required=True)
    many.add_argument("--credentials", type=int, required=True)
    many.add_argument("--seed", type=int, default=7)
    return parser


if __name__ == "__main__":
    sys.exit(main())
