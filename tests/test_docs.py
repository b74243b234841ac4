"""The documents say what the code does: keys, defaults, loops, commands, examples and links are compared with it."""

import re
import shlex
import tomllib
import types
import typing
from pathlib import Path
from xml.etree import ElementTree

import msgspec
import pytest

from detector.config import (
    SHIPPED_MARGINS_BITS,
    SHIPPED_OFFSETS_BITS,
    SHIPPED_STEPS,
    UNDECLARED,
    Binding,
    Lease,
    Policy,
    read_policy,
)
from detector.decision import ACTIONS, Decision, decision_id
from detector.errors import ConfigError
from detector.language import SIGNALS
from detector.loops import named_loops
from detector.sources.timestamps import parse_time_ns

ROOT = Path(__file__).parents[1]
DOCUMENTS = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])


def text_of(name: str) -> str:
    return (ROOT / name).read_text("utf-8")


def blocks_of(name: str, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", text_of(name), re.MULTILINE | re.DOTALL)


def rows_of(name: str) -> list[list[str]]:
    lines = [line for line in text_of(name).splitlines() if line.startswith("| ")]
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines]


def documented_keys() -> dict[str, str]:
    rows = [row for row in rows_of("docs/policy.md") if row[0].startswith("`")]
    return {row[0].strip("`"): row[1].strip("`") for row in rows}


def policy_keys(kind: type[msgspec.Struct], prefix: str = "") -> dict[str, object]:
    """Dotted keys with their defaults, ``required`` where there is none; sections themselves are no keys."""
    keys: dict[str, object] = {}
    for field in msgspec.structs.fields(kind):
        name = prefix + field.encode_name
        has_factory = field.default_factory is not msgspec.NODEFAULT
        default = field.default_factory() if has_factory else field.default
        if isinstance(field.type, type) and issubclass(field.type, msgspec.Struct):
            keys |= policy_keys(field.type, name + ".")
        elif element := element_struct(field.type):
            if default == ():
                keys[name] = []
            keys |= policy_keys(element, name + "[].")
        else:
            keys[name] = "required" if default is msgspec.NODEFAULT else as_toml(default)
    return keys


def as_toml(default: object) -> object:
    if default is None:
        return "unset"
    return list(default) if isinstance(default, tuple) else default


def element_struct(kind: object) -> type[msgspec.Struct] | None:
    """The struct a tuple is made of, if it is."""
    first = next(iter(typing.get_args(kind)), None) if isinstance(kind, types.GenericAlias) else None
    return first if isinstance(first, type) and issubclass(first, msgspec.Struct) else None


def test_the_example_policy_is_read_and_says_what_it_shows() -> None:
    (example,) = blocks_of("docs/policy.md", "toml")
    policy = read_policy(example.encode(), "docs/policy.md")
    assert policy.evidence.offsets_bits["terraform"] == 18.0
    assert policy.leases == (Lease("*:role/break-glass-database", 30.0, 50, at_end="revoke"), UNDECLARED)
    assert policy.context.bindings[0] == Binding(
        "arn:aws:iam::123456789012:user/deploy", ("192.0.2.0/24", "198.51.100.16/28")
    )


def test_a_misspelt_key_in_the_example_policy_is_refused() -> None:
    (example,) = blocks_of("docs/policy.md", "toml")
    with pytest.raises(ConfigError, match="never_revok"):
        read_policy(example.replace("never_revoke", "never_revok").encode(), "p.toml")


def test_every_policy_key_is_documented_with_its_default() -> None:
    documented = documented_keys()
    expected = policy_keys(Policy)
    expected["evidence.offsets_bits"] = "see below"
    expected["evidence.steps"] = "see below"
    expected |= {f"evidence.steps.{provider}": weight for provider, weight in SHIPPED_STEPS.items()}
    expected["evidence.margins_bits"] = "see below"
    expected |= {f"evidence.margins_bits.{provider}": bits for provider, bits in SHIPPED_MARGINS_BITS.items()}
    expected |= {f"evidence.offsets_bits.{family}": bits for family, bits in SHIPPED_OFFSETS_BITS.items()}
    literal = {
        key: value if value in ("required", "unset", "see below") else tomllib.loads(f"v = {value}")["v"]
        for key, value in documented.items()
    }
    assert literal == expected


def test_every_named_loop_is_documented_as_it_is_shipped() -> None:
    rows = {
        (row[0].strip("`"), int(row[1])): row for row in rows_of("docs/loops.md") if len(row) == 5 and row[0][0] == "`"
    }
    assert set(rows) == {(loop.name, loop.weight) for loop in named_loops()}
    for loop in named_loops():
        row = rows[loop.name, loop.weight]
        assert row[3].split(", ") == list(loop.techniques)
        assert row[4].split(", ") == list(loop.frameworks)
        for signal, count in loop.needs.items():
            assert f"{signal} × {count}" in row[2]
        for path in loop.paths:
            assert f"{path} path" in row[2]


