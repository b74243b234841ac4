"""A program that appends to a ledger until it is killed, saying after each commit what it has committed: the tests kill it."""

import sys

from streams.ledger.store import Ledger, connect


def main(path: str) -> None:
    connection = connect(path)
    ledger = Ledger(connection)
    connection.execute("CREATE TABLE IF NOT EXISTS state (seq INTEGER PRIMARY KEY)")
    while True:
        connection.execute("BEGIN IMMEDIATE")
        for i in range(20):
            entry = ledger.append(
                "outcome", f"c{i}", b"x" * 300, time_ns=i, owner="responder", reason="killed in a test"
            )
            connection.execute("INSERT INTO state VALUES (?)", (entry.seq,))
        connection.execute("COMMIT")
        sys.stdout.write(f"{entry.seq}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main(sys.argv[1])
