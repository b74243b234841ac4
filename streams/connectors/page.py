"""``docs/connectors.md``, made from what the connectors say of themselves: ``python -m streams.connectors.page > docs/connectors.md``."""

import re
import sys

import msgspec

from streams.connectors.base import Description
from streams.connectors.catalogue import BESIDE, EXAMPLES, catalogue, is_list, told_settings

HEAD = """# Connectors

<!-- Made by `python -m streams.connectors.page`. Change the connectors' own words, not this page. -->

A connector carries a revocation command out at one provider, and asks the provider afterwards whether the access is gone.
`outpace connectors list` shows those there are, with `--settings FILE` those that are set up;
`outpace connectors check --settings FILE` tries every permission they need without changing anything, and says what to do about what is missing.

Which one takes a command: the one that names the command's provider and can do its action; else one for `*`, such as a webhook.
Settings in which two would take the same command are refused. Secrets are written as `env:NAME` or `file:PATH`.

```toml
[connectors.okta]
url = "https://example.okta.com"
client_id = "0oaexample"
private_key = "file:/run/secrets/okta.pem"

[[connectors.webhooks]]              # everybody else's commands
url = "https://hooks.example.com/outpace"
signing_secret = "env:WEBHOOK_SECRET"
proves = true

[connectors.notify]                  # and people are told
url = "env:CHAT_URL"
```

A rung that is not here is refused in so many words, and the next one this identity allows is taken instead, as a command of its own.
From a person who was only to be stepped up nothing more is taken: there the command becomes a dead letter, and people are told.
A webhook that can do the action takes it before that.

Keycloak has two ways. `[connectors.keycloak]` asks its admin API and knows every rung. Where Outpace may not have realm roles, `[[connectors.oauth]]` revokes
single tokens by RFC 7009 and proves it by RFC 7662, with nothing but the secret of the client they were issued to; set one of the two, or they would take the same command:

```toml
[[connectors.oauth]]
providers = ["keycloak"]
url = "https://keycloak.example.com/realms/shop/protocol/openid-connect"
introspection = "/token/introspect"  # revocation is /revoke, as by default
client_id = "portal"                 # Keycloak revokes a token only for the client it was issued to
client_secret = "env:PORTAL_SECRET"
kept_in = "/run/secrets/tokens"      # keycloak-session%3AID and keycloak-session%3AID.refresh, or keycloak-client%3Aportal
residual_s = 300                     # the realm's access token lifespan, where services check signatures and never ask
```

Give that client an audience mapper that includes the client itself: Keycloak calls an access token active only to who is in its audience, and what was never called active is
not proven gone. Revoking either token ends the client's part of the session with it; a token another service got for it by exchange lives on.

A *residual* is how long the provider may leave the access usable after it said yes. A proof that tried the access itself counts at once: at Keycloak where it says
`introspection`, `userinfo` or `log-in`. Every other reads the provider's objects back, or takes somebody's word, and counts once the residual is over.
That an introspection lies cannot be seen where it is the only answer there is, as at a generic OAuth server; Keycloak's is checked against UserInfo. A later use
that gets through overturns any proof ([respond.md](respond.md#what-happens-to-a-command)).
Doing a command twice leaves the provider as doing it once.
"""


def page() -> str:
    """The whole page."""
    parts = [HEAD, _overview(catalogue())]
    parts += [_section(field, told) for field, told in catalogue().items()]
    parts += [_beside(name, kind) for name, kind in BESIDE.items()]
    return "\n".join(parts)


def _overview(known: dict[str, Description]) -> str:
    lines = ["| connector | settings | takes | actions |", "|---|---|---|---|"]
    for field, told in known.items():
        actions = ", ".join(f"`{deed.action}`" for deed in told.deeds)
        providers = ", ".join(f"`{provider}`" for provider in told.providers)
        lines.append(f"| [{told.title}](#{_anchor(told.title)}) | `{_table(field)}` | {providers} | {actions} |")
    return "\n".join([*lines, ""])


def _section(field: str, told: Description) -> str:
    lines = [f"## {told.title}", "", "| action | does | residual | source |", "|---|---|---|---|"]
    for deed in told.deeds:
        lines.append(f"| `{deed.action}` | {deed.does} | {deed.residual_s:g} s | {_link(deed.page)} |")
    if undone := [deed for deed in told.deeds if deed.undo]:
        lines += [
            "",
            "Given back by `outpace restore` ([the responder](respond.md#giving-back)), what is not named here is not:",
            "",
        ]
        lines += [f"- `{deed.action}`: {deed.undo}." for deed in undone]
    if told.lacks:
        lines += ["", "Not here:", ""]
        lines += [f"- `{lack.action}`: {lack.why}." for lack in told.lacks]
    lines += ["", "| permission | for | source |", "|---|---|---|"]
    for permission in told.permissions:
        lines.append(f"| `{permission.name}` | {permission.needed_for} | {_link(permission.page)} |")
    lines += ["", f"Proof: {told.proof}.", "", f"Blind to: {told.blind_to or 'nothing known'}.", ""]
    return "\n".join([*lines, *_settings(_table(field), type(EXAMPLES[field]))])


def _beside(name: str, kind: type[msgspec.Struct]) -> str:
    title = {"notify": "Telling people", "http": "The HTTP client"}[name]
    table = "[connectors.notify]" if name == "notify" else "http, in each connector's table"
    return "\n".join([f"## {title}", "", *_settings(table, kind)])


def _settings(table: str, kind: type[msgspec.Struct]) -> list[str]:
    """``table`` with what its keys mean."""
    words, rows = told_settings(kind)
    lines = [f"`{table}`: {_prose(words)}", "", "| key | default |", "|---|---|"]
    return [*lines, *(f"| `{key}` | `{default}` |" for key, default in rows), ""]


def _table(field: str) -> str:
    return f"[[connectors.{field}]]" if is_list(field) else f"[connectors.{field}]"


def _prose(words: str) -> str:
    """A docstring as Markdown, in one paragraph."""
    return re.sub(r"``([^`]*)``", r"`\1`", " ".join(words.split()))


def _link(address: str) -> str:
    return f"[page]({address})" if address else ""


def _anchor(title: str) -> str:
    return re.sub(r"[^a-z0-9 -]", "", title.lower()).replace(" ", "-")


if __name__ == "__main__":
    sys.stdout.write(page())
