"""Received SETs on the ledger: taken, refused, repeated; what stands there and what must not; and that the chain holds."""

import asyncio
import json
from pathlib import Path
from typing import Any

import msgspec
import pytest
from signalling import ISSUER, NOW_S, believed, claims, jwks, key, token

from detector.ledger.record import Entry
from streams.ledger.opened import entries_of, opened, verified
from streams.ledger.store import Ledger
from streams.signals.errors import RefusedSetError
from streams.signals.receiver import Receiver
from streams.signals.record import MOST_REFUSALS, Body, LedgerRecorder
from streams.signals.store import open_store
from streams.signals.verifying import FixedKeys

KEY = b"k" * 32
RISK = "https://schemas.openid.net/secevent/caep/event-type/risk-level-change"


class Hearing:
    """A receiver that keeps a ledger, on a clock of the test's own."""

    def __init__(self, folder: Path) -> None:
        self.path, self.now_s = folder / "signals.sqlite", NOW_S
        self.store = open_store(self.path)
        recorder = LedgerRecorder(Ledger(self.store), KEY)
        keys = FixedKeys(jwks())
        self.receiver = Receiver(believed(), keys, self.store, lambda: self.now_s, recorder=recorder)

    def take(self, body: bytes, jti: str = "") -> str:
        """Takes a SET; the reason where it is refused."""
        try:
            asyncio.run(self.receiver.take(body, jti))
        except RefusedSetError as error:
            return error.reason
        return ""

    def entries(self) -> list[tuple[Entry, Body]]:
        """What stands on the ledger, reckoned again from the file as ``outpace ledger verify`` does."""
        with opened(str(self.path)) as connection:
            assert verified(connection).fault is None
            found = list(entries_of(connection))
        return [(entry, msgspec.json.decode(entry.body, type=Body)) for entry in found]


@pytest.fixture
def hearing(tmp_path: Path) -> Any:
    found = Hearing(tmp_path)
    yield found
    found.store.close()


def test_a_set_that_is_taken_is_on_record_once_with_its_sender_and_its_subject_hashed(hearing: Hearing) -> None:
    assert [hearing.take(token()), hearing.take(token())] == ["", ""]
    ((entry, body),) = hearing.entries()
    assert (entry.kind, entry.subject, entry.owner) == ("signal", claims()["jti"], "tr")
    assert entry.reason == "taken, 1 facts"
    assert entry.time_ns == int(NOW_S * 1e9)
    assert (body.issuer, body.event, body.facts, body.refusal) == (ISSUER, "session_revoked", 1, "")
    assert len(body.subject) == 12


def test_one_subject_has_one_hash_and_another_installation_another(hearing: Hearing, tmp_path: Path) -> None:
    hearing.take(token(claims(jti="1")))
    hearing.take(token(claims(jti="2")))
    hearing.take(token(claims(jti="3", sub_id={"format": "opaque", "id": "session-2"})))
    one, again, other = (body.subject for _, body in hearing.entries())
    assert one == again != other
    elsewhere = Hearing(tmp_path / "elsewhere")
    LedgerRecorder.__init__(elsewhere.receiver._recorder, Ledger(elsewhere.store), b"another")  # type: ignore[misc, arg-type]
    elsewhere.take(token(claims(jti="1")))
    assert elsewhere.entries()[0][1].subject != one
    elsewhere.store.close()


def test_a_set_that_is_refused_is_on_record_with_the_reason_and_nothing_nobody_vouched_for(hearing: Hearing) -> None:
    assert hearing.take(b"no SET at all", jti="announced") == "malformed"
    assert hearing.take(token(signer=key(1), kid=key().kid)) == "signature"
    assert hearing.take(token(claims(aud="https://other.example.com"))) == "audience"
    found = [(entry.subject, entry.reason, body.event, body.subject) for entry, body in hearing.entries()]
    assert found == [
        ("announced", "refused: malformed", "", ""),
        ("", "refused: signature", "", ""),
        ("", "refused: audience", "", ""),
    ]


def test_a_refusal_after_the_signature_held_says_which_set_it_was(hearing: Hearing) -> None:
    hearing.receiver.critical = ("group",)
    subject = {"format": "complex", "group": {"format": "opaque", "id": "g"}}
    assert hearing.take(token(claims(sub_id=subject))) == "subject"
    ((entry, body),) = hearing.entries()
    assert (entry.subject, body.event, body.refusal) == (claims()["jti"], "session_revoked", "subject")


def test_nothing_else_of_a_set_stands_on_the_ledger(hearing: Hearing) -> None:
    said = {
        "principal": "USER",
        "current_level": "HIGH",
        "reason_admin": {"en": "planted-secret"},
        "initiating_entity": "admin",
    }
    whole = claims(sub_id={"format": "email", "email": "planted@example.com"}, events={RISK: said}, txn="planted-txn")
    assert hearing.take(token(whole)) == ""
    assert hearing.take(token(claims(iss="https://planted.example.com"))) == "issuer"
    assert hearing.take(token(kid="planted-kid")) == "unknown_key"
    written = json.dumps([[*map(str, msgspec.structs.astuple(entry))] for entry, _ in hearing.entries()])
    assert "planted" not in written
    assert token(whole).decode()[-40:] not in written


def test_refusals_do_not_fill_the_disk_and_count_anew_each_hour(hearing: Hearing) -> None:
    for _ in range(MOST_REFUSALS + 5):
        hearing.take(b"junk")
    assert hearing.take(token()) == ""
    found = hearing.entries()
    assert len(found) == MOST_REFUSALS + 1
    assert found[-2][0].reason == "refused: malformed; more of this hour are only counted"
    hearing.now_s += 3600
    hearing.take(b"junk")
    assert hearing.entries()[-1][0].reason == "refused: malformed"


def test_a_set_and_its_entry_are_written_together_or_not_at_all(
    hearing: Hearing, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as broken:
        broken.setattr(Ledger, "append", lambda *args, **more: (_ for _ in ()).throw(OSError("disk")))
        with pytest.raises(OSError, match="disk"):
            hearing.take(token())
    assert hearing.receiver.inbox.facts() == b""
    assert hearing.take(token()) == ""
    assert len(hearing.entries()) == 1
