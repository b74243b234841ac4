"""Whom an event is about: every format there is, what is none, and when two subjects match."""

from typing import Any

import pytest
from signalling import ISSUER

from streams.signals.errors import RefusedSetError
from streams.signals.subjects import (
    Email,
    Opaque,
    Proprietary,
    builtins_of,
    canonical,
    complex_subject,
    covers,
    matches,
    subject_of,
)

FORMATS: list[dict[str, Any]] = [
    # RFC 9493 sections 3.2.1 to 3.2.8
    {"format": "account", "uri": "acct:example.user@service.example.com"},
    {"format": "email", "email": "user@example.com"},
    {"format": "iss_sub", "iss": "https://issuer.example.com/", "sub": "145234573"},
    {"format": "opaque", "id": "11112222333344445555"},
    {"format": "phone_number", "phone_number": "+12065550100"},
    {"format": "did", "url": "did:example:123456/did/url/path?versionId=1"},
    {"format": "uri", "uri": "https://user.example.com/"},
    {
        "format": "aliases",
        "identifiers": [
            {"format": "email", "email": "user@example.com"},
            {"format": "phone_number", "phone_number": "+12065550100"},
        ],
    },
    # SSF 1.0 sections 3.5.1 to 3.5.3 and 3.3
    {"format": "jwt_id", "iss": "https://idp.example.com/123456789/", "jti": "B70BA622-9515-4353-A866-823539EECBC8"},
    {
        "format": "saml_assertion_id",
        "issuer": "https://idp.example.com/123456789/",
        "assertion_id": "_8e8dc5f69a98cc4c1ff3427e5ce34606fd672f91e6",
    },
    {"format": "ip-addresses", "ip-addresses": ["192.0.2.75", "2001:db8::8a2e:370:7334"]},
    {
        "format": "complex",
        "user": {"format": "email", "email": "bar@example.com"},
        "tenant": {"format": "iss_sub", "iss": ISSUER, "sub": "1234"},
    },
    # agreed between two parties, section 3.4
    {"format": "catalog_item", "catalog_id": "c0384/winter/2354122"},
]


@pytest.mark.parametrize("value", FORMATS, ids=lambda value: str(value["format"]))
def test_every_format_is_read_and_written_the_same(value: dict[str, Any]) -> None:
    found = subject_of(value)
    assert builtins_of(found) == value
    assert isinstance(found, Proprietary) == (value["format"] == "catalog_item")


@pytest.mark.parametrize(
    "value",
    [
        None,
        "app",
        [],
        {},
        {"format": 7},
        {"format": ""},
        {"format": "x" * 65},
        {"format": "email"},
        {"format": "email", "email": ""},
        {"format": "email", "email": ["a@example.com"]},
        {"format": "opaque", "id": "x" * 2049},
        {"format": "iss_sub", "sub": "1"},
        {"format": "ip-addresses", "ip-addresses": []},
        {"format": "aliases", "identifiers": []},
        {"format": "aliases", "identifiers": [{"format": "aliases", "identifiers": [{"format": "opaque", "id": "1"}]}]},
        {"format": "aliases", "identifiers": [{"format": "complex", "user": {"format": "opaque", "id": "1"}}]},
        {"format": "complex"},
        {"format": "complex", "user": "app"},
        {"format": "complex", "user": {"format": "complex", "user": {"format": "opaque", "id": "1"}}},
        {"format": "complex"} | {f"member-{n}": {"format": "opaque", "id": "1"} for n in range(17)},
    ],
)
def test_what_names_nobody_is_refused(value: Any) -> None:
    with pytest.raises(RefusedSetError) as refused:
        subject_of(value)
    assert refused.value.reason == "subject"


TENANT, USER, OTHER = Opaque("example-a38h4792-uw2"), Email("jdoe@example.com"), Opaque("another")


def test_simple_subjects_match_when_they_are_the_same() -> None:
    assert matches(USER, Email("jdoe@example.com"))
    assert not matches(USER, Email("JDOE@example.com"))
    assert not matches(USER, complex_subject(user=USER))


def test_complex_subjects_match_where_no_member_both_have_differs() -> None:
    """The three examples of SSF 1.0 section 8.1.3.1."""
    assert matches(complex_subject(tenant=TENANT), complex_subject(tenant=TENANT, user=USER))
    assert matches(complex_subject(user=USER, device=OTHER), complex_subject(user=USER))
    assert not matches(complex_subject(user=USER, group=TENANT), complex_subject(user=USER, group=OTHER))


def test_what_is_covered_is_named_whole() -> None:
    assert covers(complex_subject(tenant=TENANT), complex_subject(tenant=TENANT, user=USER))
    assert not covers(complex_subject(user=USER, device=OTHER), complex_subject(user=USER))
    assert covers(USER, USER)
    assert not covers(USER, complex_subject(user=USER))


def test_equal_subjects_have_one_text_whatever_the_order_of_their_keys() -> None:
    one = subject_of(
        {"format": "complex", "user": {"format": "opaque", "id": "1"}, "device": {"id": "2", "format": "opaque"}}
    )
    two = subject_of(
        {"device": {"format": "opaque", "id": "2"}, "format": "complex", "user": {"id": "1", "format": "opaque"}}
    )
    assert one == two
    assert canonical(one) == canonical(two)
