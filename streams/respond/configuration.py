"""What a responder works by, put on the ledger when it starts with another policy or other connectors than the last time."""

from collections.abc import Sequence
from hashlib import sha256

import msgspec

from detector.config import Policy
from detector.containment import Terms
from streams.connectors.base import Connector
from streams.respond.store import Store


class Serving(msgspec.Struct, frozen=True, kw_only=True):
    """One connector: its name, whose commands it takes, and which."""

    name: str
    providers: tuple[str, ...]
    actions: tuple[str, ...]


class Configuration(msgspec.Struct, frozen=True, kw_only=True):
    """What is in force. ``policy``: its checksum; nothing in here is a secret."""

    policy: str
    armed: bool
    two_person: tuple[str, ...]
    terms: Terms
    connectors: tuple[Serving, ...]
    version: int = 1


def checksum(policy: Policy) -> str:
    """SHA-256 of a policy as JSON with sorted keys, defaults filled in, in hex; of settings, their policy alone.

    >>> checksum(Policy()) == checksum(Policy(armed=False)) != checksum(Policy(armed=True))
    True
    """
    told = {field.encode_name: getattr(policy, field.name) for field in msgspec.structs.fields(Policy)}
    return sha256(msgspec.json.encode(told, order="sorted")).hexdigest()


def configuration_of(policy: Policy, terms: Terms, connectors: Sequence[Connector]) -> Configuration:
    """What a responder with these works by."""
    told = sorted((connector.describe() for connector in connectors), key=lambda each: each.name)
    return Configuration(
        policy=checksum(policy),
        armed=policy.armed,
        two_person=policy.guards.two_person,
        terms=terms,
        connectors=tuple(
            Serving(name=t.name, providers=t.providers, actions=tuple(deed.action for deed in t.deeds)) for t in told
        ),
    )


def put_on_record(store: Store, configuration: Configuration, now_ns: int) -> bool:
    """Writes it down where it is not what the ledger has last; whether it did. ``now_ns``: ns since 1970."""
    body = msgspec.json.encode(configuration)
    with store.transaction():
        last = store.ledger.latest("configuration")
        if last is not None and last.body == body:
            return False
        state = "armed" if configuration.armed else "not armed"
        came = "first start" if last is None else f"before it {last.subject[:12]}"
        reason = f"{state}, policy {configuration.policy[:12]}, {came}"
        store.ledger.append("configuration", configuration.policy, body, time_ns=now_ns, reason=reason)
    return True
