"""Transplants: a captured attack keeps what it did and when, and loses whose it was."""

import json
import re
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from simulation import transplants
from simulation.attack.campaign import Cell, campaign
from simulation.attack.choosing import Chooser
from simulation.attack.launch import Manner
from simulation.attack.victim import Victim
from simulation.cloudtrail import record
from simulation.estate import Estate
from simulation.transplants import Capture, captures, half_of, read, transplant

_CAPTURED = Path(__file__).parents[3] / "shared" / "data" / "captures" / "aws-stratus"
_ESTATE = Estate(seed=11, identities=150, days=12)
_AT_S = _ESTATE.midnight_s(9) + 12 * 3600
_TOOL = "stratus-red-team_0a1b2c3d"
_USER = {
    "type": "IAMUser",
    "principalId": "AIDAINVENTEDPERSON01",
    "arn": "arn:aws:iam::999988887777:user/inventor",
    "accountId": "999988887777",
    "accessKeyId": "AKIAINVENTEDKEY00001",
    "userName": "inventor",
}
_ROLE_ARN = "arn:aws:iam::999988887777:role/stratus-red-team-reader-role"
_ROLE = {
    "type": "AssumedRole",
    "principalId": "AROAINVENTEDROLE0001:aws-go-sdk-1",
    "arn": "arn:aws:sts::999988887777:assumed-role/stratus-red-team-reader-role/aws-go-sdk-1",
    "accountId": "999988887777",
    "accessKeyId": "ASIAINVENTEDKEY00002",
    "sessionContext": {
        "attributes": {"creationDate": "2024-07-30T21:31:13Z"},
        "sessionIssuer": {"type": "Role", "arn": _ROLE_ARN, "userName": "stratus-red-team-reader-role"},
    },
}


def entry(second: int, service: str, name: str, who: dict[str, Any], **more: Any) -> dict[str, Any]:
    body: dict[str, Any] = {
        "eventVersion": "1.08",
        "userIdentity": who,
        "eventTime": f"2024-07-30T21:31:{second:02d}Z",
        "eventSource": f"{service}.amazonaws.com",
        "eventName": name,
        "awsRegion": "xx-north-2r",
        "sourceIPAddress": "250.7.7.7",
        "userAgent": _TOOL,
        "requestParameters": None,
        "responseElements": None,
        "requestID": "11111111-1111-4111-8111-111111111111",
        "eventID": f"22222222-2222-4222-8222-2222222222{second:02d}",
        "recipientAccountId": "999988887777",
        "tlsDetails": {"clientProvidedHostHeader": f"{service}.xx-north-2r.amazonaws.com"},
    }
    return body | more


def invented() -> list[dict[str, Any]]:
    """Newest first, as captures come; two records share a second."""
    minted = {"credentials": {"accessKeyId": "ASIAINVENTEDKEY00002", "sessionToken": "secret+secret"}}
    message = f"User: {_ROLE['arn']} is not authorized to perform: ec2:GetPasswordData"
    denied = {"errorCode": "Client.UnauthorizedOperation", "errorMessage": message}
    shared = {"requestParameters": {"userId": "777766665555", "name": "stratus-red-team-share-1"}}
    return [
        entry(40, "ec2", "ModifyImageAttribute", _ROLE, **shared),
        entry(20, "ec2", "GetPasswordData", _ROLE, **denied),
        entry(20, "ec2", "DescribeInstances", _ROLE),
        entry(13, "sts", "AssumeRole", _USER, requestParameters={"roleArn": _ROLE_ARN}, responseElements=minted),
        entry(10, "sts", "GetCallerIdentity", _USER),
    ]


@pytest.fixture
def capture(tmp_path: Path) -> Capture:
    path = tmp_path / "aws.credential-access.invented.json"
    path.write_text(json.dumps(invented()))
    return read(path)


def victim(name: str) -> Victim:
    member = _ESTATE.member(name)
    return Victim(name, member.kind, member.path, [c for day in (8, 9) for c in _ESTATE.calls(name, day)])


def moved(capture: Capture, name: str = "svc-media", mimicry: str = "plain") -> tuple[Any, list[dict[str, Any]]]:
    attack = transplant(capture, victim(name), _AT_S, np.random.default_rng(5), mimicry)
    return attack, [record(call, np.random.default_rng(number)) for number, call in enumerate(attack.calls)]


def test_calls_their_order_gaps_and_answers_stay(capture: Capture) -> None:
    attack, records = moved(capture)
    assert [r["eventName"] for r in records] == [
        "GetCallerIdentity", "AssumeRole", "DescribeInstances", "GetPasswordData", "ModifyImageAttribute",
    ]  # fmt: skip
    assert [r.get("errorCode") for r in records] == [None, None, None, "Client.UnauthorizedOperation", None]
    assert [b.at_s - a.at_s for a, b in pairwise(attack.calls)] == [3, 7, 0, 20]
    assert records[0]["eventTime"] == "2026-03-10T12:00:00Z"
    assert (attack.origin, attack.loop, attack.pace) == ("captured", "credential_access", "agent")


@pytest.mark.parametrize("name", ["svc-media", "batch-export", "ci-deploy", "billing-insight"])
def test_nothing_is_left_of_whose_it_was_and_what_tool_it_was(capture: Capture, name: str) -> None:
    _, records = moved(capture, name)
    text = json.dumps(records)
    for old in ("stratus", "inventor", "999988887777", "777766665555", "INVENTED", "250.7.7.7", "xx-north", "secret+"):
        assert old not in text, old


