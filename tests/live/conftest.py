"""A real broker for the live tests: one for the whole run, shared by every worker process; each test under a prefix of its own. And a real Keycloak with a closed loop, one a file."""

import json
import os
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import msgspec
import pytest

from benchmarks.closing import Closed, learned, settings_for
from benchmarks.identity_provider import Keycloak
from benchmarks.keycloak_estate import Estate, Thief
from benchmarks.shared import SharedBroker, shared_broker
from benchmarks.unreliable import Unreliable
from detector.errors import BrokerError
from streams.config import Connectors, Kafka, Settings
from streams.connectors.settings.http import Http
from tests.tools import unavailable

HERE = Path(__file__).parent
PIPELINES = 9
ANSWER_S = 4.0
"""How long the responder waits for an answer of Keycloak's."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if HERE in item.path.parents:
            item.add_marker(pytest.mark.live)


def _folder(factory: pytest.TempPathFactory) -> Path:
    """A folder all worker processes of this run share, and no other run."""
    base = factory.getbasetemp()
    return base.parent if "PYTEST_XDIST_WORKER" in os.environ else base


def _shared(factory: pytest.TempPathFactory, name: str, security: str) -> Iterator[SharedBroker]:
    with ExitStack() as stack:
        try:
            found = stack.enter_context(shared_broker(_folder(factory) / name, security))
        except BrokerError as error:
            unavailable(error)
        yield found


@pytest.fixture(scope="session")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SharedBroker]:
    """The broker of this run, without log-in: the one KAFKA_BOOTSTRAP names, or one started here. Not to be stopped by a test."""
    given = os.environ.get("KAFKA_BOOTSTRAP")
    if given:
        yield SharedBroker(given, Path(), "plaintext")
        return
    yield from _shared(tmp_path_factory, "kafka", "plaintext")


@pytest.fixture(scope="session")
def guarded_broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SharedBroker]:
    """A broker with TLS, log-in and access rules. Not to be stopped by a test."""
    yield from _shared(tmp_path_factory, "guarded", "sasl_ssl")


@pytest.fixture
def prefix() -> str:
    """A topic prefix no other test has."""
    return f"test-{uuid.uuid4().hex[:12]}"


@pytest.fixture
def kafka_settings(broker: SharedBroker, prefix: str) -> Kafka:
    """Settings for this run's broker, under this test's own prefix."""
    return broker.kafka(prefix)


@pytest.fixture
def settings_file(tmp_path: Path) -> Callable[..., str]:
    """Writes settings to a file, as an operator would: Kafka's, and other lines of TOML above and below them."""

    def write(kafka: Kafka, above: str = "", below: str = "") -> str:
        path = tmp_path / "settings.toml"
        lines = [f"{name} = {json.dumps(value)}" for name, value in msgspec.to_builtins(kafka).items()]
        path.write_text("\n".join([above, "[kafka]", *lines, below]))
        assert msgspec.toml.decode(path.read_bytes(), type=Settings).kafka == kafka
        return str(path)

    return write


@pytest.fixture
def eventually() -> Callable[..., None]:
    """Asks again and again, until a condition holds or its time is up."""

    def wait(condition: Callable[[], object], within_s: float = 60.0) -> None:
        deadline = time.monotonic() + within_s
        while not condition():
            assert time.monotonic() < deadline, f"not within {within_s:g} s"

    return wait


@pytest.fixture(scope="module")
def server() -> Iterator[Keycloak]:
    """A Keycloak of a file's own."""
    try:
        started = Keycloak.start()
    except BrokerError as error:
        unavailable(error)
    with started:
        yield started


@pytest.fixture(scope="module")
def estate(server: Keycloak) -> Estate:
    """A realm with a pipeline for each thief."""
    return Estate(server, clients=PIPELINES)


@pytest.fixture(scope="module")
def proxy(server: Keycloak) -> Iterator[Unreliable]:
    """What the responder takes for Keycloak."""
    with Unreliable(server.url) as proxy:
        yield proxy


@pytest.fixture(scope="module")
def closed(
    broker: SharedBroker, estate: Estate, proxy: Unreliable, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Closed]:
    """Ingest, worker and responder as an operator runs them."""
    folder = tmp_path_factory.mktemp("loop")
    kafka = broker.kafka(f"loop-{estate.realm}")
    settings = settings_for(estate, kafka, learned(estate, folder), proxy.url, grace_s=0.5)
    connector = settings.connectors.keycloak
    assert connector is not None
    connector = msgspec.structs.replace(connector, http=Http(total_s=ANSWER_S))
    with Closed(msgspec.structs.replace(settings, connectors=Connectors(keycloak=connector)), folder) as closed:
        for name in estate.pipelines:
            assert estate.work(name)
        assert estate.delegate()
        yield closed


@pytest.fixture
def thief(estate: Estate) -> Thief:
    """One with a pipeline nobody else stole from."""
    taken: set[str] = estate.__dict__.setdefault("taken", set())
    name = next(name for name in estate.pipelines if name not in taken)
    taken.add(name)
    return Thief(estate, name, pause_s=0.2)
