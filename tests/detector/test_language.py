"""The attacker languages: honest probabilities, sourced facts, errors that point at their place."""

from importlib.resources import files

import pytest
from hypothesis import given
from hypothesis import strategies as st

from detector.errors import ConfigError
from detector.event import Provider
from detector.language import FAMILY_COUNT, SIGNALS, TIERS, AttackerLanguage, LanguageError, load, parse, signal_mask
from models.sequence import CLASS_COUNT

LANGUAGES = {provider.name.lower(): load(provider.name.lower()) for provider in Provider}

SMALL = """
[language]
provider = "example"
version = 1
description = "two listed operations"

[families]
keys = ["key:*"]
data = ["data:*"]
c = []
d = []
e = []
rest = ["*"]

[rules]
sensitive = ["key:*"]
reads = ["*:Get*"]

[fallback]
sensitive = 0.3
read = 0.05
other = 0.02

[unlisted]
keys = { sensitive_reads = 4, sensitive_writes = 6 }
data = { other_reads = 10, other_writes = 10 }
c = {}
d = {}
e = {}
rest = {}

[unlisted_signals]
secret = ["key:Get*"]

[operations]
listed = [
    { name = "key:Make", wild = true, incidents = 2, techniques = ["T1098.001"], signals = ["mint"], source = "https://example.com/a" },
    { name = "key:Spoil", wild = false, incidents = 0, techniques = [], signals = [], source = "https://example.com/b" },
]
"""


def small(old: str = "", new: str = "") -> AttackerLanguage:
    assert old in SMALL
    return parse(SMALL.replace(old, new, 1).encode() if old else SMALL.encode(), "small.toml")


@pytest.fixture(params=sorted(LANGUAGES))
def language(request: pytest.FixtureRequest) -> AttackerLanguage:
    return LANGUAGES[request.param]


def named_class(language: AttackerLanguage, operation: str) -> str:
    return language.class_name(language.operation_class(operation))


def proved(language: AttackerLanguage, operation: str) -> set[str]:
    return {name for k, name in enumerate(SIGNALS) if language.signals(operation) >> k & 1}


def test_every_provider_has_a_language_of_its_own_name():
    assert {name: language.provider for name, language in LANGUAGES.items()} == {name: name for name in LANGUAGES}


def test_the_classes_share_out_all_of_the_probability(language):
    assert sum(language.class_mass(c) for c in range(CLASS_COUNT)) == pytest.approx(1.0, abs=1e-12)


def test_a_catalogued_class_weighs_what_its_operations_weigh(language):
    masses = [0.0] * CLASS_COUNT
    for operation in language.operations:
        masses[language.operation_class(operation)] += language.weight(operation)
    for class_ in range(CLASS_COUNT):
        if "/catalogued/" in language.class_name(class_):
            assert language.class_mass(class_) == pytest.approx(masses[class_])


def test_weights_and_masses_of_a_small_language_are_the_sum_done_by_hand():
    language = small()
    total = 3.0 + 0.4 + 10 * 0.3 + (10 * 0.05 + 10 * 0.02) + 2 * 0.3 * 5 + 0.05 * 5 + 0.02 * 5
    assert language.weight("key:Make") == pytest.approx(3.0 / total)
    assert language.weight("key:Spoil") == pytest.approx(0.4 / total)
    assert language.weight("key:GetAny") == pytest.approx(0.3 / total)
    assert language.weight("data:GetRow") == pytest.approx(0.05 / total)
    assert language.weight("data:PutRow") == pytest.approx(0.02 / total)
    assert language.class_mass(language.operation_class("key:Make")) == pytest.approx(3.4 / total)
    assert language.class_mass(language.operation_class("key:GetAny")) == pytest.approx(4 * 0.3 / total)
    assert language.class_mass(language.operation_class("data:PutRow")) == pytest.approx(10 * 0.02 / total)


def test_every_class_has_a_name_of_its_own(language):
    names = [language.class_name(c) for c in range(CLASS_COUNT)]
    assert len(set(names)) == CLASS_COUNT == FAMILY_COUNT * len(TIERS) * 2


@given(st.text())
def test_any_text_gets_a_class_with_mass_and_a_probability_within_it(text):
    for language in LANGUAGES.values():
        class_ = language.operation_class(text)
        assert 0 <= class_ < CLASS_COUNT
        assert 0.0 < language.weight(text) <= language.class_mass(class_) + 1e-15


def test_every_listed_operation_has_a_source_a_signal_and_a_probability(language):
    for operation in language.operations:
        assert (language.source(operation) or "").startswith("https://"), operation
        assert 0 < language.signals(operation) < 1 << len(SIGNALS), operation
        assert language.techniques(operation), operation
        assert 0.0 < language.weight(operation) < 0.1, operation


def test_every_listed_operation_belongs_to_a_catalogued_class(language):
    assert all("/catalogued/" in named_class(language, operation) for operation in language.operations)


def test_the_catalogues_are_as_large_as_they_say():
    assert {name: len(language.operations) for name, language in LANGUAGES.items()} == {
        "aws": 380,
        "okta": 111,
        "keycloak": 81,
        "kubernetes": 95,
        "gcp": 147,
        "entra": 242,
        "github": 160,
    }


