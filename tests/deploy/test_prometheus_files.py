"""The files Prometheus is started with, judged by its own tool."""

import re
import subprocess
from pathlib import Path

import pytest
from promql import CONFIG, RULES, rules
from tools import need

PLAYED = Path(__file__).with_name("rules_test.yml")


@pytest.mark.parametrize(
    "arguments",
    [("check", "config", str(CONFIG)), ("check", "rules", str(RULES)), ("test", "rules", str(PLAYED))],
    ids=["the configuration", "the rules", "every alert played through"],
)
def test_promtool_finds_nothing_wrong_with(arguments: tuple[str, ...]) -> None:
    done = subprocess.run([need("promtool", "prometheus"), *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_our_reading_of_the_rules_misses_none() -> None:
    done = subprocess.run(
        [need("promtool", "prometheus"), "check", "rules", str(RULES)], capture_output=True, text=True, check=True
    )
    assert f"{len(rules())} rules found" in done.stdout


def test_every_alert_is_played_through() -> None:
    played = set(re.findall(r'alertname=~?"([\w|]+)"', PLAYED.read_text("utf-8")))
    assert {name for names in played for name in names.split("|")} == {r.name for r in rules() if r.kind == "alert"}


def test_every_process_of_the_compose_file_is_scraped() -> None:
    targets = re.findall(r'"([^"]+:\d+)"', CONFIG.read_text("utf-8"))
    assert targets == ["worker-1:9464", "worker-2:9464", "ingest:9464", "responder:9464"]
