"""The intruder: it asks, reads the answer, and keeps its footholds.

Loops (`simulation.attack.loops`) are policies written against this class: they say what to try next, this says when, from
where, with which credential, and what the account answers.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from simulation import sessions
from simulation.attack.account import Account
from simulation.attack.catalogue import CONTENT_READS, GLOBAL, REGIONS
from simulation.attack.hands import Hand
from simulation.attack.mind import Mind
from simulation.attack.styles import Style
from simulation.attack.tempo import Pace
from simulation.attack.victim import Victim
from simulation.cloudtrail import Call, Record, Session, name_of
from simulation.identifiers import access_key
from simulation.sessions import Client, Entry

_ROLE_LIFE_S, _TOKEN_LIFE_S, _LONG_S = 3600, 12 * 3600, 1 << 40
_COVER_LENGTH = 2
_SELF_CHAINED = 0.7


class Leaves(Exception):  # noqa: N818  it is no error: the intruder has had enough
    """The intruder's patience is at an end."""


@dataclass(frozen=True, slots=True)
class Foothold:
    """A credential in hand: `how` it came (stolen, found, role, token, federation, anew, key), from which other one, until when."""

    session: Session
    how: str
    until_s: int
    parent: "Foothold | None" = None


class Intruder(Mind):
    """One intruder at work from `at_s` on. `hiding` mixes the victim's own calls in, one for each of its own on average."""

    def __init__(
        self,
        account: Account,
        victim: Victim,
        hand: Hand,
        pace: Pace,
        style: Style,
        at_s: int,
        rng: np.random.Generator,
        hiding: bool = False,
    ) -> None:
        super().__init__(rng)
        self.account, self.victim, self.hand, self.pace, self.style = account, victim, hand, pace, style
        self.at_s, self.hiding = at_s, hiding
        self.calls: list[Call] = []
        self.left = pace.patience(rng)
        self.denials: dict[str, int] = {}
        self.answer = ""
        self._spare: Foothold | None = None
        self._knows_bars = False
        self.foothold = Foothold(victim.held(at_s), "stolen", _LONG_S)
        self.region = self.foothold.session.region

    @property
    def me(self) -> str:
        """The name the account knows the current credential by."""
        return name_of(self.foothold.session)

    @property
    def kind(self) -> str:
        """Role or User: what the current credential speaks for."""
        return "User" if self.foothold.session.identity.get("type") in ("IAMUser", "FederatedUser") else "Role"

    def ask(self, operation: str, resource: str = "", region: str = "", failure: str = "", **more: Record) -> bool:
        """Whether one call succeeded. `failure` is what it meets even where it is allowed (a wrong parameter); `more` are
        request and response.

        Leaves when patience is at an end.
        """
        self._wait()
        self._renew()
        region, used = region or self.region, self._used_for(operation)
        failure = self.answer = self._answer(used, operation, resource, region) or failure
        answer = None if failure else more.get("response")
        shown = self.hand.on(used.session, len(self.calls))
        self.calls.append(Call(self.at_s, shown, operation, resource, failure, more.get("request"), answer, region))
        service = operation.partition(":")[0]
        self.denials[service] = self.denials.get(service, 0) + 1 if failure == "denied" else 0
        if not failure:
            self.learn(operation, self.account.things)
        return not failure

    def look(self, topics: Sequence[str]) -> int:
        """How many questions about these topics were answered; a topic that keeps denying is left, as the style has it."""
        answered = 0
        for _topic, behind in self.style.tour(topics, self.rng):
            refused = 0
            for operation in behind:
                if refused >= self.style.gives_up_after:
                    break
                self.waste()
                won = self.ask(operation, self.some(operation))
                answered += won
                refused = 0 if won else refused + 1
        return answered

    def introduce(self) -> None:
        """Ask who one is, as the style has it, and perhaps what one may."""
        if self.rng.random() < self.style.asks_first:
            self.ask("sts:GetCallerIdentity")
        wants_own = self.style.name != "script" and self.rng.random() < 0.5
        if wants_own and self.ask(f"iam:ListAttached{self.kind}Policies", self.me):
            self.ask("iam:GetPolicyVersion", "base")

    def waste(self) -> None:
        """Now and then, as the style has it, a call that cannot work."""
        if self.rng.random() >= self.style.waste:
            return
        operation, failure = (
            ("iam:GetRole", "missing"),
            ("ec2:DescribeInstances", "invalid"),
            ("s3:ListObjects", "denied"),
            ("secretsmanager:GetSecretValue", "missing"),
            ("logs:FilterLogEvents", "missing"),
            ("lambda:GetFunction20150331v2", "missing"),
            ("iam:SimulatePrincipalPolicy", "denied"),
            ("cloudtrail:LookupEvents", "invalid"),
        )[int(self.rng.integers(8))]
        self.ask(operation, self.made_up(operation), failure=failure)

    def assume(self, role: str) -> bool:
        """Whether the role could be assumed; if so, everything after is done as the role."""
        name = f"botocore-session-{self.at_s}" if self.style.name != "model" else f"session-{self.rng.integers(99)}"
        self._wait()
        self._renew()
        used = self._used_for("sts:AssumeRole")
        shown = self.hand.on(used.session, len(self.calls))
        if self._is_barred(used, "sts:AssumeRole") or role not in self.account.targets(self.me, self.at_s):
            arn = sessions.role_arn(role)
            asked = {"roleArn": arn, "roleSessionName": name}
            self.calls.append(Call(self.at_s, shown, "sts:AssumeRole", arn, "denied", request=asked))
            return False
        entry = sessions.by_role(shown, role, name, self.at_s, self.rng)
        self.calls.append(entry.mint)
        self.foothold = Foothold(entry.session, "role", self.at_s + _ROLE_LIFE_S, self.foothold)
        return True

    def mint(self) -> bool:
        """Whether the credential in hand gave a fresh session; later calls use it.

        A user's key buys a session or a federation token. A role is asked for again the way its owner asks (with the
        pipeline's or the vendor's own proof), or else the session is chained: mostly into the same role, or one that lets it.
        """
        session = self.foothold.session
        if session.identity.get("type") != "IAMUser":
            again = self.victim.asks_anew(session, self.at_s, self.rng)
            return self._asks_anew(again) if again else self.assume(self._chained())
        if not session.key_id.startswith("AKIA"):
            return False
        self._wait()
        federated = self.rng.random() < 0.4
        entry = (sessions.by_federation if federated else sessions.by_session_token)(
            self.hand.on(session, len(self.calls)), f"session-{self.rng.integers(1000)}", self.at_s, self.rng
        )
        self.calls.append(entry.mint)
        how = "federation" if federated else "token"
        self.foothold = Foothold(entry.session, how, self.at_s + _TOKEN_LIFE_S, self.foothold)
        return True

    def _chained(self) -> str:
        """The role to become for a fresh session."""
        others = self.account.targets(self.me, self.at_s)
        is_own = self.rng.random() < _SELF_CHAINED or not others
        return self.me if is_own else others[int(self.rng.integers(len(others)))]

    def _asks_anew(self, entry: Entry) -> bool:
        self._wait()
        mint = replace(entry.mint, at_s=self.at_s, session=self.hand.on(entry.mint.session, len(self.calls)))
        self.calls.append(mint)
        self.foothold = Foothold(entry.session, "anew", self.at_s + _ROLE_LIFE_S, self.foothold)
        return True

    def new_key(self, user: str) -> bool:
        """Whether the user got a new access key; using it is `use_key`."""
        key = access_key(self.rng, "AKIA")
        given = {"accessKey": {"userName": user, "accessKeyId": key, "status": "Active"}}
        if not self.ask("iam:CreateAccessKey", user, response=given):
            return False
        session = self.foothold.session
        fresh = sessions.user(user, Client(session.source, session.agent, session.region), key)
        self._spare = Foothold(fresh, "key", _LONG_S, self.foothold)
        return True

    def use_key(self) -> None:
        """Go on with the last key that was made."""
        self.foothold = self._spare or self.foothold

    def find_key(self) -> bool:
        """Whether a key of some user lay where it has just looked; everything after is done with it, from where it is now."""
        keys = {name: session for name, session in self.account.residents.keys.items() if name != self.me}
        if not keys:
            return False
        here = self.foothold.session
        found = keys[list(keys)[int(self.rng.integers(len(keys)))]]
        found = replace(found, source=here.source, agent=here.agent, region=here.region)
        self.foothold = Foothold(found, "found", _LONG_S, self.foothold)
        return True

    def back(self) -> None:
        """Return to the credential the current one was got with."""
        self.foothold = self.foothold.parent or self.foothold

    def change_region(self) -> str:
        """Try another region from now on; its name."""
        others = [region for region in REGIONS if region != self.region]
        self.region = others[int(self.rng.integers(len(others)))]
        return self.region

    def is_shut_out(self, service: str) -> bool:
        """Whether the service has denied as often in a row as this style puts up with."""
        return self.denials.get(service, 0) >= self.style.gives_up_after

    def _answer(self, used: Foothold, operation: str, resource: str, region: str) -> str:
        if self._is_barred(used, operation):
            return "denied"
        failure = self.account.answer(self.me, operation, resource, region, self.at_s)
        is_bulk = operation in CONTENT_READS and operation.partition(":")[0] not in GLOBAL
        return "throttled" if not failure and is_bulk and self.rng.random() < 0.01 else failure

    def _wait(self) -> None:
        if self.left <= 0:
            raise Leaves
        self.left -= 1
        if self.calls:
            self.at_s += self.pace.next_s(self.rng)
        if self.hiding and self.rng.random() < 1 / _COVER_LENGTH:
            self._hide(int(self.rng.geometric(1 / _COVER_LENGTH)))

    def _hide(self, length: int) -> None:
        """The victim's own calls, at its own cadence, with the credential it holds by then."""
        for call in self.victim.habit(self.at_s, length, self.pace.cover_s, self.rng):
            self.calls.append(
                replace(call, at_s=self.at_s + call.at_s, session=self.victim.held(self.at_s + call.at_s))
            )
        if self.calls:
            self.at_s = max(self.at_s, self.calls[-1].at_s) + int(self.rng.integers(0, 3))

    def _renew(self) -> None:
        """A session that ran out is stolen or asked for again, as it was got."""
        if self.foothold.how == "stolen":
            self.foothold = replace(self.foothold, session=self.victim.held(self.at_s))
        if self.at_s < self.foothold.until_s:
            return
        role, how = self.me, self.foothold.how
        self.back()
        self._renew()
        if how == "role":
            self.assume(role)
        else:
            self.mint()

    def _used_for(self, operation: str) -> Foothold:
        """The current credential; where it was refused for what it is, the one it was bought with."""
        held = self.foothold
        if self._knows_bars and held.parent and self._is_barred(held, operation):
            return held.parent
        self._knows_bars = self._knows_bars or self._is_barred(held, operation)
        return held

    def _is_barred(self, held: Foothold, operation: str) -> bool:
        """Whether sessions of this kind are never allowed the operation, whatever the policies say.

        Source: IAM User Guide, "Compare AWS STS credentials": no IAM calls without MFA, and a federated session assumes no role.
        """
        if operation.startswith("iam:"):
            return held.how in ("token", "federation")
        return operation == "sts:AssumeRole" and held.how == "federation"
