"""Resources: what is new to a principal, and what is only kin of what it knows."""

from typing import Any

import numpy as np
import pytest
from conftest import cloudtrail, watched

from detector.sources.events import named_resource, scopes_of
from detector.sources.spans import stem_end
from models.discovery import ATTACKER_DENIED, ATTACKER_NEW, KIN_RESOURCE_P, denied_probability
from models.hashing import stem_of
from models.iteration import NEW_RESOURCE_WEIGHT, REFUSED_RESOURCE_WEIGHT

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


def test_a_scope_has_no_kin() -> None:
    read, send = (np.uint64(named_resource(scopes_of(scope))) for scope in ("mail.read", "mail.send"))
    assert stem_of(read) != stem_of(send)  # type: ignore[arg-type]
    assert scopes_of("mail.read  profile") == scopes_of("profile,mail.read,profile") == "scope:mail.read profile"
    assert scopes_of(" ") == ""


def read(number: int, second: float, name: str, error: str | None = None) -> dict[str, Any]:
    return cloudtrail(
        number, second, "secretsmanager:GetSecretValue", key="AKIAEXAMPLE000000001", user="reader", error=error,
        requestParameters={"secretId": name},
    )  # fmt: skip


def against_routine(records: Records) -> float:
    """What speaks against routine at the end, in bits."""
    return float(watched(records)["a"].max())


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


@pytest.mark.parametrize(
    ("bucket", "keys", "speaks"),
    [
        ("lake-raw", ["000476", "000477", "000501", "000502"], False),
        ("lake-raw", ["0f3a9c1e-77aa-4b0c-9d11-02c4de5f6a7b", "1b4e28ba-2fa1-11d2-883f-b9a761bde3fb"] * 2, False),
        ("lake-raw", ["payroll", "board", "salaries", "dismissals"], True),
        ("payroll", ["000476", "000477", "000501", "000502"], True),
    ],
    ids=["counters", "UUIDs", "words", "another bucket"],
)
def test_an_object_with_a_made_up_name_is_kin_of_all_else_in_its_bucket(
    bucket: str, keys: list[str], speaks: bool
) -> None:
    def get(number: int, second: float, bucket: str, key: str) -> dict[str, Any]:
        return cloudtrail(
            number, second, "s3:GetObject", key="AKIAEXAMPLE000000003", user="loader",
            requestParameters={"bucketName": bucket, "key": key},
        )  # fmt: skip

    routine = [get(n, n * 2160.0, "lake-raw", "" if n % 2 else "000001") for n in range(READS)]
    later = [get(READS + n, READS * 2160.0 + 5.0 * n, bucket, key) for n, key in enumerate(keys)]
    assert (against_routine(routine + later) > 1.5) == speaks


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
    assert kin - first_kin == pytest.approx(np.log2(ATTACKER_NEW / KIN_RESOURCE_P[0]) - repeat, abs=0.05)
    assert strangers - one > kin - first_kin + 1.0


def test_the_third_of_one_new_stem_says_half_and_the_fourth_nothing(routine_reads: Records) -> None:
    later = READS * 2160.0

    def bits(count: int) -> float:
        names = [f"vault-{n}" for n in range(count)]
        return against_routine(routine_reads + [read(1000 + n, later + 4 * n, name) for n, name in enumerate(names)])

    repeat = 0.02
    for count, p in zip((2, 3, 4), KIN_RESOURCE_P, strict=True):
        assert bits(count) - bits(count - 1) == pytest.approx(np.log2(ATTACKER_NEW / p) - repeat, abs=0.05)


def test_to_be_refused_what_was_never_touched_says_more_and_to_be_refused_the_usual_says_nothing(
    routine_reads: Records,
) -> None:
    later = READS * 2160.0

    def end(name: str, error: str | None) -> Any:
        (reader,) = watched([*routine_reads, read(1000, later, name, error)])
        return reader

    strange, shut = end("vault/ledger", None), end("vault/ledger", "AccessDenied")
    nobody_was_ever_refused = denied_probability(0.0, 0.0, 0.0, 0.0)
    assert shut["a"] - strange["a"] > np.log2(ATTACKER_DENIED / nobody_was_ever_refused) - 0.5
    assert shut["gate"] - strange["gate"] == pytest.approx(REFUSED_RESOURCE_WEIGHT - NEW_RESOURCE_WEIGHT)
    usual = str(routine_reads[0]["requestParameters"]["secretId"])
    assert [end(usual, error)["gate"] for error in ("AccessDenied", None)] == pytest.approx([0.0, 0.0])


def test_of_several_things_refused_in_an_hour_the_first_speaks_and_each_is_a_step(routine_reads: Records) -> None:
    later = READS * 2160.0

    def end(names: list[str]) -> Any:
        refused = [read(1000 + n, later + 4.0 * n, name, "AccessDenied") for n, name in enumerate(names)]
        (reader,) = watched(routine_reads + refused)
        return reader

    one, two = end(["vault/ledger"]), end(["vault/ledger", "board/minutes"])
    only_the_resource = np.log2(ATTACKER_NEW / 0.1)
    assert two["a"] - one["a"] <= only_the_resource + 0.05
    assert two["gate"] - one["gate"] == pytest.approx(REFUSED_RESOURCE_WEIGHT, abs=0.01)
