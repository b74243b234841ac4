"""GitHub: tokens and grants of our OAuth apps deleted, fine-grained tokens cut off from the organisation, SSO credentials removed, installations of our apps suspended.

Credentials: ``github-token:NAME`` is a user token of our app, kept under that name; ``github-pat:ID`` a fine-grained token by its id in the organisation;
``github-credential:ID`` a classic token or SSH key by its SSO authorisation; ``github-installation:ID`` an installation of an app of ours. ``principal`` is the login. Calls: see ``github_api``.
"""

from collections.abc import Awaitable, Callable

from detector.errors import ConfigError
from detector.policy.guardrails import RevocationCommand
from streams.connectors.base import (
    Deed,
    Description,
    Finding,
    NotOfferedError,
    Permission,
    Proof,
    Receipt,
    RefusedError,
    Standing,
)
from streams.connectors.github_api import (
    APP,
    CLIENT,
    MOST_LISTED,
    PAGES,
    PATS,
    SSO,
    FineGrainedTokens,
    OAuthTokens,
    OwnApps,
    SsoCredentials,
)
from streams.connectors.http_client import NotAllowedError
from streams.connectors.kept_tokens import folder_finding, kept_token
from streams.connectors.settings.github import GitHub
from streams.connectors.telling import proof_of, receipt_of, tried, wanted_deed

_MOST_ROUNDS = 50
_OF_CLIENT = Permission(
    CLIENT,
    "revoke_session, disable_credential, cut_delegation: of our app's user tokens",
    f"{PAGES}/apps/oauth-applications",
)
_OF_PATS = Permission(
    PATS, "disable_credential, quarantine_principal: of fine-grained tokens", f"{PAGES}/orgs/personal-access-tokens"
)
_OF_SSO = Permission(SSO, "disable_credential, quarantine_principal: of SSO credentials", f"{PAGES}/orgs/orgs")
_OF_APPS = Permission(APP, "disable_credential, quarantine_principal: of installations", f"{PAGES}/apps/apps")
Act = Callable[[RevocationCommand], Awaitable[str]]
Told = tuple[Standing, str, str]


def description(settings: GitHub) -> Description:
    """The connector in words: the permissions are those of the kinds of credential that are set up."""
    has = (
        (settings.client_id, _OF_CLIENT),
        (settings.app_id, _OF_PATS),
        (settings.token, _OF_SSO),
        (settings.apps, _OF_APPS),
    )
    return Description(
        name="github",
        title="GitHub",
        providers=("github",),
        deeds=(
            Deed("revoke_session", "user token: deletes it", 0.0, f"{PAGES}/apps/oauth-applications"),
            Deed(
                "disable_credential",
                "user token: deletes it; fine-grained token: revokes its access to the organisation; SSO credential: removes its authorisation; installation: suspends it",
                0.0,
                f"{PAGES}/orgs/personal-access-tokens",
            ),
            Deed(
                "quarantine_principal",
                "fine-grained token, SSO credential: the same to every one of the person's; installation: suspends it",
                0.0,
                f"{PAGES}/apps/apps",
            ),
            Deed(
                "cut_delegation",
                "user token: deletes the grant, and all tokens of it",
                0.0,
                f"{PAGES}/apps/oauth-applications",
            ),
        ),
        permissions=tuple(permission for is_set, permission in has if is_set),
        proof="what GitHub says of the token, the organisation's lists, and since when an installation is suspended",
        blind_to="public data, which a token cut off from the organisation still reads; other people's apps, which only their owners may suspend; "
        "an id the organisation never had, which looks like one that was removed",
    )


