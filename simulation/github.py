"""A GitHub organisation's audit log: the credentials its members act with, and their acts as the streamed log writes them down.

Format (docs.github.com, Enterprise Cloud): "Audit log events for your organization" with its fields, "Streaming the audit log for your enterprise" with API
requests and git events switched on, "Displaying IP addresses in the audit log", "Identifying audit log events performed by an access token". Lives of tokens:
"Generating an installation access token for a GitHub App" (an hour), "Refreshing user access tokens" (eight hours), "Automatic token authentication" (a job).

A request that changes something leaves two records, its own and the event of what it did. What is done in the browser leaves only the latter, and what is read
there nothing. Assumed: every record of a workflow's token names the repository whose token it is. Cost: about 15 µs a record.
"""

import base64
import hashlib
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import msgspec
import numpy as np

from simulation.github_kinds import KINDS
from simulation.github_routes import REFUSED_PUSH, ZIP, is_about_a_repository, is_request, left_by
from simulation.native.digests import digest
from simulation.native.shape import Act, Hold, Kind, Resident, Seat

ORGANISATION = "example"
WORKFLOWS = "github-actions[bot]"
_BROWSER = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131.0.0.0 Safari/537.36"
_GIT = "git/2.47.1"
_HOUR_S, _SHIFT_S, _JOB_S = 3600, 28_800, 1200
_CODES: Mapping[str, int] = {"throttled": 429, "missing": 410, "broken": 502}
_DONE: Mapping[str, int] = {"GET": 200, "POST": 201, "PUT": 204, "PATCH": 200, "DELETE": 204}
_FINE, _CLASSIC = "Fine-grained personal access token", "Personal access token (classic)"
_APP, _FOR_USER, _OAUTH = "GitHub App server-to-server token", "GitHub App user-to-server token", "OAuth access token"
_DEPLOY, _SSH = "Deploy key", "SSH key"
_TYPES: Mapping[str, str] = {"GET": "access", "HEAD": "access", "POST": "create", "DELETE": "remove"}
_DESK, _SESSION = "desk", "session"


class GitHub:
    """The provider: `native.estate.NativeEstate` makes an estate of it."""

    name = "github"
    kinds: tuple[Kind, ...] = KINDS
    holidays: frozenset[str] = frozenset()

    def principal(self, resident: Resident) -> str:
        """The login, or for what speaks for a repository, that repository."""
        kind = resident.kind_of
        if kind.where == "actions":
            return f"{WORKFLOWS}/{ORGANISATION}/{own_repo(resident)}"
        if kind.where == "deploy":
            return f"deploy-key/{ORGANISATION}/{own_repo(resident)}"
        return (kind.principal or "{stem}").format(stem=resident.stem, number=resident.number)

    def seat(self, resident: Resident, replica: int, at_s: float, seed: int) -> Seat:
        """From where and with which credential the resident's replica acts at that moment."""
        kind, name, where = resident.kind_of, self.principal(resident), resident.kind_of.where
        source = _source(resident, name, replica, at_s, seed)
        made = {
            "actions": lambda: workflow_seat(own_repo(resident), f"{seed} {int(at_s) // _JOB_S}", source, kind.agent),
            "app": lambda: app_seat(name, f"{seed} {int(at_s) // _HOUR_S}", source, kind.agent),
            "github": lambda: app_seat(name, f"{seed} {int(at_s) // _HOUR_S}", source, kind.agent),
            "for-user": lambda: user_app_seat(name, f"{seed} {int(at_s) // _SHIFT_S}", source, kind.agent),
            "oauth": lambda: oauth_seat(name, str(seed), source, kind.agent),
            "fine": lambda: fine_seat(name, number_of("fine", seed, name), source, kind.agent),
            "classic": lambda: classic_seat(name, number_of("classic", seed, name), source, kind.agent),
            "deploy": lambda: deploy_seat(own_repo(resident), hashed("deploy", seed, name), source, kind.agent),
            "ssh": lambda: ssh_seat(name, hashed("ssh", seed, name), source, kind.agent),
            "browser": lambda: person_seat(name, source, kind.agent, _SESSION),
            "desk": lambda: person_seat(name, source, kind.agent, _DESK),
        }
        return made[where]()

    def lent(self, resident: Resident, seat: Seat, at_s: float) -> Seat:
        """Nobody lends an identity in an organisation."""
        return seat

    def asked(self, act: Act, hold: Hold) -> list[Act]:
        """What the log tells of one act: of a request that changes something two records, of a look in the browser none."""
        act = _as_shown(act)
        way = act.seat.body["way"]
        if not is_request(act.operation):
            return _done(act, way)
        left = "" if act.failure else left_by(act.operation)
        follows = [act._replace(operation=left)] if left else []
        if way in (_DEPLOY, _SSH):
            return []
        return follows if way == _SESSION else [act._replace(issued=""), *follows]

    def event_id(self, rng: np.random.Generator) -> str:
        """A document id."""
        return base64.urlsafe_b64encode(rng.bytes(16)).decode().rstrip("=")

    def record(self, act: Act, event_id: str) -> bytes:
        """The act as one event of the stream."""
        at_ms = round(act.at_s * 1000)
        entry: dict[str, Any] = {
            "@timestamp": at_ms,
            "_document_id": event_id,
            "action": act.operation.removeprefix("github:"),
            "actor_ip": act.seat.source,
            "business": "example-co",
            "business_id": 3,
            "created_at": at_ms,
            "operation_type": "modify",
            "org": ORGANISATION,
            "org_id": 7,
            "request_id": event_id[:8].upper(),
            "user_agent": act.seat.agent,
            **act.seat.body["fields"],
            **_request(act),
            **_object(act),
            **_made(act),
        }
        return msgspec.json.encode(entry)


