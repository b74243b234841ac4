"""``outpace policy``: is this file right, and what would it have cost?"""

import sys
from typing import Annotated

import msgspec
from cyclopts import App, Parameter
from rich.markup import escape
from rich.text import Text

from detector.policy.check import Warned, warnings_of
from streams.policy_files import load_feeds, load_policy, load_rules
from streams.terminal import terminal

policy = App(name="policy", help="Check a policy, and see what it would have cost.")
policy.command(
    "streams.rehearsal_command:simulate",
    help="What would these logs have cost? Replays them as if armed, with nobody there to approve; nothing is executed.",
)


@policy.command
def check(file: str, /, *, json: Annotated[bool, Parameter(negative=())] = False) -> int:
    """Say whether a policy file is valid, and warn of rules that never count or undo each other.

    Parameters
    ----------
    file
        TOML file with the policy; settings of the live path beside it will do.
    json
        Print the warnings as JSON.
    """
    chosen = load_policy(file)
    load_feeds(chosen, file)
    load_rules(chosen, file)
    found = warnings_of(chosen)
    if json:
        sys.stdout.write(msgspec.json.encode({"file": file, "valid": True, "warnings": found}).decode() + "\n")
        return 0
    _print_check(file, found)
    return 0


def _print_check(file: str, found: list[Warned]) -> None:
    console = terminal()
    count = f", {len(found)} warning{'' if len(found) == 1 else 's'}" if found else ""
    console.print(f"{escape(file)}: valid{count}", highlight=False)
    for warned in found:
        console.print(Text(f"  {warned.path}: {warned.text}"), soft_wrap=True)
