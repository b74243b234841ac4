"""The doctor's lines about this machine and the sources, and how they are put; the broker's are tried live."""

import asyncio
import json
import os
import socket
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from aiohttp import web

from streams.cli import app
from streams.config import HttpSource, Ingest, Kafka, KeycloakSource, PathSource
from streams.doctor import broker, finding, machine, sources
from streams.doctor.finding import Finding
from streams.reach import KNOCK_S, answers

NOBODY = "127.0.0.1:1"


def _run(arguments: list[str]) -> int:
    with pytest.raises(SystemExit) as ended:
        app(arguments)
    return int(ended.value.code or 0)


def _write(path: Path, text: str) -> str:
    path.write_text(text)
    return str(path)


def test_a_dead_broker_is_one_line_and_exit_1(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    settings = _write(tmp_path / "s.toml", f'state_folder = "{tmp_path}"\n[kafka]\nbootstrap = "{NOBODY}"')
    started_s = time.monotonic()
    assert _run(["doctor", "--settings", settings, "--json"]) == 1
    assert time.monotonic() - started_s < 10
    out, err = capfd.readouterr()
    assert err == ""
    [fault] = [check for check in json.loads(out)["checks"] if check["state"] == "fault"]
    assert fault["check"] == "broker"
    assert fault["text"].startswith(f"nothing listens at {NOBODY}: start the broker")


def test_a_faults_remedy_stands_below_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source = f'[[ingest.sources]]\nkind = "path"\npaths = ["{tmp_path / "absent"}"]'
    settings = _write(tmp_path / "s.toml", f'state_folder = "{tmp_path}"\n[kafka]\nbootstrap = "{NOBODY}"\n{source}')
    assert _run(["doctor", "--settings", settings]) == 1
    fault, *rest = capsys.readouterr().out.partition("source path")[2].splitlines()
    assert "absent" in fault
    assert "→ create it, or correct paths in [ingest]" in rest[0]


def test_a_listener_that_says_nothing_is_given_up_on() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        kafka = Kafka(bootstrap=f"127.0.0.1:{silent.getsockname()[1]}")
        [answer] = asyncio.run(answers(kafka, within_s=0.2))
    assert "does not answer within 0.2 s" in answer.fault
    assert KNOCK_S < 10


def test_an_unknown_host_is_named() -> None:
    [answer] = asyncio.run(answers(Kafka(bootstrap="kafka.invalid:9092")))
    assert answer.fault == "no address is known for kafka.invalid: correct kafka.bootstrap"


def test_a_password_that_cannot_be_had_is_the_brokers_line() -> None:
    kafka = Kafka(security="sasl_plaintext", username="outpace", password="env:OUTPACE_NO_SUCH_VARIABLE")
    [line] = asyncio.run(broker.broker_findings(kafka))
    assert (line.check, line.state) == ("broker", "fault")
    assert "no such environment variable" in line.text


def test_a_check_without_end_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(finding, "CHECK_S", 0.01)
    never: Awaitable[list[Finding]] = asyncio.Event().wait()  # type: ignore[assignment]
    [line] = asyncio.run(_within(never))
    assert (line.check, line.state, line.text) == ("clock", "fault", "no result within 0.01 s")


async def _within(never: Awaitable[list[Finding]]) -> list[Finding]:
    return await finding.within_limit("clock", never)


def test_a_clock_a_second_off_is_a_fault_unless_the_message_took_as_long() -> None:
    assert broker._clock_finding([]).state == "skipped"
    assert broker._clock_finding([(0.010, 0.9)]).state == "ok"
    assert broker._clock_finding([(3.0, 2.0), (0.010, 0.002)]).state == "ok"
    assert broker._clock_finding([(3.0, 2.0)]).state == "ok"
    late = broker._clock_finding([(0.010, -1.5)])
    assert (late.state, late.text) == ("fault", "the broker's clock is 1.5 s behind ours")


def test_a_state_folder_that_does_not_exist_yet_is_tried_where_it_would_be_made(tmp_path: Path) -> None:
    found = machine.state_finding(str(tmp_path / "not" / "yet"))
    assert found.state == "ok"
    assert list(tmp_path.iterdir()) == []


def test_a_state_folder_that_is_a_file_is_a_fault(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    assert machine.state_finding(str(tmp_path / "file")).text.endswith("file is not a folder")


@pytest.mark.skipif(os.geteuid() == 0, reason="the superuser may write anywhere")
def test_a_state_folder_one_may_not_write_is_a_fault(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    assert machine.state_finding(str(tmp_path)).text.endswith("Permission denied")


def test_a_full_disk_is_a_fault(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "WANTED_BYTES", 1 << 60)
    assert "GiB free, wanted" in machine.state_finding(str(tmp_path)).text


def test_compiled_code_is_kept_where_numba_says() -> None:
    assert machine.compiled_code_finding().state == "ok"


def test_paths_are_tried_by_reading(tmp_path: Path) -> None:
    (tmp_path / "log.json").write_text("{}")
    paths = (str(tmp_path), str(tmp_path / "log.json"), str(tmp_path / "absent"))
    found = sources.path_findings(PathSource(paths=paths))
    assert [f.state for f in found] == ["ok", "ok", "fault"]


def test_no_source_is_said_but_is_no_fault() -> None:
    assert [f.state for f in asyncio.run(sources.source_findings(Ingest()))] == ["skipped"]


def test_an_http_source_needs_a_secret_that_can_be_had_and_a_free_port(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OUTPACE_TEST_TOKEN", "s3cr3t")
    [open_to_all] = sources.http_findings(HttpSource(port=0))
    [unresolved] = sources.http_findings(HttpSource(port=0, token="env:OUTPACE_NO_SUCH_VARIABLE"))
    [sound] = sources.http_findings(HttpSource(port=0, token="env:OUTPACE_TEST_TOKEN"))
    with socket.create_server(("127.0.0.1", 0)) as server:
        [taken] = sources.http_findings(HttpSource(port=server.getsockname()[1], token="env:OUTPACE_TEST_TOKEN"))
    assert open_to_all.text == "neither token nor signing_secret"
    assert "no such environment variable" in unresolved.text
    assert sound.state == "ok"
    assert taken.text == "Address already in use"


@asynccontextmanager
async def _keycloak(answer: Callable[[web.Request], Awaitable[web.Response]]) -> AsyncIterator[str]:
    """A server at the token address of realm ``example``: what Keycloak answers there is documented, and tried live elsewhere."""
    application = web.Application()
    application.router.add_post("/realms/example/protocol/openid-connect/token", answer)
    runner = web.AppRunner(application)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}/"
    finally:
        await runner.cleanup()


def test_a_keycloak_source_tries_its_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OUTPACE_TEST_SECRET", "s3cr3t")

    async def token(request: web.Request) -> web.Response:
        form = await request.post()
        return web.json_response(
            {}, status=200 if form["client_secret"] == "s3cr3t" and form["client_id"] == "me" else 401
        )

    async def ask(url: str, **changed: str) -> Finding:
        fields = {"url": url, "realm": "example", "client_id": "me", "client_secret": "env:OUTPACE_TEST_SECRET"}
        [found] = await sources.source_findings(Ingest(sources=(KeycloakSource(**(fields | changed)),)))
        return found

    async def all_of_it() -> None:
        async with _keycloak(token) as url:
            assert (await ask(url)).state == "ok"
            assert "refuses client you" in (await ask(url, client_id="you")).text
            assert "knows no such realm" in (await ask(url, realm="other")).text
        assert (await ask(f"http://{NOBODY}")).todo == "correct its url, or start Keycloak"
        assert "no such environment variable" in (await ask(url, client_secret="env:OUTPACE_NO_SUCH_VARIABLE")).text

    asyncio.run(all_of_it())
