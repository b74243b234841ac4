"""``outpace policy check`` and ``outpace policy simulate``, as a user meets them."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import jsonl, routine, stolen_key

OUTPACE = Path(sys.executable).with_name("outpace")


def outpace(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([OUTPACE, "policy", *arguments], capture_output=True, text=True, timeout=200, check=False)


def written(folder: Path, text: str) -> str:
    path = folder / "policy.toml"
    path.write_text(text)
    return str(path)


def test_a_policy_that_is_right_is_called_valid_in_one_line(tmp_path: Path) -> None:
    done = outpace("check", written(tmp_path, "[guards]\nnever_revoke = ['*:user/pay']"))
    assert (done.returncode, done.stdout.count("\n"), done.stderr) == (0, 1, "")
    assert done.stdout.endswith("policy.toml: valid\n")


def test_warnings_name_the_place_and_leave_the_policy_valid(tmp_path: Path) -> None:
    file = written(tmp_path, "[guards]\nnever_revoke = ['*']")
    done = outpace("check", file)
    assert done.returncode == 0
    assert "valid, 1 warning" in done.stdout
    assert "guards.never_revoke[0]" in done.stdout
    told = json.loads(outpace("check", file, "--json").stdout)
    assert told["valid"] is True
    assert [w["path"] for w in told["warnings"]] == ["guards.never_revoke[0]"]


def test_an_armed_policy_without_owners_is_valid_and_told_of_them_a_line_each(tmp_path: Path) -> None:
    done = outpace("check", written(tmp_path, "armed = true\n[guards]\ntwo_person = []\nbrittle = ['*:user/old-*']"))
    assert (done.returncode, done.stdout.count("\n")) == (0, 3)
    assert "guards.brittle[0]: '*:user/old-*' has no owner" in done.stdout
    assert "tolerance: whoever no entry fits has no owner" in done.stdout


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("[guards]\nnever_revoek = []", "guards"),
        ("[[tolerance]]\nprincipal = 'x'\nclass = 'sturdy'", "$.tolerance[0].class"),
        ("[breaker]\nshare_of_fleet = 2.0", "$.breaker.share_of_fleet"),
        ("[breaker]\nper_minute_by_path = { robots = 1 }", "$.breaker.per_minute_by_path"),
        ("[context]\ncanaries = 'missing.txt'", "missing.txt"),
        ("armed =", "policy.toml"),
    ],
)
def test_what_is_wrong_is_one_line_with_its_place_and_exit_code_2(tmp_path: Path, text: str, place: str) -> None:
    done = outpace("check", written(tmp_path, text))
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1)
    assert place in done.stderr


def test_a_file_that_is_not_there_is_one_line_too(tmp_path: Path) -> None:
    done = outpace("check", str(tmp_path / "none.toml"))
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)


def test_simulate_tells_what_a_week_would_have_cost(tmp_path: Path) -> None:
    (tmp_path / "old.jsonl").write_bytes(jsonl(routine()))
    (tmp_path / "week.jsonl").write_bytes(jsonl(stolen_key(3000 * 60.0)))
    file = written(tmp_path, "[[tolerance]]\nprincipal = '*:user/app'\noutage_cost = 80.0")
    logs = (str(tmp_path / "week.jsonl"), "--baseline", str(tmp_path / "old.jsonl"), "--policy", file)
    bill = json.loads(outpace("simulate", *logs, "--json").stdout)["by_path"]["workload"]
    assert bill["actions"]["disable_credential"] == 1
    assert bill["outage"] == 32.0
    assert bill["promised_revocations"] == 1e-4
    assert bill["identity_days"] == 0, "the baseline's days are not last week's"
    shown = outpace("simulate", *logs)
    assert shown.returncode == 0
    assert "disable_credential 1" in shown.stdout
    assert "32 minutes of outage" in shown.stdout


def test_simulate_refuses_unusable_logs_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "nothing.jsonl").write_text("{}\n")
    done = outpace("simulate", str(tmp_path / "nothing.jsonl"))
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1)
