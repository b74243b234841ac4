"""``outpace blast``: from logs, what a stolen credential reaches through the delegations that were walked, and the narrowest cut."""

import sys
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator
from fnmatch import fnmatchcase
from typing import Annotated

import msgspec
from cyclopts import Parameter, validators
from rich.markup import escape
from rich.table import Table
from rich.tree import Tree

from detector.blast.cut import Cut, narrowest_cut
from detector.blast.lineage import Lineage
from detector.blast.reach import DAY_S, Ages, Held, Reach, Reached, map_of
from detector.columns import Batch
from detector.config import Guards
from detector.errors import InputError, Rejection
from detector.event import AuditEvent
from detector.sources.cloudtrail_minting import heir_of
from detector.sources.cloudtrail_record import CloudTrailBatch
from detector.sources.timestamps import format_time, parse_time_ns
from streams.inputs import opened
from streams.merge import Merge
from streams.parsers import believable_until_ns, parsers_of
from streams.policy_files import SOURCES, Source, load_policy
from streams.progress import reading_progress
from streams.terminal import logs_of, printable, terminal

SEEN = 500_000
"""Ids of so many events are remembered: overlapping files bring the same ones twice."""
SHOWN_HELD = 20
SHOWN_REJECTIONS = 5
Progress = Callable[[int], None] | None


class Found(msgspec.Struct, frozen=True):
    """What ``--json`` prints; field names are a contract."""

    events: int
    rejected: int
    reach: Reach
    cut: Cut


def blast(
    credential: str,
    paths: Annotated[list[str], Parameter(negative=())],
    /,
    *,
    since: str | None = None,
    until: str | None = None,
    age_out_days: Annotated[float, Parameter(validator=validators.Number(gt=0))] = 90.0,
    policy: str | None = None,
    source: Source | None = None,
    json: Annotated[bool, Parameter(negative=())] = False,
) -> int:
    """Show what a stolen credential reaches, and what to take away so that nothing is left of it, at the least loss.

    Parameters
    ----------
    credential
        The stolen credential, as a decision names it.
    paths
        Files, folders, globs or - for standard input; the longer back, the better the costs.
    since
        When it was stolen, such as 2026-03-09T10:14:00Z: what it does and mints from then on is the thief's. Without it every use counts as legitimate, and all it ever minted as the thief's.
    until
        Look no further than this time.
    age_out_days
        A delegation, or a long-lived credential, idle for so long is taken as gone.
    policy
        TOML file; what its guards spare is never in the cut.
    source
        Take every input for this provider's log instead of recognising it.
    json
        Print reach and cut as one JSON object.
    """
    paths = logs_of(paths)
    since_ns, until_ns = _time_ns("--since", since, -1), _time_ns("--until", until, 1 << 62)
    lineage = Lineage(credential, since_ns)
    chosen = load_policy(policy)
    parsers = parsers_of(chosen, policy, believable_until_ns(time.time_ns()))
    merge = Merge(opened(paths), parsers, SOURCES.get(source or ""), chosen.lateness_s)
    with reading_progress(paths, [], quiet=json) as progress:
        events = _fill(lineage, merge, until_ns, progress)
    if not events:
        first = f": {merge.rejected[0]}" if merge.rejected else ""
        raise InputError(f"no usable audit record in {', '.join(paths)[:200]}{first}")
    idle_s = age_out_days * DAY_S
    found = map_of(lineage, Ages(credential_s=idle_s, delegation_s=idle_s))
    cut = narrowest_cut(found, lambda name: _is_spared(chosen.guards, name))
    if json:
        shown = Found(events, merge.rejected.total, found.reach, cut)
        sys.stdout.write(msgspec.json.encode(shown).decode() + "\n")
        return 0
    _print(found.reach, cut, list(merge.rejected), merge.rejected.total)
    return 0


def _time_ns(option: str, text: str | None, default: int) -> int:
    if text is None:
        return default
    try:
        return parse_time_ns(text)
    except (ValueError, OverflowError) as error:
        raise InputError(f"{option} {text[:80]!r}, wanted a time such as 2026-03-09T10:14:00Z") from error


def _is_spared(guards: Guards, name: str) -> bool:
    return any(fnmatchcase(name, pattern) for pattern in (*guards.never_revoke, *guards.brittle))


