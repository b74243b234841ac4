"""Resources: what is new to a principal, and what is only kin of what it knows."""

from typing import Any

import numpy as np
import pytest
from conftest import cloudtrail, jsonl

from detector.columns import Vocabulary
from detector.config import Policy
from detector.engine import Engine
from detector.identity.context import ContextFeeds
from detector.identity.rules import IdentityRules
from detector.ordering import Reorder
from detector.sources.cloudtrail import CloudTrailParser
from detector.sources.events import named_resource
from detector.sources.framing import Block
from detector.sources.spans import stem_end
from models.discovery import ATTACKER_NEW, KIN_RESOURCE_P
from models.hashing import stem_of

Records = list[dict[str, Any]]
READS = 400


@pytest.mark.parametrize(
    ("name", "stem"),
    [
        ("reports/2026/03/02/part-0001.parquet", "reports"),
        ("payments-logs", "payments"),
        ("exports/customers.csv", "exports/customers"),
        ("orders", "orders"),
        ("i-0abc123def4567890", "i"),
        ("arn:aws:secretsmanager:us-east-1:123456789012:secret:prod/db-AbCdEf", "arn:aws:secretsmanager:us-east-1:123456789012:secret:prod/db"),
        ("projects/shop/secrets/key/versions/3", "projects/shop/secrets/key/versions"),
        ("2026", "2026"),
        ("", ""),
        ("///", ""),
        ("-", "-"),
    ],
)  # fmt: skip
def test_a_stem_is_the_name_without_what_was_made(name: str, stem: str) -> None:
    data = np.frombuffer(name.encode(), np.uint8)
    assert bytes(data[: stem_end(data, 0, len(data))]).decode() == stem


def test_a_resource_and_its_kin_share_half_a_number() -> None:
    one, other, stranger = map(named_resource, ("db/users-1", "db/users-2", "db/orders-1"))
    assert len({one, other, stranger}) == 3
    assert stem_of(np.uint64(one)) == stem_of(np.uint64(other))  # type: ignore[arg-type]
    assert stem_of(np.uint64(one)) != stem_of(np.uint64(stranger))  # type: ignore[arg-type]
    assert named_resource("") == 0


def read(number: int, second: float, name: str) -> dict[str, Any]:
    return cloudtrail(
        number, second, "secretsmanager:GetSecretValue", key="AKIAEXAMPLE000000001", user="reader",
        requestParameters={"secretId": name},
    )  # fmt: skip


def against_routine(records: Records) -> float:
    """What speaks against routine at the end, in bits."""
    engine, reorder = Engine(Policy(), Vocabulary()), Reorder()
    batch, rejected = CloudTrailParser(engine.vocabulary, IdentityRules(), ContextFeeds()).parse(
        Block(jsonl(records), "log", 1, True)
    )
    assert batch is not None
    assert not rejected
    reorder.push(batch)
    engine.process(reorder.release(float("inf")), reorder.batches, False)
    rows = engine.state.tables["principals"].rows
    return float(rows[rows["key"] > 1]["a"].max())


@pytest.fixture
def routine_reads() -> Records:
    """Ten days of one secret, every 36 minutes."""
    return [read(n, n * 2160.0, "shop/mailer-password") for n in range(READS)]


@pytest.mark.parametrize(
    ("names", "speaks"),
    [
        (["payroll/bank-key", "vault/root-token", "legal/archive-key", "ceo/mail-password"], True),
        (["shop/mailer-key", "shop/mailer-token", "shop/mailer-2", "shop/mailer-3"], False),
        (["shop/mailer-password"] * 4, False),
    ],
    ids=["strangers", "kin", "the same"],
)
def test_only_resources_unlike_the_known_ones_speak(routine_reads: Records, names: list[str], speaks: bool) -> None:
    at = READS * 2160.0
    sweep = [read(READS + n, at + 5.0 * n, name) for n, name in enumerate(names)]
    found = against_routine(routine_reads + sweep)
    assert (found > 5.0) == speaks


def test_a_job_that_writes_a_fresh_object_every_time_learns_that_names_mean_nothing() -> None:
    def put(number: int, second: float) -> dict[str, Any]:
        return cloudtrail(
            number, second, "s3:GetObject", key="AKIAEXAMPLE000000002", user="batch",
            requestParameters={"bucketName": "lake-raw", "key": f"raw/2026/{number:06d}.json"},
        )  # fmt: skip

    records = [put(n, n * 600.0) for n in range(600)]
    assert against_routine(records) < 1.0


def test_more_of_what_is_new_counts_less_once_its_kin_is_new_as_well(routine_reads: Records) -> None:
    later = READS * 2160.0

    def bits(names: list[str]) -> float:
        return against_routine(routine_reads + [read(1000 + n, later + 4 * n, name) for n, name in enumerate(names)])

    one, kin, strangers = (
        bits(names) for names in (["vault/ledger"], ["vault-1", "vault-2"], ["vault/ledger", "board/minutes"])
    )
    repeat = 0.02
    first_kin = bits(["vault-1"])
    assert kin - first_kin == pytest.approx(np.log2(ATTACKER_NEW / KIN_RESOURCE_P) - repeat, abs=0.05)
    assert strangers - one > kin - first_kin + 1.0
