"""A real Keycloak on this machine, from Maven Central, for live tests and benchmarks.

``python -m benchmarks.identity_provider`` prints its address and runs until interrupted. It listens on 127.0.0.1 only, keeps everything in memory, and believes
``X-Forwarded-For``, so that clients can stand at addresses of their own. Its one administrator is ``ADMIN``.
"""

import argparse
import fcntl
import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.error import HTTPError, URLError
from urllib.parse import urlencode
from urllib.request import Request, urlopen

from benchmarks.broker import REPOSITORY, free_port, program
from detector.errors import BrokerError

FOLDER = REPOSITORY / ".cache" / "keycloak"
POM = REPOSITORY / "keycloak.pom.xml"
ADMIN, PASSWORD = "admin", "admin-of-a-test-keycloak"
START_S, STOP_S, BUILD_S = 150.0, 20.0, 300.0
JAVA = "Java 17 or later (Debian: apt-get install default-jre-headless)"
_HEAP = "-Xms128m -Xmx512m -XX:MetaspaceSize=96m"
_BUILT_FOR = ("--db=dev-mem", "--cache=local", "--health-enabled=false", "--metrics-enabled=false")


def fetch() -> Path:
    """Keycloak's folder, filled from Maven Central and built where ``keycloak.pom.xml`` has changed since. Raises ``BrokerError``."""
    wanted = hashlib.sha256(POM.read_bytes() + " ".join(_BUILT_FOR).encode()).hexdigest()
    stamp = FOLDER / "pom.sha256"
    FOLDER.mkdir(parents=True, exist_ok=True)
    with (FOLDER.parent / "keycloak.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (stamp.exists() and stamp.read_text() == wanted):
            shutil.rmtree(FOLDER)
            _unpack(program("mvn", "Maven (Debian: apt-get install maven)"))
            _build(_home())
            stamp.write_text(wanted)
    return _home()


def _home() -> Path:
    found = sorted(FOLDER.glob("keycloak-*/bin/kc.sh"))
    if not found:
        raise BrokerError(f"no Keycloak in {FOLDER}: Maven unpacked none")
    return found[-1].parent.parent


def _unpack(maven: str) -> None:
    command = [maven, "-q", "-B", "-f", str(POM), "dependency:unpack-dependencies"]
    command += [f"-DoutputDirectory={FOLDER}", f"-DmarkersDirectory={FOLDER / 'markers'}"]
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=False)
    if done.returncode:
        lines = [line for line in (done.stdout + done.stderr).splitlines() if "ERROR" in line]
        raise BrokerError(f"Maven could not fetch Keycloak: {lines[0] if lines else done.returncode}")


def _build(home: Path) -> None:
    """Compiles the server for its options, once: each start is twenty seconds shorter, and several may run from one folder."""
    program("java", JAVA)
    command = ["sh", str(home / "bin" / "kc.sh"), "build", *_BUILT_FOR]
    done = subprocess.run(command, capture_output=True, text=True, timeout=BUILD_S, check=False, env=_environment())
    if done.returncode:
        raise BrokerError(f"Keycloak could not be built: {(done.stderr or done.stdout).strip()[-300:]}")


def _environment() -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("KC_")}
    return kept | {
        "JAVA_OPTS_KC_HEAP": _HEAP,
        "KC_BOOTSTRAP_ADMIN_USERNAME": ADMIN,
        "KC_BOOTSTRAP_ADMIN_PASSWORD": PASSWORD,
    }


