"""How far taking one access away has come: a small state machine, moved by what the provider says and by what is seen of the credential's later uses.

    commanded → held → approved → executing → accepted → proven
                  ↓        ↓          ↓           ↓         ↓
               alerted  alerted     dead     still_alive, raced

    accepted, proven, still_alive, raced → restoring → restored
                                               ↓
                                             kept

*Proven* means the provider says the access is gone, and nobody has been seen using it since. A provider that only read its object back says it for good once the residual time
is over: until then what was issued before may still work, and the command stays *accepted*. *Still alive* asks for the next rung, as does a rung nobody offers for
such a credential; *raced* (the same principal minted
a credential, changed a policy or assumed a role between the decision and the end of the provider's residual time) asks for the principal. Both may follow *proven*: a
provider may say "gone" of what still works, and records of a race come late. *Dead* is what nobody could carry out; an operator may drive it again, and it is admitted like a new one.

*Restored* is what a person had given back, since it was taken wrongly: nobody but a person begins that, and no later use of it counts. *Kept* is what could not be given
back.

Pure: times come in as nanoseconds since 1970 and nothing is asked here. Every function gives a new ``Containment``, or raises ``ContainmentError`` for a step that cannot be.

Blind to: which of two hands a refused use was of. A stranger can fail to log in under any name, so a refused use is only ever proof together with a provider that does not say
"alive".
"""

from typing import Literal

import msgspec
from msgspec.structs import replace

from detector.decision import ACTIONS
from detector.errors import ContainmentError
from detector.event import Outcome
from detector.policy.approval import Hold
from detector.policy.guardrails import RevocationCommand
from detector.sources.timestamps import format_time, parse_time_ns

State = Literal[
    "commanded",
    "held",
    "approved",
    "executing",
    "accepted",
    "proven",
    "still_alive",
    "raced",
    "alerted",
    "dead",
    "restoring",
    "restored",
    "kept",
]
Race = Literal["", "minted", "assumed", "policy"]
"""What a use did that outlives the credential: it issued another one, became somebody else, or changed who may do what."""

FOLLOWS: dict[State, frozenset[State]] = {
    "commanded": frozenset({"held", "approved", "alerted"}),
    "held": frozenset({"held", "approved", "alerted"}),
    "approved": frozenset({"executing", "alerted", "dead"}),
    "executing": frozenset({"executing", "accepted", "still_alive", "dead"}),
    "accepted": frozenset({"accepted", "proven", "still_alive", "raced", "restoring"}),
    "proven": frozenset({"still_alive", "raced", "restoring"}),
    "still_alive": frozenset({"restoring"}),
    "raced": frozenset({"restoring"}),
    "alerted": frozenset(),
    "dead": frozenset({"approved", "held"}),
    "restoring": frozenset({"restored", "kept"}),
    "restored": frozenset(),
    "kept": frozenset({"restoring"}),
}
"""What may come after what."""
RESTORABLE: tuple[State, ...] = tuple(state for state, after in FOLLOWS.items() if "restoring" in after)
"""States in which something was taken that may be given back."""
WATCHED: tuple[State, ...] = ("approved", "executing", "accepted", "proven")
"""States in which later uses say something."""

REFUSED = (int(Outcome.DENIED), int(Outcome.FAILED_AUTHENTICATION))
TOP = ACTIONS.index("quarantine_principal")
_NOT_AGAIN = "; not tried again: "
FIRST_LOOK_NS, LONGEST_WAIT_NS, PATIENT_WAIT_NS = 50_000_000, 5_000_000_000, 60_000_000_000


class Sighting(msgspec.Struct, frozen=True, kw_only=True):
    """A use of a watched credential, or by a watched principal, after it was commanded away. ``time_ns`` is when it happened; ``outcome`` as in ``event.Outcome``."""

    credential: str
    principal: str
    event_id: str
    time_ns: int
    received_ns: int
    operation: str
    outcome: int
    minted: str = ""
    race: Race = ""
    version: int = 1

    @property
    def is_success(self) -> bool:
        """Whether the provider let it happen."""
        return self.outcome == int(Outcome.SUCCESS)

    @property
    def is_refused(self) -> bool:
        """Whether the provider refused it."""
        return self.outcome in REFUSED


class Terms(msgspec.Struct, frozen=True):
    """How patient to be. ``grace_s``: beyond the residual time, until "alive" is believed; ``skew_s``: how far clocks may differ; ``watch_s``: how long uses count."""

    grace_s: float = 2.0
    skew_s: float = 1.0
    watch_s: float = 3600.0
    deadline_s: float = 300.0


