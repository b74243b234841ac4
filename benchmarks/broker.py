"""A real Kafka broker on this machine: KRaft, one node, jars from Maven Central, for live tests and benchmarks.

``python -m benchmarks.broker`` prints its address and runs until interrupted. It listens on 127.0.0.1 only, creates no topic by itself,
and with a log-in (``sasl_plaintext``, ``sasl_ssl``) holds everyone but ``ADMIN`` to access rules, so that missing permissions can be tried.
"""

import argparse
import fcntl
import hashlib
import random
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import uuid
from base64 import urlsafe_b64encode
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Literal, Self

from kafka.admin import KafkaAdminClient
from kafka.errors import KafkaError

from detector.errors import BrokerError
from streams.config import Kafka
from streams.connection import kafka_python_settings

Security = Literal["plaintext", "ssl", "sasl_plaintext", "sasl_ssl"]
REPOSITORY = Path(__file__).resolve().parent.parent
JARS = REPOSITORY / ".cache" / "kafka"
ADMIN, GUEST = "admin", "guest"
PASSWORDS = {ADMIN: "admin-of-a-test-broker", GUEST: "guest-of-a-test-broker"}
"""Who may log in. ``ADMIN`` may do everything, ``GUEST`` nothing that no access rule allows."""
START_S, STOP_S = 90.0, 30.0
_JVM = (
    "-XX:TieredStopAtLevel=1",
    "-Xms256m",
    "-Xmx512m",
    "-XX:+UseG1GC",
    "-XX:MaxGCPauseMillis=20",
    "-Djava.awt.headless=true",
)
"""The quick compiler (C1) only: the thorough one holds a core for up to half a second at a time in a broker's first minutes, and everybody here shares two. Not for a broker that is to last."""
_BRIEF = ("-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC")
"""For the formatting tool, which ends before better compiled code would pay."""
_LOG = """status = error
appender.console.type = Console
appender.console.name = console
appender.console.layout.type = PatternLayout
appender.console.layout.pattern = %d %p %m (%c)%n
rootLogger.level = warn
rootLogger.appenderRef.console.ref = console
"""


def fetch_jars() -> Path:
    """The folder with Kafka's jars, filled from Maven Central where ``pom.xml`` has changed since. Raises ``BrokerError``."""
    wanted = hashlib.sha256((REPOSITORY / "pom.xml").read_bytes()).hexdigest()
    stamp = JARS / "pom.sha256"
    JARS.mkdir(parents=True, exist_ok=True)
    with (JARS.parent / "kafka.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if stamp.exists() and stamp.read_text() == wanted:
            return JARS
        shutil.rmtree(JARS)
        _run_maven(program("mvn", "Maven (Debian: apt-get install maven)"))
        stamp.write_text(wanted)
    return JARS


def _run_maven(maven: str) -> None:
    command = [maven, "-q", "-B", "dependency:copy-dependencies", "-DincludeScope=runtime", f"-DoutputDirectory={JARS}"]
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=False)
    if done.returncode:
        lines = [line for line in (done.stdout + done.stderr).splitlines() if "ERROR" in line]
        raise BrokerError(f"Maven could not fetch Kafka: {lines[0] if lines else done.returncode}")


def program(name: str, wanted: str) -> str:
    """The path of a program. Raises ``BrokerError`` saying what to install."""
    found = shutil.which(name)
    if not found:
        raise BrokerError(f"{name} is not installed: a test broker needs {wanted}")
    return found


def free_port() -> int:
    """A port nobody listens on, from below the range outgoing connections take theirs from: it is still free at a restart."""
    while True:
        port = random.randrange(15_000, 31_000)  # noqa: S311 - two brokers starting at once must not try the same one
        if _is_free(port):
            return port


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def settings_at(bootstrap: str, folder: Path, security: Security, prefix: str = "outpace", user: str = ADMIN) -> Kafka:
    """Settings for a broker of ours that keeps its data, passwords and certificate in ``folder``."""
    logs_in, has_tls = security.startswith("sasl"), security.endswith("ssl")
    return Kafka(
        bootstrap=bootstrap,
        security=security,
        sasl_mechanism="SCRAM-SHA-512",
        username=user if logs_in else "",
        password=f"file:{folder / user}.password" if logs_in else "",
        ca_file=str(folder / "broker.pem") if has_tls else "",
        prefix=prefix,
    )


