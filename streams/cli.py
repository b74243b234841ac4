"""The ``outpace`` command. Exit 0 when it did its work, 2 for unusable input or options with one line on stderr.

Every command is named here and loaded when it is called: none waits for what another needs.
"""

import sys
from importlib import metadata

from cyclopts import App, CycloptsError

from detector.errors import OutpaceError
from streams.terminal import STDIN, printable

app = App(
    name="outpace",
    help="Takes stolen machine identities away while the thief is still iterating.",
    version_flags=["--version"],
    version=lambda: metadata.version("outpace"),
)
app.command(
    "streams.ingest.run:ingest",
    help="Read audit records from files, topics, webhooks and Keycloak, and send them to the workers as frames.",
)
app.command("streams.life:worker", help="Score frames from the broker: decisions out, commands too where armed.")
app.command(
    "streams.watch:watch", help="Follow files and folders, decide as they grow, keep state in a folder; no broker."
)
app.command(
    "streams.respond.command:app",
    name="respond",
    help="Carry revocation commands out, and prove that the access is gone.",
)
app.command("streams.respond.approvals:approve", help="Approve a revocation command that waits for people.")
app.command("streams.respond.approvals:deny", help="Deny a revocation command that waits for people.")
app.command(
    "streams.respond.restoring:restore", help="Give back what a revocation took wrongly, as far as that can be."
)
app.command(
    "streams.replay_command:replay",
    help="Replay captured audit logs: which credential would have been revoked, when, why, after how many actions.",
)
app.command("streams.explain_command:explain", help="Score one decision again from its events and show each step.")
app.command("streams.admin:topics", help="Make the Kafka topics that are missing, say how the others differ.")
app.command("streams.doctor.command:doctor", help="Try everything ingest and worker will need; say what to do.")
app.command(
    "streams.signals.command:signals", name="signals", help="Tell others what was decided, and hear what they say."
)
app.command("streams.settings_view:config", name="config", help="Look at the settings.")
app.command("streams.blast:blast", help="What a stolen credential reaches, and the narrowest cut.")
app.command(
    "streams.ledger.command:ledger",
    name="ledger",
    help="Look at the ledger of what was decided, approved, commanded and done.",
)
app.command(
    "streams.connectors.command:connectors",
    name="connectors",
    help="Look at the connectors, and try what they need.",
)
app.command(
    "streams.simulate:simulate",
    help="Write a case: an estate's audit logs, the attacks in them, and the truth about both.",
)
app.command(
    "streams.backtest.command:backtest", help="Labelled cases in, one table out: how good is the detection, honestly?"
)
app.command("streams.policy_command:policy", name="policy", help="Check a policy, and see what it would have cost.")


def main() -> None:
    """Entry point of the ``outpace`` command."""
    try:
        code = app([STDIN if a == "-" else a for a in sys.argv[1:]], exit_on_error=False, print_error=False)
    except CycloptsError as error:
        sys.stderr.write(f"outpace: {' '.join(str(error).split())}\n")
        sys.exit(2)
    except OutpaceError as error:
        sys.stderr.write(f"outpace: {printable(str(error))}\n")
        sys.exit(2)
    except BrokenPipeError:
        sys.stderr.close()
        sys.exit(0)
    except KeyboardInterrupt:
        sys.stderr.write("outpace: interrupted\n")
        sys.exit(130)
    sys.exit(code or 0)


if __name__ == "__main__":
    main()