def _fill(lineage: Lineage, merge: Merge, until_ns: int, progress: Progress) -> int:
    """Notes every event once, in order of time; how many that were."""
    count = 0
    seen: OrderedDict[int, None] = OrderedDict()
    for batch, index, key in _rows(merge, progress):
        if key in seen:
            continue
        seen[key] = None
        if len(seen) > SEEN:
            seen.popitem(last=False)
        event = batch.event(index)
        if event.time_ns <= until_ns:
            count += 1
            lineage.note(event, _heir(batch, index, event))
    return count


def _rows(merge: Merge, progress: Progress) -> Iterator[tuple[Batch, int, int]]:
    """Batch, place in it and key of each event."""
    for rows in merge.frames():
        columns = (rows[name].tolist() for name in ("batch", "index", "event_key"))
        for number, index, key in zip(*columns, strict=True):
            yield merge.reorder.batches[number], index, key
        if progress:
            progress(merge.bytes_read)


def _heir(batch: Batch, index: int, event: AuditEvent) -> str:
    return heir_of(event.operation, batch.record(index)) if event.minted and isinstance(batch, CloudTrailBatch) else ""


# saying it


def _print(reach: Reach, cut: Cut, rejections: list[Rejection], rejected: int) -> None:
    console = terminal()
    console.print(_tree(reach))
    if len(reach.held) > 1:
        console.print(_held_table(reach.held))
    if cut.snips:
        console.print(_cut_table(cut))
        console.print(f"costs {_plural(cut.uses, 'legitimate use')} of the time looked at")
    else:
        console.print("nothing to cut")
    for name in cut.left:
        console.print(f"[red]left to the thief[/]: {_shown(name)}, the guards forbid touching it")
    if not reach.is_whole:
        console.print("[yellow]the reach is wider than what is shown: the oldest of it was dropped[/]")
    if rejected:
        sys.stderr.write(f"{rejected} records were not usable:\n")
        for rejection in rejections[:SHOWN_REJECTIONS]:
            sys.stderr.write(f"  {printable(str(rejection))}\n")


def _tree(reach: Reach) -> Tree:
    """Principals below whom the thief would come from."""
    scopes = ", ".join(map(_shown, reach.scopes)) or "no scope named"
    tree = Tree(
        f"[bold]{_shown(reach.stolen)}[/], {_plural(len(reach.held), 'live credential')} in the thief's hands; {scopes}"
    )
    branches = {"": tree}
    for reached in reach.principals:
        branches[reached.principal] = branches[reached.giver].add(_principal(reached))
    return tree


def _principal(reached: Reached) -> str:
    name = f"[bold]{_shown(reached.principal)}[/] [red]held[/]" if reached.is_held else _shown(reached.principal)
    facts = [_plural(reached.uses, "legitimate use")]
    if reached.thief:
        facts.append(f"[red]{_plural(reached.thief, 'use')} by the thief[/]")
    if reached.walks:
        by = f", [red]{reached.thief_walks} by the thief[/]" if reached.thief_walks else ""
        facts.append(f"reached {_plural(reached.walks, 'time')}{by}, last {format_time(reached.last_ns)}")
    return f"{name}: {'; '.join(facts)}"


def _held_table(held: tuple[Held, ...]) -> Table:
    table = Table("in the thief's hands", "of", "minted by", "last used", "thief's uses", box=None, pad_edge=False)
    for one in held[:SHOWN_HELD]:
        names = (one.credential, one.principal, one.parent)
        table.add_row(*map(_shown, names), format_time(one.last_ns), str(one.thief))
    if len(held) > SHOWN_HELD:
        table.add_row(f"… {len(held) - SHOWN_HELD} more, all of them with --json")
    return table


def _cut_table(cut: Cut) -> Table:
    table = Table("cut", "what", "legitimate uses", box=None, pad_edge=False)
    for snip in cut.snips:
        table.add_row(snip.action, _shown(snip.text.rpartition(": ")[0]), str(snip.uses))
    return table


def _plural(count: int, word: str) -> str:
    return f"{count:,} {word}{'' if count == 1 else 's'}"


def _shown(text: str) -> str:
    return escape(printable(text))
