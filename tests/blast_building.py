"""Small estates for the blast radius tests: events written as they are read."""

from detector.blast.lineage import Lineage
from detector.event import Actor, AuditEvent, Mark, Outcome, Path, Provider

HOUR_NS = 3600 * 10**9


def arn(name: str) -> str:
    return f"arn:aws:iam::123456789012:{name}"


class Estate:
    """Calls by credentials, one a second unless ``at`` says when."""

    def __init__(self, stolen: str = "", since_ns: int = -1) -> None:
        self.lineage = Lineage(stolen, since_ns)
        self.now_ns = 0

    def call(
        self,
        credential: str,
        principal: str,
        *,
        times: int = 1,
        mints: str = "",
        heir: str = "",
        outcome: Outcome = Outcome.SUCCESS,
        marks: int = 0,
        at: int | None = None,
        operation: str = "s3:GetObject",
        provider: Provider = Provider.AWS,
        claims: tuple[tuple[str, str], ...] = (),
        resource: str = "",
        parent: str = "",
    ) -> "Estate":
        if credential.startswith(("ASIA", "keycloak-session:")):
            marks |= int(Mark.TEMPORARY)
        actor = Actor(credential, principal, Path.WORKLOAD, "sdk", "boto3", "123456789012", claims=claims, marks=marks)
        for _ in range(times):
            self.now_ns = self.now_ns + 10**9 if at is None else at
            event = AuditEvent(
                self.now_ns,
                provider,
                f"e{self.now_ns}",
                operation,
                outcome,
                actor,
                "192.0.2.1",
                resource,
                mints,
                parent,
            )
            self.lineage.note(event, heir)
        return self
