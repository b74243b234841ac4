"""GitHub: tokens and grants of our OAuth apps deleted, fine-grained tokens cut off from the organisation, SSO credentials removed, deploy keys deleted, installations of our apps suspended.

Credentials as the parser of the audit log names them: ``github-token:HASH`` is a user token of our app, kept under that name; ``github-pat:ID`` a fine-grained token and
``github-classic:ID`` a classic one, by the log's ``token_id``; ``github-key:HASH`` an SSH key and ``github-deploy-key:HASH`` a deploy key, by fingerprint; ``github-app-token:…`` a token that
an app of ours (``principal``: ``SLUG[bot]``) has for itself. By hand also ``github-credential:ID``, an SSO authorisation, and ``github-installation:ID``, an installation of an app of ours.
``principal`` is the login, of a deploy key ``deploy-key/OWNER/REPOSITORY``. Calls: see ``github_api`` and ``github_lists``.
"""

from collections.abc import Awaitable, Callable

from detector.errors import ConfigError
from detector.policy.guardrails import RevocationCommand
from streams.connectors.base import (
    Deed,
    Description,
    Finding,
    Lack,
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
    KEY_PERMISSION,
    KEYS,
    MOST_LISTED,
    PAGES,
    PAT_PERMISSION,
    PATS,
    SSO,
    OAuthTokens,
    OurApp,
    OwnApps,
)
from streams.connectors.github_lists import Authorisation, DeployKeys, FineGrainedTokens, Grant, SsoCredentials
from streams.connectors.http_client import NotAllowedError
from streams.connectors.kept_tokens import folder_finding, kept_token
from streams.connectors.settings.github import GitHub
from streams.connectors.telling import proof_of, receipt_of, tried, wanted_deed

_MOST_ROUNDS = 50
_SSO_KINDS = ("github-credential", "github-classic", "github-key")
_APP_KINDS = ("github-installation", "github-app-token")
_OF_CLIENT = Permission(
    CLIENT,
    "revoke_session, disable_credential, cut_delegation: of our app's user tokens",
    f"{PAGES}/apps/oauth-applications",
)
_OF_PATS = Permission(
    PATS, "disable_credential, quarantine_principal: of fine-grained tokens", f"{PAGES}/orgs/personal-access-tokens"
)
_OF_KEYS = Permission(
    KEYS, "disable_credential, quarantine_principal: of deploy keys", f"{PAGES}/deploy-keys/deploy-keys"
)
_OF_SSO = Permission(
    SSO,
    "disable_credential, quarantine_principal: of SSO credentials",
    f"{PAGES}/orgs/orgs#list-saml-sso-authorizations-for-an-organization",
)
_OF_APPS = Permission(
    APP, "revoke_session, disable_credential, quarantine_principal: of installations", f"{PAGES}/apps/apps"
)
Act = Callable[[RevocationCommand], Awaitable[str]]
Told = tuple[Standing, str, str]