def test_it_begins_with_the_victims_own_credential_and_goes_on_with_the_minted_one(capture: Capture) -> None:
    held = victim("svc-media").held(_AT_S)
    attack, records = moved(capture)
    assert attack.credential == held.key_id == records[0]["userIdentity"]["accessKeyId"]
    assert records[0]["userIdentity"] == held.identity
    minted = records[1]["responseElements"]["credentials"]["accessKeyId"]
    assert {r["userIdentity"]["accessKeyId"] for r in records[2:]} == {minted}
    assert attack.credentials == [held.key_id, minted]
    assert attack.principals == [held.principal_arn, records[1]["requestParameters"]["roleArn"]]
    assert records[2]["userIdentity"]["sessionContext"]["attributes"]["creationDate"] == records[1]["eventTime"]
    assert records[2]["userIdentity"]["arn"] in records[3]["errorMessage"]


def test_plain_comes_from_elsewhere_and_bind_from_the_victims_own_place(capture: Capture) -> None:
    held = victim("svc-media").held(_AT_S)
    _, plain = moved(capture)
    _, bound = moved(capture, mimicry="bind")
    assert {(r["sourceIPAddress"], r["userAgent"]) for r in bound} == {(held.source, held.agent)}
    assert held.source not in {r["sourceIPAddress"] for r in plain}
    assert {r["awsRegion"] for r in bound} == {held.region}
    assert bound[0]["tlsDetails"] == {"clientProvidedHostHeader": f"sts.{held.region}.amazonaws.com"}


def test_records_have_ids_of_their_own(capture: Capture) -> None:
    _, records = moved(capture)
    assert len({r["eventID"] for r in records}) == len(records)
    assert not [r for r in records if r["eventID"].startswith("2222") or r["requestID"].startswith("1111")]


def test_a_file_written_oldest_first_is_the_same_capture(tmp_path: Path, capture: Capture) -> None:
    path = tmp_path / "aws.credential-access.invented.json"
    path.write_text(json.dumps({"Records": invented()[::-1]}))
    assert read(path) == capture


def test_a_folder_falls_into_two_halves_by_name_alone(tmp_path: Path) -> None:
    for number in range(20):
        (tmp_path / f"aws.discovery.technique-{number}.json").write_text(json.dumps(invented()))
    everything = captures(tmp_path)
    tuning, reporting = captures(tmp_path, "tuning"), captures(tmp_path, "reporting")
    assert len(everything) == 20
    assert sorted(c.name for c in tuning + reporting) == sorted(c.name for c in everything)
    assert 4 <= len(tuning) <= 16
    assert all(half_of(f"{c.name}.json") == "tuning" for c in tuning)


def test_a_campaign_and_transplants_share_no_victim(capture: Capture) -> None:
    chooser = Chooser(_ESTATE, 3, range(8, 13))
    made = campaign(_ESTATE, 3, [Cell("reconnaissance", Manner(), 3)], range(8, 13), chooser)
    made += transplants.transplants(_ESTATE, 3, [capture] * 3, ("plain", "bind"), range(8, 13), chooser)
    assert len({one.principal for one in made}) == len(made) == 9


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"{", "not JSON"),
        (b"[]", "wanted a list of CloudTrail records"),
        (b'"x"', "wanted a list of CloudTrail records"),
        (
            b'[{"protoPayload": {}}]',
            "record 0 has no eventTime, eventSource, eventName, userIdentity: it cannot be moved",
        ),
        (b"[3]", "record 0 has no eventTime"),
    ],
)
def test_a_file_that_is_no_capture_is_named_with_the_reason(tmp_path: Path, content: bytes, reason: str) -> None:
    path = tmp_path / "some.json"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=rf"some.json: .*{re.escape(reason)}"):
        read(path)


def test_an_unknown_mimicry_or_half_or_an_empty_folder_is_named(tmp_path: Path, capture: Capture) -> None:
    with pytest.raises(ValueError, match="unknown 'camo': wanted one of plain, bind"):
        moved(capture, mimicry="camo")
    with pytest.raises(ValueError, match="holds no captures"):
        captures(tmp_path / "nowhere")
    with pytest.raises(ValueError, match="unknown 'third': wanted one of tuning, reporting"):
        captures(tmp_path, "third")


@pytest.mark.captures
@pytest.mark.skipif(not _CAPTURED.is_dir(), reason="the captured logs are not beside the project")
def test_every_real_capture_can_be_moved_and_is_nobodys_any_more() -> None:
    found = captures(_CAPTURED)
    made = transplants.transplants(_ESTATE, 3, found, ("plain", "bind"), range(8, 13))
    assert len(made) == 2 * len(found)
    by_name = {one.name: one for one in found}
    for attack in made:
        old = by_name[attack.name.partition("/")[0]].records
        new = [record(call, np.random.default_rng(number)) for number, call in enumerate(attack.calls)]
        kept = ("eventSource", "eventName", "errorCode")
        assert [[r.get(name) for name in kept] for r in new] == [[r.get(name) for name in kept] for r in old]
        text = json.dumps(new)
        gone = (
            {str(r["sourceIPAddress"]) for r in old}
            | {str(r["recipientAccountId"]) for r in old}
            | {"stratus", "grimoire"}
        )
        gone |= {str(r["userIdentity"].get("accessKeyId") or "stratus") for r in old}
        assert not [word for word in gone if word in text], attack.name
        assert attack.principals[0] == attack.principal
