"""``outpace config show``: each value and where it came from, and no secret."""

import json
import re
from pathlib import Path
from typing import Any

import msgspec
import pytest

from streams import config as settings_module
from streams.cli import app
from streams.config import Settings, read_settings
from streams.connectors.settings import github
from streams.settings_view import OPEN_SECRET, SECRETS, settings_of

FILE = """
lateness_s = 60.0
[kafka]
bootstrap = "192.0.2.1:9092"
password = "env:KAFKA_PASSWORD"
[[ingest.sources]]
kind = "http"
token = "written-in-the-open"
[[ingest.sources]]
kind = "path"
paths = ["logs"]
"""


@pytest.fixture
def file(tmp_path: Path) -> str:
    path = tmp_path / "settings.toml"
    path.write_text(FILE)
    return str(path)


def _shown(capsys: pytest.CaptureFixture[str], *arguments: str) -> dict[str, dict[str, Any]]:
    with pytest.raises(SystemExit) as ended:
        app(["config", "show", "--json", *arguments])
    assert not ended.value.code
    return {entry["path"]: entry for entry in json.loads(capsys.readouterr().out)}


def test_each_value_says_whether_the_file_or_the_default_set_it(file: str, capsys: pytest.CaptureFixture[str]) -> None:
    shown = _shown(capsys, "--settings", file)
    assert shown["lateness_s"] == {"path": "lateness_s", "value": 60.0, "origin": file}
    assert shown["kafka.bootstrap"]["origin"] == file
    assert shown["kafka.partitions"] == {"path": "kafka.partitions", "value": 4, "origin": "default"}
    assert shown["ingest.sources[1].paths"] == {"path": "ingest.sources[1].paths", "value": ["logs"], "origin": file}
    assert shown["ingest.sources[1].poll_s"]["origin"] == "default"


def test_a_secret_is_shown_as_its_reference_and_never_resolved(
    file: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KAFKA_PASSWORD", "s3cr3t")
    shown = _shown(capsys, "--settings", file)
    assert shown["kafka.password"]["value"] == "env:KAFKA_PASSWORD"
    assert shown["ingest.sources[0].token"]["value"] == OPEN_SECRET
    assert "s3cr3t" not in str(shown)
    assert "written-in-the-open" not in str(shown)


def test_without_a_file_everything_is_a_default() -> None:
    assert {setting.origin for setting in settings_of(Settings(), None)} == {"default"}


def test_the_default_settings_shown_are_all_there_are(file: str) -> None:
    paths = [setting.path for setting in settings_of(read_settings(file), file)]
    assert len(paths) == len(set(paths))
    assert {path.split(".")[0].split("[")[0] for path in paths} == {f.name for f in msgspec.structs.fields(Settings)}


def test_every_field_that_sounds_secret_is_treated_as_one() -> None:
    structs = [s for s in vars(settings_module).values() if isinstance(s, type) and issubclass(s, msgspec.Struct)]
    structs += [s for s in vars(github).values() if isinstance(s, type) and issubclass(s, msgspec.Struct)]
    names = {f.name for s in structs for f in msgspec.structs.fields(s) if not f.name.endswith("_url")}
    sounding = {name for name in names if re.search("pass|secret|token|private|signing_key", name)}
    assert sounding == SECRETS