def description(settings: GitHub) -> Description:
    """The connector in words: the permissions are those of the kinds of credential that are set up."""
    has = (
        (settings.client_id, _OF_CLIENT),
        (settings.app_id, _OF_PATS),
        (settings.app_id and settings.deploy_keys, _OF_KEYS),
        (settings.token, _OF_SSO),
        (settings.apps, _OF_APPS),
    )
    return Description(
        name="github",
        title="GitHub",
        providers=("github",),
        deeds=(
            Deed(
                "revoke_session",
                "user token: deletes it; app's own token: suspends the installation",
                0.0,
                f"{PAGES}/apps/oauth-applications",
            ),
            Deed(
                "disable_credential",
                "user token: deletes it; fine-grained token: revokes its access to the organisation; classic token, SSH key: removes its SSO authorisation; "
                "deploy key: deletes it; app: suspends the installation",
                0.0,
                f"{PAGES}/orgs/personal-access-tokens",
            ),
            Deed(
                "quarantine_principal",
                "fine-grained and classic token, SSH key: the same to every one of the person's; deploy key: deletes every one of the repository; app: suspends the installation",
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
        proof="what GitHub says of the token, the organisation's and the repository's lists, and since when an installation is suspended",
        lacks=(
            Lack(
                "step_up",
                "GitHub asks for a second factor when somebody signs in or enters sudo mode, and no call makes it ask",
            ),
            Lack("narrow", "what a token may do is fixed when it is made or authorised"),
        ),
        blind_to="public data, which a token cut off from the organisation still reads; other people's apps, which only their owners may suspend; a workflow's token, which ends "
        "with its job; an id the organisation never had, which looks like one that was removed",
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
        self._ours = OurApp(settings) if settings.app_id else None
        self._pats = FineGrainedTokens(settings, self._ours) if self._ours else None
        self._keys = DeployKeys(self._ours) if self._ours and settings.deploy_keys else None
        self._sso = SsoCredentials(settings) if settings.token else None
        self._apps = OwnApps(settings) if settings.apps else None

    def describe(self) -> Description:
        """In words."""
        return self._told

    async def check(self) -> tuple[Finding, ...]:
        """Looks at what each login may do; GitHub tells."""
        asks = {
            CLIENT: self._check_client,
            PATS: lambda: self._check_ours(PAT_PERMISSION, PATS),
            KEYS: lambda: self._check_ours(KEY_PERMISSION, KEYS),
            SSO: self._check_sso,
            APP: self._check_apps,
        }
        found = [await tried(permission, asks[permission.name]) for permission in self._told.permissions]
        return (*found, folder_finding(self.settings.kept_in)) if self._tokens else tuple(found)

    async def revoke(self, command: RevocationCommand) -> Receipt:
        """Does what the action does to this kind of credential."""
        wanted_deed(self._told, command)
        kind = kind_of(command)
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
        for login in (self._tokens, self._ours, self._sso, self._apps):
            if login is not None:
                await login.close()

    def _acts(self) -> dict[str, dict[str, Act]]:
        acts: dict[str, dict[str, Act]] = {}
        if self._tokens:
            delete = self._delete_token
            acts["github-token"] = {"revoke_session": delete, "disable_credential": delete, "cut_delegation": delete}
        if self._pats:
            acts["github-pat"] = {"disable_credential": self._revoke_pat, "quarantine_principal": self._quarantine}
        if self._keys:
            acts["github-deploy-key"] = {
                "disable_credential": self._delete_key,
                "quarantine_principal": self._delete_keys,
            }
        if self._sso:
            of_person: dict[str, Act] = {
                "disable_credential": self._remove,
                "quarantine_principal": self._quarantine,
            }
            acts |= dict.fromkeys(_SSO_KINDS, of_person)
        if self._apps:
            suspend: dict[str, Act] = dict.fromkeys(("disable_credential", "quarantine_principal"), self._suspend)
            acts["github-installation"] = suspend
            acts["github-app-token"] = {"revoke_session": self._suspend, **suspend}
        return acts

    async def _delete_token(self, command: RevocationCommand) -> str:
        assert self._tokens  # noqa: S101 - its acts exist only where it does
        what = "grant" if command.action == "cut_delegation" else "token"
        await self._tokens.delete(what, self._kept(command))
        return f"deleted the {what}"

    async def _revoke_pat(self, command: RevocationCommand) -> str:
        assert self._pats  # noqa: S101
        number = int(number_of(command))
        for grant in await self._pats.of(command.principal):
            if grant.token_id == number:
                await self._pats.revoke(grant.id)
                return "revoked the fine-grained token's access"
        return "found no such token with access"

    async def _remove(self, command: RevocationCommand) -> str:
        assert self._sso  # noqa: S101
        if kind_of(command) == "github-credential":
            await self._sso.remove(int(number_of(command)))
            return "removed the SSO credential"
        for held in await self._sso.of(command.principal):
            if _is_meant(command, held):
                await self._sso.remove(held.credential_id)
                return "removed the SSO authorisation"
        return "found no such credential authorised"

    async def _delete_key(self, command: RevocationCommand) -> str:
        assert self._keys  # noqa: S101
        repository, wanted = repository_of(command), name_of(command)
        for key in await self._keys.of(repository):
            if key.fingerprint == wanted:
                await self._keys.delete(repository, key.id)
                return "deleted the deploy key"
        return "found no such deploy key"

    async def _delete_keys(self, command: RevocationCommand) -> str:
        assert self._keys  # noqa: S101
        repository = repository_of(command)
        found = await self._keys.of(repository)
        for key in found:
            await self._keys.delete(repository, key.id)
        return f"deleted {len(found)} deploy keys of the repository"

    async def _suspend(self, command: RevocationCommand) -> str:
        assert self._apps  # noqa: S101
        await self._apps.suspend(await self._installation(command))
        return "suspended the installation"

    async def _installation(self, command: RevocationCommand) -> str:
        """The number of the installation meant."""
        assert self._apps  # noqa: S101
        if kind_of(command) == "github-installation":
            return number_of(command)
        if command.principal.startswith("github-actions[bot]"):
            raise RefusedError("GitHub: a workflow's token ends with its job, there is no installation to suspend")
        return await self._apps.installed(command.principal.removesuffix("[bot]"))

    async def _quarantine(self, command: RevocationCommand) -> str:
        """Everything the person has here, of the kinds that are set up; page by page, until nothing more is new."""
        gone: set[tuple[str, int]] = set()
        for _round in range(_MOST_ROUNDS):
            left = [held for held in await self._held(command.principal) if held not in gone]
            for kind, number in left:
                await self._taken(kind, number)
            gone |= set(left)
            if not left:
                break
        return f"took {len(gone)} credentials from the person"

    async def _taken(self, kind: str, number: int) -> None:
        if kind == "pat" and self._pats:
            await self._pats.revoke(number)
        elif self._sso:
            await self._sso.remove(number)

    async def _held(self, login: str) -> list[tuple[str, int]]:
        pats: list[Grant] = await self._pats.of(login) if self._pats else []
        credentials: list[Authorisation] = await self._sso.of(login) if self._sso else []
        return [*(("pat", grant.id) for grant in pats), *(("credential", held.credential_id) for held in credentials)]

    async def _left(self, command: RevocationCommand) -> Told:
        kind = kind_of(command)
        if kind == "github-token" and self._tokens:
            is_valid = await self._tokens.is_valid(self._kept(command))
            return ("alive" if is_valid else "inactive"), "token check", f"GitHub knows the token: {is_valid}"
        if kind in _APP_KINDS and self._apps:
            since = (await self._apps.found(await self._installation(command)))[1].suspended_at
            return ("inactive" if since else "alive"), "installation", f"suspended since {since or 'never'}"
        if kind == "github-deploy-key" and self._keys:
            keys = await self._keys.of(repository_of(command))
            is_all = command.action == "quarantine_principal"
            return _listed([is_all or key.fingerprint == name_of(command) for key in keys], "the repository")
        if command.action == "quarantine_principal":
            held = await self._held(command.principal)
            return ("alive" if held else "inactive"), "lists", f"{len(held)} credentials left"
        if kind == "github-pat" and self._pats:
            number = int(number_of(command))
            grants = await self._pats.of(command.principal)
            return _listed([grant.token_id == number for grant in grants], "the organisation")
        if kind in _SSO_KINDS and self._sso:
            authorised = await self._sso.of(command.principal)
            return _listed([_is_meant(command, held) for held in authorised], "the organisation")
        return "unknown", "none", "this kind of credential is no longer set up"

    def _kept(self, command: RevocationCommand) -> str:
        token = kept_token(self.settings.kept_in, command.credential)
        if not token:
            raise RefusedError(f"GitHub: no token of this credential in {self.settings.kept_in}")
        return token

    async def _check_client(self) -> None:
        if self._tokens:
            await self._tokens.is_valid("outpace-check")

    async def _check_ours(self, permission: str, name: str) -> None:
        if self._ours and not await self._ours.may_write(permission):
            raise NotAllowedError("GitHub: our app may not", name)

    async def _check_sso(self) -> None:
        if self._sso and not await self._sso.may_write():
            raise NotAllowedError("GitHub: our token has not the scope", SSO)

    async def _check_apps(self) -> None:
        if self._apps:
            await self._apps.check()


def kind_of(command: RevocationCommand) -> str:
    """The kind of credential, such as ``github-pat``."""
    return command.credential.partition(":")[0]


def name_of(command: RevocationCommand) -> str:
    """What stands behind the kind. Raises ``RefusedError`` for nothing."""
    name = command.credential.partition(":")[2]
    if not name:
        raise RefusedError("GitHub: the credential has no name")
    return name


def number_of(command: RevocationCommand) -> str:
    """The number behind the kind. Raises ``RefusedError`` for anything else."""
    number = command.credential.partition(":")[2]
    if not (number.isascii() and number.isdigit()):
        raise RefusedError("GitHub: a token, credential or installation is named by something that is no number")
    return number


def repository_of(command: RevocationCommand) -> str:
    """The repository a deploy key is of, ``OWNER/NAME``. Raises ``RefusedError`` where the principal names none."""
    kind, _, repository = command.principal.partition("/")
    if kind != "deploy-key" or repository.count("/") != 1:
        raise RefusedError("GitHub: a deploy key whose principal names no repository")
    return repository


def _is_meant(command: RevocationCommand, held: Authorisation) -> bool:
    """Whether an SSO authorisation is the one a command is about."""
    kind = kind_of(command)
    if kind == "github-key":
        return (held.fingerprint or "").removeprefix("SHA256:").rstrip("=") == name_of(command)
    number = int(number_of(command))
    return number == (held.credential_id if kind == "github-credential" else held.authorized_credential_id)


def _listed(hits: list[bool], whose: str) -> Told:
    """Whether a list has what was taken away; a full page that has it not says nothing of the next."""
    if any(hits):
        return "alive", "lists", f"{whose} lists it"
    is_known = len(hits) < MOST_LISTED
    return ("inactive" if is_known else "unknown"), "lists", f"not among the {len(hits)} {whose} lists"


def _require_whole(settings: GitHub, *names: str) -> None:
    missing = [name for name in names if not getattr(settings, name)]
    if missing and len(missing) < len(names):
        raise ConfigError(
            f"connectors.github: {', '.join(missing)} missing beside {', '.join(set(names) - set(missing))}"
        )
