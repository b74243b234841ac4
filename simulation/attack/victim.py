"""Whose credential it is: what the victim holds at a moment, and the habits a careful intruder hides in."""

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from simulation.cloudtrail import Call, Session, name_of, timestamp
from simulation.identifiers import access_key
from simulation.sessions import Entry, credentials

_HABITS = 400  # of the victim's latest calls


class Victim:
    """An identity as its calls show it, in time order; what others did on its way in is left out.

    ValueError where it has used no credential of its own.
    """

    def __init__(self, name: str, kind: str, path: str, calls: Sequence[Call]) -> None:
        self.name, self.kind, self.path = name, kind, path
        self._mints = {_minted(call): call for call in calls if _minted(call)}
        self.calls = [call for call in calls if _is_use(call) and name_of(call.session) == name]
        self._times = [call.at_s for call in self.calls]
        if not self.calls:
            raise ValueError(f"{name} has used no credential: nothing to steal")

    def held(self, at_s: int) -> Session:
        """The session last used before the time; ValueError if there was none."""
        number = bisect_left(self._times, at_s)
        if not number:
            raise ValueError(f"the victim has used no credential before {at_s}: nothing to steal yet")
        return self.calls[number - 1].session

    def uses_between(self, from_s: int, until_s: int) -> list[int]:
        """When it used a credential, in Unix seconds."""
        return self._times[bisect_left(self._times, from_s) : bisect_left(self._times, until_s)]

    def asks_anew(self, session: Session, at_s: int, rng: np.random.Generator) -> Entry | None:
        """A fresh session got the way the victim got this one, if that takes no credential of the account's own.

        So it is where a pipeline shows a token or a vendor its own account; None for everybody else.
        """
        mint = self._mints.get(session.key_id)
        if mint is None or mint.session.identity["type"] not in ("WebIdentityUser", "AWSAccount"):
            return None
        key_id = access_key(rng, "ASIA")
        context = dict(session.identity["sessionContext"])
        context["attributes"] = {**context["attributes"], "creationDate": timestamp(at_s)}
        identity = {**session.identity, "accessKeyId": key_id, "sessionContext": context}
        given = {**(mint.response or {}), "credentials": credentials(key_id, at_s, 3600)}
        fresh = replace(session, key_id=key_id, identity=identity)
        return Entry(fresh, replace(mint, at_s=at_s, response=given))

    def habit(self, before_s: int, length: int, most_pause_s: int, rng: np.random.Generator) -> list[Call]:
        """`length` consecutive calls out of its recent past, from 0 s on at its own cadence, no pause longer than told."""
        past = self.calls[: bisect_left(self._times, before_s)][-_HABITS:]
        past = [call for call in past if not call.failure]
        if not past:
            return []
        start = int(rng.integers(len(past)))
        run = past[start : start + length]
        offset_s, made = 0, []
        for number, call in enumerate(run):
            offset_s += min(call.at_s - run[number - 1].at_s, most_pause_s) if number else 0
            made.append(replace(call, at_s=offset_s))
        return made


def _is_use(call: Call) -> bool:
    return bool(call.session.key_id) and not call.operation.startswith(("sts:Assume", "signin:"))


def _minted(call: Call) -> str:
    is_mint = call.operation.startswith("sts:Assume") and not call.failure
    return str((call.response or {}).get("credentials", {}).get("accessKeyId", "")) if is_mint else ""
