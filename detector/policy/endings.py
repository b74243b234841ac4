"""Access that ends by agreement rather than on evidence: emergency leases, just-in-time grants. From frames of rows to decisions, driven by event time.

An end that nobody's record marks (minutes that are over) is decided at the first row, of anybody, that is as late; its decision carries the time of the end itself. So
where a frame is cut, and how many engines share the work, changes nothing.
"""

import math
from collections.abc import Callable

import numpy as np

from detector.columns import Batch
from detector.config import Policy
from detector.decision import GRANT_ENDED, LEASE_ENDED, Decision, Loop, Reason, decision_id
from detector.event import AuditEvent, Mark, Path
from detector.loops import name_loop
from detector.policy.grants import GrantBook, Over
from detector.policy.ladder import is_temporary
from detector.policy.leases import Ended, LeaseBook, Use, holder_of
from detector.policy.tolerance import allowed_rungs, rank
from detector.sources.timestamps import format_time
from models.text_keys import text_key

KNOWN = 200_000
Found = list[tuple[int, Decision]]


class Endings:
    """What ends by agreement, of one engine."""

    def __init__(self, policy: Policy) -> None:
        self.policy = policy
        self.leases = LeaseBook(policy.leases)
        self.grants = GrantBook(policy.grants)
        self.clock_s = 0.0
        self._is_granted: dict[int, bool] = {}

    def walk(self, rows: np.ndarray, batches: dict[int, Batch], alerted: set[int]) -> Found:
        """Decisions of a slice, each with its row. ``alerted``: rows an alert was decided on."""
        if not len(rows):
            return []
        clock = np.maximum(np.maximum.accumulate(rows["time_s"]), self.clock_s)
        found: Found = []
        for i in self._interesting(rows, batches).tolist():
            found += self._by_time(float(clock[i]), clock)
            row = rows[i]
            event = batches[int(row["batch"])].event(int(row["index"]))
            found += [(i, decision) for decision in self._used(event, i in alerted)]
            # a late record may begin what is over already
            found += [(i, decision) for _at_s, decision in self._over(float(clock[i]))]
        found += self._by_time(float(clock[-1]), clock)
        self.clock_s = float(clock[-1])
        return found

    def keep(self, is_ours: Callable[[int], bool]) -> None:
        """Drops what belongs to principals of other engines, by their keys: where those go on, only their own engine sees it."""
        self.leases.keep(lambda holder: is_ours(text_key(holder)))
        self.grants.held = {
            credential: held
            for credential, held in self.grants.held.items()
            if is_ours(held.latest.actor.principal_key)
        }

    def reach(self, clock_s: float) -> list[tuple[float, Decision]]:
        """What is over by ``clock_s`` where no rows come; each with the time it ended, seconds since 1970."""
        if not math.isfinite(clock_s):
            return []
        self.clock_s = max(self.clock_s, clock_s)
        return [(self.clock_s, decision) for _at_s, decision in self._over(self.clock_s)]

    def _interesting(self, rows: np.ndarray, batches: dict[int, Batch]) -> np.ndarray:
        """Rows of emergency access and of credentials under a grant, in order."""
        wanted = rows["path"] == int(Path.EMERGENCY)
        if self.policy.grants:
            wanted |= self._granted(rows, batches)
        return np.flatnonzero(wanted & (rows["marks"] & int(Mark.NOTICE) == 0))

    def _granted(self, rows: np.ndarray, batches: dict[int, Batch]) -> np.ndarray:
        """Which rows are of a credential a grant's pattern fits; each credential is looked at once."""
        credentials, first, where = np.unique(rows["credential"], return_index=True, return_inverse=True)
        if len(self._is_granted) > KNOWN:
            self._is_granted.clear()
        found = np.zeros(len(credentials), bool)
        for n, (credential, i) in enumerate(zip(credentials.tolist(), first.tolist(), strict=True)):
            if credential not in self._is_granted:
                row = rows[i]
                actor = batches[int(row["batch"])].event(int(row["index"])).actor
                self._is_granted[credential] = self.grants.grant_of(actor) is not None
            found[n] = self._is_granted[credential]
        return found[where]

    def _used(self, event: AuditEvent, is_alerted: bool) -> list[Decision]:
        found = []
        if event.actor.path is Path.EMERGENCY:
            overrun = self.leases.use(event)
            if overrun:
                use = self.leases.uses[holder_of(event)]
                found.append(self._decision(event, event.time_ns, "", overrun, use))
        over = self.grants.use(event)
        if over is None and is_alerted:
            over = self.grants.anomaly(event)
        return found + ([self._ungranted(over)] if over else [])

    def _by_time(self, now_s: float, clock: np.ndarray) -> Found:
        """What is over by now, each at the first row as late as its end."""
        return [(int(np.searchsorted(clock, at_s)), decision) for at_s, decision in self._over(now_s)]

    def _over(self, now_s: float) -> list[tuple[float, Decision]]:
        found: list[tuple[float, Decision]] = []
        for ended in self.leases.ended(now_s):
            found += [(ended.at_s, decision) for decision in self._lease_ended(ended)]
        found += [(over.at_s, self._ungranted(over)) for over in self.grants.over(now_s)]
        return sorted(found, key=lambda entry: entry[0])

    def _lease_ended(self, ended: Ended) -> list[Decision]:
        if ended.lease.at_end == "nothing":
            return []
        lowest = "alert" if ended.lease.at_end == "report" else ""
        at_ns = int(ended.at_s * 1e9)
        return [self._decision(event, at_ns, LEASE_ENDED, ended.text, ended.use, lowest) for event in ended.events]

    def _ungranted(self, over: Over) -> Decision:
        return self._decision(over.event, int(over.at_s * 1e9), GRANT_ENDED, over.text)

    def _decision(
        self, event: AuditEvent, at_ns: int, pattern: str, text: str, use: Use | None = None, action: str = ""
    ) -> Decision:
        """The record. Without a ``pattern`` it is the overrun of a lease; without an ``action``, what takes this credential away."""
        actor, loop = event.actor, name_loop(0, Path.EMERGENCY, "lease")
        signal = "grant" if pattern == GRANT_ENDED else "lease"
        action = action or (self._taking(event) if pattern else self._taking(event, "revoke_session"))
        return Decision(
            decision_id=decision_id(actor.credential, action, event.event_id, at_ns),
            time=format_time(at_ns),
            event_id=event.event_id,
            provider=event.provider.name.lower(),
            scope=actor.scope,
            credential=actor.credential,
            principal=actor.principal,
            path=actor.path.name.lower(),
            action=action,
            dry_run=not self.policy.armed,
            evidence_bits=0.0,
            threshold_bits=0.0,
            pattern=pattern or loop.name,
            techniques=() if pattern else loop.techniques,
            frameworks=loop.frameworks,
            loop=Loop(0, 0.0, 0.0),
            actions_before=use.actions if use else 0,
            first_event_time=format_time(int(use.since_s * 1e9) if use else event.time_ns),
            reasons=(Reason(signal, 0.0, event.event_id, text),),
        )

    def _taking(self, event: AuditEvent, wanted: str = "") -> str:
        """The rung that takes this credential away, lowered to what the policy allows for it."""
        actor = event.actor
        wanted = wanted or ("revoke_session" if is_temporary(actor) else "disable_credential")
        allowed = allowed_rungs(self.policy, actor.path.name.lower(), actor.principal, actor.credential)
        return max((r for r in allowed if rank(r) <= rank(wanted)), key=rank, default="alert")
