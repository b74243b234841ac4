"""``replay --to kafka`` against the real broker: what it sends is decided as replay decides it, in every codec, and it says how that went."""

import asyncio
import json
import math
import os
import pty
import re
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import pytest
from aiokafka import AIOKafkaConsumer
from conftest import cloudtrail, jsonl, routine

from benchmarks.commands import INGEST, WORKER
from detector.config import Policy
from streams.admin import create_topics
from streams.cli import app
from streams.config import Ingest, Kafka, Settings, TopicSource, Web, Worker
from streams.connection import aiokafka_settings
from streams.resend import Resend
from streams.topics import Topics
from tests.live.comparison import assert_decided, learned
from tests.live.processes import Process, Topic, write_settings

ROOT = Path(__file__).parents[2]
A_DAY_IN_SECONDS = 8.0
SPEED = f"{86_400 / A_DAY_IN_SECONDS:g}x"


class Ran(NamedTuple):
    code: int
    out: str
    shown: str
    seconds: float


def on_a_pipe(*arguments: str) -> Ran:
    """The command as a script runs it: both outputs are pipes."""
    began_s = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-m", "streams.cli", *arguments], cwd=ROOT, env=_environment(), capture_output=True, text=True
    )
    return Ran(done.returncode, done.stdout, done.stderr, time.monotonic() - began_s)


def on_a_terminal(*arguments: str) -> Ran:
    """The command as somebody at a terminal runs it: both outputs are the same terminal."""
    began_s, (ours, theirs) = time.monotonic(), pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "streams.cli", *arguments], cwd=ROOT, env=_environment(), stdout=theirs, stderr=theirs
    )
    os.close(theirs)
    shown = b""
    with open(ours, "rb", buffering=0) as terminal:
        try:
            while some := terminal.read(1 << 16):
                shown += some
        except OSError:  # Linux says so where the last program that had it open is gone
            pass
    text = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", shown.decode())
    return Ran(process.wait(), text.splitlines()[-1], text, time.monotonic() - began_s)


def _environment() -> dict[str, str]:
    forcing = ("FORCE_COLOR", "NO_COLOR", "TTY_COMPATIBLE", "TTY_INTERACTIVE")
    kept = {name: value for name, value in os.environ.items() if name not in forcing}
    return kept | {"PYTHONPATH": str(ROOT), "TERM": "xterm", "COLUMNS": "160"}


def demo(_folder: Path) -> tuple[Path, Path]:
    """(baseline, live) of the shipped capture."""
    return ROOT / "examples/demo/baseline", ROOT / "examples/demo/live"


def estate(provider: str) -> Callable[[Path], tuple[Path, Path]]:
    """The same of a small estate of this provider; one line of its live log nobody can read."""

    def make(folder: Path) -> tuple[Path, Path]:
        options = {"--identities": 20, "--days": 3, "--baseline-days": 2, "--attacks": 6, "--estate": provider}
        done = on_a_pipe("simulate", str(folder / "case"), *(str(word) for pair in options.items() for word in pair))
        assert done.code == 0, done.shown
        baseline, live = (folder / "case" / "records" / name for name in ("baseline", "live"))
        (live / "torn.jsonl").write_bytes(b'{"torn": \n')
        return baseline, live

    return make


