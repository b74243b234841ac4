"""The command line as a shell meets it: exit codes, one line of complaint, standard input."""

import gzip
import json
import subprocess
import sys
from pathlib import Path

import pytest
import zstandard
from conftest import jsonl, routine, stolen_key


def outpace(*arguments: str, stdin: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    code = "from streams.cli import main; main()"
    return subprocess.run([sys.executable, "-c", code, *arguments], input=stdin, capture_output=True, check=False)


@pytest.mark.parametrize(
    "packed", [bytes, gzip.compress, zstandard.ZstdCompressor().compress], ids=["plain", "gzip", "zstd"]
)
def test_standard_input_is_read_packed_or_not(packed: "type[bytes]") -> None:
    done = outpace("replay", "-", "--json", stdin=packed(jsonl(routine(200))))
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["events"] == 200


@pytest.mark.parametrize(
    "arguments",
    [
        ("replay", "/nowhere"),
        ("replay", __file__),
        ("replay", ".", "--bogus"),
        ("explain", "zzzz"),
        ("replay", ".", "--policy", __file__),
    ],
    ids=["no such path", "no log", "unknown option", "no decisions file", "policy that is none"],
)
def test_what_cannot_be_used_ends_with_2_and_one_line(arguments: tuple[str, ...]) -> None:
    done = outpace(*arguments)
    assert done.returncode == 2
    assert done.stderr.count(b"\n") == 1
    assert done.stderr.startswith(b"outpace: ")
    assert not done.stdout


def test_decisions_are_written_and_each_can_be_explained(tmp_path: Path) -> None:
    (tmp_path / "old.jsonl").write_bytes(jsonl(routine()))
    (tmp_path / "new.jsonl").write_bytes(jsonl(stolen_key(3100 * 60.0)))
    out = str(tmp_path / "decisions.jsonl")
    done = outpace(
        "replay",
        str(tmp_path / "new.jsonl"),
        "--baseline",
        str(tmp_path / "old.jsonl"),
        "--out",
        out,
        "--report",
        str(tmp_path / "r.html"),
        "--json",
    )
    assert done.returncode == 0, done.stderr
    decisions = [json.loads(line) for line in Path(out).read_text().splitlines()]
    assert any(d["action"] == "disable_credential" for d in decisions)
    assert all(d["dry_run"] for d in decisions)
    for decision in decisions:
        told = outpace("explain", decision["decision_id"], "--decisions", out, "--json")
        assert told.returncode == 0, told.stderr
        assert json.loads(told.stdout)["agrees"]