class Containment(msgspec.Struct, frozen=True, kw_only=True):
    """One command and how far it has come. ``due_ns``: when to do something about it; 0 where only news moves it.

    ``commanded_ns``: when it came; ``begun_ns``: when the latest attempt was written down; ``deadline_ns``: until when it is tried.
    ``accepted_ns``, ``residual_s``: as the receipt says. ``is_fallback``: what is left of a command that people did not approve.
    ``chain_ns``: when the first command came, of those each of which follows one that did not hold; 0 where this is the first.
    ``used_ns``: the latest use that got through while the provider may still leave the access usable; 0 for none. A refusal from before it proves nothing.
    """

    command: RevocationCommand
    commanded_ns: int
    state: State = "commanded"
    since_ns: int = 0
    due_ns: int = 0
    hold: Hold | None = None
    attempts: int = 0
    begun_ns: int = 0
    deadline_ns: int = 0
    accepted_ns: int = 0
    residual_s: float = 0.0
    looks: int = 0
    is_refused_seen: bool = False
    raced_by: str = ""
    text: str = ""
    version: int = 1
    is_fallback: bool = False
    used_ns: int = 0
    chain_ns: int = 0

    @property
    def first_ns(self) -> int:
        """When the first command of its chain came."""
        return self.chain_ns or self.commanded_ns

    @property
    def open_until_ns(self) -> int:
        """Until when the provider may leave the access usable."""
        return self.accepted_ns + int(self.residual_s * 1e9)

    @property
    def decided_ns(self) -> int:
        """When the last use fell that the decision knew; the command's coming where its time is unreadable."""
        try:
            return parse_time_ns(self.command.time)
        except (ValueError, OverflowError):
            return self.commanded_ns

    def watched_until_ns(self, terms: Terms) -> int:
        """Until when later uses count: so long after it came, and after the provider has had its time."""
        return max(self.commanded_ns, self.open_until_ns) + int(terms.watch_s * 1e9)

    @property
    def is_over(self) -> bool:
        """Whether nothing but an operator or a sighting moves it any more."""
        return not self.due_ns and self.state not in ("held", "approved", "executing")


def commanded(command: RevocationCommand, now_ns: int, after: Containment | None = None) -> Containment:
    """Where every command begins. ``after``: the one it follows."""
    return Containment(command=command, commanded_ns=now_ns, since_ns=now_ns, chain_ns=after.first_ns if after else 0)


def held(c: Containment, hold: Hold, now_ns: int, text: str) -> Containment:
    """It waits for people, until the hold's deadline."""
    return _moved(c, "held", now_ns, text, hold=hold, due_ns=hold.deadline_ns + 1)


def approved(
    c: Containment, now_ns: int, terms: Terms, text: str, command: RevocationCommand | None = None
) -> Containment:
    """It is to be carried out now, as ``command`` where a fallback lowered it."""
    deadline_ns = now_ns + int(terms.deadline_s * 1e9)
    return _moved(c, "approved", now_ns, text, due_ns=now_ns, deadline_ns=deadline_ns, command=command or c.command)


def alerted(c: Containment, now_ns: int, text: str) -> Containment:
    """It is only told."""
    return _moved(c, "alerted", now_ns, text, due_ns=0)


def begun(c: Containment, now_ns: int) -> Containment:
    """The intent to ask the provider, to be made durable before it is asked."""
    return _moved(
        c, "executing", now_ns, f"attempt {c.attempts + 1}", attempts=c.attempts + 1, begun_ns=now_ns, due_ns=0
    )


def put_off(c: Containment, due_ns: int, text: str) -> Containment:
    """The attempt came to nothing that is known; another look at ``due_ns``, at the provider first."""
    if c.state not in ("approved", "executing", "restoring"):
        raise ContainmentError(f"command {c.command.command_id}: {c.state} cannot be put off")
    return replace(c, due_ns=due_ns, text=text, attempts=c.attempts + (c.state == "restoring"))


def failed(c: Containment, now_ns: int, text: str) -> Containment:
    """Nobody could carry it out."""
    return _moved(c, "dead", now_ns, text, due_ns=0)


def not_offered(c: Containment, now_ns: int, text: str) -> Containment:
    """Nobody does this to such a credential: it is as alive as it was."""
    return _moved(c, "still_alive", now_ns, text, due_ns=0)


def redriven(c: Containment) -> Containment:
    """An operator wants it tried again: its attempts are counted anew. Dead until it is admitted."""
    if c.state != "dead":
        raise ContainmentError(f"command {c.command.command_id}: {c.state} is no dead letter")
    return replace(c, attempts=0, looks=0)


def not_redriven(c: Containment, text: str) -> Containment:
    """It stays a dead letter, and says why beside what it died of."""
    died_of, _, _ = c.text.partition(_NOT_AGAIN)
    return replace(c, text=f"{died_of[:200]}{_NOT_AGAIN}{text}"[:400])


def restoring(c: Containment, now_ns: int, terms: Terms, text: str) -> Containment:
    """A person wants back what it took."""
    deadline_ns = now_ns + int(terms.deadline_s * 1e9)
    return _moved(c, "restoring", now_ns, text, due_ns=now_ns, deadline_ns=deadline_ns, attempts=0)


def restored(c: Containment, now_ns: int, text: str) -> Containment:
    """The provider gave it back."""
    return _moved(c, "restored", now_ns, text, due_ns=0)


def kept(c: Containment, now_ns: int, text: str) -> Containment:
    """It could not be given back."""
    return _moved(c, "kept", now_ns, text, due_ns=0)


