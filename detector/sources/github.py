"""GitHub audit log events to rows: of an organisation or an enterprise, streamed, exported or from the REST API.

Format (docs.github.com, Enterprise Cloud): "Audit log events for your organization" and "… for your enterprise" with their fields; "Identifying audit log events
performed by an access token" (``hashed_token``, ``programmatic_access_type``, ``token_id``); "Streaming the audit log for your enterprise" with API requests
switched on (``api.request``); git events. Times are milliseconds since 1970, or texts where a log warehouse keeps them.

Credentials: ``github-pat:ID`` a fine-grained token, ``github-classic:ID`` a classic one, by ``token_id``; ``github-token:HASH`` a token an app holds for a user,
``github-app-token:HASH`` one it holds for itself, ``github-deploy-key:HASH`` and ``github-key:HASH`` SSH keys, by ``hashed_token``; ``github-user:LOGIN`` a person in the
browser. Principals: the login; a deploy key and the token of a workflow speak for their repository, which is the first one they are seen in: whoever holds a workflow's
token may ask for other repositories, and for none. GitHub answers 404 where it will not say that a private thing is there ("Troubleshooting the REST API"), so that
counts as a denial.

Blind to: addresses, where the organisation has not switched on their disclosure; reads in the browser and, where API requests are not streamed, through the API; which
app a user's token was given to; whose a workflow's token is that asks for another repository first; that the id under which a token is granted access is the one
under which it is used, which GitHub's pages suggest but do not say.
"""

import re
from typing import Any, NamedTuple

import msgspec

from detector.columns import Vocabulary
from detector.errors import MalformedRecordError
from detector.event import AuditEvent, Mark, Outcome, Path, Provider
from detector.identity.context import ContextFeeds
from detector.identity.rules import IdentityRules
from detector.sources.events import EventParser, Sighting, as_object, identifier, text_of, unattributed
from detector.sources.timestamps import FOREVER_NS, check_span, parse_time_ns, span_fault
from models.text_keys import text_key

_ACTION = re.compile(r"^[a-z0-9_.-]+$", re.IGNORECASE)
_NOT_WORD = re.compile(r"[^a-z0-9_.-]+")
_BY_STATUS = {401: Outcome.FAILED_AUTHENTICATION, 403: Outcome.DENIED, 404: Outcome.DENIED, 429: Outcome.THROTTLED}
_REFUSED = ("protected_branch.rejected_ref_update", "org.recovery_code_failed", "secret_scanning_push_protection.block")
"""Actions that are refusals themselves."""
_WORKFLOWS = "github-actions[bot]"
_MOST_HOMES = 1 << 16
_TIMES = ("@timestamp", "created_at", "at_sign_timestamp", "p_event_time")


class Record(msgspec.Struct, gc=False):
    """The fields of an event that scoring needs; each may be missing, null or of another type."""

    at: Any = msgspec.field(default=None, name="@timestamp")
    at_sign_timestamp: Any = None
    created_at: Any = None
    p_event_time: Any = None
    document_id: Any = msgspec.field(default=None, name="_document_id")
    action: Any = None
    actor: Any = None
    actor_id: Any = None
    actor_ip: Any = None
    actor_is_bot: Any = None
    user: Any = None
    user_agent: Any = None
    org: Any = None
    business: Any = None
    repo: Any = None
    repository: Any = None
    hashed_token: Any = None
    programmatic_access_type: Any = None
    token_id: Any = None
    user_programmatic_access_id: Any = None
    fingerprint: Any = None
    oauth_application_id: Any = None
    name: Any = None
    team: Any = None
    request_method: Any = None
    route: Any = None
    status_code: Any = None
    data: Any = None


class _Kind(NamedTuple):
    """A kind of credential: how the log names it, how we do, whether it is known by its number or its hash."""

    words: re.Pattern[str]
    name: str
    path: Path
    is_numbered: bool
    marks: int = 0


