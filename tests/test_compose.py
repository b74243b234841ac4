"""docker-compose.yml: well formed, and its services run what the live tests run. Nothing here starts a container."""

import json
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from commands import SERVICES, command

from streams.config import read_settings

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
    compose = ["docker-compose"] if shutil.which("docker-compose") else ["docker", "compose"]
    if not shutil.which(compose[0]):
        if os.environ.get("CI") == "true":
            pytest.fail("docker-compose must be installed under CI=true")
        pytest.skip("docker-compose is not installed")
    done = subprocess.run([*compose, "config", "--quiet"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_each_service_runs_what_the_live_tests_run() -> None:
    found = {name: re.search(r"^    command: (\[.*\])$", text, re.MULTILINE) for name, text in _services().items()}
    assert {name: json.loads(line[1]) for name, line in found.items() if line and name != "keycloak"} == {
        service: command(name) for service, name in SERVICES.items()
    }


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
    if not file.exists():
        pytest.skip("deploy/prometheus/prometheus.yml is not there yet")
    known = set(_services()) | set(re.findall(r"aliases: \[(\S+)\]", COMPOSE)) | {"localhost"}
    asked = set(re.findall(r"([\w-]+):\d{4,5}\b", file.read_text()))
    assert asked
    assert asked <= known