def own_repo(resident: Resident) -> str:
    """The repository that is a member's own."""
    return f"{resident.home}-{resident.stem}"


def hashed(*words: object) -> str:
    """What `hashed_token` would say of a token, without the padding; none begins as a bearer token does."""
    text = "\x00".join(map(str, words)).encode()
    found = base64.b64encode(hashlib.sha256(text).digest()).decode().rstrip("=")
    return f"f{found[1:]}" if found.startswith("eyJ") else found


def number_of(*words: object) -> int:
    """A number of a user, an app or a token."""
    return 1_000_000 + int(digest(*words)[:6], 16)


def workflow_seat(repo: str, run: str, source: str, agent: str) -> Seat:
    """A job of a workflow, with the token of that job."""
    name = f"{WORKFLOWS}/{ORGANISATION}/{repo}"
    found = hashed("job", repo, run)
    fields = _fields(WORKFLOWS, _APP, found, is_bot=True)
    return Seat(name, f"github-app-token:{found}", source, agent, {"way": _APP, "fields": fields, "repo": repo})


def app_seat(name: str, hour: str, source: str, agent: str) -> Seat:
    """An app that acts as itself, with the installation token of that hour."""
    found = hashed("installation", name, hour)
    fields = _fields(name, _APP, found, is_bot=True)
    return Seat(name, f"github-app-token:{found}", source, agent, {"way": _APP, "fields": fields})


def user_app_seat(login: str, shift: str, source: str, agent: str) -> Seat:
    """An app that acts for somebody."""
    found = hashed("for-user", login, shift)
    fields = _fields(login, _FOR_USER, found) | {"oauth_application_id": number_of("app of", login)}
    return Seat(login, f"github-token:{found}", source, agent, {"way": _FOR_USER, "fields": fields})


def oauth_seat(login: str, grant: str, source: str, agent: str) -> Seat:
    """An OAuth app that acts for somebody, for as long as nobody takes it back."""
    found = hashed("oauth", login, grant)
    fields = _fields(login, _OAUTH, found) | {"oauth_application_id": number_of("app of", login)}
    return Seat(login, f"github-token:{found}", source, agent, {"way": _OAUTH, "fields": fields}, True)


def fine_seat(login: str, number: int, source: str, agent: str) -> Seat:
    """A fine-grained token."""
    fields = _fields(login, _FINE, hashed("fine", number)) | {"token_id": number}
    return Seat(login, f"github-pat:{number}", source, agent, {"way": _FINE, "fields": fields}, True)


def classic_seat(login: str, number: int, source: str, agent: str) -> Seat:
    """A classic token."""
    found = _fields(login, _CLASSIC, hashed("classic", number))
    fields = found | {"token_id": number, "token_scopes": "repo,read:org,workflow"}
    return Seat(login, f"github-classic:{number}", source, agent, {"way": _CLASSIC, "fields": fields}, True)


def deploy_seat(repo: str, key: str, source: str, agent: str) -> Seat:
    """A deploy key, which reads and writes the code of one repository."""
    fields = _fields(f"owner-of-{repo}", _DEPLOY, key)
    name = f"deploy-key/{ORGANISATION}/{repo}"
    return Seat(name, f"github-deploy-key:{key}", source, agent, {"way": _DEPLOY, "fields": fields, "repo": repo}, True)


def ssh_seat(login: str, key: str, source: str, agent: str) -> Seat:
    """A key of a user's, which reads and writes code."""
    return Seat(login, f"github-key:{key}", source, agent, {"way": _SSH, "fields": _fields(login, _SSH, key)}, True)


def person_seat(login: str, source: str, agent: str, way: str = _SESSION) -> Seat:
    """Somebody in the browser; at a desk, with a key and a command line beside it."""
    fields = {"actor": login, "actor_id": number_of("user", login), "actor_is_bot": False}
    return Seat(login, f"github-user:{login}", source, agent, {"way": way, "fields": fields})