_KINDS = (
    _Kind(re.compile(r"fine.?grained", re.I), "github-pat", Path.WORKLOAD, True),
    _Kind(re.compile(r"personal.?access", re.I), "github-classic", Path.WORKLOAD, True),
    _Kind(
        re.compile(r"server.to.server|^github_app$|installation", re.I),
        "github-app-token",
        Path.WORKLOAD,
        False,
        int(Mark.TEMPORARY),
    ),
    _Kind(re.compile(r"user.to.server|oauth", re.I), "github-token", Path.DELEGATED, False),
    _Kind(re.compile(r"deploy.?key", re.I), "github-deploy-key", Path.WORKLOAD, False),
    _Kind(re.compile(r"ssh|public.?key", re.I), "github-key", Path.WORKLOAD, False),
)
_OTHER = _Kind(re.compile(""), "github-token", Path.WORKLOAD, False)


def outcome_of(action: str, status: str) -> Outcome:
    """What GitHub answered: only API requests say; an event of anything else is of something done, unless it is a refusal by name.

    >>> outcome_of("api.request", "404").name, outcome_of("git.clone", "").name
    ('DENIED', 'SUCCESS')
    """
    if action in _REFUSED:
        return Outcome.DENIED
    code = int(status) if status.isascii() and status.isdigit() and len(status) < 4 else 0
    return _BY_STATUS.get(code, Outcome.ERROR if code >= 400 else Outcome.SUCCESS)


def operation_of(action: str, method: str, route: str) -> str:
    """The action; of an API request, its method and route.

    >>> operation_of("api.request", "GET", "/repos/{owner}/{repo}/actions/secrets")
    'github:api/GET/repos/{owner}/{repo}/actions/secrets'
    """
    if action == "api.request" and route:
        return "github:api/" + re.sub(r"\s+", "", f"{method.upper() or 'ANY'}/{route.lstrip('/')}")[:120]
    return (
        f"github:{action}"
        if _ACTION.match(action)
        else f"github:{_NOT_WORD.sub('-', action.lower()).strip('-')[:120] or 'unnamed'}"
    )


class GitHubParser(EventParser):
    """Turns blocks of audit log into batches."""

    provider = Provider.GITHUB
    record_type = Record

    def __init__(
        self, vocabulary: Vocabulary, rules: IdentityRules, feeds: ContextFeeds, not_after_ns: int = FOREVER_NS
    ) -> None:
        super().__init__(vocabulary, rules, feeds, not_after_ns)
        self.homes: dict[str, str] = {}

    def read(self, record: Record, origin: str) -> AuditEvent:
        """The event of one record. Raises ``MalformedRecordError(json_path, reason)``."""
        action = text_of(record.action).strip()
        if not action:
            found = str(record.action)[:80]
            raise MalformedRecordError("$.action", f"{found!r}, wanted an action such as 'repo.create'")
        status = text_of(record.status_code)
        outcome = outcome_of(action, status)
        who = self._at_home(sighting(record, origin), record)
        return AuditEvent(
            time_ns=self._time_ns(record),
            provider=Provider.GITHUB,
            event_id=identifier(record.document_id) or whole(record),
            operation=operation_of(action, text_of(record.request_method), text_of(record.route)),
            outcome=outcome,
            actor=self.book.actor(who),
            source=who.address,
            resource=about(record),
            minted=made_by(record, action) if outcome is Outcome.SUCCESS else "",
            error="" if outcome is Outcome.SUCCESS else status or action,
        )

    def _at_home(self, who: Sighting, record: Record) -> Sighting:
        """A workflow's token speaks for the repository it was first seen in, whatever it asks for now. Remembers at most 65,536; then begins anew."""
        if not who.credential.startswith("github-app-token:") or text_of(record.actor) != _WORKFLOWS:
            return who
        home = self.homes.get(who.credential)
        if home is not None:
            return who._replace(principal=home)
        if text_of(record.repo) or text_of(record.repository):
            if len(self.homes) >= _MOST_HOMES:
                self.homes.clear()
            self.homes[who.credential] = who.principal
        return who

    def heir_of(self, record: Record, event: AuditEvent) -> str:
        """Whom a credential was made for: a deploy key's repository, a token's owner."""
        if event.minted.startswith("github-deploy-key:"):
            return _of_repository(record)
        return text_of(record.user) if event.minted.startswith("github-pat:") else ""

    def _time_ns(self, record: Record) -> int:
        values = (record.at, record.created_at, record.at_sign_timestamp, record.p_event_time)
        name, value = next(((n, v) for n, v in zip(_TIMES, values, strict=True) if v is not None), (_TIMES[0], None))
        try:
            if isinstance(value, str) and not re.match(r"^\d+(\.\d*)?$", value):
                return check_span(parse_time_ns(value), value[:80], self.not_after_ns)
            if isinstance(value, bool) or not isinstance(value, int | float | str):
                raise ValueError(f"{str(value)[:80]!r} is no time")
            time_ns = int(float(value) * 1000) * 1000
            if fault := span_fault(time_ns, self.not_after_ns):
                raise ValueError(f"{str(value)[:80]!r} lies {fault}")
            return time_ns
        except (ValueError, OverflowError) as error:
            reason = f"no believable time, wanted milliseconds since 1970: {str(error)[:200]}"
            raise MalformedRecordError(f"$.{name}", reason) from error