def accepted(c: Containment, accepted_ns: int, residual_s: float, now_ns: int, text: str) -> Containment:
    """The provider took it. Looked at again at once."""
    return _moved(c, "accepted", now_ns, text, accepted_ns=accepted_ns, residual_s=residual_s, due_ns=now_ns, looks=0)


def looked(
    c: Containment,
    standing: Literal["inactive", "alive", "unknown"],
    now_ns: int,
    terms: Terms,
    text: str,
    *,
    is_tried: bool = False,
) -> Containment:
    """The provider was asked whether the access is gone. A race that was seen before is acted upon here, so that it is never lost.

    ``is_tried``: the access itself was tried, and refused. Where only an object was read back, it is proof once the residual time is over; one more look follows then.
    """
    if c.state != "accepted":
        raise ContainmentError(f"command {c.command.command_id}: {c.state} is not waiting for proof")
    if c.raced_by:
        return _moved(c, "raced", now_ns, c.raced_by, due_ns=0)
    if is_proof(c, standing, now_ns, is_tried=is_tried) or (standing != "alive" and c.is_refused_seen):
        return _moved(c, "proven", now_ns, f"{text}{_last_use(c)}", due_ns=0)
    if standing == "inactive":
        return replace(c, looks=c.looks + 1, due_ns=c.open_until_ns, text=text)
    is_time_up = now_ns >= c.open_until_ns + int(terms.grace_s * 1e9)
    if standing == "alive" and is_time_up:
        return _moved(c, "still_alive", now_ns, text, due_ns=0)
    return replace(c, looks=c.looks + 1, due_ns=_next_look_ns(c, now_ns, is_time_up, terms), text=text)


def is_proof(c: Containment, standing: str, now_ns: int, *, is_tried: bool) -> bool:
    """Whether a provider's answer proves by itself that the access is gone. What else proves it is a refused use."""
    return standing == "inactive" and (is_tried or now_ns >= c.open_until_ns)


def sighted(c: Containment, seen: Sighting, now_ns: int, terms: Terms) -> Containment:
    """A later use became known. Gives the same containment where it says nothing new."""
    if c.state not in WATCHED or seen.time_ns > c.watched_until_ns(terms):
        return c
    if _is_race(c, seen, terms):
        return _raced(c, f"{seen.race} by {seen.operation} after the decision", now_ns)
    if seen.credential != c.command.credential or c.state not in ("accepted", "proven"):
        return c
    if seen.is_success and seen.time_ns > c.open_until_ns + int((terms.grace_s + terms.skew_s) * 1e9):
        return _moved(c, "still_alive", now_ns, f"used after it was taken away: {seen.operation}", due_ns=0)
    if c.state != "accepted" or seen.time_ns <= max(c.accepted_ns, c.used_ns):
        return c
    if seen.is_success:
        return replace(c, is_refused_seen=False, used_ns=seen.time_ns)
    return replace(c, is_refused_seen=True, due_ns=now_ns) if seen.is_refused else c


def _last_use(c: Containment) -> str:
    return f"; last let in at {format_time(c.used_ns)}" if c.used_ns else ""


def _is_race(c: Containment, seen: Sighting, terms: Terms) -> bool:
    """Whether a use fell between the decision and the end of the residual time and did what outlives the credential.

    Nothing races a command that takes the principal.
    """
    if not seen.race or not seen.is_success or seen.event_id == c.command.event_id:
        return False
    is_theirs = seen.principal == c.command.principal or seen.credential == c.command.credential
    ends_ns = c.open_until_ns + int(terms.skew_s * 1e9) if c.accepted_ns else seen.time_ns
    return is_theirs and c.decided_ns < seen.time_ns <= ends_ns and ACTIONS.index(c.command.action) < TOP


def _raced(c: Containment, text: str, now_ns: int) -> Containment:
    """Before the provider accepted, a race is only noted: the credential has to go as well."""
    if c.state in ("accepted", "proven"):
        return _moved(c, "raced", now_ns, text, due_ns=0)
    return c if c.raced_by else replace(c, raced_by=text)


def _next_look_ns(c: Containment, now_ns: int, is_time_up: bool, terms: Terms) -> int:
    """Twice the wait each time, and one look right when time is up. Where the provider cannot say, now and then while uses are watched; then never."""
    if is_time_up:
        later = now_ns + min(FIRST_LOOK_NS << min(c.looks, 20), PATIENT_WAIT_NS)
        return later if later < c.watched_until_ns(terms) else 0
    wait_ns = min(FIRST_LOOK_NS << min(c.looks, 10), LONGEST_WAIT_NS)
    return min(now_ns + wait_ns, c.open_until_ns + int(terms.grace_s * 1e9))


def _moved(c: Containment, state: State, now_ns: int, text: str, **changes: object) -> Containment:
    if state not in FOLLOWS[c.state]:
        raise ContainmentError(f"command {c.command.command_id}: {c.state} cannot become {state}")
    return replace(c, state=state, since_ns=now_ns, text=text[:400], **changes)
