"""Keys: readable by their owner only, large enough, rotated without a restart."""

import json
import os
import time
import warnings
from pathlib import Path
from typing import Any

import pytest
from joserfc.jwk import RSAKey
from signalling import jwks, key

from detector.errors import ConfigError
from streams.signals.command import keys as command
from streams.signals.errors import KeysUnavailableError
from streams.signals.keys import KeyFile, new_key, public_keys, read_keys, write_keys

PRIVATE = {"d", "p", "q", "dp", "dq", "qi", "oth"}


def test_the_command_makes_a_file_only_its_owner_may_read(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "keys.json"
    assert command(str(path)) == 0
    (made,) = read_keys(path)
    assert path.stat().st_mode & 0o777 == 0o600
    assert str(made.kid) in capsys.readouterr().out
    with pytest.raises(ConfigError, match="there already"):
        command(str(path))
    assert read_keys(path)[0].kid == made.kid


def test_a_rotation_signs_anew_and_keeps_the_key_before_published(tmp_path: Path) -> None:
    path = tmp_path / "keys.json"
    command(str(path))
    running = KeyFile(path)
    first = running.signer.kid
    command(str(path), rotate=True)
    second = running.signer.kid
    assert first != second
    assert [k["kid"] for k in json.loads(running.published())["keys"]] == [second, first]
    command(str(path), rotate=True)
    assert [k["kid"] for k in json.loads(running.published())["keys"]] == [running.signer.kid, second]


def test_nothing_private_is_published(tmp_path: Path) -> None:
    write_keys(tmp_path / "keys.json", [key()])
    published = json.loads(KeyFile(tmp_path / "keys.json").published())["keys"]
    assert not [name for one in published for name in one if name in PRIVATE]
    assert published[0]["use"] == "sig"


def test_a_file_others_may_read_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "keys.json"
    write_keys(path, [key()])
    path.chmod(0o640)
    with pytest.raises(ConfigError, match="0640, others may read"):
        read_keys(path)


@pytest.mark.parametrize("data", [b"", b"{", b"[]", b'{"keys": []}', b'{"keys": [{"kty": "RSA"}]}', jwks()])
def test_a_file_without_a_private_key_is_refused(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "keys.json"
    path.write_bytes(data)
    path.chmod(0o600)
    with pytest.raises(ConfigError, match="signing keys"):
        read_keys(path)
    with pytest.raises(ConfigError, match="outpace signals keys makes them"):
        read_keys(tmp_path / "none.json")


def test_small_keys_are_neither_made_nor_read(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="1024 bits"):
        new_key(1024)
    with warnings.catch_warnings(action="ignore"):
        small = RSAKey.generate_key(1024, auto_kid=True)
        write_keys(tmp_path / "keys.json", [small])
        with pytest.raises(ConfigError, match="1024 bits, wanted 2048"):
            read_keys(tmp_path / "keys.json")
        assert public_keys(jwks(small, key())).keys() == {key().kid}


def test_a_running_server_outlives_a_broken_rotation(tmp_path: Path) -> None:
    path = tmp_path / "keys.json"
    write_keys(path, [key()])
    running = KeyFile(path)
    path.write_bytes(b"{")
    os.utime(path, (time.time() + 5, time.time() + 5))
    assert running.signer.kid == key().kid


@pytest.mark.parametrize(
    "one",
    [
        {"kty": "EC"},
        {"kty": "RSA", "n": 7, "e": "AQAB"},
        {"kty": "RSA", "n": "x" * 99999, "e": "AQAB"},
        {"kty": "RSA", "n": "!!!", "e": "AQAB"},
        {"kty": "oct", "k": "c2VjcmV0"},
        {},
        {"kty": None},
    ],
)
def test_a_strange_key_in_a_jwks_leaves_the_others_usable(one: dict[str, Any]) -> None:
    mixed = json.dumps({"keys": [one, json.loads(jwks())["keys"][0]]}).encode()
    assert public_keys(mixed).keys() == {key().kid}


@pytest.mark.parametrize("data", [b"", b"<html>", b"[]", b'{"keys": 7}', b'{"keys": [7]}', b'{"keys": ' + b"[" * 9_999])
def test_what_is_no_jwks_gives_no_keys(data: bytes) -> None:
    with pytest.raises(KeysUnavailableError):
        public_keys(data)
