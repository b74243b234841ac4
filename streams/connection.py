"""How each client reaches the broker: every library's own words for one ``streams.config.Kafka``, derived here and nowhere else.

Passwords are read at this point, from where ``env:NAME`` or ``file:PATH`` says they are kept, and go no further than the client.
"""

import ssl
from typing import Any

from detector.errors import ConfigError
from streams.config import Kafka, secret


def kafka_python_settings(kafka: Kafka) -> dict[str, Any]:
    """Keyword arguments for ``KafkaAdminClient``, ``KafkaProducer`` and ``KafkaConsumer`` of kafka-python.

    >>> kafka_python_settings(Kafka(bootstrap="192.0.2.1:9092"))
    {'bootstrap_servers': ['192.0.2.1:9092'], 'security_protocol': 'PLAINTEXT'}
    """
    return _client_settings(kafka)


def aiokafka_settings(kafka: Kafka) -> dict[str, Any]:
    """Keyword arguments for ``AIOKafkaProducer``, ``AIOKafkaConsumer`` and ``AIOKafkaAdminClient``."""
    return _client_settings(kafka)


def faust_settings(kafka: Kafka) -> dict[str, Any]:
    """Keyword arguments for ``faust.App``: ``broker``, and ``broker_credentials`` where the broker wants any.

    >>> faust_settings(Kafka(bootstrap="192.0.2.1:9092,192.0.2.2:9092"))
    {'broker': 'kafka://192.0.2.1:9092;kafka://192.0.2.2:9092'}
    """
    settings: dict[str, Any] = {"broker": ";".join(f"kafka://{server}" for server in servers(kafka))}
    if kafka.security == "plaintext":
        return settings
    from faust.auth import SASLCredentials, SSLCredentials  # only a worker pays for importing Faust

    context = tls_context(kafka)
    if not _logs_in(kafka):
        return settings | {"broker_credentials": SSLCredentials(context)}
    credentials = SASLCredentials(
        username=kafka.username, password=_password(kafka), ssl_context=context, mechanism=kafka.sasl_mechanism
    )
    return settings | {"broker_credentials": credentials}


def servers(kafka: Kafka) -> list[str]:
    """The bootstrap servers, one by one. Raises ``ConfigError`` for anything but HOST:PORT[,HOST:PORT…].

    >>> servers(Kafka(bootstrap="192.0.2.1:9092, [2001:db8::1]:9092"))
    ['192.0.2.1:9092', '[2001:db8::1]:9092']
    """
    found = [part.strip() for part in kafka.bootstrap.split(",") if part.strip()]
    for server in found:
        host, _, port = server.rpartition(":")
        if not host or not port.isdecimal() or int(port) > 65_535:
            raise ConfigError(f"kafka.bootstrap {server!r}: wanted HOST:PORT, several with commas between")
    if not found:
        raise ConfigError("kafka.bootstrap is empty: wanted HOST:PORT, several with commas between")
    return found


def tls_context(kafka: Kafka) -> ssl.SSLContext | None:
    """What checks the broker's certificate and shows ours; None for a connection without TLS. Raises ``ConfigError``."""
    if not kafka.security.endswith("ssl"):
        return None
    if bool(kafka.cert_file) != bool(kafka.key_file):
        raise ConfigError("kafka.cert_file and kafka.key_file belong together: one is set, the other is not")
    try:
        context = ssl.create_default_context(cafile=kafka.ca_file or None)
    except (OSError, ssl.SSLError) as error:
        raise ConfigError(f"kafka.ca_file {kafka.ca_file!r}: {_reason(error)}") from error
    if kafka.cert_file:
        try:
            context.load_cert_chain(kafka.cert_file, kafka.key_file)
        except (OSError, ssl.SSLError) as error:
            raise ConfigError(f"kafka.cert_file {kafka.cert_file!r} with its key: {_reason(error)}") from error
    return context


def _client_settings(kafka: Kafka) -> dict[str, Any]:
    """kafka-python and aiokafka share these words."""
    settings: dict[str, Any] = {"bootstrap_servers": servers(kafka), "security_protocol": kafka.security.upper()}
    context = tls_context(kafka)
    if context:
        settings["ssl_context"] = context
    if _logs_in(kafka):
        settings["sasl_mechanism"] = kafka.sasl_mechanism
        settings["sasl_plain_username"] = kafka.username
        settings["sasl_plain_password"] = _password(kafka)
    return settings


def _logs_in(kafka: Kafka) -> bool:
    return kafka.security.startswith("sasl")


def _password(kafka: Kafka) -> str:
    """The password. Raises ``ConfigError`` where the log-in is incomplete: libraries would send an empty one."""
    if not kafka.username:
        raise ConfigError(f"kafka.username is empty, but security {kafka.security!r} logs in")
    password = secret(kafka.password)
    if not password:
        raise ConfigError("kafka.password is empty: wanted env:NAME or file:PATH of a secret")
    return password


def _reason(error: OSError) -> str:
    return error.strerror or str(error) or type(error).__name__
