"""``outpace ledger`` as a shell meets it: exit codes, one line, exports that prove themselves."""

import json
import sqlite3
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest

from streams.cli import main
from streams.ledger.store import Ledger, connect


class Ran(NamedTuple):
    code: int
    out: str
    err: str


Run = Callable[..., Ran]


@pytest.fixture
def outpace(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    def run(*arguments: object) -> Ran:
        monkeypatch.setattr(sys, "argv", ["outpace", "ledger", *map(str, arguments)])
        with pytest.raises(SystemExit) as left:
            main()
        return Ran(int(left.value.code or 0), *capsys.readouterr())

    return run


BODIES = [b'{"action":"revoke_session"}', "Schlüssel ✓".encode(), b"\xff\x00bytes", b""]


def grown(path: Path, count: int) -> Path:
    connection = connect(path)
    ledger = Ledger(connection)
    connection.execute("BEGIN IMMEDIATE")
    for i in range(count):
        ledger.append(
            "command",
            f"c{i % 3}",
            BODIES[i % 4],
            time_ns=1_772_409_600 * 10**9 + i,
            owner="soc@example.com",
            reason="canary",
        )
    connection.execute("COMMIT")
    connection.close()
    return path


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return grown(tmp_path / "respond.db", 11)


def changed(file: Path, statement: str) -> None:
    connection = sqlite3.connect(file)
    connection.execute("DROP TRIGGER ledger_no_update")
    connection.execute("DROP TRIGGER ledger_no_delete")
    connection.execute(statement)
    connection.commit()
    connection.close()


def test_a_ledger_as_it_was_written_ends_with_0(outpace: Run, file: Path) -> None:
    done = outpace("verify", file)
    assert (done.code, done.err) == (0, "")
    assert done.out.startswith(f"{file}: 11 entries are as they were written; root ")
    assert json.loads(outpace("verify", file, "--json").out)["ok"] is True


def test_a_ledger_without_entries_is_right(outpace: Run, tmp_path: Path) -> None:
    assert outpace("verify", grown(tmp_path / "l.db", 0)).out.endswith(
        "0 entries are as they were written; root e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855\n"
    )


def test_a_changed_entry_ends_with_1_and_its_name(outpace: Run, file: Path) -> None:
    changed(file, "UPDATE ledger_entries SET owner = 'nobody' WHERE seq = 4")
    done = outpace("verify", file)
    assert done.code == 1
    assert done.out.startswith(f"{file}: entry 4: its content was changed")
    told = json.loads(outpace("verify", file, "--json").out)
    assert (told["ok"], told["fault"]["seq"], told["fault"]["kind"]) == (False, 4, "content")


def test_a_cut_tail_shows_against_a_noted_head(outpace: Run, file: Path, tmp_path: Path) -> None:
    noted = tmp_path / "head.json"
    assert outpace("head", file, "--out", noted).code == 0
    assert json.loads(outpace("head", file).out) == json.loads(noted.read_text())
    shorter = grown(tmp_path / "shorter.db", 8)
    assert outpace("verify", shorter).code == 0
    done = outpace("verify", shorter, "--head", noted)
    assert done.code == 1
    assert "entry 8: the tail is missing: 8 entries are here, the remembered head knows of 11" in done.out
    grown(file, 5)
    done = outpace("verify", file, "--head", noted)
    assert done.code == 0
    assert "16 entries are as they were written, and goes on from" in done.out


def test_an_export_says_all_and_verifies_without_the_ledger(outpace: Run, file: Path, tmp_path: Path) -> None:
    out = tmp_path / "x.jsonl"
    assert outpace("export", file, "--out", out).code == 0
    lines = [json.loads(line) for line in out.read_text().splitlines()]
    assert [line["line"] for line in lines] == ["entry"] * 11 + ["head"]
    assert lines[0]["body"] == BODIES[0].decode()
    assert lines[2]["body"] is None
    file.unlink()
    assert outpace("verify", "--export", out).code == 0
    assert not list(tmp_path.glob("*.part"))


def test_every_changed_byte_of_an_export_is_found(outpace: Run, tmp_path: Path) -> None:
    out = tmp_path / "x.jsonl"
    outpace("export", grown(tmp_path / "l.db", 3), "--out", out)
    data = out.read_bytes()
    for i in range(len(data)):
        out.write_bytes(data[:i] + bytes([data[i] ^ 1]) + data[i + 1 :])
        done = outpace("verify", "--export", out)
        number = data.count(b"\n", 0, i) + 1
        assert done.code == 1, i
        assert any(
            place in done.out for place in (f"entry {number - 1}:", f"entry {number - 2}:", f"line {number} ", "head")
        ), (i, done.out)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('"seq":1,', '"seq": 1,'),
        ('"seq":1,', '"seq":1.0,'),
        ("\n", "\r\n"),
        ('"line":"entry",', ""),
        ("c1", r"\u00631"),
    ],
    ids=["space", "as a fraction", "line end", "no kind of line", "escaped"],
)
def test_the_same_said_in_another_way_is_not_as_it_was_written(
    outpace: Run, file: Path, tmp_path: Path, old: str, new: str
) -> None:
    out = tmp_path / "x.jsonl"
    outpace("export", file, "--out", out)
    lines = out.read_bytes().splitlines(keepends=True)
    assert old.encode() in lines[1]
    out.write_bytes(lines[0] + lines[1].replace(old.encode(), new.encode()) + b"".join(lines[2:]))
    done = outpace("verify", "--export", out)
    assert done.code == 1
    assert "line 2 is not as it was written" in done.out