class Broker:
    """A running broker. Leaving the context stops it, and removes its folder where none was given."""

    def __init__(self, folder: Path, port: int, security: Security, *, keep: bool) -> None:
        self.folder, self.port, self.security = folder, port, security
        self._keep = keep
        self._controller, self._inner = free_port(), free_port()
        self._process: subprocess.Popen[bytes] | None = None
        self._jars = fetch_jars()
        self._java = program("java", "Java 17 or later (Debian: apt-get install default-jre-headless)")

    @classmethod
    def start(
        cls, folder: Path | str | None = None, port: int | None = None, security: Security = "plaintext"
    ) -> "Broker":
        """A broker that answers. ``folder`` with a former broker's data goes on from it. Raises ``BrokerError``."""
        place = Path(folder) if folder else Path(tempfile.mkdtemp(prefix="outpace-kafka-"))
        broker = cls(place.resolve(), port or free_port(), security, keep=folder is not None)
        try:
            broker._prepare()
            broker._launch()
        except BaseException:
            broker.stop()
            raise
        return broker

    @property
    def bootstrap(self) -> str:
        """Where clients go first."""
        return f"127.0.0.1:{self.port}"

    @property
    def pid(self) -> int:
        """The process, for whoever ends it from elsewhere; 0 where none runs."""
        return self._process.pid if self._process else 0

    def kafka(self, prefix: str = "outpace", user: str = ADMIN) -> Kafka:
        """Settings that log in here."""
        return settings_at(self.bootstrap, self.folder, self.security, prefix, user)

    def stop(self) -> None:
        """Ends it in good order."""
        self._end(signal.SIGTERM)
        if not self._keep:
            shutil.rmtree(self.folder, ignore_errors=True)

    def kill(self) -> None:
        """Ends it as a power cut would (SIGKILL); its data stays for ``restart``."""
        self._end(signal.SIGKILL)

    def restart(self) -> None:
        """Runs it again on the same port with the same data."""
        self._end(signal.SIGTERM)
        self._launch()

    def wait(self) -> None:
        """Returns never of itself. Raises ``BrokerError`` where the broker ends."""
        if self._process:
            self._process.wait()
            raise BrokerError(f"Kafka ended: {self._last_words()}")

    def _end(self, how: signal.Signals) -> None:
        if not self._process:
            return
        self._process.send_signal(how)
        try:
            self._process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process = None

    def _prepare(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        for user, password in PASSWORDS.items():
            (self.folder / f"{user}.password").write_text(password)
        (self.folder / "log4j2.properties").write_text(_LOG)
        if self.security.endswith("ssl"):
            self._make_certificate()
        (self.folder / "server.properties").write_text("".join(f"{k}={v}\n" for k, v in self._properties().items()))
        if not (self.folder / "data" / "meta.properties").exists():
            self._format()

    def _format(self) -> None:
        scram = [f"SCRAM-SHA-512=[name={user},password={password}]" for user, password in PASSWORDS.items()]
        extra = [part for entry in scram for part in ("--add-scram", entry)]
        # The zero keeps it from beginning with a dash: the tool would take it for an option.
        cluster = urlsafe_b64encode(b"\0" + uuid.uuid4().bytes[1:]).decode().rstrip("=")
        tool = ["kafka.tools.StorageTool", "format", "-t", cluster, "-c", str(self.folder / "server.properties")]
        command = [self._java, *_BRIEF, *self._options(), *tool, "--standalone", *extra]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            raise BrokerError(f"Kafka could not prepare {self.folder}: {(done.stderr or done.stdout).strip()[-300:]}")

    def _launch(self) -> None:
        if not _is_free(self.port):
            raise BrokerError(f"port {self.port} is taken")
        command = [self._java, *_JVM, *self._options(), "kafka.Kafka", str(self.folder / "server.properties")]
        with (self.folder / "broker.log").open("ab") as log:
            # A session of its own: Ctrl-C in the terminal ends the tests first, and they end the broker.
            self._process = subprocess.Popen(command, stdout=log, stderr=log, cwd=self.folder, start_new_session=True)
        deadline = time.monotonic() + START_S
        while not self._answers():
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise BrokerError(f"Kafka did not start: {self._last_words()}")

    def _answers(self) -> bool:
        """True once a client gets our own cluster's description: a port that listens is not yet a broker, and may be another one's."""
        try:
            with socket.create_connection(("127.0.0.1", self.port), 0.2):
                pass
            settings = kafka_python_settings(self.kafka())
            client = KafkaAdminClient(**settings, bootstrap_timeout_ms=5000, request_timeout_ms=5000)
        except (OSError, KafkaError):
            time.sleep(0.05)
            return False
        try:
            return bool(client.describe_cluster()["cluster_id"] == self._cluster())
        except KafkaError:
            return False
        finally:
            client.close()

    def _cluster(self) -> str:
        lines = (self.folder / "data" / "meta.properties").read_text().splitlines()
        return next(line.partition("=")[2] for line in lines if line.startswith("cluster.id="))

    def _last_words(self) -> str:
        lines = (self.folder / "broker.log").read_text(errors="replace").splitlines()
        told = [line for line in lines if "ERROR" in line or "Exception" in line or "rror:" in line]
        return (told or lines or ["it says nothing"])[-1][:300]

    def _options(self) -> list[str]:
        return [f"-Dlog4j2.configurationFile={self.folder / 'log4j2.properties'}", "-cp", f"{self._jars}/*"]

    def _properties(self) -> dict[str, object]:
        found: dict[str, object] = {
            "process.roles": "broker,controller",
            "node.id": 1,
            "log.dirs": self.folder / "data",
            "listeners": f"CLIENT://127.0.0.1:{self.port},INNER://127.0.0.1:{self._inner},CONTROLLER://127.0.0.1:{self._controller}",
            "listener.security.protocol.map": f"CLIENT:{self.security.upper()},INNER:PLAINTEXT,CONTROLLER:PLAINTEXT",
            "inter.broker.listener.name": "INNER",
            "controller.listener.names": "CONTROLLER",
            "controller.quorum.bootstrap.servers": f"127.0.0.1:{self._controller}",
            "auto.create.topics.enable": "false",
            "message.max.bytes": 16 << 20,
            "num.network.threads": 2,
            "num.io.threads": 4,
            "group.initial.rebalance.delay.ms": 0,
            "offsets.topic.num.partitions": 8,
            "offsets.topic.replication.factor": 1,
            "transaction.state.log.replication.factor": 1,
            "transaction.state.log.min.isr": 1,
            "share.coordinator.state.topic.replication.factor": 1,
            "share.coordinator.state.topic.min.isr": 1,
        }
        if self.security.endswith("ssl"):
            found |= self._tls_properties()
        if self.security.startswith("sasl"):
            found |= _log_in_properties()
        return found

    def _tls_properties(self) -> dict[str, object]:
        return {
            "ssl.keystore.type": "PKCS12",
            "ssl.keystore.location": self.folder / "broker.p12",
            "ssl.keystore.password": PASSWORDS[ADMIN],
        }

    def _make_certificate(self) -> None:
        """A certificate that is its own authority, and that as ``broker.pem``."""
        store = self.folder / "broker.p12"
        if store.exists():
            return
        keytool = program("keytool", "Java 17 or later (Debian: apt-get install default-jre-headless)")
        where = ["-keystore", str(store), "-storetype", "PKCS12", "-storepass", PASSWORDS[ADMIN], "-alias", "broker"]
        kind = [
            "-keyalg",
            "EC",
            "-dname",
            "CN=localhost",
            "-ext",
            "san=dns:localhost,ip:127.0.0.1",
            "-ext",
            "bc=ca:true",
        ]
        subprocess.run([keytool, "-genkeypair", *where, *kind], check=True, capture_output=True)
        export = [keytool, "-exportcert", "-rfc", *where]
        pem = subprocess.run(export, check=True, capture_output=True).stdout
        (self.folder / "broker.pem").write_bytes(pem)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


def _log_in_properties() -> dict[str, object]:
    users = " ".join(f'user_{name}="{password}"' for name, password in PASSWORDS.items())
    plain = "org.apache.kafka.common.security.plain.PlainLoginModule"
    scram = "org.apache.kafka.common.security.scram.ScramLoginModule"
    return {
        "sasl.enabled.mechanisms": "PLAIN,SCRAM-SHA-512",
        "listener.name.client.plain.sasl.jaas.config": f"{plain} required {users};",
        "listener.name.client.scram-sha-512.sasl.jaas.config": f"{scram} required;",
        "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
        # The inner listener and the controller know no log-in: there, everyone is ANONYMOUS.
        "super.users": f"User:{ADMIN};User:ANONYMOUS",
    }


def main() -> int:
    """Runs a broker until interrupted. Exit 0, or 2 with one line where none can be had."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.broker", description="A real Kafka broker, for trying out."
    )
    parser.add_argument("--folder", help="where its data lies; kept afterwards")
    parser.add_argument("--port", type=int, help="default: a free one")
    parser.add_argument("--security", choices=["plaintext", "ssl", "sasl_plaintext", "sasl_ssl"], default="plaintext")
    parser.add_argument("--while-held", metavar="FILE", help="run only as long as somebody holds a lock on this file")
    parser.add_argument("--fetch", action="store_true", help="only fetch the jars")
    given = parser.parse_args()
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        if given.fetch:
            print(fetch_jars())
            return 0
        with ExitStack() as stack:
            held = stack.enter_context(open(given.while_held, "r+")) if given.while_held else None
            broker = stack.enter_context(Broker.start(given.folder, given.port, given.security))
            print(broker.bootstrap, flush=True)
            if held:
                fcntl.flock(held, fcntl.LOCK_EX)
                held.truncate(0)  # whoever comes while the broker is being stopped finds no address, and starts anew
            else:
                broker.wait()
    except BrokerError as error:
        print(f"broker: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        pass
    return 0


if __name__ == "__main__":
    sys.exit(main())
