"""Encoded calls are byte for byte what `record` gives, whatever the call."""

import json
from dataclasses import replace

import numpy as np
import pytest

from simulation import sessions
from simulation.attackers import launch
from simulation.cloudtrail import Call, record
from simulation.encoding import Encoder, uuids
from simulation.estate import Estate
from simulation.identifiers import uuid
from simulation.playbooks import PLAYBOOKS

_ESTATE = Estate(seed=7, identities=40)
_SESSION = sessions.user("batch-export", sessions.Client("192.0.2.77", "Boto3/1.34"))


def encoded(calls: list[Call]) -> list[bytes]:
    encoder, ids = Encoder(), uuids(2 * len(calls), np.random.default_rng(5))
    return [
        encoder.encoded(call, ids[72 * n : 72 * n + 36], ids[72 * n + 36 : 72 * n + 72]) for n, call in enumerate(calls)
    ]


def slowly(calls: list[Call]) -> list[bytes]:
    rng = np.random.default_rng(5)
    return [json.dumps(record(call, rng), separators=(",", ":")).encode() for call in calls]


def test_uuids_of_one_draw_are_those_of_many() -> None:
    rng = np.random.default_rng(3)
    assert uuids(50, np.random.default_rng(3)) == "".join(uuid(rng) for _ in range(50))


@pytest.mark.parametrize("name", [identity.name for identity in _ESTATE.identities])
def test_every_kind_of_identity_is_encoded_as_recorded(name: str) -> None:
    calls = [call for day in (1, 5, 8) for call in _ESTATE.calls(name, day)]
    assert encoded(calls) == slowly(calls)


@pytest.mark.parametrize("family", PLAYBOOKS)
def test_every_attack_is_encoded_as_recorded(family: str) -> None:
    victim, at_s = _ESTATE.calls("svc-media", 8), _ESTATE.midnight_s(8) + 15 * 3600
    calls = launch(family, victim, at_s, np.random.default_rng(1)).calls
    assert encoded(calls) == slowly(calls)


@pytest.mark.parametrize(
    "resource", ['a "quoted" \\ name', "naïve/ключ 100%", "50%b", "a/b/c", "/", "~time~", "{head}"]
)
@pytest.mark.parametrize(
    "operation", ["s3:GetObject", "secretsmanager:GetSecretValue", "kms:Decrypt", "iam:CreateUser"]
)
@pytest.mark.parametrize("failure", ["", "denied"])
def test_awkward_resources_are_encoded_as_recorded(resource: str, operation: str, failure: str) -> None:
    calls = [Call(1_772_409_600, _SESSION, operation, resource, failure)]
    assert encoded(calls) == slowly(calls)


@pytest.mark.parametrize(
    "extra", [{"sharedEventID": "x"}, {"resources": []}, {"eventCategory": "Insight"}, {"readOnly": None}]
)
@pytest.mark.parametrize("operation", ["s3:GetObject", "sts:AssumeRole"])
def test_extra_fields_stand_where_record_puts_them(extra: dict[str, object], operation: str) -> None:
    calls = [Call(1_772_409_600, _SESSION, operation, "shop-a/b", "", {"asked": 1}, {"given": "%"}, extra=extra)]
    assert encoded(calls) == slowly(calls)


def test_a_session_that_looks_the_same_but_is_used_elsewhere_is_told_apart() -> None:
    call = Call(1_772_409_600, _SESSION, "s3:ListBuckets")
    calls = [call, replace(call, session=replace(_SESSION, source="192.0.2.78", region="eu-west-1")), call]
    assert encoded(calls) == slowly(calls)


def test_a_captured_record_is_encoded_as_it_stands_with_ids_of_its_own() -> None:
    captured = {
        "eventName": "GetObject",
        "errorCode": "NoSuchKey",
        "eventID": "old",
        "requestParameters": {"key": "ü%"},
    }
    calls = [Call(1_772_409_600, _SESSION, "s3:GetObject", verbatim=captured)]
    assert encoded(calls) == slowly(calls)
    written = json.loads(encoded(calls)[0])
    assert written["eventID"] != "old"
    assert {**written, "requestID": 0, "eventID": 0} == {**captured, "requestID": 0, "eventID": 0}