class GitHubConnector:
    """One organisation. Raises ``ConfigError`` where no kind of credential is set up, or one only by half."""

    def __init__(self, settings: GitHub) -> None:
        _require_whole(settings, "client_id", "client_secret", "kept_in")
        _require_whole(settings, "app_id", "private_key", "installation_id")
        self.settings, self._told = settings, description(settings)
        if not self._told.permissions:
            raise ConfigError(
                "connectors.github: set client_id, app_id, token or apps, else there is nothing it could do"
            )
        self._tokens = OAuthTokens(settings) if settings.client_id else None
        self._pats = FineGrainedTokens(settings) if settings.app_id else None
        self._sso = SsoCredentials(settings) if settings.token else None
        self._apps = OwnApps(settings) if settings.apps else None

    def describe(self) -> Description:
        """In words."""
        return self._told

    async def check(self) -> tuple[Finding, ...]:
        """Looks at what each login may do; GitHub tells."""
        asks = {CLIENT: self._check_client, PATS: self._check_pats, SSO: self._check_sso, APP: self._check_apps}
        found = [await tried(permission, asks[permission.name]) for permission in self._told.permissions]
        return (*found, folder_finding(self.settings.kept_in)) if self._tokens else tuple(found)

    async def revoke(self, command: RevocationCommand) -> Receipt:
        """Does what the action does to this kind of credential."""
        wanted_deed(self._told, command)
        kind = command.credential.partition(":")[0]
        acts = self._acts().get(kind, {})
        if not acts:
            raise RefusedError(f"GitHub: credential of kind {kind!r} is none that [connectors.github] is set up for")
        if command.action not in acts:
            raise NotOfferedError(f"GitHub: cannot {command.action} this kind of credential, only {', '.join(acts)}")
        return receipt_of(self._told, command, (await acts[command.action](command),))

    async def prove(self, command: RevocationCommand, _receipt: Receipt) -> Proof:
        """Asks what is left."""
        return proof_of(command, *await self._left(command))

    async def close(self) -> None:
        """Lets the connections go."""
        for login in (self._tokens, self._pats, self._sso, self._apps):
            if login is not None:
                await login.close()

    def _acts(self) -> dict[str, dict[str, Act]]:
        acts: dict[str, dict[str, Act]] = {}
        if self._tokens:
            delete = self._delete_token
            acts["github-token"] = {"revoke_session": delete, "disable_credential": delete, "cut_delegation": delete}
        if self._pats:
            acts["github-pat"] = {"disable_credential": self._revoke_pat, "quarantine_principal": self._quarantine}
        if self._sso:
            acts["github-credential"] = {"disable_credential": self._remove, "quarantine_principal": self._quarantine}
        if self._apps:
            acts["github-installation"] = {"disable_credential": self._suspend, "quarantine_principal": self._suspend}
        return acts

    async def _delete_token(self, command: RevocationCommand) -> str:
        assert self._tokens  # noqa: S101 - its acts exist only where it does
        what = "grant" if command.action == "cut_delegation" else "token"
        await self._tokens.delete(what, self._kept(command))
        return f"deleted the {what}"

    async def _revoke_pat(self, command: RevocationCommand) -> str:
        assert self._pats  # noqa: S101
        await self._pats.revoke(number_of(command))
        return "revoked the fine-grained token's access"

    async def _remove(self, command: RevocationCommand) -> str:
        assert self._sso  # noqa: S101
        await self._sso.remove(number_of(command))
        return "removed the SSO credential"

    async def _suspend(self, command: RevocationCommand) -> str:
        assert self._apps  # noqa: S101
        await self._apps.suspend(number_of(command))
        return "suspended the installation"

    async def _quarantine(self, command: RevocationCommand) -> str:
        """Everything the person has here, of the kinds that are set up; page by page, until nothing more is new."""
        gone: set[tuple[str, int]] = set()
        for _round in range(_MOST_ROUNDS):
            left = [held for held in await self._held(command.principal) if held not in gone]
            for kind, number in left:
                await (self._pats.revoke(str(number)) if kind == "pat" and self._pats else self._removed(number))
            gone |= set(left)
            if not left:
                break
        return f"took {len(gone)} credentials from the person"

    async def _removed(self, number: int) -> None:
        if self._sso:
            await self._sso.remove(str(number))

    async def _held(self, login: str) -> list[tuple[str, int]]:
        pats = await self._pats.of(login) if self._pats else []
        credentials = await self._sso.of(login) if self._sso else []
        return [*(("pat", number) for number in pats), *(("credential", number) for number in credentials)]

    async def _left(self, command: RevocationCommand) -> Told:
        kind = command.credential.partition(":")[0]
        if kind == "github-token" and self._tokens:
            is_valid = await self._tokens.is_valid(self._kept(command))
            return ("alive" if is_valid else "inactive"), "token check", f"GitHub knows the token: {is_valid}"
        if kind == "github-installation" and self._apps:
            since = (await self._apps.found(number_of(command)))[1].suspended_at
            return ("inactive" if since else "alive"), "installation", f"suspended since {since or 'never'}"
        if command.action == "quarantine_principal":
            held = await self._held(command.principal)
            return ("alive" if held else "inactive"), "lists", f"{len(held)} credentials left"
        if kind == "github-pat" and self._pats:
            return _listed(number_of(command), await self._pats.of(command.principal))
        if kind == "github-credential" and self._sso:
            return _listed(number_of(command), await self._sso.of(command.principal))
        return "unknown", "none", "this kind of credential is no longer set up"

    def _kept(self, command: RevocationCommand) -> str:
        token = kept_token(self.settings.kept_in, command.credential)
        if not token:
            raise RefusedError(f"GitHub: no token of this credential in {self.settings.kept_in}")
        return token

    async def _check_client(self) -> None:
        if self._tokens:
            await self._tokens.is_valid("outpace-check")

    async def _check_pats(self) -> None:
        if self._pats and not await self._pats.may_write():
            raise NotAllowedError("GitHub: our app may not", PATS)

    async def _check_sso(self) -> None:
        if self._sso and not await self._sso.may_write():
            raise NotAllowedError("GitHub: our token has not the scope", SSO)

    async def _check_apps(self) -> None:
        if self._apps:
            await self._apps.check()


def number_of(command: RevocationCommand) -> str:
    """The number behind the kind. Raises ``RefusedError`` for anything else."""
    number = command.credential.partition(":")[2]
    if not (number.isascii() and number.isdigit()):
        raise RefusedError("GitHub: a token, credential or installation is named by something that is no number")
    return number


def _listed(number: str, found: list[int]) -> Told:
    """Whether a number is among a person's; a full page that has it not says nothing of the next."""
    if int(number) in found:
        return "alive", "lists", "the organisation lists it"
    is_known = len(found) < MOST_LISTED
    return (
        ("inactive" if is_known else "unknown"),
        "lists",
        f"not among the {len(found)} the organisation lists of this person",
    )


def _require_whole(settings: GitHub, *names: str) -> None:
    missing = [name for name in names if not getattr(settings, name)]
    if missing and len(missing) < len(names):
        raise ConfigError(
            f"connectors.github: {', '.join(missing)} missing beside {', '.join(set(names) - set(missing))}"
        )
