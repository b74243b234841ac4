"""``outpace connectors``, and the page that says the same."""

import asyncio
import json
import re
import threading
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from streams.cli import app
from streams.config import Settings
from streams.connectors.catalogue import catalogue
from streams.connectors.page import page
from streams.doctor.finding import CHECK_S
from tests.fakes.okta import ADMIN_TOKEN, FakeOkta

PAGE = Path(__file__).parents[3] / "docs/connectors.md"


def run(*arguments: str) -> int:
    with pytest.raises(SystemExit) as ended:
        app(["connectors", *arguments])
    return int(ended.value.code or 0)


@pytest.fixture
def okta() -> Iterator[FakeOkta]:
    """A fake that answers from a thread of its own, since the command has its own event loop."""
    loop, fake = asyncio.new_event_loop(), FakeOkta()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    asyncio.run_coroutine_threadsafe(fake.__aenter__(), loop).result(CHECK_S)
    yield fake
    asyncio.run_coroutine_threadsafe(fake.__aexit__(), loop).result(CHECK_S)
    loop.call_soon_threadsafe(loop.stop)
    thread.join(CHECK_S)
    loop.close()


@pytest.fixture
def settings(okta: FakeOkta, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("TEST_OKTA_TOKEN", ADMIN_TOKEN)
    file = tmp_path / "settings.toml"
    file.write_text(f'[connectors.okta]\nurl = "{okta.url}"\ntoken = "env:TEST_OKTA_TOKEN"')
    return str(file)


def test_the_page_is_what_the_connectors_say_of_themselves() -> None:
    assert PAGE.read_text("utf-8") == page(), "run: python -m streams.connectors.page > docs/connectors.md"


def test_the_examples_on_the_page_are_read_and_its_links_lead_within_the_page() -> None:
    example, by_rfc_7009 = re.findall(r"^```toml\n(.*?)^```", PAGE.read_text("utf-8"), re.MULTILINE | re.DOTALL)
    assert msgspec.toml.decode(example, type=Settings).connectors.okta is not None
    assert msgspec.toml.decode(by_rfc_7009, type=Settings).connectors.oauth[0].providers == ("keycloak",)
    headings = re.findall(r"^## (.*)$", PAGE.read_text("utf-8"), re.MULTILINE)
    anchors = {re.sub(r"[^a-z0-9 -]", "", heading.lower()).replace(" ", "-") for heading in headings}
    assert set(re.findall(r"\]\(#([^)]*)\)", PAGE.read_text("utf-8"))) <= anchors


def test_all_there_are_are_listed_without_any_settings(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("list", "--json") == 0
    names = [told["name"] for told in json.loads(capsys.readouterr().out)]
    assert names == [told.name for told in catalogue().values()]
    assert run("list") == 0
    assert "disable_credential" in capsys.readouterr().out


def test_with_settings_only_those_set_up_are_listed(settings: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("list", "--settings", settings, "--json") == 0
    assert [told["name"] for told in json.loads(capsys.readouterr().out)] == ["okta"]


def test_a_check_says_what_is_right_and_what_to_do(
    okta: FakeOkta, settings: str, capsys: pytest.CaptureFixture[str]
) -> None:
    before = okta.picture()
    assert run("check", "--settings", settings) == 0
    assert "okta: okta.users.manage" in capsys.readouterr().out
    okta.missing.add("okta.logs.read")
    assert run("check", "--settings", settings, "--json") == 1
    out = capsys.readouterr().out
    assert ADMIN_TOKEN not in out
    [fault] = [line for line in json.loads(out)["checks"] if line["state"] == "fault"]
    assert fault["check"] == "okta: okta.logs.read"
    assert "grant okta.logs.read" in fault["text"]
    assert okta.picture() == before


def test_settings_without_a_connector_are_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from streams import cli

    file = tmp_path / "settings.toml"
    file.write_text("")
    monkeypatch.setattr("sys.argv", ["outpace", "connectors", "check", "--settings", str(file)])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert ended.value.code == 2
    assert "no connector is set up, see docs/connectors.md" in capsys.readouterr().err
