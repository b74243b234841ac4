"""docker-compose.yml: well formed, and its services run what the live tests run. Nothing here starts a container."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.commands import SERVICES, command
from benchmarks.deployment import Process
from streams.config import Settings, read_settings
from tests.tools import need_compose

ROOT = Path(__file__).resolve().parent.parent
COMPOSE = (ROOT / "docker-compose.yml").read_text()


def _services() -> dict[str, str]:
    """The text of each service."""
    inside = re.search(r"^services:\n(.*?)^\S", COMPOSE, re.MULTILINE | re.DOTALL)
    assert inside
    names = list(re.finditer(r"^  (\S+):\n", inside[1], re.MULTILINE))
    ends = [name.start() for name in names[1:]] + [len(inside[1])]
    return {name[1]: inside[1][name.end() : end] for name, end in zip(names, ends, strict=True)}


def test_compose_takes_the_file() -> None:
    done = subprocess.run([*need_compose(), "config", "--quiet"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def programs(folder: Path, **answers: int) -> None:
    """Programs in the folder that do nothing but end with this exit code."""
    for name, code in answers.items():
        (folder / name.replace("_", "-")).write_text(f"#!/bin/sh\nexit {code}\n")
        (folder / name.replace("_", "-")).chmod(0o755)


@pytest.mark.parametrize(
    ("there", "chosen"),
    [
        ({"docker": 0, "docker_compose": 0}, ["docker", "compose"]),
        ({"docker": 1, "docker_compose": 0}, ["docker-compose"]),
        ({"docker_compose": 0}, ["docker-compose"]),
    ],
)
def test_the_compose_that_works_is_taken(
    there: dict[str, int], chosen: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    programs(tmp_path, **there)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert need_compose() == chosen


@pytest.mark.parametrize("there", [{}, {"docker": 1}, {"docker": 1, "docker_compose": 1}])
def test_where_no_compose_works_the_file_is_not_judged_but_ci_says_what_is_missing(
    there: dict[str, int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    programs(tmp_path, **there)
    monkeypatch.setenv("PATH", str(tmp_path))
    for ci, outcome in (("", pytest.skip.Exception), ("true", pytest.fail.Exception)):
        monkeypatch.setenv("CI", ci)
        with pytest.raises(outcome, match="neither 'docker compose' nor docker-compose works"):
            test_compose_takes_the_file()


def test_each_service_runs_what_the_live_tests_run() -> None:
    found = {name: re.search(r"^    command: (\[.*\])$", text, re.MULTILINE) for name, text in _services().items()}
    assert {name: json.loads(line[1]) for name, line in found.items() if line and name != "keycloak"} == {
        service: command(name) for service, name in SERVICES.items()
    }


def test_nobody_starts_a_service_by_a_command_of_his_own() -> None:
    own = re.compile(
        r'Process\(\s*"|"(?:topics|ingest|worker|respond|serve)",\s*"--settings"|(?:command|name), "--settings"'
    )
    files = [*(ROOT / "tests" / "live").glob("*.py"), *(ROOT / "benchmarks").glob("*.py")]
    assert [file.name for file in files if own.search(file.read_text())] == []


def test_a_live_process_is_the_command_of_its_service(tmp_path: Path) -> None:
    for service, name in SERVICES.items():
        process = Process(name, Settings(), tmp_path, service)
        assert process.arguments[:3] == [sys.executable, "-m", "streams.cli"]
        assert process.arguments[3:-1] == command(name)[1:-1]


def test_every_image_is_pinned_and_the_broker_is_the_one_tested() -> None:
    images = dict(re.findall(r"image: (\S+):(\S+)", COMPOSE))
    assert not {name for name, tag in images.items() if tag == "latest" or (name != "outpace" and "." not in tag)}
    pom = re.search(r"<artifactId>kafka_2.13</artifactId>\s*<version>([^<]+)<", (ROOT / "pom.xml").read_text())
    assert pom
    assert images["apache/kafka"] == pom[1]
    pom = re.search(r"<version>(\d+\.[^<]+)<", (ROOT / "keycloak.pom.xml").read_text())
    assert pom
    assert images["quay.io/keycloak/keycloak"] == pom[1]


def test_the_services_settings_fit_the_services() -> None:
    settings = read_settings(str(ROOT / "deploy" / "settings.toml"))
    services = _services()
    assert f"INNER://{settings.kafka.bootstrap}," in services["kafka"]
    assert settings.kafka.partitions >= sum(name.startswith("worker") for name in services)
    assert settings.state_folder == "/var/lib/outpace"
    assert [source.paths for source in settings.ingest.sources] == [("/logs",)]
    for name in SERVICES.keys() - {"topics"}:
        assert f":{settings.state_folder}\n" in services[name]
    assert f"127.0.0.1:{settings.web.port}/health/live" in (ROOT / "Dockerfile").read_text()
    assert settings.web.host == "0.0.0.0"  # noqa: S104 - inside the container; no port of it is published


def test_prometheus_asks_services_that_exist() -> None:
    file = ROOT / "deploy" / "prometheus" / "prometheus.yml"
    known = set(_services()) | set(re.findall(r"aliases: \[(\S+)\]", COMPOSE)) | {"localhost"}
    asked = set(re.findall(r"([\w-]+):\d{4,5}\b", file.read_text()))
    assert asked
    assert asked <= known
