"""The sources of ``[ingest]``: is there anything to read, may we, can every secret be had. Topic sources are looked at with the broker."""

import asyncio
import os
import socket
from pathlib import Path

import aiohttp

from detector.errors import ConfigError
from streams.config import HttpSource, Ingest, KeycloakSource, PathSource, TopicSource, secret
from streams.doctor.finding import Finding, fault, ok, skipped, within_limit

_ASK_S = 5.0


async def source_findings(ingest: Ingest) -> list[Finding]:
    """Everything about every source but topics."""
    if not ingest.sources:
        return [skipped("sources", "none in [ingest]: `outpace ingest` would have nothing to read")]
    asked = []
    for source in ingest.sources:
        match source:
            case PathSource():
                asked.append(asyncio.to_thread(path_findings, source))
            case HttpSource():
                asked.append(asyncio.to_thread(http_findings, source))
            case KeycloakSource():
                asked.append(_keycloak_findings(source))
            case TopicSource():
                pass
    found = await asyncio.gather(*(within_limit("sources", findings) for findings in asked))
    return [finding for some in found for finding in some]


def path_findings(source: PathSource) -> list[Finding]:
    """Each path exists and may be read."""
    return [_path_finding(Path(path)) for path in source.paths] or [fault("source path", "it has no paths", "set some")]


def _path_finding(path: Path) -> Finding:
    check = "source path"
    try:
        if path.is_dir():
            return ok(check, f"{path}: a folder with {len(os.listdir(path))} entries")
        with path.open("rb") as file:
            file.read(1)
        return ok(check, f"{path}: a file that can be read")
    except FileNotFoundError:
        return fault(check, f"{path}: does not exist", "create it, or correct paths in [ingest]")
    except OSError as error:
        return fault(check, f"{path}: {error.strerror or error}", "let this user read it")


def http_findings(source: HttpSource) -> list[Finding]:
    """Senders can be told apart from strangers, and the port is free."""
    check, secrets = f"source http {source.host}:{source.port}", (source.token, source.signing_secret)
    if not any(secrets):
        return [fault(check, "neither token nor signing_secret", "set one: else anybody could write events")]
    try:
        for reference in secrets:
            secret(reference)
    except ConfigError as error:
        return [fault(check, str(error), "set it where ingest runs")]
    family = socket.AF_INET6 if ":" in source.host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((source.host, source.port))
        except OSError as error:
            todo = "fine where `outpace ingest` already runs here; else set another port"
            return [fault(check, error.strerror or str(error), todo)]
    return [ok(check, "the port is free, the secret is there")]


async def _keycloak_findings(source: KeycloakSource) -> list[Finding]:
    """The realm answers and takes our client's secret."""
    check = f"source keycloak {source.realm}"
    try:
        password = secret(source.client_secret)
    except ConfigError as error:
        return [fault(check, str(error), "set it where ingest runs")]
    form = {"grant_type": "client_credentials", "client_id": source.client_id, "client_secret": password}
    address = f"{source.url.rstrip('/')}/realms/{source.realm}/protocol/openid-connect/token"
    try:
        limit = aiohttp.ClientTimeout(total=_ASK_S)
        async with aiohttp.ClientSession(timeout=limit) as session, session.post(address, data=form) as answer:
            return [_keycloak_finding(check, source, answer.status)]
    except TimeoutError:
        return [fault(check, f"no answer within {_ASK_S:g} s", "correct its url, or start Keycloak")]
    except (aiohttp.ClientError, ValueError) as error:
        return [fault(check, f"{source.url}: {error}", "correct its url, or start Keycloak")]


def _keycloak_finding(check: str, source: KeycloakSource, status: int) -> Finding:
    if status == 200:
        return ok(check, f"{source.url} lets client {source.client_id} in")
    if status == 404:
        return fault(check, f"{source.url} knows no such realm", "correct its realm or url")
    todo = "correct client_id or client_secret, and allow the client service accounts"
    return fault(check, f"{source.url} refuses client {source.client_id} (status {status})", todo)
