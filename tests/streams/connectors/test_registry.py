"""Which connector takes which command, and that no two ever would."""

import asyncio
from pathlib import Path

import msgspec
import pytest

from detector.decision import ACTIONS, FIRST_REVOCATION
from detector.errors import ConfigError
from streams.config import Connectors, Settings, read_settings
from streams.connectors.base import NotOfferedError, RefusedError
from streams.connectors.catalogue import EXAMPLES, catalogue
from streams.connectors.registry import MAKERS, Registry, registry_of
from streams.connectors.settings.kafka_topic import KafkaTopic
from streams.connectors.settings.oauth import OAuth
from streams.connectors.settings.okta import Okta
from streams.connectors.settings.webhook import Notify, Webhook

OKTA = Okta("https://example.okta.com", token="env:TEST_SECRET")
HOOK = Webhook("https://hooks.example.com/a", token="env:TEST_SECRET")
TOPIC = KafkaTopic("theirs", signing_secret="env:TEST_TOPIC_SECRET")


@pytest.fixture(autouse=True)
def _secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TEST_SECRET", "s3cr3t")
    monkeypatch.setenv("TEST_TOPIC_SECRET", "whsec_" + "QUFB" * 8)
    monkeypatch.setenv("TEST_NOTHING", "")


def registry(**connectors: object) -> Registry:
    return registry_of(Settings(connectors=Connectors(**connectors)))  # type: ignore[arg-type]


def test_a_connector_of_the_provider_comes_before_one_for_everybody() -> None:
    found = registry(okta=OKTA, webhooks=(HOOK,))
    assert found.connector_for("okta", "disable_credential").describe().name == "okta"
    assert found.connector_for("aws", "disable_credential").describe().name == "webhook"
    assert found.connector_for("okta", "narrow").describe().name == "webhook"
    asyncio.run(found.close())


def test_where_nobody_does_it_the_error_says_what_to_set() -> None:
    found = registry(okta=OKTA)
    with pytest.raises(RefusedError, match=r"no connector can narrow at 'aws': set \[connectors\.aws\], or a webhook"):
        found.connector_for("aws", "narrow")
    with pytest.raises(RefusedError, match="'aws'"):
        registry().connector_for("aws", "revoke_session")


def test_where_a_provider_has_no_such_rung_the_error_says_why_and_which_it_has() -> None:
    with pytest.raises(NotOfferedError) as refused:
        registry(okta=OKTA).connector_for("okta", "narrow")
    said = str(refused.value)
    assert said.startswith("Okta: cannot narrow, what a session or a client may do stands in policies")
    assert "only step_up, revoke_session, disable_credential, quarantine_principal, cut_delegation" in said
    assert said.endswith("A webhook in [[connectors.webhooks]] that can narrow may take it")


@pytest.mark.parametrize("field", [field for field in MAKERS if field not in ("webhooks", "kafka_topics")])
def test_every_rung_is_there_or_the_page_says_why_not(field: str) -> None:
    told = catalogue()[field]
    has, lacks = [deed.action for deed in told.deeds], [lack.action for lack in told.lacks]
    assert sorted([*has, *lacks]) == sorted(ACTIONS[FIRST_REVOCATION - 2 :])
    for lack in told.lacks:
        assert lack.why
        assert not lack.why.endswith(".")
        assert told.why_not(lack.action) == lack.why


@pytest.mark.parametrize(
    ("connectors", "why"),
    [
        (
            {"okta": OKTA, "webhooks": (msgspec.structs.replace(HOOK, providers=("aws", "okta")),)},
            "'okta' and 'webhook'",
        ),
        ({"webhooks": (HOOK, msgspec.structs.replace(HOOK, name="other"))}, "'webhook' and 'other'"),
        ({"webhooks": (HOOK,), "kafka_topics": (TOPIC,)}, "'webhook' and 'kafka_topic'"),
        ({"webhooks": (HOOK, HOOK)}, "two are named 'webhook'"),
        (
            {"webhooks": (msgspec.structs.replace(HOOK, name="okta", providers=("aws",)),), "okta": OKTA},
            "two are named 'okta'",
        ),
    ],
)
def test_two_that_would_do_the_same_are_refused(connectors: dict[str, object], why: str) -> None:
    with pytest.raises(ConfigError, match=why):
        registry(**connectors)


