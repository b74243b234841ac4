"""What a responder works by is on the ledger: once for each change, and without a secret."""

import json
from pathlib import Path

import msgspec
import pytest

from detector.config import Guards, Policy, Tolerance
from detector.ledger.record import Entry
from streams.config import Connectors, Respond, Settings
from streams.connectors.registry import registry_of
from streams.connectors.settings.keycloak import Keycloak
from streams.respond.configuration import checksum, configuration_of, put_on_record
from streams.respond.run import terms_of
from streams.respond.store import Store

SETTINGS = Settings(
    armed=True,
    tolerance=(Tolerance("keycloak:shop/*", owner="shop team"),),
    connectors=Connectors(keycloak=Keycloak("https://keycloak.example.com", "shop", "outpace", "env:TEST_SECRET")),
    respond=Respond(approvals_secret="env:TEST_SECRET"),
)


def started(folder: Path, settings: Settings) -> list[Entry]:
    """The configurations on the ledger after a start with these settings."""
    store = Store(folder, for_work=True)
    try:
        found = configuration_of(settings, terms_of(settings), registry_of(settings).connectors)
        put_on_record(store, found, 1)
        return [entry for entry in store.ledger.entries() if entry.kind == "configuration"]
    finally:
        store.close()


def test_a_start_puts_on_record_what_is_armed_and_a_restart_with_the_same_does_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TEST_SECRET", "s3cr3t")
    started(tmp_path, SETTINGS)
    (entry,) = started(tmp_path, SETTINGS)
    told = json.loads(entry.body)
    assert entry.subject == told["policy"] == checksum(SETTINGS)
    assert told["armed"] is True
    assert told["two_person"] == ["cut_delegation"]
    (serving,) = told["connectors"]
    assert (serving["name"], serving["providers"]) == ("keycloak", ["keycloak"])
    assert "armed, policy" in entry.reason
    for kept_back in ("s3cr3t", "TEST_SECRET", "keycloak.example.com", "shop"):
        assert kept_back not in entry.body.decode() + entry.reason


def test_each_change_is_put_on_record_and_going_back_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TEST_SECRET", "s3cr3t")
    changes = (
        SETTINGS,
        msgspec.structs.replace(SETTINGS, armed=False),
        msgspec.structs.replace(SETTINGS, guards=Guards(two_person=())),
        msgspec.structs.replace(SETTINGS, connectors=Connectors()),
        msgspec.structs.replace(SETTINGS, respond=Respond(watch_s=60.0)),
        SETTINGS,
    )
    counts = [len(started(tmp_path, settings)) for settings in changes]
    assert counts == [1, 2, 3, 4, 5, 6]
    entries = started(tmp_path, SETTINGS)
    assert len(entries) == 6
    assert entries[1].reason.startswith("not armed")
    assert entries[0].subject[:12] in entries[1].reason


def test_the_checksum_is_of_the_policy_alone_and_of_every_part_of_it() -> None:
    assert checksum(SETTINGS) == checksum(Policy(armed=True, tolerance=SETTINGS.tolerance))
    assert checksum(SETTINGS) != checksum(Policy(armed=True))
