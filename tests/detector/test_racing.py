"""What outlives the credential it was done with, told by the attacker language or by the operation's name."""

import pytest

from detector.event import Provider
from detector.language import load
from detector.racing import race_of


@pytest.mark.parametrize(
    ("provider", "operation", "race"),
    [
        (Provider.AWS, "iam:CreateAccessKey", "minted"),
        (Provider.AWS, "iam:CreateLoginProfile", "minted"),
        (Provider.AWS, "sts:AssumeRole", "assumed"),
        (Provider.AWS, "iam:DetachUserPolicy", "policy"),
        (Provider.AWS, "iam:DeleteRolePolicy", "policy"),
        (Provider.AWS, "iam:PutUserPolicy", "policy"),
        (Provider.AWS, "iam:AttachRolePolicy", "policy"),
        (Provider.AWS, "iam:UpdateAssumeRolePolicy", "policy"),
        (Provider.KEYCLOAK, "keycloak:TOKEN_EXCHANGE", "assumed"),
        (Provider.KEYCLOAK, "keycloak:CREATE/CLIENT", "minted"),
        (Provider.KEYCLOAK, "keycloak:CREATE/REALM_ROLE_MAPPING", "policy"),
        (Provider.AWS, "s3:GetObject", ""),
        (Provider.AWS, "iam:ListAttachedUserPolicies", ""),
        (Provider.AWS, "iam:GetPolicy", ""),
        (Provider.KEYCLOAK, "keycloak:LOGOUT", ""),
    ],
)
def test_a_use_is_a_race_by_what_it_leaves_behind(provider: Provider, operation: str, race: str) -> None:
    assert race_of(operation, load(provider.name.lower()).signals(operation), "") == race


def test_whatever_issued_a_credential_is_one() -> None:
    assert race_of("vendor:Unheard", 0, "keycloak-client:other") == "minted"
