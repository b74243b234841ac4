"""Transplants: real attack captures moved onto an identity of an estate.

Calls, their order, gaps, requests and answers stay; account, identities, keys, addresses, regions and whatever an attack
tool signs itself with are replaced. A capture is a file of CloudTrail records as JSON, one attack technique a file, in
any order; nothing of it is kept here. What a captured attacker did with further identities it does with fresh ones.

Blind to: captures without times or ids (single records as written in documentation cannot be moved), and traces of a tool
in what it asks for, beyond its name.
"""

import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from hashlib import blake2b
from itertools import pairwise
from pathlib import Path
from statistics import median

import numpy as np

from simulation import operations
from simulation.attack.catalogue import REGIONS
from simulation.attack.choosing import MACHINES, Chooser, Estate
from simulation.attack.hands import Hand, hand
from simulation.attack.styles import STYLES
from simulation.attack.victim import Victim
from simulation.attackers import Attack
from simulation.cloudtrail import Call, Record, Session, timestamp
from simulation.identifiers import ACCOUNT, access_key, principal_id

MIMICRIES = ("plain", "bind")
HALVES = ("tuning", "reporting")
_ELSEWHERE = "444455556666"  # the account a captured attacker shared something with
_NEEDED = ("eventTime", "eventSource", "eventName", "userIdentity")
_WORD = re.compile(r"[\w-]{5,}")
_SIGNED = re.compile(r"stratus|terraform|grimoire|leonidas|redteam|red-team", re.IGNORECASE)
_KEY = re.compile(r"\b(AKIA|ASIA)[A-Z0-9]{12,20}\b")
_ID = re.compile(r"\b(AIDA|AROA|ANPA|AGPA|AIPA)[A-Z0-9]{8,20}\b")
_ACCOUNT = re.compile(r"(arn:aws:sts::)?(?<![\w-])(\d{12})(?![\w-])")
_MAIL = re.compile(r"[\w.+-]+@[\w-]+\.[\w.]+")
_TOKEN = re.compile(r'("sessionToken": )"[^"]*"')


@dataclass(frozen=True, slots=True)
class Capture:
    """One captured attack: its name (the file's) and its CloudTrail records, oldest first."""

    name: str
    records: tuple[Record, ...]

    @property
    def tactic(self) -> str:
        """The second word of a name such as aws.credential-access.some-technique, or `captured`."""
        words = self.name.split(".")
        return words[1].replace("-", "_") if len(words) > 2 else "captured"


def read(path: Path) -> Capture:
    """The capture in a file: a JSON list of records, or an object with them under `Records`.

    ValueError, with the file's name, for anything else.
    """
    try:
        content = json.loads(path.read_bytes())
    except ValueError as error:
        raise ValueError(f"{path}: not JSON ({error})") from None
    records = content.get("Records") if isinstance(content, dict) else content
    if not isinstance(records, list) or not records:
        raise ValueError(f"{path}: wanted a list of CloudTrail records")
    for number, record in enumerate(records):
        missing = [name for name in _NEEDED if not isinstance(record, dict) or not record.get(name)]
        if missing:
            raise ValueError(f"{path}: record {number} has no {', '.join(missing)}: it cannot be moved")
    if _at_s(records[0]) > _at_s(records[-1]):
        records.reverse()  # newest first, ties too
    return Capture(path.name.removesuffix(".json"), tuple(sorted(records, key=_at_s)))


def captures(folder: Path, half: str = "") -> list[Capture]:
    """The captures of a folder by name; all, or the `tuning` or the `reporting` half. ValueError for no folder or no file."""
    paths = sorted(folder.glob("*.json"))
    if not paths:
        raise ValueError(f"{folder} holds no captures (*.json)")
    if half and half not in HALVES:
        raise ValueError(f"unknown {half!r}: wanted one of {', '.join(HALVES)}")
    return [read(path) for path in paths if not half or half_of(path.name) == half]


