"""One broker for many processes: whoever asks with the same folder gets the same one, and it ends with the last of them.

A runner process of its own holds the broker; each user holds a shared lock on a file. The runner stops the broker when it gets that lock
alone, so a user that is killed keeps nothing alive. A live test must never stop this broker: it is not its own.
"""

import fcntl
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import mkdtemp
from typing import NamedTuple

from benchmarks.broker import ADMIN, REPOSITORY, START_S, Security, fetch_jars, settings_at
from detector.errors import BrokerError
from streams.config import Kafka

_POLL_S = 0.05


class SharedBroker(NamedTuple):
    """A broker somebody else runs."""

    bootstrap: str
    folder: Path
    security: Security

    def kafka(self, prefix: str = "outpace", user: str = ADMIN) -> Kafka:
        """Settings that log in there."""
        return settings_at(self.bootstrap, self.folder, self.security, prefix, user)


@contextmanager
def shared_broker(folder: Path, security: Security = "plaintext") -> Iterator[SharedBroker]:
    """The broker of ``folder``, started if none runs there. Raises ``BrokerError`` where none can be had."""
    folder.mkdir(parents=True, exist_ok=True)
    # The lock file's text is where the broker is; its runner empties it before it stops the broker.
    with (folder / "users.lock").open("a+") as users, (folder / "start.lock").open("a") as starting:
        fcntl.flock(users, fcntl.LOCK_SH)
        fcntl.flock(starting, fcntl.LOCK_EX)
        users.seek(0)
        told = users.read()
        if not told:
            told = _started(Path(mkdtemp(dir=folder)), security, folder / "users.lock")
            users.write(told)
            users.flush()
        fcntl.flock(starting, fcntl.LOCK_UN)
        bootstrap, _, place = told.partition(" ")
        yield SharedBroker(bootstrap, Path(place), security)


def _started(folder: Path, security: Security, users: Path) -> str:
    """Address and folder of a broker started in the background, in a session of its own."""
    fetch_jars()
    said, erred = folder / "said", folder / "erred"
    runner = [sys.executable, "-m", "benchmarks.broker", "--folder", str(folder / "broker"), "--security", security]
    # The shell ends at once and leaves the runner to nobody: the process that happened to start it may well end first.
    shell = ["sh", "-c", 'exec setsid "$@" >"$0/said" 2>"$0/erred" </dev/null &', str(folder)]
    subprocess.run([*shell, *runner, "--while-held", str(users)], check=True, cwd=REPOSITORY)
    deadline = time.monotonic() + 2 * START_S
    while time.monotonic() < deadline:
        if said.exists() and said.read_text().endswith("\n"):
            return f"{said.read_text().strip()} {folder / 'broker'}"
        if erred.exists() and "broker: " in erred.read_text():
            break
        time.sleep(_POLL_S)
    raise BrokerError(erred.read_text().strip()[-300:].removeprefix("broker: ") or "the broker's runner says nothing")
