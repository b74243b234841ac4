"""Whether each bootstrap server can be reached and lets us in, and if not, what to do about it.

The clients' own bootstrapping tries again until its time is up and then says only that it was; here is one connection, with its reason.
"""

import asyncio
import socket
import ssl
from typing import Any, NamedTuple

from aiokafka.conn import AIOKafkaConnection
from aiokafka.errors import (
    BrokerResponseError,
    IllegalSaslStateError,
    KafkaConnectionError,
    KafkaError,
    SaslAuthenticationFailed,
    UnsupportedSaslMechanismError,
)
from aiokafka.protocol.metadata import MetadataRequest

from detector.errors import BrokerError
from streams.config import Kafka
from streams.connection import aiokafka_settings, servers

KNOCK_S = 4.0
_FAREWELL_S = 1.0


class Answer(NamedTuple):
    """What one server did. ``fault`` is '' where it let us in; ``is_log_in`` tells a refused log-in from a server that is not there."""

    server: str
    fault: str
    is_log_in: bool = False


async def answers(kafka: Kafka, within_s: float = KNOCK_S) -> list[Answer]:
    """What every bootstrap server answers, asked at once. Raises ``ConfigError`` for settings no client could use."""
    settings = aiokafka_settings(kafka)
    del settings["bootstrap_servers"]
    return list(await asyncio.gather(*(_knock(kafka, server, settings, within_s) for server in servers(kafka))))


async def _knock(kafka: Kafka, server: str, settings: dict[str, Any], within_s: float) -> Answer:
    host, _, port = server.rpartition(":")
    limit_ms = int(within_s * 1000)
    connection = AIOKafkaConnection(host.strip("[]"), int(port), request_timeout_ms=limit_ms, **settings)
    error: Exception | None = None
    try:
        async with asyncio.timeout(within_s):
            await connection.connect()
            await connection.send(MetadataRequest([]))
    except (OSError, KafkaError) as caught:
        error = caught
    finally:
        # Where nobody ever listened there is nothing to wait for; otherwise the socket closes a little later than it is told to.
        was_open = connection.connected() or isinstance(error, KafkaError)
        await asyncio.wait([connection.close()], timeout=_FAREWELL_S if was_open else 0)
    if error is None:
        return Answer(server, "")
    return Answer(server, fault_of(error, kafka, server, within_s), isinstance(error, BrokerResponseError))


def fault_of(error: Exception, kafka: Kafka, server: str, within_s: float = KNOCK_S) -> str:
    """A failed connection in words: what happened, what to do.

    >>> fault_of(ConnectionRefusedError(), Kafka(), "192.0.2.1:9092")
    'nothing listens at 192.0.2.1:9092: start the broker, or correct kafka.bootstrap'
    """
    host, security = server.rpartition(":")[0], kafka.security
    match error:
        case SaslAuthenticationFailed():
            return f"{server} refuses user {kafka.username!r} with this password ({kafka.sasl_mechanism})"
        case UnsupportedSaslMechanismError():
            return f"{server} does not offer {kafka.sasl_mechanism}: correct kafka.sasl_mechanism"
        case IllegalSaslStateError():
            return f"{server} wants no log-in: kafka.security {security!r} does not fit"
        case ssl.SSLCertVerificationError():
            return f"{server} shows a certificate that is not trusted ({error.verify_message}): set kafka.ca_file"
        case KafkaConnectionError() | ssl.SSLError() | ConnectionResetError():
            return f"{server} hangs up: kafka.security {security!r} does not seem to fit this port"
        case ConnectionRefusedError():
            return f"nothing listens at {server}: start the broker, or correct kafka.bootstrap"
        case socket.gaierror():
            return f"no address is known for {host}: correct kafka.bootstrap"
        case TimeoutError():
            return f"{server} does not answer within {within_s:g} s: is it the broker's address, is a firewall between?"
    return f"{server}: {str(error) or type(error).__name__}"


def check_reachable(kafka: Kafka) -> None:
    """Returns where at least one server lets us in, which is all a client needs. Raises ``BrokerError`` with the first reason otherwise.

    For code without a running event loop; inside one, ``await answers(…)``.
    """
    found = asyncio.run(answers(kafka))
    faults = [answer.fault for answer in found if answer.fault]
    if len(faults) == len(found):
        raise BrokerError(f"kafka: {faults[0]}")
