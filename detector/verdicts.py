"""From a crossing to a decision record, and what was already said: the same for both stages."""

from collections import OrderedDict
from collections.abc import Iterable, Sequence

import numpy as np

from detector import crossings, scoring
from detector.config import Policy
from detector.decision import ACTIONS, FIRST_REVOCATION, Decision, Loop, Reason, decision_id
from detector.event import AuditEvent, Path, Provider
from detector.learning import DAY_S
from detector.loops import name_loop
from detector.policy.ladder import rung
from detector.reasons import Exhibit, reasons_of
from detector.sources.timestamps import format_time
from models.budget import MARGIN_BITS, margin_bits
from models.iteration import loop_tempo

REMEMBERED = 20_000
NEVER_BITS = 1e9
COLD = (crossings.COLD_ALERT, crossings.COLD_REVOKE)
PATHS = tuple(path.name.lower() for path in Path)
WITHOUT_BITS = (crossings.CERTAIN, crossings.SOURCE_ALERTED, crossings.SOURCE_REVOKED, crossings.RETIRED_USE)


def knobs_of(policy: Policy, decides: bool) -> crossings.Knobs:
    """A policy's numbers as the compiled loop takes them."""
    evidence, budget = policy.evidence, policy.budget
    shipped = [evidence.margins_bits.get(provider.name.lower(), MARGIN_BITS) for provider in Provider]
    margins = np.array([[margin_bits(budget.revoke_one_in(path), bits) for path in PATHS] for bits in shipped])
    # Near the offset all tails are alike; above a revocation alerts are only where their budget is the rarer one.
    alerts = np.array([margin_bits(budget.alert_one_in(path)) for path in PATHS])
    rarer = np.array([[margin_bits(budget.alert_one_in(path), bits) for path in PATHS] for bits in shipped])
    return crossings.Knobs(
        margins=margins,
        alert_margins=np.minimum(alerts, np.maximum(margins, rarer)),
        steps=np.array([evidence.steps.get(provider.name.lower(), 1.0) for provider in Provider]),
        cold_alert=evidence.cold_alert_bits,
        cold_revoke=evidence.cold_revoke_bits if policy.cold_start_acts else NEVER_BITS,
        hold_s=evidence.hold_learning_s,
        young_s=scoring.COLD_S if policy.cold_start_acts else DAY_S,
        vocabulary=5000.0,
        decides=decides,
    )