@pytest.mark.parametrize("drop", range(12))
def test_every_missing_line_of_an_export_is_found(outpace: Run, file: Path, tmp_path: Path, drop: int) -> None:
    out = tmp_path / "x.jsonl"
    outpace("export", file, "--out", out)
    lines = out.read_bytes().splitlines(keepends=True)
    out.write_bytes(b"".join(lines[:drop] + lines[drop + 1 :]))
    done = outpace("verify", "--export", out)
    assert done.code == 1
    assert ("head is missing" if drop == 11 else f"entry {drop}: ") in done.out


def test_one_entry_goes_out_with_the_proof_that_it_is_one_of_the_heads(
    outpace: Run, file: Path, tmp_path: Path
) -> None:
    out, noted = tmp_path / "x.jsonl", tmp_path / "head.json"
    outpace("head", file, "--out", noted)
    assert outpace("export", file, "--proof", 7, "--proof", 2, "--out", out).code == 0
    lines = [json.loads(line) for line in out.read_text().splitlines()]
    assert [(line["line"], line.get("seq")) for line in lines] == [
        ("entry", 2), ("inclusion", 2), ("entry", 7), ("inclusion", 7), ("head", None),
    ]  # fmt: skip
    assert outpace("verify", "--export", out, "--head", noted).code == 0


def test_every_changed_byte_of_a_proof_is_found(outpace: Run, file: Path, tmp_path: Path) -> None:
    out = tmp_path / "x.jsonl"
    outpace("export", file, "--proof", 7, "--out", out)
    data = out.read_bytes()
    for i in range(len(data)):
        out.write_bytes(data[:i] + bytes([data[i] ^ 1]) + data[i + 1 :])
        assert outpace("verify", "--export", out).code == 1, i


def test_a_proof_goes_on_from_an_older_head_where_it_was_exported_with_it(
    outpace: Run, file: Path, tmp_path: Path
) -> None:
    out, noted = tmp_path / "x.jsonl", tmp_path / "head.json"
    outpace("head", file, "--out", noted)
    grown(file, 6)
    outpace("export", file, "--proof", 14, "--out", out)
    done = outpace("verify", "--export", out, "--head", noted)
    assert done.code == 2
    assert "no proof that the remembered head of 11 entries grew into its own" in done.err
    assert outpace("export", file, "--proof", 14, "--head", noted, "--out", out).code == 0
    assert outpace("verify", "--export", out, "--head", noted).code == 0
    forged = grown(tmp_path / "forged.db", 12)
    outpace("head", forged, "--out", noted)
    assert outpace("verify", "--export", out, "--head", noted).code == 2
    lines = out.read_text().replace('"count":11', '"count":12')
    out.write_text(lines)
    assert outpace("verify", "--export", out, "--head", noted).code == 1


