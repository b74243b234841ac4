"""The doors of a company: how services, pods, pipelines, vendors, people and old keys come by a session.

Which `userIdentity` each leaves: `simulation.sessions`.
"""

from collections.abc import Callable

from simulation import sessions
from simulation.estates.chance import Dice
from simulation.estates.keyring import Door, opened
from simulation.identifiers import uuid
from simulation.sessions import Client

ClientOf = Callable[[int, int, Dice], Client]  # from a moment and an instance
NameOf = Callable[[int, int, Dice], str]

_HOUR_S = 3600.0


def session_name(runtime: str, app: str) -> NameOf:
    """How the runtime names a role session: after the task, the machine or the function."""
    if runtime == "ec2":
        return lambda at_s, instance, throws: f"i-0{throws.letters(16)}"
    if runtime == "ecs-tasks":
        return lambda at_s, instance, throws: throws.letters(32)
    return lambda at_s, instance, throws: app


def service_door(role: str, runtime: str, name: NameOf, client: ClientOf, life_s: float) -> Door:
    """A role whose keys the runtime hands out (lambda, ecs-tasks, ec2, sagemaker, glue, states)."""
    return Door(
        lambda at_s, instance, throws: opened(
            sessions.by_service(
                role, runtime, name(at_s, instance, throws), at_s, client(at_s, instance, throws), throws.rng
            )
        ),
        life_s,
    )


def token_door(role: str, subject: str, name: NameOf, client: ClientOf, life_s: float = _HOUR_S) -> Door:
    """A role bought with an OIDC token: a pod's service account, a pipeline's run."""
    return Door(
        lambda at_s, instance, throws: opened(
            sessions.by_web_identity(
                role, subject, name(at_s, instance, throws), at_s, client(at_s, instance, throws), throws.rng
            )
        ),
        life_s,
    )


def user_door(user: str, client: ClientOf, life_s: float = 24 * _HOUR_S) -> Door:
    """An IAM user's long-lived key; the client is looked up anew every `life_s`."""
    return Door(
        lambda at_s, instance, throws: (sessions.user(user, client(at_s, instance, throws)), None),
        life_s,
    )


def vendor_door(role: str, vendor: str, client: ClientOf, life_s: float = _HOUR_S) -> Door:
    """A role another company's account assumes."""
    return Door(
        lambda at_s, instance, throws: opened(
            sessions.by_vendor(role, vendor, at_s, client(at_s, instance, throws), throws.rng)
        ),
        life_s,
    )


def person_door(role: str, person: str, client: ClientOf, from_console: bool, life_s: float = 8 * _HOUR_S) -> Door:
    """A person's role from single sign-on."""
    return Door(
        lambda at_s, instance, throws: opened(
            sessions.by_sign_on(role, person, at_s, client(at_s, instance, throws), throws.rng, from_console)
        ),
        life_s,
    )


def chain_door(role: str, caller: str, client: ClientOf, life_s: float = _HOUR_S) -> Door:
    """A role assumed with an IAM user's key: an old build server on its way to deploy."""
    return Door(
        lambda at_s, instance, throws: opened(
            sessions.by_role(
                sessions.user(caller, client(at_s, instance, throws)),
                role,
                f"build-{throws.between(1000, 99999)}",
                at_s,
                throws.rng,
            )
        ),
        life_s,
    )


def linked_door(role: str, service: str, region: str) -> Door:
    """A service-linked role in the hands of AWS itself."""
    return Door(
        lambda at_s, instance, throws: (
            sessions.service_linked(role, service, uuid(throws.rng), at_s, region, throws.rng),
            None,
        ),
        _HOUR_S,
    )