class Verdicts:
    """Makes decisions and remembers what stands, for at most ``REMEMBERED`` credentials and principals."""

    def __init__(self, policy: Policy) -> None:
        self.policy = policy
        self.knobs = knobs_of(policy, True)
        self.revoked: OrderedDict[int, str] = OrderedDict()
        self.standing: OrderedDict[int, tuple[str, float]] = OrderedDict()

    def is_news(self, exhibit: Exhibit, action: str) -> bool:
        """Whether this changes the credential's state: a day long the same or a lower rung is not said again."""
        key, now = int(exhibit.x["credential"]), float(exhibit.x["time_s"])
        before, at = self.standing.get(key, ("observe", now))
        if now - at <= DAY_S and ACTIONS.index(action) <= ACTIONS.index(before):
            return False
        self.standing[key] = (action, now)
        self.standing.move_to_end(key)
        if len(self.standing) > REMEMBERED:
            self.standing.popitem(last=False)
        return True

    def note_revoked(self, exhibit: Exhibit) -> None:
        """Remembers that a principal was revoked, and by which credential."""
        key = int(exhibit.x["principal"])
        self.revoked[key] = exhibit.event.actor.credential
        self.revoked.move_to_end(key)
        while len(self.revoked) > REMEMBERED:
            self.revoked.popitem(last=False)

    def is_revoked(self, exhibit: Exhibit) -> bool:
        """Whether this credential was revoked within a day: what is still used after that was given back or never taken, and is judged anew."""
        action, at = self.standing.get(int(exhibit.x["credential"]), ("observe", 0.0))
        return ACTIONS.index(action) >= FIRST_REVOCATION and float(exhibit.x["time_s"]) - at <= DAY_S

    def decision(
        self,
        kind: int,
        exhibit: Exhibit,
        episode: Sequence[Exhibit],
        trigger: Exhibit | None = None,
        inherited: tuple[Reason, ...] = (),
        evidence_bits: float | None = None,
    ) -> Decision:
        """The record of a crossing. ``trigger``: the event elsewhere that set it off; ``inherited``: what was added to the exhibit's own bits."""
        x, event, at = exhibit.x, exhibit.event, trigger or exhibit
        actor = event.actor
        kind_name = "source" if kind in (crossings.SOURCE_ALERTED, crossings.SOURCE_REVOKED) else ""
        loop = name_loop(int(x["signals"]), actor.path, kind_name)
        escalates = self.revoked.get(int(x["principal"]), actor.credential) != actor.credential
        own_bits = max(float(x["evidence"]), float(x["cold"]) if kind in COLD else 0.0)
        bits = own_bits if evidence_bits is None else evidence_bits
        threshold = self._threshold(kind, float(x["threshold"]), event)
        action = rung(kind, actor, loop.name, escalates, self.policy, bits - threshold)
        mine = own_actions(episode, exhibit)
        seconds, per_minute = loop_tempo(float(x["iterations"]), float(x["decision_s"]))
        return Decision(
            decision_id=decision_id(actor.credential, action, at.event.event_id, at.event.time_ns),
            time=format_time(at.event.time_ns),
            event_id=at.event.event_id,
            provider=event.provider.name.lower(),
            scope=actor.scope,
            credential=actor.credential,
            principal=actor.principal,
            path=actor.path.name.lower(),
            action=action,
            dry_run=not self.policy.armed,
            evidence_bits=round(bits, 3),
            threshold_bits=round(threshold, 3),
            pattern=loop.name,
            techniques=loop.techniques,
            frameworks=loop.frameworks,
            loop=Loop(int(x["iterations"]), round(per_minute, 2), round(seconds, 3)),
            actions_before=max(len(mine), int(x["actions"]) if kind in COLD else 0),
            first_event_time=format_time(mine[0].event.time_ns),
            reasons=(*certain_reasons(kind, at), *inherited, *reasons_of(episode)),
            lineage=tuple(sorted({e.event.minted for e in mine if e.event.minted})),
        )

    def _threshold(self, kind: int, revokes_at: float, event: AuditEvent) -> float:
        if kind == crossings.COLD_ALERT:
            return self.policy.evidence.cold_alert_bits
        if kind == crossings.COLD_REVOKE:
            return self.policy.evidence.cold_revoke_bits
        if kind in WITHOUT_BITS:
            return 0.0
        return self.alerts_at(revokes_at, event) if kind == crossings.ALERT else revokes_at

    def alerts_at(self, revokes_at: float, event: AuditEvent) -> float:
        """The alert threshold in bits that goes with the revocation threshold an event is held to."""
        return self.offset(revokes_at, event) + float(self.knobs.alert_margins[event.provider, event.actor.path])

    def offset(self, revokes_at: float, event: AuditEvent) -> float:
        """The offset in bits of the principal behind the revocation threshold an event is held to."""
        return revokes_at - float(self.knobs.margins[event.provider, event.actor.path])


def episode_of(trail: Iterable[Exhibit], exhibit: Exhibit) -> list[Exhibit]:
    """The exhibits of a trail since the suspicion behind this one began, up to this one."""
    since = float(exhibit.x["since"]) or float(exhibit.x["time_s"])
    return [e for e in trail if since <= e.x["time_s"] <= exhibit.x["time_s"]] or [exhibit]


def own_actions(episode: Sequence[Exhibit], exhibit: Exhibit) -> list[Exhibit]:
    """The exhibits of an episode done by the hand that crossed: its source and agent; where no address is logged, its credential."""
    x = exhibit.x
    if x["source"]:
        return [e for e in episode if e.x["source"] == x["source"] and e.x["agent"] == x["agent"]] or [exhibit]
    return [e for e in episode if e.x["credential"] == x["credential"]] or [exhibit]


def certain_reasons(kind: int, at: Exhibit) -> tuple[Reason, ...]:
    """Reasons that are not bits: canaries, bindings, one source with many keys, retired credentials."""
    event = at.event
    texts = {
        crossings.CERTAIN: (
            "certain",
            "a canary was touched, or a token used outside the networks it is declared bound to",
        ),
        crossings.SOURCE_ALERTED: ("source", f"{event.source} reached a fourth credential new to it within an hour"),
        crossings.SOURCE_REVOKED: (
            "source",
            f"{event.source} reached five or more credentials new to it within an hour",
        ),
        crossings.RETIRED_USE: ("context", "a retired credential was used"),
    }
    return (Reason(texts[kind][0], 0.0, event.event_id, texts[kind][1]),) if kind in texts else ()
