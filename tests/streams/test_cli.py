"""The command line as a shell meets it: exit codes, one line of complaint, standard input."""

import gzip
import io
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest
import zstandard
from conftest import jsonl, routine, stolen_key

from streams.cli import main

ROOT = Path(__file__).parent.parent.parent


class Ran(NamedTuple):
    returncode: int
    stdout: str
    stderr: str


@pytest.fixture
def here(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., Ran]:
    """The command in this process, which starts at once."""

    def run(*arguments: str, stdin: bytes = b"") -> Ran:
        monkeypatch.setattr(sys, "argv", ["outpace", *arguments])
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin)))
        with pytest.raises(SystemExit) as left:
            main()
        return Ran(int(left.value.code or 0), *capsys.readouterr())

    return run


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


def test_a_baseline_nothing_can_be_learned_from_ends_with_2_and_one_line(
    tmp_path: Path, here: Callable[..., Ran]
) -> None:
    (tmp_path / "new.jsonl").write_bytes(jsonl(routine(40)))
    for content in (b"", b"\x89PNG\0", jsonl([{"eventSource": 1, "eventName": 2}])):
        (tmp_path / "old").write_bytes(content)
        done = here("replay", str(tmp_path / "new.jsonl"), "--baseline", str(tmp_path / "old"), "--json")
        assert done.returncode == 2
        assert done.stderr.startswith("outpace: no usable audit record in --baseline ")
        assert done.stderr.count("\n") == 1
        assert not done.stdout


def test_a_baseline_learned_in_part_is_warned_of_even_beside_json(tmp_path: Path, here: Callable[..., Ran]) -> None:
    (tmp_path / "new.jsonl").write_bytes(jsonl(routine(40)))
    (tmp_path / "old.jsonl").write_bytes(jsonl([*routine(40), {"eventSource": "x", "eventName": 2}]))
    done = here("replay", str(tmp_path / "new.jsonl"), "--baseline", str(tmp_path / "old.jsonl"), "--json")
    assert done.returncode == 0
    assert done.stderr.startswith("outpace: warning: 1 records of the baseline were not usable, 40 were learned: ")
    assert "old.jsonl:41: $" in done.stderr
    assert json.loads(done.stdout)["baseline_rejected"] == 1


def test_what_the_live_log_refused_is_told_and_not_what_the_baseline_did(
    tmp_path: Path, here: Callable[..., Ran]
) -> None:
    (tmp_path / "new").write_bytes(b"")
    (tmp_path / "old.jsonl").write_bytes(jsonl([*routine(40), {"eventSource": "x", "eventName": 2}]))
    done = here("replay", str(tmp_path / "new"), "--baseline", str(tmp_path / "old.jsonl"))
    assert done.returncode == 2
    assert done.stderr.endswith("new:1: $: empty file\n")


def test_packed_standard_input_that_breaks_off_gives_what_came_before(here: Callable[..., Ran]) -> None:
    for pack in (gzip.compress, zstandard.compress):
        done = here("replay", "-", "--json", stdin=pack(jsonl(routine(3000)))[:-2000])
        found = json.loads(done.stdout)
        assert done.returncode == 0
        assert 500 < found["events"] < 3000
        assert any("compressed data broken off" in r for r in found["rejections"])


def test_what_needs_no_engine_loads_neither_it_nor_a_compiler() -> None:
    commands = (
        "--help",
        "replay --help",
        "replay . --bogus",
        "policy check examples/policy.toml",
        "config show",
        "topics --help",
        "doctor --help",
        "ledger --help",
        "signals --help",
        "connectors list",
    )
    code = "\n".join(
        [
            "import sys; from streams.cli import main",
            "for line in sys.stdin:",
            "    sys.argv = ['outpace', *line.split()]",
            "    try: main()",
            "    except SystemExit as left: assert left.code in (0, 2), (line, left.code)",
            "    loaded = sorted({'numba', 'river', 'detector.engine'} & set(sys.modules))",
            "    assert not loaded, (line, loaded)",
        ]
    )
    done = subprocess.run(
        [sys.executable, "-c", code], input="\n".join(commands), capture_output=True, text=True, cwd=ROOT, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "policy.toml: valid" in done.stdout
