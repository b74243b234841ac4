"""A real broker for the live tests: one for the whole run, shared by every worker process; each test under a prefix of its own."""

import json
import os
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import msgspec
import pytest

from benchmarks.shared import SharedBroker, shared_broker
from detector.errors import BrokerError
from streams.config import Kafka, Settings
from tests.tools import unavailable

HERE = Path(__file__).parent


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