def test_what_is_not_right_is_not_exported(outpace: Run, file: Path, tmp_path: Path) -> None:
    changed(file, "UPDATE ledger_entries SET body = x'00' WHERE seq = 4")
    done = outpace("export", file, "--out", tmp_path / "x.jsonl")
    assert done.code == 1
    assert "entry 4: its content was changed" in done.err
    assert not (tmp_path / "x.jsonl").exists()


def test_entries_are_shown_and_bodies_in_full_as_json(outpace: Run, file: Path) -> None:
    done = outpace("show", file, "--subject", "c1")
    assert done.code == 0
    assert "soc@example.com" in done.out
    lines = [json.loads(line) for line in outpace("show", file, "--subject", "c1", "--json").out.splitlines()]
    assert [line["seq"] for line in lines] == [1, 4, 7, 10]
    newest = [json.loads(line) for line in outpace("show", file, "--last", 2, "--json").out.splitlines()]
    assert [line["seq"] for line in newest] == [9, 10]


def test_an_entry_that_cannot_be_read_is_said_behind_those_that_can(outpace: Run, file: Path) -> None:
    changed(file, "UPDATE ledger_entries SET body = 7 WHERE seq = 10")
    done = outpace("show", file)
    assert done.code == 1
    assert "entry 10: its body was changed" in done.err


def test_control_characters_do_not_reach_the_terminal(outpace: Run, tmp_path: Path) -> None:
    path = tmp_path / "l.db"
    connection = connect(path)
    ledger = Ledger(connection)
    connection.execute("BEGIN IMMEDIATE")
    ledger.append("signal", "\x1b[2Jc1", b"\x1b]0;title\x07 [red]x[/]", time_ns=-(1 << 63))
    connection.execute("COMMIT")
    connection.close()
    done = outpace("show", path)
    assert done.code == 0
    assert "\x1b" not in done.out
    assert "[red]x[/]" in done.out


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (("verify",), "wanted a ledger, or --export FILE"),
        (("verify", "LEDGER", "--export", "x"), "wanted a ledger, or --export FILE"),
        (("verify", "nowhere.db"), "No such file"),
        (("verify", "LEDGER", "--head", "LEDGER"), "wanted a head"),
        (("verify", "--export", "nowhere.jsonl"), "No such file"),
        (("show", "nowhere.db"), "No such file"),
        (("show", "LEDGER", "--last", "0"), "last"),
        (("export", "LEDGER", "--proof", "11"), "--proof [11]: the ledger has 11 entries"),
        (("export", "LEDGER", "--proof", "-1"), "--proof [-1]: the ledger has 11 entries"),
        (("export", "LEDGER", "--out", "/nowhere/x.jsonl"), "No such file"),
        (("head", "nowhere.db"), "No such file"),
    ],
)
def test_what_cannot_be_used_ends_with_2_and_one_line(
    outpace: Run, file: Path, arguments: tuple[str, ...], complaint: str
) -> None:
    done = outpace(*(str(file) if a == "LEDGER" else a for a in arguments))
    assert done.code == 2
    assert done.out == ""
    assert done.err.count("\n") == 1
    assert complaint in done.err


def test_a_file_of_something_else_is_no_export(outpace: Run, tmp_path: Path) -> None:
    (tmp_path / "x.jsonl").write_text('{"eventName":"GetObject"}\n')
    done = outpace("verify", "--export", tmp_path / "x.jsonl")
    assert done.code == 1
    assert "line 1 is not as it was written" in done.out