def knows_only_code(seat: Seat) -> bool:
    """Whether a credential opens git and nothing else."""
    return seat.body["way"] in (_DEPLOY, _SSH)


def _fields(actor: str, how: str, token: str, is_bot: bool = False) -> dict[str, Any]:
    return {
        "actor": actor,
        "actor_id": number_of("user", actor),
        "actor_is_bot": is_bot,
        "programmatic_access_type": how,
        "hashed_token": f"{token}=",
    }


def _source(resident: Resident, name: str, replica: int, at_s: float, seed: int) -> str:
    """The address of a replica: of hosted runners and people another one every time or day."""
    where = resident.kind_of.where
    text = digest(seed, "seat", name, replica)
    if where == "actions":
        return f"198.51.100.{1 + int(digest(seed, 'runner', name, int(at_s) // _JOB_S)[:4], 16) % 250}"
    if where in ("browser", "desk"):
        is_home = int(digest(seed, "home", name, int(at_s) // 86_400)[:2], 16) < 90
        return f"{'203.0.113' if is_home else '192.0.2'}.{1 + int(digest(seed, 'desk', name)[:4], 16) % 250}"
    if where in ("oauth", "for-user"):
        return f"198.51.100.{1 + int(text[:4], 16) % 250}"
    return f"10.{40 + int(text[4:6], 16) % 4}.{int(text[6:8], 16)}.{2 + int(text[:4], 16) % 250}"


def _as_shown(act: Act) -> Act:
    """The act with the credential and program it is done with; what speaks for a repository stays in it."""
    seat, own = act.seat, act.seat.body.get("repo")
    is_git = act.operation.startswith("github:git.")
    if seat.body["way"] == _DESK:
        seat = _at_hand(seat, act.operation)
    elif is_git and "git/" not in seat.agent.lower():
        seat = replace(seat, agent=_GIT)
    refused = "denied" if act.operation == REFUSED_PUSH else act.failure
    return act._replace(seat=seat, about=own or act.about, failure=refused)


def _at_hand(seat: Seat, operation: str) -> Seat:
    """Which of the things on a desk somebody uses: the key for git, the command line for requests, else the browser."""
    login = seat.principal
    if operation.startswith("github:git."):
        return ssh_seat(login, hashed("own key", login), seat.source, _GIT)
    if is_request(operation):
        return oauth_seat(login, "command line", seat.source, seat.agent)
    return replace(seat, agent=_BROWSER, body={**seat.body, "way": _SESSION})


def _done(act: Act, way: str) -> list[Act]:
    """What was done without a request: where it failed, only a refused push is told of; a browser takes code as an archive."""
    if act.operation == "github:git.push" and act.failure == "denied":
        return [act._replace(operation=REFUSED_PUSH)]
    if act.failure and act.operation != REFUSED_PUSH:
        return []
    if way == _SESSION and act.operation.startswith("github:git."):
        return [act._replace(operation=ZIP)] if act.operation != "github:git.push" else []
    return [act]


def _request(act: Act) -> dict[str, Any]:
    """The fields of a request; {} for what is none."""
    if not is_request(act.operation):
        return {"transport_protocol_name": _transport(act)} if act.operation.startswith("github:git.") else {}
    method, _, route = act.operation.removeprefix("github:api/").partition("/")
    refused = 404 if method == "GET" else 403
    code = _CODES.get(act.failure, refused) if act.failure else _DONE.get(method, 200)
    return {
        "action": "api.request",
        "operation_type": _TYPES.get(method, "modify"),
        "request_method": method,
        "route": f"/{route}",
        "status_code": code,
        "rate_limit_remaining": 4321,
    }


def _transport(act: Act) -> str:
    return "ssh" if knows_only_code(act.seat) else "http"


def _object(act: Act) -> dict[str, Any]:
    """What it was about: a repository, a user after an @, a team after a #."""
    head, _, user = act.about.partition("@")
    repo, _, team = head.partition("#")
    found: dict[str, Any] = {}
    if is_about_a_repository(act.operation) or "repo" in act.seat.body:
        found |= {"repo": f"{ORGANISATION}/{repo}", "repo_id": number_of("repo", repo)} if repo else {}
    found |= {"team": f"{ORGANISATION}/{team}"} if team else {}
    return found | ({"user": user, "user_id": number_of("user", user)} if user else {})


def _made(act: Act) -> dict[str, Any]:
    """The credential an event made."""
    if act.operation == "github:public_key.create":
        return {"fingerprint": f"SHA256:{act.issued or hashed('key', act.at_s, act.about)}", "read_only": "false"}
    if act.operation == "github:personal_access_token.access_granted" and act.issued:
        return {"user_programmatic_access_id": int(act.issued), "user_programmatic_access_name": "support"}
    return {}