@pytest.mark.parametrize(
    ("provider", "operation", "expected"),
    [
        ("aws", "iam:CreateAccessKey", "identity/catalogued/write"),
        ("aws", "sts:GetCallerIdentity", "identity/catalogued/read"),
        ("aws", "iam:ListMFADevices", "identity/sensitive/read"),
        ("aws", "kms:Decrypt", "secrets/sensitive/write"),
        ("aws", "secretsmanager:GetSecretValue", "secrets/catalogued/read"),
        ("aws", "bedrock:InvokeModel", "model/catalogued/write"),
        ("aws", "sagemaker:CreateModel", "model/other/write"),
        ("aws", "s3:GetObjectTagging", "s3/other/read"),
        ("aws", "cloudtrail:GetTrail", "other/sensitive/read"),
        ("aws", "sqs:SendMessage", "other/other/write"),
        ("okta", "okta:user.session.start", "session/catalogued/read"),
        ("okta", "okta:user.session.impersonation.initiate", "admin/catalogued/write"),
        ("okta", "okta:user.session.impersonation.end", "admin/sensitive/write"),
        ("okta", "okta:system.api_token.create", "token/catalogued/write"),
        ("okta", "okta:application.user_membership.update", "app/other/write"),
        ("keycloak", "keycloak:LOGIN", "session/catalogued/read"),
        ("keycloak", "keycloak:TOKEN_EXCHANGE", "token/catalogued/read"),
        ("keycloak", "keycloak:CREATE/CLIENT", "app/catalogued/write"),
        ("keycloak", "keycloak:DELETE/REALM_ROLE_MAPPING", "admin/sensitive/write"),
        ("keycloak", "keycloak:VERIFY_EMAIL", "user/other/read"),
        ("kubernetes", "authorization.k8s.io:selfsubjectaccessreviews:create", "identity/catalogued/read"),
        ("kubernetes", "core:secrets:list", "secrets/catalogued/read"),
        ("kubernetes", "core:pods/exec:create", "hands/catalogued/write"),
        ("kubernetes", "core:secrets:update", "secrets/sensitive/write"),
        ("kubernetes", "coordination.k8s.io:leases:update", "other/other/write"),
        ("kubernetes", "core:events:create", "cluster/other/write"),
        ("gcp", "iamcredentials:GenerateAccessToken", "identity/catalogued/write"),
        ("gcp", "secretmanager:AccessSecretVersion", "secrets/catalogued/read"),
        ("gcp", "aiplatform:Predict", "model/catalogued/write"),
        ("gcp", "storage:objects.get", "data/catalogued/read"),
        ("gcp", "pubsub:Publish", "data/other/write"),
        ("gcp", "compute:zoneOperations.get", "compute/other/read"),
        ("entra", "entra:signin/serviceprincipal/graph", "signin/catalogued/read"),
        ("entra", "entra:add-service-principal-credentials", "app/catalogued/write"),
        ("entra", "entra:update-group", "directory/other/write"),
        ("entra", "graph:GET/users/{id}/calendar", "data/other/read"),
        ("entra", "graph:POST/applications/{id}/addPassword", "app/catalogued/write"),
        ("entra", "azure:microsoft.keyvault/certificatelist", "secrets/sensitive/read"),
        ("entra", "azure:microsoft.compute/virtualmachines/start/action", "azure/other/write"),
        ("github", "github:git.clone", "code/catalogued/read"),
        ("github", "github:public_key.delete", "token/sensitive/write"),
        ("github", "github:environment.create", "workflow/sensitive/write"),
        ("github", "github:api/GET/repos/{owner}/{repo}/pulls", "repo/other/read"),
        ("github", "github:pull_request.merge", "rest/other/write"),
    ],
)
def test_known_operations_fall_into_their_class(provider, operation, expected):
    assert named_class(LANGUAGES[provider], operation) == expected


@pytest.mark.parametrize(
    ("provider", "operation", "signals"),
    [
        ("aws", "sts:GetCallerIdentity", {"test"}),
        ("aws", "iam:CreateAccessKey", {"mint"}),
        ("aws", "secretsmanager:GetSecretValue", {"secret"}),
        ("aws", "bedrock:InvokeModel", {"model"}),
        ("aws", "cloudtrail:StopLogging", {"evade"}),
        ("aws", "s3:PutBucketPolicy", {"grant", "exfil"}),
        ("aws", "lambda:UpdateFunctionCode", {"execute"}),
        ("aws", "sts:AssumeRole", {"assume"}),
        ("okta", "okta:system.idp.lifecycle.create", {"mint", "grant"}),
        ("keycloak", "keycloak:IMPERSONATE", {"assume"}),
        ("kubernetes", "core:serviceaccounts/token:create", {"mint", "assume"}),
        ("kubernetes", "rbac.authorization.k8s.io:clusterrolebindings:create", {"grant"}),
        ("kubernetes", "apps:daemonsets:create", {"execute"}),
        ("gcp", "cloudresourcemanager:TestIamPermissions", {"test"}),
        ("gcp", "aiplatform:GenerateContent", {"model"}),
        ("entra", "azure:microsoft.storage/storageaccounts/listkeys/action", {"secret"}),
        ("entra", "graph:GET/users/{id}/calendar", {"recon"}),
        ("entra", "entra:consent-to-application", {"grant"}),
        ("github", "github:public_key.create", {"mint"}),
        ("github", "github:repo.register_self_hosted_runner", {"execute", "mint"}),
    ],
)
def test_known_operations_prove_what_they_should(provider, operation, signals):
    assert proved(LANGUAGES[provider], operation) == signals


