"""What the detector calls AWS identities, as IAM knows them."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from detector.sources.cloudtrail_identity import Issuer, SessionContext, UserIdentity, identify
from streams.connectors.aws_names import check_temporary, entity_of, hand_of, is_trusted, long_lived_key, told
from streams.connectors.base import RefusedError

USER, ROLE = "arn:aws:iam::123456789012:user/app", "arn:aws:iam::123456789012:role/ci/deploy"
SESSION = UserIdentity(
    type="AssumedRole",
    arn="arn:aws:sts::123456789012:assumed-role/deploy/build-7",
    accessKeyId="ASIAEXAMPLEWORKER000",
    sessionContext=SessionContext(Issuer("Role", ROLE)),
)


@pytest.mark.parametrize(
    ("identity", "kind", "name"),
    [
        (UserIdentity(type="IAMUser", arn=USER, accessKeyId="AKIAEXAMPLEAPP000000"), "user", "app"),
        (SESSION, "role", "deploy"),
        (UserIdentity(type="AssumedRole", arn=SESSION.arn), "role", "deploy"),
        (UserIdentity(type="FederatedUser", arn="arn:aws:sts::123456789012:federated-user/x", sessionContext=SessionContext(Issuer("IAMUser", USER))), "user", "app"),
        (UserIdentity(type="IAMUser", arn="arn:aws-us-gov:iam::123456789012:user/a/b/app@example.com"), "user", "app@example.com"),
    ],
)  # fmt: skip
def test_every_identity_the_parser_names_by_arn_is_found(identity: UserIdentity, kind: str, name: str) -> None:
    principal, _credential, _marks = identify(identity)
    entity = entity_of(principal)
    assert (entity.account, entity.kind, entity.name) == ("123456789012", kind, name)


@pytest.mark.parametrize(
    "identity",
    [
        UserIdentity(type="Root", arn="arn:aws:iam::123456789012:root"),
        UserIdentity(type="IdentityCenterUser", credentialId="c"),
        UserIdentity(type="AWSService", invokedBy="lambda.amazonaws.com"),
        UserIdentity(type="AWSAccount", accountId="210987654321", principalId="AIDAEXAMPLEEXAMPLE00"),
        UserIdentity(type="SAMLUser", userName="ann", identityProvider="idp"),
        UserIdentity(type="IAMUser", userName="app"),
        UserIdentity(),
    ],
)
def test_identities_without_an_arn_of_a_user_or_role_are_refused(identity: UserIdentity) -> None:
    with pytest.raises(RefusedError, match="wanted the ARN of an IAM user or role"):
        entity_of(identify(identity)[0])


@example("arn:aws:iam::123456789012:user/app\n")
@given(st.text() | st.from_regex(r"\Aarn:aws:iam::[0-9]{12}:(user|role)/[a-z/*\n]{1,9}\Z"))
def test_any_text_is_an_entity_or_refused_and_never_a_name_iam_would_read_otherwise(text: str) -> None:
    try:
        entity = entity_of(text)
    except RefusedError:
        return
    assert entity.arn == text
    assert text.endswith(entity.name)
    assert set(entity.name).isdisjoint("/*? \n")


def test_a_callers_unique_id_is_what_trust_policies_call_it() -> None:
    assert hand_of("account:210987654321:AIDAEXAMPLEEXAMPLE00").condition == {
        "StringLike": {"aws:userid": "AIDAEXAMPLEEXAMPLE00"}
    }
    assert hand_of(ROLE).condition == {"ArnEquals": {"aws:PrincipalArn": ROLE}}
    for strange in ("account:anonymous:", "account:210987654321:*", "account:210987654321:"):
        with pytest.raises(RefusedError):
            hand_of(strange)


@pytest.mark.parametrize(
    ("principal", "is_in"),
    [
        ("*", True),
        ({"AWS": "*"}, True),
        ({"AWS": "123456789012"}, True),
        ({"AWS": ["arn:aws:iam::210987654321:root", "arn:aws:iam::123456789012:root"]}, True),
        ({"AWS": ROLE}, True),
        ({"AWS": "arn:aws:sts::123456789012:assumed-role/deploy/build-7"}, True),
        ({"AWS": "arn:aws:iam::123456789012:role/other"}, False),
        ({"AWS": "arn:aws:iam::210987654321:root"}, False),
        ({"Service": "lambda.amazonaws.com"}, False),
        ({"Federated": "cognito-identity.amazonaws.com"}, False),
    ],
)
def test_a_role_trusts_whom_it_names_itself_by_account_or_with_everybody(principal: object, is_in: bool) -> None:
    statement = {"Effect": "Allow", "Principal": principal, "Action": "sts:AssumeRole"}
    assert is_trusted(hand_of(ROLE), {"Statement": statement}) is is_in
    assert not is_trusted(hand_of(ROLE), {"Statement": [statement | {"Effect": "Deny"}]})


def test_only_a_long_lived_key_can_be_made_inactive_and_only_another_be_a_session() -> None:
    assert long_lived_key("AKIAEXAMPLEAPP000000") == "AKIAEXAMPLEAPP000000"
    for other in ("ASIAEXAMPLEWORKER000", "console:arn:aws:iam::123456789012:user/app", "AKIA", "", "AKIA../../x"):
        with pytest.raises(RefusedError):
            long_lived_key(other)
    check_temporary("ASIAEXAMPLEWORKER000")
    check_temporary("console:arn:aws:iam::123456789012:user/app")
    with pytest.raises(RefusedError):
        check_temporary("AKIAEXAMPLEAPP000000")


def test_texts_name_a_credential_without_giving_it() -> None:
    assert told("session:arn:aws:sts::123456789012:assumed-role/deploy/x") == "credential 'session'"
    assert "AKIAEXAMPLE" not in told("AKIAEXAMPLEAPP000000")