@pytest.mark.parametrize(
    ("changed", "why"),
    [
        ({"signing_secret": ""}, "^kafka_topic: set signing_secret, .* allows_unsigned = true"),
        ({"signing_secret": "", "answer_topic": "answers"}, "^kafka_topic: answer_topic without signing_secret"),
        ({"signing_secret": "", "answer_topic": "answers", "allows_unsigned": True}, "answer_topic without"),
        ({"signing_secret": "env:TEST_NOTHING"}, "signing_secret has 0 bytes"),
        ({"signing_secret": "env:TEST_NOTHING", "allows_unsigned": True}, "signing_secret has 0 bytes"),
    ],
)
def test_a_topic_where_anybody_could_say_anything_is_refused(changed: dict[str, object], why: str) -> None:
    with pytest.raises(ConfigError, match=why):
        registry(kafka_topics=(msgspec.structs.replace(TOPIC, **changed),))


def test_a_topic_without_a_secret_has_to_be_asked_for() -> None:
    unsigned = msgspec.structs.replace(TOPIC, signing_secret="", allows_unsigned=True)
    assert registry(kafka_topics=(unsigned,)).named("kafka_topic") is not None


def test_two_that_share_a_provider_without_an_action_in_common_are_fine() -> None:
    ends = msgspec.structs.replace(HOOK, name="ends", actions=("revoke_session",))
    narrows = msgspec.structs.replace(HOOK, name="narrows", actions=("narrow",))
    found = registry(webhooks=(ends, narrows))
    assert found.connector_for("aws", "narrow").describe().name == "narrows"
    assert found.connector_for("aws", "revoke_session") is found.named("ends")
    assert found.named("nobody") is None


def test_several_of_a_kind_and_those_on_kafka_are_made(tmp_path: Path) -> None:
    file = tmp_path / "settings.toml"
    file.write_text(
        f"""
        [kafka]
        bootstrap = "192.0.2.1:9092"
        [[connectors.oauth]]
        url = "https://login.example.com"
        client_id = "outpace"
        client_secret = "env:TEST_SECRET"
        kept_in = "{tmp_path}"
        [[connectors.oauth]]
        url = "https://login.example.org"
        client_id = "outpace"
        client_secret = "env:TEST_SECRET"
        kept_in = "{tmp_path}"
        name = "partner"
        providers = ["partner"]
        [[connectors.kafka_topics]]
        topic = "theirs"
        signing_secret = "env:TEST_TOPIC_SECRET"
        [connectors.notify]
        url = "https://chat.example.com"
        token = "env:TEST_SECRET"
        """
    )
    found = registry_of(read_settings(str(file)))
    assert [connector.describe().name for connector in found.connectors] == ["oauth", "partner", "kafka_topic"]
    assert found.notifier is not None
    asyncio.run(found.close())
    asyncio.run(found.close())


def test_an_unknown_key_is_refused_with_its_path(tmp_path: Path) -> None:
    file = tmp_path / "settings.toml"
    file.write_text('[connectors.okta]\nurl = "https://example.okta.com"\ntokn = "env:X"')
    with pytest.raises(ConfigError, match=r"tokn.*\$\.connectors\.okta"):
        read_settings(str(file))


def test_a_secret_that_cannot_be_had_stops_the_start() -> None:
    with pytest.raises(ConfigError, match="no such environment variable"):
        registry(okta=Okta("https://example.okta.com", token="env:OUTPACE_NO_SUCH_VARIABLE"))
    with pytest.raises(ConfigError, match="a secret stands in the settings"):
        registry(notify=Notify("https://chat.example.com", token="written-here"))
    with pytest.raises(ConfigError, match="a secret stands in the settings"):
        registry(oauth=(OAuth("https://login.example.com", "outpace", "written-here", "/tmp"),))  # noqa: S108


def test_every_connector_can_be_set_up_and_has_an_example() -> None:
    fields = {field.name for field in msgspec.structs.fields(Connectors)}
    assert fields - {"notify"} == set(MAKERS) == set(EXAMPLES)