def test_lambda_operations_are_listed_without_their_date():
    assert not [o for o in LANGUAGES["aws"].operations if any(c.isdigit() for c in o.split(":")[1])]


def test_a_keycloak_failure_is_an_outcome_and_no_operation():
    assert not [o for o in LANGUAGES["keycloak"].operations if o.endswith("_ERROR")]


def test_an_unlisted_operation_has_neither_source_nor_techniques_but_its_name_still_tells():
    aws = LANGUAGES["aws"]
    assert aws.source("secretsmanager:PutResourcePolicy") is None
    assert aws.techniques("secretsmanager:PutResourcePolicy") == ()
    assert proved(aws, "secretsmanager:PutResourcePolicy") == {"grant"}
    assert proved(aws, "ssm:GetParameter") == {"secret"}
    assert proved(aws, "sqs:SendMessage") == set()


def test_a_sensitive_unlisted_operation_outweighs_an_unlisted_read_and_that_an_unlisted_write():
    aws = LANGUAGES["aws"]
    assert aws.weight("iam:TagUser") == pytest.approx(6 * aws.weight("dynamodb:GetItem"))
    assert aws.weight("dynamodb:GetItem") == pytest.approx(2.5 * aws.weight("dynamodb:PutItem"))


def test_more_incidents_weigh_more():
    aws = LANGUAGES["aws"]
    assert aws.weight("iam:CreateUser") > aws.weight("iam:CreateAccessKey") > aws.weight("iam:ListAccessKeys")


def test_signals_are_bits_in_the_order_of_the_constant():
    assert [signal_mask((name,)) for name in SIGNALS] == [1 << k for k in range(len(SIGNALS))]
    assert signal_mask(("mint", "mint")) == signal_mask(("mint",))


def test_the_file_of_a_borrowed_catalogue_names_its_author_and_licence():
    head = files("detector").joinpath("data", "attackers", "aws.toml").read_text()[:2000]
    assert "TrailDiscover by Adan" in head
    assert "CC BY 4.0" in head


@pytest.mark.parametrize(
    ("old", "new", "place"),
    [
        ("wild = true", "wild = true, since = 2020", r"unknown field `since` - at `\$.operations.listed\[0\]`"),
        ("[rules]", "[rules]\nwrites = []", r"unknown field `writes` - at `\$.rules`"),
        ("[rules]", "[extra]\n[rules]", "unknown field `extra`"),
        ("https://example.com/a", "http://example.com/a", r"- at `\$.operations.listed\[0\].source`"),
        ('["mint"]', '["minted"]', r"'minted' - at `\$.operations.listed\[0\].signals\[0\]`"),
        ("T1098.001", "1098", r"- at `\$.operations.listed\[0\].techniques\[0\]`"),
        ("incidents = 2", "incidents = -2", r"- at `\$.operations.listed\[0\].incidents`"),
        ("other_reads = 10", "other_reads = 0", r"- at `\$.unlisted\[...\].other_reads`"),
        ("other = 0.02", "other = 0.0", r"- at `\$.fallback.other`"),
        ("version = 1", "version = 2", r"- at `\$.language.version`"),
        ("key:Spoil", "key:Make", r"'key:Make' is listed twice - at `\$.operations.listed\[1\].name`"),
        ("rest = {}", "remainder = {}", r"wanted one row for each of keys, .*, rest - at `\$.unlisted`"),
        ("c = []\n", "", r"5 families, wanted 6 - at `\$.families`"),
        ("[language]", "[language", "small.toml"),
    ],
)
def test_a_wrong_file_is_refused_with_the_place_of_the_fault(old, new, place):
    with pytest.raises(LanguageError, match=place) as caught:
        small(old, new)
    assert str(caught.value).startswith("small.toml: ")


@pytest.mark.parametrize("provider", ["vault", "", "../aws", "aws.toml"])
def test_an_unknown_provider_is_refused_with_the_known_ones(provider):
    with pytest.raises(LanguageError, match="there are aws, entra, gcp, github, keycloak, kubernetes, okta"):
        load(provider)


def test_bytes_that_are_not_text_are_a_language_error():
    with pytest.raises(LanguageError, match=r"small\.toml"):
        parse(b"\xff\xfe", "small.toml")


def test_a_language_error_is_a_configuration_error():
    assert issubclass(LanguageError, ConfigError)
    assert issubclass(LanguageError, ValueError)
