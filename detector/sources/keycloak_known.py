"""What user events have told of a realm's numbers: what each user is called, which user a service client acts as, which sessions are an application's.

Only some events of Keycloak's say both. Admin events give a user's number and nothing else, refused sign-ins of a client its name and nothing else; a service
account has always signed in before it does anything else, so what it is called is known by then.
"""

from detector.sources.events import text_of

SERVICE_USER = "service-account-"
_MOST = 1 << 16


class Known:
    """Names of users by number, numbers of service accounts by client, offline sessions. Keeps at most 65,536 of each; then it begins anew.

    >>> known = Known()
    >>> known.learn("shop", "u-robot", "service-account-robot")
    >>> known.name("shop", "u-robot"), known.service_user("shop", "robot")
    ('service-account-robot', 'u-robot')
    """

    def __init__(self) -> None:
        self.names: dict[tuple[str, str], str] = {}
        self.services: dict[tuple[str, str], str] = {}
        self.lent: dict[tuple[str, str], str] = {}

    def learn(self, realm: str, user: str, name: str) -> None:
        """An event that was no error gave a user's number and name."""
        _keep(self.names, (realm, user), name)
        if name.startswith(SERVICE_USER):
            _keep(self.services, (realm, name.removeprefix(SERVICE_USER)), user)

    def lend(self, realm: str, session: str, client: str) -> None:
        """An application used an offline token of this session: it acts for somebody who is not there."""
        _keep(self.lent, (realm, session), client)

    def is_lent(self, realm: str, session: str) -> bool:
        """Whether the session is one an application keeps."""
        return (realm, session) in self.lent

    def name(self, realm: str, user: str) -> str:
        """What the user is called, '' for nobody seen."""
        return text_of(self.names.get((realm, user)))

    def service_user(self, realm: str, client: str) -> str:
        """The number of the user the client acts as, '' for none seen."""
        return text_of(self.services.get((realm, client)))


def _keep(kept: dict[tuple[str, str], str], key: tuple[str, str], value: str) -> None:
    if key not in kept and len(kept) >= _MOST:
        kept.clear()
    kept[key] = value