class Keycloak:
    """A running server. Leaving the context stops it."""

    def __init__(self, port: int) -> None:
        self.port = port
        self._folder = Path(tempfile.mkdtemp(prefix="outpace-keycloak-"))
        self._process: subprocess.Popen[bytes] | None = None
        self._token, self._until_s = "", 0.0

    @classmethod
    def start(cls, port: int | None = None) -> "Keycloak":
        """A server that answers. Raises ``BrokerError``."""
        program("java", JAVA)
        home = fetch()
        server = cls(port or free_port())
        try:
            server._launch(home)
        except BaseException:
            server.stop()
            raise
        return server

    @property
    def url(self) -> str:
        """Where it answers."""
        return f"http://127.0.0.1:{self.port}"

    def stop(self) -> None:
        """Ends it."""
        if self._process is not None:
            os.killpg(self._process.pid, signal.SIGTERM)
            try:
                self._process.wait(STOP_S)
            except subprocess.TimeoutExpired:
                os.killpg(self._process.pid, signal.SIGKILL)
                self._process.wait()
            self._process = None
        shutil.rmtree(self._folder, ignore_errors=True)

    def wait(self) -> None:
        """Returns never of itself. Raises ``BrokerError`` where the server ends."""
        if self._process is not None:
            self._process.wait()
            raise BrokerError(f"Keycloak ended: {self._last_words()}")

    def _launch(self, home: Path) -> None:
        options = ["--optimized", "--http-enabled=true", "--http-host=127.0.0.1", f"--http-port={self.port}"]
        more = ["--hostname-strict=false", "--proxy-headers=xforwarded", "--log-level=warn"]
        command = ["sh", str(home / "bin" / "kc.sh"), "start", *options, *more]
        with (self._folder / "keycloak.log").open("ab") as log:
            # A session of its own: Ctrl-C ends the tests first, and the shell's child goes with it when it is ended.
            self._process = subprocess.Popen(
                command, stdout=log, stderr=log, cwd=self._folder, start_new_session=True, env=_environment()
            )
        deadline = time.monotonic() + START_S
        while not self._answers():
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise BrokerError(f"Keycloak did not start: {self._last_words()}")
            time.sleep(0.1)

    def _answers(self) -> bool:
        try:
            return self.ask("GET", "/realms/master")[0] == 200
        except (URLError, OSError):
            return False

    def _last_words(self) -> str:
        lines = (self._folder / "keycloak.log").read_text(errors="replace").splitlines()
        told = [line for line in lines if "ERROR" in line or "Exception" in line]
        return (told or lines or ["it says nothing"])[-1][:300]

    def ask(
        self,
        method: str,
        path: str,
        *,
        form: dict[str, str] | None = None,
        body: Any = None,
        token: str = "",
        address: str = "",
    ) -> tuple[int, Any]:
        """(status, JSON) of one request. ``address``: where it seems to come from."""
        return ask(self.url, method, path, form=form, body=body, token=token, address=address)

    def admin(self, method: str, path: str, body: Any = None) -> Any:
        """What the admin API answers to the administrator, under ``/admin/realms``. Raises ``BrokerError`` for a refusal."""
        if time.monotonic() >= self._until_s:
            form = {"grant_type": "password", "client_id": "admin-cli", "username": ADMIN, "password": PASSWORD}
            status, found = self.ask("POST", "/realms/master/protocol/openid-connect/token", form=form)
            if status != 200:
                raise BrokerError(f"Keycloak: the administrator cannot log in ({status})")
            self._token, self._until_s = found["access_token"], time.monotonic() + found["expires_in"] / 2
        status, found = self.ask(method, f"/admin/realms{path}", body=body, token=self._token)
        if status >= 300:
            raise BrokerError(f"Keycloak: {method} {path}: {status} {found}")
        return found

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


def ask(
    url: str,
    method: str,
    path: str,
    *,
    form: dict[str, str] | None = None,
    body: Any = None,
    token: str = "",
    address: str = "",
) -> tuple[int, Any]:
    """(status, JSON) of one request to a Keycloak."""
    headers = {"Accept": "application/json"}
    if token:
        headers["Authorization"] = f"Bearer {token}"
    if address:
        headers["X-Forwarded-For"] = address
    data = urlencode(form).encode() if form is not None else None
    if body is not None:
        data, headers["Content-Type"] = json.dumps(body).encode(), "application/json"
    request = Request(url + path, data=data, headers=headers, method=method)  # noqa: S310 - our own address
    try:
        with urlopen(request, timeout=30) as answer:  # noqa: S310 - our own address
            return answer.status, _parsed(answer.read())
    except HTTPError as error:
        with error:
            return error.code, _parsed(error.read())


def _parsed(text: bytes) -> Any:
    try:
        return json.loads(text) if text else None
    except ValueError:
        return text.decode(errors="replace")[:300]


def main() -> int:
    """Runs a Keycloak until interrupted. Exit 0, or 2 with one line where none can be had."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.identity_provider", description="A real Keycloak, for trying out."
    )
    parser.add_argument("--port", type=int, help="default: a free one")
    parser.add_argument("--fetch", action="store_true", help="only fetch and build it")
    given = parser.parse_args()
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        if given.fetch:
            print(fetch())
            return 0
        with Keycloak.start(given.port) as server:
            print(f"{server.url}  administrator {ADMIN}, password {PASSWORD}", flush=True)
            server.wait()
    except BrokerError as error:
        print(f"keycloak: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        pass
    return 0


if __name__ == "__main__":
    sys.exit(main())
