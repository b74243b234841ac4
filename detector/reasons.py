"""Plain-language reasons: each exhibit's bits with a sentence a tired analyst understands."""

from collections.abc import Sequence

import msgspec
import numpy as np

from detector.decision import Reason
from detector.event import REFUSED, AuditEvent, Mark, Outcome
from detector.terms import is_refused_thing
from models.discovery import (
    AGENT,
    EDGE,
    FLOORS,
    NETWORK,
    RESOURCE_FLOOR,
    SOURCE,
    distrusted_hand_bits,
    new_bits,
    outcome_bits,
)

SHOWN = 8
SHADOW_BITS = 6.0
TOLD_FROM_BITS = 0.3


class Exhibit(msgspec.Struct, gc=False):
    """One scored event that mattered: its numbers (``EXHIBIT``) and the event itself.

    ``surprises``: what challengers said of this event, by name, in bits; shown, never counted.
    """

    x: np.void
    event: AuditEvent
    surprises: tuple[tuple[str, float], ...] = ()


def reasons_of(exhibits: Sequence[Exhibit]) -> tuple[Reason, ...]:
    """The strongest reasons of an episode, in order of time; the same sentence is told once."""
    told: dict[tuple[str, str], tuple[int, Reason]] = {}
    for order, exhibit in enumerate(exhibits):
        for reason in _reasons(exhibit):
            key = (reason.signal, reason.text)
            if key not in told or told[key][1].bits < reason.bits:
                told[key] = (order, reason)
    strongest = sorted(told.values(), key=lambda entry: -entry[1].bits)[:SHOWN]
    return tuple(reason for _order, reason in sorted(strongest, key=lambda entry: entry[0]))


def _reasons(exhibit: Exhibit) -> list[Reason]:
    x, event = exhibit.x, exhibit.event
    found = []
    operation_bits = float(x["operation_b"])
    if operation_bits > TOLD_FROM_BITS:
        found.append(Reason("operation", round(operation_bits, 2), event.event_id, _operation_text(x, event)))
    if x["denied_p"] >= 0.0 and (is_refused_thing(x) or (x["is_young"] and not x["is_repeat"])):
        bits = outcome_bits(event.outcome in REFUSED, float(x["denied_p"]))
        if bits > TOLD_FROM_BITS:
            found.append(Reason("answer", round(bits, 2), event.event_id, _answer_text(x, event)))
    for name, floor, text in (
        ("new_source_p", FLOORS[SOURCE], f"first use from address {event.source}"),
        ("new_network_p", FLOORS[NETWORK], f"first use from the network of {event.source}"),
        ("new_agent_p", FLOORS[AGENT], f"first use by client “{event.actor.agent[:60]}”"),
        ("new_edge_p", FLOORS[EDGE], "minted by an identity that never delegated to this one"),
    ):
        if x[name] >= 0.0 and (bits := new_bits(float(x[name]), floor)) > TOLD_FROM_BITS:
            found.append(Reason(name.removesuffix("_p"), round(bits, 2), event.event_id, text))
    if x["new_resource_p"] >= 0.0:
        bits = new_bits(float(x["new_resource_p"]), RESOURCE_FLOOR)
        found.append(
            Reason(
                "resource",
                round(bits, 2),
                event.event_id,
                f"reached for another resource: {event.resource or event.operation}",
            )
        )
    if x["sought"] > TOLD_FROM_BITS:
        found.append(
            Reason(
                "seeking",
                round(float(x["sought"]), 2),
                event.event_id,
                f"{event.operation}: the next thing tried to find out what is within reach",
            )
        )
    found += _said_beside(x, event)
    found += [
        Reason(f"challenger:{name}", round(bits, 2), event.event_id, f"{name} is surprised (shown, not counted)")
        for name, bits in exhibit.surprises
        if bits > SHADOW_BITS
    ]
    return found


def _said_beside(x: np.void, event: AuditEvent) -> list[Reason]:
    """What ``x.context`` holds: bits of what is said, and those a new hand adds while posture is distrusted."""
    is_distrusted = bool(event.actor.marks & Mark.DISTRUSTED)
    probabilities = (float(x[name]) for name in ("new_source_p", "new_network_p", "new_agent_p"))
    hand = min(float(x["context"]), distrusted_hand_bits(*probabilities)) if is_distrusted else 0.0
    said = round(float(x["context"]) - hand, 2)
    found = [Reason("context", said, event.event_id, _context_text(event.actor.marks))] if said > 0.0 else []
    if hand > 0.3:
        text = "used from where it never was while another party's signal distrusts what is behind it"
        found.append(Reason("posture", round(hand, 2), event.event_id, text))
    return found


def _context_text(marks: int) -> str:
    """What was known beside the log, the worst first."""
    if marks & (Mark.EXPOSED | Mark.RETIRED):
        word = "known to be exposed" if marks & Mark.EXPOSED else "retired, yet in use"
        return f"this credential is {word}"
    return "another party's signal says device, posture or risk behind this credential is not as it should be"


def _answer_text(x: np.void, event: AuditEvent) -> str:
    answer = "refused" if event.outcome in REFUSED else "answered"
    return f"{event.operation} was {answer}; of such first tries its peers see {float(x['denied_p']):.1%} refused"


def _operation_text(x: np.void, event: AuditEvent) -> str:
    answer = {
        Outcome.DENIED: ", denied",
        Outcome.FAILED_AUTHENTICATION: ", authentication failed",
        Outcome.ERROR: ", refused with an error",
    }
    history = int(x["total"])
    if x["count"] == 0.0:
        seen = f"never used in {history} earlier calls" if history else "the first call ever seen"
    else:
        seen = f"used {int(x['count'])}× before in {history} calls"
    return f"{event.operation}{answer.get(event.outcome, '')}: {seen}"