def test_there_are_nine_named_loops_each_told_in_words() -> None:
    told = {row[0].strip("`") for row in rows_of("docs/loops.md") if len(row) == 2}
    assert len({loop.name for loop in named_loops()}) == 9
    assert {loop.name for loop in named_loops()} <= told


def test_every_signal_is_documented() -> None:
    told = {row[0].strip("`") for row in rows_of("docs/loops.md") if len(row) == 2}
    assert set(SIGNALS) <= told


def blind_spots() -> list[str]:
    """The page's sections, one a blind spot."""
    return text_of("docs/blind-spots.md").split("\n## ")[1:]


def test_every_blind_spot_names_the_one_test_that_plays_it() -> None:
    played = re.findall(r"^def (test_\w+)\(", text_of("tests/detector/test_blind_spots.py"), re.MULTILINE)
    named = [re.findall(r"Test: `(\w+)`", section) for section in blind_spots()]
    assert named == [[name] for name in played]


def test_every_blind_spot_says_what_was_seen_and_what_would_see_it() -> None:
    assert [s for s in blind_spots() if "Seen today: " not in s or "**What would see it:**" not in s] == []


def test_the_table_of_blind_spots_leads_to_every_section_and_to_files_that_exist() -> None:
    headings = [section.partition("\n")[0] for section in blind_spots()]
    anchors = [re.sub(r"[^\w -]", "", heading).lower().replace(" ", "-") for heading in headings]
    rows = [row for row in rows_of("docs/blind-spots.md") if "](#" in row[-1]]
    assert {re.findall(r"\(#([\w-]+)\)", row[2])[0] for row in rows} == set(anchors)
    files = {name for row in rows for name in re.findall(r"`([\w/]+(?:\.py|/))`", row[0])}
    assert [name for name in files if not (ROOT / name).exists()] == []


def test_make_targets_named_in_the_documents_exist() -> None:
    targets = set(re.findall(r"^([a-z-]+):.*##", text_of("Makefile"), re.MULTILINE))
    named = {target for path in DOCUMENTS for target in re.findall(r"`make ([a-z-]+)`", path.read_text("utf-8"))}
    named |= set(re.findall(r"^make ([a-z-]+)$", text_of("README.md"), re.MULTILINE))
    assert {"demo", "test"} <= named <= targets


def commands_in_the_readme() -> list[str]:
    lines = [line for block in blocks_of("README.md", "sh") for line in block.splitlines()]
    return [line.removeprefix(".venv/bin/outpace ") for line in lines if line.startswith(".venv/bin/outpace ")]


@pytest.mark.parametrize("command", commands_in_the_readme())
def test_the_command_line_takes_every_command_of_the_readme(command: str) -> None:
    from streams.cli import app

    app.parse_args(shlex.split(command), exit_on_error=False, print_error=False)


def test_every_option_of_replay_is_in_the_readme() -> None:
    source = text_of("streams/replay_command.py").partition("def replay(")[2].partition(") -> int")[0]
    options = re.findall(r"^    ([a-z_]+):", source.partition("*,")[2], re.MULTILINE)
    readme = text_of("README.md")
    assert options
    assert [name for name in options if f"--{name.replace('_', '-')}" not in readme] == []


def test_the_decision_in_the_readme_is_a_decision_record() -> None:
    (example,) = blocks_of("README.md", "json")
    decision = msgspec.json.decode(example, type=Decision)
    assert list(msgspec.json.decode(example)) == [field.encode_name for field in msgspec.structs.fields(Decision)]
    time_ns = parse_time_ns(decision.time)
    assert decision.decision_id == decision_id(decision.credential, decision.action, decision.event_id, time_ns)
    assert decision.pattern in {loop.name for loop in named_loops()}
    assert decision.evidence_bits > decision.threshold_bits


def test_the_ladder_in_the_glossary_is_the_ladder() -> None:
    assert f"observe, {', '.join(ACTIONS[1:])}" in text_of("docs/glossary.md")


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_every_link_leads_to_a_file(document: Path) -> None:
    links = re.findall(r"\]\(([^)#\s]+)[^)]*\)", document.read_text("utf-8"))
    assert [link for link in links if "://" not in link and not (document.parent / link).exists()] == []


def test_the_picture_is_well_formed_and_told_in_words() -> None:
    picture = ElementTree.parse(ROOT / "docs/pictures/caught.svg").getroot()  # noqa: S314  our own file
    told = " ".join(picture.itertext())
    assert picture.tag.endswith("svg")
    assert "fourth action" in told


def test_the_licence_is_apache_2() -> None:
    licence = text_of("LICENSE")
    assert "Apache License" in licence
    assert "Version 2.0, January 2004" in licence
    assert "END OF TERMS AND CONDITIONS" in licence
