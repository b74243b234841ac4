"""Identity rules: the operator's come first, and a rules file that says nonsense is refused with its name."""

import pytest

from detector.errors import ConfigError
from detector.event import Path
from detector.identity.rules import IdentityRules, read_rules

WEB = "arn:aws:iam::123456789012:role/web"


@pytest.mark.parametrize(
    ("principal", "agent", "family"),
    [
        (WEB, "APN/1.0 HashiCorp/1.0 Terraform/1.9", "terraform"),
        (WEB, "aws-cli/2.15.0", "cli"),
        (WEB, "Mozilla/5.0", "console"),
        (WEB, "Boto3/1.34", "sdk"),
        ("arn:aws:iam::123456789012:role/ci-build", "Boto3/1.34", "ci"),
        ("arn:aws:iam::123456789012:role/core.iac-admin", "Boto3/1.34", "terraform"),
        (
            "system:serviceaccount:argocd:argocd-application-controller",
            "argocd-application-controller/v0.0.0",
            "terraform",
        ),
        ("system:serviceaccount:flux-system:helm-controller", "helm-controller/v0.37", "ci"),
    ],
)
def test_client_families(principal: str, agent: str, family: str) -> None:
    assert IdentityRules().family(principal, agent) == family


@pytest.mark.parametrize(
    ("name", "path"),
    [
        ("web", Path.WORKLOAD),
        ("break-glass", Path.EMERGENCY),
        ("AWSReservedSSO_x", Path.HUMAN),
        ("vendor-x", Path.DELEGATED),
    ],
)
def test_identity_paths(name: str, path: Path) -> None:
    assert IdentityRules().path(f"arn:aws:iam::123456789012:role/{name}", "sdk", Path.WORKLOAD) is path


def test_the_operators_rules_come_first() -> None:
    own = read_rules(
        b'[[path]]\npath = "emergency"\nprincipals = ["*vendor-x"]\n[[shared]]\nprincipals = ["*web"]', "o"
    )
    rules = IdentityRules(own)
    assert rules.path("arn:aws:iam::123456789012:role/vendor-x", "sdk", Path.WORKLOAD) is Path.EMERGENCY
    assert rules.is_shared(WEB)
    assert not IdentityRules().is_shared(WEB)


@pytest.mark.parametrize(
    "text", [b'[[family]]\nname = "x"', b'[[path]]\npath = "x"', b"nonsense", b"[[other]]", b"\xff"]
)
def test_nonsense_is_refused_with_the_name_of_the_file(text: bytes) -> None:
    with pytest.raises(ConfigError, match=r"mine\.toml"):
        read_rules(text, "mine.toml")
