"""Decisions made to fit one message: what explains is cut before anything is lost that acts.

Names in records are as long as whoever makes them likes, and a decision says them again in its reasons.
"""

import msgspec

from detector.decision import Decision, Reason

CUT = "cut"
"""Signal of the reason that says what was cut."""
OVERHEAD_BYTES = 1024
"""Room for a record's headers and its batch's."""
_LETTERS = 400


def fitted(decision: Decision, most_bytes: int) -> Decision:
    """The decision itself where its JSON has at most ``most_bytes``; else with reasons and lineage cut, and a last reason that says so.

    Ids, times, names and numbers stay, so that its command is the same. One whose names alone are too long comes back too large.
    """
    if _size(decision) <= most_bytes:
        return decision
    kept = max(len(decision.reasons), len(decision.lineage))
    while _size(short := _shortened(decision, kept)) > most_bytes and kept:
        kept //= 2
    return short


def _size(decision: Decision) -> int:
    return len(msgspec.json.encode(decision))


def _shortened(decision: Decision, kept: int) -> Decision:
    """With the first ``kept`` reasons, none longer than a few lines, and the first ``kept`` credentials of its lineage."""
    reasons, lineage = decision.reasons[:kept], decision.lineage[:kept]
    text = (
        f"cut to fit one message: {len(reasons)} of {len(decision.reasons)} reasons, texts of at most {_LETTERS} letters, "
        f"{len(lineage)} of {len(decision.lineage)} credentials it minted"
    )
    told = (*map(_short_reason, reasons), Reason(CUT, 0.0, "", text))
    return msgspec.structs.replace(decision, reasons=told, lineage=lineage)


def _short_reason(reason: Reason) -> Reason:
    if len(reason.text) <= _LETTERS:
        return reason
    return msgspec.structs.replace(reason, text=f"{reason.text[: _LETTERS - 1]}…")