@pytest.mark.parametrize(
    ("capture", "run", "refused"),
    [(demo, on_a_terminal, 0), (estate("okta"), on_a_pipe, 1), (estate("kubernetes"), on_a_terminal, 1)],
    ids=["demo", "okta", "kubernetes"],
)
def test_what_is_sent_again_is_decided_as_replay_decides_it(
    capture: Callable[[Path], tuple[Path, Path]],
    run: Callable[..., Ran],
    refused: int,
    kafka_settings: Kafka,
    tmp_path: Path,
) -> None:
    baseline, live = capture(tmp_path)
    expected = learned([str(baseline)], [str(live)], tmp_path / "learned.state")
    kafka = msgspec.structs.replace(kafka_settings, partitions=1)
    topics = Topics.under(kafka.prefix)
    settings = Settings(
        armed=True,
        kafka=kafka,
        ingest=Ingest(sources=(TopicSource(topics.raw, f"{kafka.prefix}-ingest"),)),
        worker=Worker(initial_state=str(tmp_path / "learned.state")),
        web=Web(port=0),
        state_folder=str(tmp_path / "state"),
    )
    create_topics(kafka)
    path = write_settings(settings, tmp_path)
    records = [record.raw for record in Resend(Policy()).records([str(live)])]
    with (
        closing(Topic(settings, topics.decisions)) as decisions,
        closing(Topic(settings, topics.revocations)) as commands,
        Process(WORKER, path, tmp_path, "worker"),
        Process(INGEST, path, tmp_path, "ingest"),
    ):
        ran = run("replay", str(live), "--to", "kafka", "--speed", SPEED, "--settings", path)
        assert ran.code == 0, ran.shown
        assert_decided(expected, decisions, commands)
    assert asyncio.run(messages(kafka, topics.raw, len(records))) == records
    not_usable = f", {refused} not usable" if refused else ""
    said = re.fullmatch(rf"{len(records)} records sent to {topics.raw} in (\d+\.\d) s{not_usable}", ran.out.strip())
    assert said, ran.out
    assert 0.98 * A_DAY_IN_SECONDS <= float(said[1]) <= ran.seconds
    drawn = re.findall(r"reading.*?━.*?([\d.,]+)/([\d.,]+) (?:bytes|kB|MB)", ran.shown)
    if run is on_a_pipe:
        assert ran.shown == ""
    else:
        assert len({done for done, _ in drawn}) > 2, "it moves"
        assert drawn[-1][0] == drawn[-1][1], "it comes to its end"


async def messages(kafka: Kafka, topic: str, count: int) -> list[bytes]:
    """The first so many messages of a topic of one partition, and no more."""
    found: list[bytes] = []
    async with AIOKafkaConsumer(topic, **aiokafka_settings(kafka), auto_offset_reset="earliest") as consumer:
        async with asyncio.timeout(60):
            while len(found) < count:
                for some in (await consumer.getmany(timeout_ms=200)).values():
                    found += [message.value for message in some]
    return found


def sent(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str]:
    """(exit code, what it printed) of ``replay --to kafka`` as fast as possible, inside this process."""
    with pytest.raises(SystemExit) as ended:
        app(["replay", *arguments, "--to", "kafka", "--speed", "max"])
    return int(ended.value.code or 0), capsys.readouterr().out


@pytest.mark.parametrize("codec", ["none", "gzip", "snappy", "lz4", "zstd"])
def test_every_codec_ingest_may_be_told_to_use_is_one_to_send_with(
    codec: str, kafka_settings: Kafka, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    kafka = msgspec.structs.replace(kafka_settings, partitions=1, compression=codec)
    create_topics(kafka)
    log = tmp_path / "log.jsonl"
    log.write_bytes(jsonl(routine(300)))
    code, out = sent(capsys, str(log), "--json", "--settings", write_settings(Settings(kafka=kafka), tmp_path))
    assert code == 0
    raw = f"{kafka.prefix}.raw"
    done = json.loads(out)
    assert (done["topic"], done["sent"], done["rejected"]) == (raw, 300, 0)
    assert done["seconds"] > 0
    assert math.isclose(done["events_per_second"], 300 / done["seconds"], rel_tol=0.01)
    assert b"\n".join(asyncio.run(messages(kafka, raw, 300))) + b"\n" == log.read_bytes()


@pytest.mark.parametrize(
    ("changed", "record_bytes", "said"),
    [
        ({"bootstrap": "127.0.0.1:1"}, 0, "kafka 127.0.0.1:1: "),
        ({"max_message_bytes": 65_536}, 70_000, ".raw: "),
    ],
    ids=["no broker", "too large"],
)
def test_what_cannot_be_sent_is_one_line_and_exit_code_2(
    changed: dict[str, Any], record_bytes: int, said: str, kafka_settings: Kafka, tmp_path: Path
) -> None:
    create_topics(kafka_settings)
    kafka = msgspec.structs.replace(kafka_settings, **changed)
    large = cloudtrail(1, 1.0, "s3:GetObject", requestParameters={"key": "k" * record_bytes})
    (tmp_path / "log.jsonl").write_bytes(jsonl([large]))
    ran = on_a_pipe(
        *("replay", str(tmp_path / "log.jsonl"), "--to", "kafka", "--speed", "max"),
        *("--settings", write_settings(Settings(kafka=kafka), tmp_path)),
    )
    assert (ran.code, ran.out) == (2, ""), ran.shown
    [line] = ran.shown.splitlines()
    assert line.startswith("outpace: ")
    assert said in line