def half_of(file_name: str) -> str:
    """`tuning` or `reporting`: the half a capture belongs to, by its name alone, everywhere and for good.

    >>> half_of("aws.persistence.iam-backdoor-user.json")
    'reporting'
    """
    return HALVES[blake2b(file_name.encode(), digest_size=1).digest()[0] & 1]


def transplant(capture: Capture, victim: Victim, at_s: int, rng: np.random.Generator, mimicry: str = "plain") -> Attack:
    """The capture as an attack on the victim from `at_s` (Unix seconds) on.

    `plain`: from another network with another tool; `bind`: from the victim's source with its agent. ValueError for
    another mimicry, or a victim that has used no credential before.
    """
    if mimicry not in MIMICRIES:
        raise ValueError(f"unknown {mimicry!r}: wanted one of {', '.join(MIMICRIES)}")
    held = victim.held(at_s)
    shown = hand(mimicry, STYLES["script"].agent(rng), rng)
    new = _Replacement(capture, victim.name, held, rng)
    first_s = _at_s(capture.records[0])
    calls = [
        _moved(new, record, number, at_s + _at_s(record) - first_s, shown)
        for number, record in enumerate(capture.records)
    ]
    name = f"{capture.name}/{mimicry} on {victim.name}"
    pace = _pace([call.at_s for call in calls])
    return Attack(
        name,
        capture.tactic,
        mimicry,
        pace,
        held.key_id,
        held.principal_arn,
        calls,
        origin="captured",
        style="captured",
        variation=shown.variation,
    )


def transplants(
    estate: Estate,
    seed: int,
    found: Iterable[Capture],
    mimicries: Sequence[str],
    days: range,
    chooser: Chooser | None = None,
) -> list[Attack]:
    """Every capture once for each mimicry, each on a victim of its own, in order of their first call.

    As for `simulation.attack.campaign.campaign`; a shared `chooser` keeps the victims of both apart.
    """
    chooser = chooser or Chooser(estate, seed, days)
    made = []
    for number, (capture, mimicry) in enumerate((capture, mimicry) for capture in found for mimicry in mimicries):
        rng = np.random.default_rng([seed, 43, number])
        victim, at_s = chooser.choose(MACHINES, False, rng)
        made.append(transplant(capture, victim, at_s, rng, mimicry))
    return sorted(made, key=lambda one: one.calls[0].at_s)


class _Replacement:
    """What stands for what in one transplant; the same old thing always becomes the same new one."""

    def __init__(self, capture: Capture, name: str, held: Session, rng: np.random.Generator) -> None:
        self.held, self.rng, self._name = held, rng, name
        self.entry = _who(capture.records[0])
        owner = capture.records[0]["userIdentity"]
        issuer = owner.get("sessionContext", {}).get("sessionIssuer", {})
        self._exact = {
            str(owner.get("arn", "")): held.arn,
            str(issuer.get("arn", "")): held.principal_arn,
            str(owner.get("accessKeyId", "")): held.key_id,
            str(issuer.get("userName") or owner.get("userName", "")): name,
        }
        self._accounts = {str(record.get("recipientAccountId", "")) for record in capture.records}
        self._accounts |= {str(record["userIdentity"].get("accountId", "")) for record in capture.records}
        regions = dict.fromkeys(str(record.get("awsRegion", "")) for record in capture.records)
        others = [region for region in REGIONS if region != held.region]
        self._exact |= dict(zip(regions, [held.region, *others], strict=False))
        self._keys: dict[str, str] = {}

    def text(self, text: str) -> str:
        """The text with everything in it replaced that names the capture's account, people, keys or tool."""
        for old in sorted(filter(None, self._exact), key=len, reverse=True):
            pattern = rf"(?<![A-Za-z0-9_]){re.escape(old)}(?![A-Za-z0-9_])"
            text = self._exact[old].join(re.split(pattern, text))
        text = _ACCOUNT.sub(lambda found: (found[1] or "") + self._account(found[2], bool(found[1])), text)
        text = _KEY.sub(lambda found: self._key(found[0], found[1]), text)
        text = _ID.sub(lambda found: _kept(found[0]) or principal_id(found[1], found[0]), text)
        text = _TOKEN.sub(r'\1"EXAMPLETOKEN"', text)
        text = _WORD.sub(lambda found: self._unsigned(found[0]), text)
        return _MAIL.sub("someone@example.com", text)

    def _account(self, old: str, is_caller: bool) -> str:
        return ACCOUNT if is_caller or old == ACCOUNT or old in self._accounts else _ELSEWHERE

    def _unsigned(self, word: str) -> str:
        if not _SIGNED.search(word) or word == self._name or word in self.held.arn.split("/"):
            return word
        return f"shop-{blake2b(word.encode(), digest_size=4).hexdigest()}"

    def _key(self, old: str, prefix: str) -> str:
        if old not in self._keys:
            self._keys[old] = _kept(old) or access_key(self.rng, prefix)
        return self._keys[old]


