"""Logs: one JSON line an event, credentials only as a keyed hash."""

import json
import logging
from pathlib import Path

import pytest
import structlog

from streams import logs

CREDENTIAL = "AKIAEXAMPLEAPP000000"


@pytest.fixture(autouse=True)
def _as_it_was() -> None:
    yield  # type: ignore[misc]
    structlog.reset_defaults()
    logging.basicConfig(handlers=[logging.NullHandler()], force=True)


@pytest.mark.parametrize("style", ["json", "console"])
def test_a_credential_shows_only_as_its_hash(capsys: pytest.CaptureFixture[str], style: logs.Style) -> None:
    logs.configure(style, b"key")
    logs.logger("ingest").warning("seen", credential=CREDENTIAL, count=3)
    said = capsys.readouterr().err
    assert CREDENTIAL not in said
    assert logs.short_hash(CREDENTIAL, b"key") in said
    if style == "json":
        line = json.loads(said)
        assert (line["event"], line["level"], line["room"], line["count"]) == ("seen", "warning", "ingest", 3)


def test_libraries_log_in_the_same_form(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure("json", b"key")
    logging.getLogger("aiohttp").warning("odd %s", "thing")
    logging.getLogger("aiohttp").info("nothing new")
    (line,) = capsys.readouterr().err.splitlines()
    assert json.loads(line)["event"] == "odd thing"


def test_an_error_is_one_line_too(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure("json", b"key")
    try:
        raise ValueError("broken")
    except ValueError:
        logs.logger("ingest").exception("source failed")
    (line,) = capsys.readouterr().err.splitlines()
    assert "ValueError: broken" in json.loads(line)["exception"]


def test_the_key_of_an_installation_stays(tmp_path: Path) -> None:
    key = logs.key_in(tmp_path / "state")
    assert len(key) == 32
    assert logs.key_in(tmp_path / "state") == key
    assert (tmp_path / "state" / "log.key").stat().st_mode & 0o077 == 0
