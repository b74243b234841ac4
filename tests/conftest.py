"""Shared builders: small CloudTrail records of our own, and a replay over them."""

import json
import uuid
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

from detector.columns import Vocabulary
from detector.config import Policy
from detector.engine import Engine
from detector.identity.context import ContextFeeds
from detector.identity.rules import IdentityRules
from detector.ordering import Reorder
from detector.sources.cloudtrail import CloudTrailParser
from detector.sources.framing import Block
from detector.sources.timestamps import FOREVER_NS, format_time
from streams.replay import Replay

START_S = 1_772_409_600
ACCOUNT = "123456789012"


def stamp(second: float) -> str:
    """RFC 3339 time, ``second`` seconds after the start of 2026-03-02."""
    return format_time(int((START_S + second) * 1e9))


def event_id(number: int) -> str:
    return str(uuid.UUID(int=0xC0FFEE0000 + number))


def cloudtrail(
    number: int,
    second: float,
    operation: str,
    *,
    key: str = "ASIAEXAMPLEWORKER000",
    role: str = "worker",
    source: str = "192.0.2.10",
    agent: str = "Boto3/1.34.2 Python/3.11",
    error: str | None = None,
    user: str | None = None,
    **fields: Any,
) -> dict[str, Any]:
    """One CloudTrail record: a role session, or with ``user`` an IAM user's long-lived key."""
    service, name = operation.split(":")
    if user:
        identity: dict[str, Any] = {
            "type": "IAMUser",
            "arn": f"arn:aws:iam::{ACCOUNT}:user/{user}",
            "accountId": ACCOUNT,
            "accessKeyId": key,
            "userName": user,
        }
    else:
        identity = {
            "type": "AssumedRole",
            "arn": f"arn:aws:sts::{ACCOUNT}:assumed-role/{role}/session",
            "accountId": ACCOUNT,
            "accessKeyId": key,
            "sessionContext": {
                "sessionIssuer": {"type": "Role", "arn": f"arn:aws:iam::{ACCOUNT}:role/{role}", "userName": role}
            },
        }
    record = {
        "eventVersion": "1.09",
        "userIdentity": identity,
        "eventTime": stamp(second),
        "eventSource": f"{service}.amazonaws.com",
        "eventName": name,
        "awsRegion": "eu-central-1",
        "sourceIPAddress": source,
        "userAgent": agent,
        "requestParameters": None,
        "responseElements": None,
        "eventID": event_id(number),
        "eventType": "AwsApiCall",
        "recipientAccountId": ACCOUNT,
    }
    if error:
        record["errorCode"] = error
    return record | fields


def jsonl(records: Iterable[dict[str, Any]]) -> bytes:
    return b"".join(json.dumps(r).encode() + b"\n" for r in records)


def watched(records: Iterable[dict[str, Any]]) -> np.ndarray:
    """The principals (``PRINCIPAL``) as the engine knows them after the records, nothing having been decided."""
    engine, reorder = Engine(Policy(), Vocabulary()), Reorder()
    parser = CloudTrailParser(engine.vocabulary, IdentityRules(), ContextFeeds())
    batch, rejected = parser.parse(Block(jsonl(records), "log", 1, True))
    assert batch is not None
    assert not rejected
    reorder.push(batch)
    engine.process(reorder.release(float("inf")), reorder.batches, False)
    rows = engine.state.tables["principals"].rows
    return rows[rows["key"] > 1]


def routine(events: int = 3000, every_s: float = 60.0) -> list[dict[str, Any]]:
    """Two days of a worker's and an application's routine."""
    operations = ("s3:GetObject", "sqs:ReceiveMessage", "sqs:DeleteMessage", "dynamodb:PutItem", "s3:PutObject")
    records = []
    for i in range(events):
        worker = i % 2 == 0
        records.append(
            cloudtrail(
                i,
                i * every_s,
                operations[(i // 2) % len(operations)],
                **(
                    {}
                    if worker
                    else {
                        "key": "AKIAEXAMPLEAPP000000",
                        "user": "app",
                        "source": "198.51.100.7",
                        "agent": "aws-sdk-go/1.55",
                    }
                ),
                requestParameters={"bucketName": "data", "key": f"part-{i % 7}"},
            )
        )
    return records


ATTACK = (
    ("sts:GetCallerIdentity", None),
    ("iam:ListUsers", "AccessDenied"),
    ("s3:ListBuckets", None),
    ("secretsmanager:ListSecrets", "AccessDenied"),
    ("iam:ListAttachedUserPolicies", None),
    ("iam:CreateAccessKey", "AccessDenied"),
    ("iam:CreateUser", "AccessDenied"),
    ("iam:AttachUserPolicy", "AccessDenied"),
    ("ec2:DescribeInstances", None),
    ("bedrock:InvokeModel", None),
)


def stolen_key(start_s: float, first: int = 900_000, gap_s: float = 4.0) -> list[dict[str, Any]]:
    """The application's key in a stranger's hands."""
    return [
        cloudtrail(
            first + i,
            start_s + i * gap_s,
            op,
            key="AKIAEXAMPLEAPP000000",
            user="app",
            source="203.0.113.66",
            agent="aws-cli/2.15.0 Python/3.11 Linux/6.1",
            error=error,
        )
        for i, (op, error) in enumerate(ATTACK)
    ]


@pytest.fixture
def replay_of(tmp_path: Path) -> Callable[..., Replay]:
    """Replays records through files, as a user would."""

    def run(live: list[dict[str, Any]], baseline: list[dict[str, Any]] | None = None, **policy: Any) -> Replay:
        replay = Replay(msgspec.structs.replace(Policy(), **policy), not_after_ns=FOREVER_NS)
        if baseline:
            path = tmp_path / "baseline.jsonl"
            path.write_bytes(jsonl(baseline))
            replay.learn([str(path)])
        path = tmp_path / "live.jsonl"
        path.write_bytes(jsonl(live))
        list(replay.run([str(path)]))
        return replay

    return run