def _moved(new: _Replacement, old: Record, number: int, at_s: int, shown: Hand) -> Call:
    """One record's call; `verbatim` is what is written."""
    kept = {name: value for name, value in old.items() if name not in ("userIdentity", "sourceIPAddress", "userAgent")}
    body: Record = json.loads(new.text(json.dumps(kept)))
    identity = _identity(new, old["userIdentity"], at_s - _at_s(old))
    service = str(old["eventSource"]).partition(".")[0]
    session = replace(new.held, key_id=str(identity.get("accessKeyId", "")), identity=identity)
    session = shown.on(session, number)
    region = operations.recorded_region(service, str(body.get("awsRegion") or session.region))
    changed = {"userIdentity": identity, "eventTime": timestamp(at_s), "awsRegion": region}
    changed |= {"sourceIPAddress": session.source, "userAgent": session.agent}
    body |= changed
    code = str(old.get("errorCode") or "")
    failure = "denied" if "Denied" in code or "Unauthorized" in code else "invalid" if code else ""
    operation = f"{service}:{old['eventName']}"
    return Call(
        at_s,
        session,
        operation,
        failure=failure,
        region=region,
        event_type=str(old.get("eventType") or "AwsApiCall"),
        verbatim=body,
    )


def _identity(new: _Replacement, old: Record, later_s: int) -> Record:
    """The victim's own identity for whoever began the attack; everybody else under a new name."""
    if old.get("arn") == new.entry[0] and old.get("accessKeyId") in (new.entry[1], None):
        mine = dict(new.held.identity)
        if not old.get("accessKeyId"):
            mine.pop("accessKeyId", None)
        return mine
    identity: Record = json.loads(new.text(json.dumps(old)))
    context = identity.get("sessionContext", {})
    attributes = context.get("attributes", {})
    if "creationDate" in attributes:
        attributes["creationDate"] = timestamp(_seconds(attributes["creationDate"]) + later_s)
    if context.get("sessionIssuer", {}).get("arn") == new.held.arn:
        context["sessionIssuer"]["arn"] = new.held.principal_arn
    return identity


def _who(record: Record) -> tuple[str | None, str | None]:
    return record["userIdentity"].get("arn"), record["userIdentity"].get("accessKeyId")


def _at_s(record: Record) -> int:
    return _seconds(record["eventTime"])


def _seconds(time: str) -> int:
    return int(datetime.fromisoformat(time).timestamp())


def _kept(identifier: str) -> str:
    """The identifier if it is one of ours already, which end in EXAMPLE."""
    return identifier if identifier.endswith("EXAMPLE") else ""


def _pace(times: Sequence[int]) -> str:
    gap_s = median(b - a for a, b in pairwise(times)) if len(times) > 1 else 0
    return "machine" if gap_s <= 2 else "agent" if gap_s <= 8 else "human" if gap_s <= 120 else "slow"
