"""One place derives every client's connection settings."""

from pathlib import Path
from typing import Any

import pytest

from detector.errors import ConfigError
from streams.config import Kafka
from streams.connection import aiokafka_settings, faust_settings, kafka_python_settings, servers, tls_context


@pytest.fixture
def log_in(tmp_path: Path) -> dict[str, Any]:
    (tmp_path / "password").write_text("s3cr3t\n")
    return {"security": "sasl_plaintext", "username": "outpace", "password": f"file:{tmp_path / 'password'}"}


@pytest.mark.parametrize("settings_of", [kafka_python_settings, aiokafka_settings])
def test_both_plain_clients_log_in_with_the_resolved_password(settings_of: Any, log_in: dict[str, Any]) -> None:
    settings = settings_of(Kafka(bootstrap="192.0.2.1:9092,192.0.2.2:9092", sasl_mechanism="SCRAM-SHA-256", **log_in))
    assert settings == {
        "bootstrap_servers": ["192.0.2.1:9092", "192.0.2.2:9092"],
        "security_protocol": "SASL_PLAINTEXT",
        "sasl_mechanism": "SCRAM-SHA-256",
        "sasl_plain_username": "outpace",
        "sasl_plain_password": "s3cr3t",
    }


def test_faust_gets_credentials_and_one_url_a_server(log_in: dict[str, Any]) -> None:
    settings = faust_settings(Kafka(bootstrap="192.0.2.1:9092,192.0.2.2:9092", sasl_mechanism="PLAIN", **log_in))
    credentials = settings["broker_credentials"]
    assert settings["broker"] == "kafka://192.0.2.1:9092;kafka://192.0.2.2:9092"
    assert (credentials.protocol.value, credentials.mechanism.value) == ("SASL_PLAINTEXT", "PLAIN")
    assert (credentials.username, credentials.password) == ("outpace", "s3cr3t")
    assert "s3cr3t" not in repr(credentials)


@pytest.mark.parametrize(("security", "protocol"), [("ssl", "SSL"), ("sasl_ssl", "SASL_SSL")])
def test_tls_reaches_every_client_as_a_context_that_checks_host_names(
    security: Any, protocol: str, log_in: dict[str, Any]
) -> None:
    kafka = Kafka(**(log_in | {"security": security}))
    for settings in (kafka_python_settings(kafka), aiokafka_settings(kafka)):
        assert settings["security_protocol"] == protocol
        assert settings["ssl_context"].check_hostname
    credentials = faust_settings(kafka)["broker_credentials"]
    assert credentials.protocol.value == protocol
    assert (credentials.context if security == "ssl" else credentials.ssl_context).check_hostname


def test_without_tls_there_is_no_context() -> None:
    assert tls_context(Kafka()) is None
    assert "broker_credentials" not in faust_settings(Kafka())


@pytest.mark.parametrize(
    "bootstrap", ["", " , ", "localhost", "localhost:", ":9092", "localhost:many", "localhost:70000"]
)
def test_a_bootstrap_address_that_is_none_is_refused(bootstrap: str) -> None:
    with pytest.raises(ConfigError, match=r"kafka\.bootstrap .*wanted HOST:PORT"):
        servers(Kafka(bootstrap=bootstrap))


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"username": ""}, r"kafka\.username is empty"),
        ({"password": ""}, r"kafka\.password is empty"),
        ({"password": "in-the-open"}, "a secret stands in the settings"),
        ({"password": "env:OUTPACE_NO_SUCH_VARIABLE"}, "no such environment variable"),
        ({"security": "sasl_ssl", "ca_file": "/no/such.pem"}, r"kafka\.ca_file '/no/such.pem': No such file"),
        ({"security": "sasl_ssl", "cert_file": "a.pem"}, "belong together"),
        ({"security": "sasl_ssl", "cert_file": "/no/a.pem", "key_file": "/no/a.key"}, r"kafka\.cert_file '/no/a.pem'"),
    ],
)
def test_what_no_client_could_use_is_said_before_connecting(
    changed: dict[str, Any], message: str, log_in: dict[str, Any]
) -> None:
    kafka = Kafka(**(log_in | changed))
    for settings_of in (kafka_python_settings, aiokafka_settings, faust_settings):
        with pytest.raises(ConfigError, match=message) as caught:
            settings_of(kafka)
        assert "in-the-open" not in str(caught.value)


def test_a_file_that_is_no_certificate_is_named(tmp_path: Path) -> None:
    nonsense = tmp_path / "nonsense.pem"
    nonsense.write_text("no certificate")
    with pytest.raises(ConfigError, match=r"kafka\.ca_file .*nonsense\.pem"):
        tls_context(Kafka(security="ssl", ca_file=str(nonsense)))
