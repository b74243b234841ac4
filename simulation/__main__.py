"""`python -m simulation demo|stream`: writes the shipped capture, or a long stream for measuring."""

import argparse
from pathlib import Path

from simulation.capture import write_demo
from simulation.stream import records


def main() -> None:
    """Reads the arguments and writes what they ask for."""
    parser = argparse.ArgumentParser(prog="simulation", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    demo = commands.add_parser("demo", help="a week of baseline, a live day with three attacks, the truth beside them")
    demo.add_argument("--out", type=Path, default=Path("examples/demo"))
    demo.add_argument("--seed", type=int, default=7)
    stream = commands.add_parser("stream", help="a long stream of CloudTrail lines")
    stream.add_argument("--events", type=int, default=100_000)
    stream.add_argument("--credentials", type=int, default=1_000)
    stream.add_argument("--seed", type=int, default=7)
    stream.add_argument("--out", type=Path, required=True)
    chosen = parser.parse_args()
    if chosen.command == "demo":
        write_demo(chosen.out, chosen.seed)
        return
    with chosen.out.open("wb") as out:
        out.writelines(records(chosen.events, chosen.credentials, chosen.seed))


if __name__ == "__main__":
    main()