def sighting(record: Record, origin: str) -> Sighting:
    """Who acted and with which credential, as the record has it."""
    actor, token = text_of(record.actor)[:200], _credential(record)
    agent, address = text_of(record.user_agent), text_of(record.actor_ip)[:64]
    scope = text_of(record.org) or text_of(record.business)
    app = text_of(record.oauth_application_id)
    claims = (("oauth_application", app),) if app.strip("0") else ()
    if token is not None:
        kind, credential = token
        owned = kind.name == "github-deploy-key" or actor == _WORKFLOWS
        principal = (_of_repository(record) if owned else actor) or credential
        return Sighting(
            credential, principal, kind.path, agent, address, kind.marks, scope, claims, actor if owned else ""
        )
    if not actor:
        nobody = unattributed(origin)
        return Sighting(nobody, nobody, Path.HUMAN, agent, address, int(Mark.UNATTRIBUTED), scope, claims)
    is_bot = record.actor_is_bot is True or actor.endswith("[bot]")
    principal = _of_repository(record) if actor == _WORKFLOWS else actor
    path = Path.WORKLOAD if is_bot else Path.HUMAN
    return Sighting(f"github-user:{principal}", principal, path, agent, address, 0, scope, claims, actor)


def _credential(record: Record) -> tuple[_Kind, str] | None:
    """(kind, name) of the credential; None for a person in the browser."""
    said = text_of(record.programmatic_access_type)
    number, hashed = identifier(record.token_id), _hash(record.hashed_token)
    number = number if number.strip("0") else ""
    if not said and not number and not hashed:
        return None
    kind = next((k for k in _KINDS if k.words.search(said)), _OTHER) if said else _OTHER
    names = (number, hashed) if kind.is_numbered else (hashed, number)
    name = next((n for n in names if n), "")
    return kind, f"{kind.name}:{name or text_of(record.actor) or 'unnamed'}"


def _hash(value: Any) -> str:
    """A hash of a token, or the fingerprint of a key, in one spelling.

    >>> _hash("SHA256:abc+/d="), _hash("abc+/d=")
    ('abc+/d', 'abc+/d')
    """
    return identifier(value).removeprefix("SHA256:").rstrip("=")


def _of_repository(record: Record) -> str:
    """The principal of what speaks for a repository, its deploy keys and workflows."""
    repository = text_of(record.repo) or text_of(record.repository)
    owner = repository or text_of(record.org) or text_of(record.business)
    is_workflow = text_of(record.actor) == _WORKFLOWS
    return f"{_WORKFLOWS if is_workflow else 'deploy-key'}/{owner}" if owner else text_of(record.actor)


def about(record: Record) -> str:
    """What an event was about: the repository, else whatever is named first."""
    data = as_object(record.data)
    for value in (
        record.repo,
        record.repository,
        record.team,
        data.get("team"),
        record.name,
        record.user,
        record.org,
        record.business,
    ):
        if found := text_of(value):
            return found[:200]
    return ""


def made_by(record: Record, action: str) -> str:
    """The credential an event made: a key, or a token that was let in; '' when none."""
    if action == "public_key.create" and (key := _hash(record.fingerprint)):
        kind = "github-deploy-key" if text_of(record.repo) else "github-key"
        return f"{kind}:{key}"
    if action == "personal_access_token.access_granted" and (number := identifier(record.user_programmatic_access_id)):
        return f"github-pat:{number}"
    return ""


def whole(record: Record) -> str:
    """A hash of a record without an id of its own: the same at every reading."""
    try:
        text = msgspec.json.encode(record, order="sorted").decode("utf-8", "surrogatepass")
    except (ValueError, TypeError, RecursionError):
        text = repr(record)
    return f"{text_key(text):016x}"
