"""Subject identifiers: whom an event is about.

Formats of RFC 9493 section 3.2 and of SSF 1.0 section 3.5 are structs; ``complex`` (SSF 1.0 section 3.3) has simple ones as members. A format
agreed between two parties (section 3.4) is kept as it is. Members nobody knows are ignored (section 4.2.3).

Blind to: whether a name exists; a format of one's own is never looked into.
"""

from typing import Annotated, Any

import msgspec
from msgspec import Meta, Struct

from streams.signals.errors import RefusedSetError

Text = Annotated[str, Meta(min_length=1, max_length=2048)]
MOST_MEMBERS = 16


class _Simple(Struct, frozen=True, tag_field="format"):
    """A simple subject; ``format`` tells which."""


class Account(_Simple, frozen=True, tag="account"):
    """An ``acct`` URI, RFC 9493 section 3.2.1."""

    uri: Text


class Email(_Simple, frozen=True, tag="email"):
    """RFC 9493 section 3.2.2."""

    email: Text


class IssSub(_Simple, frozen=True, tag="iss_sub"):
    """An issuer's subject, RFC 9493 section 3.2.3."""

    iss: Text
    sub: Text


class Opaque(_Simple, frozen=True, tag="opaque"):
    """RFC 9493 section 3.2.4."""

    id: Text


class PhoneNumber(_Simple, frozen=True, tag="phone_number"):
    """RFC 9493 section 3.2.5."""

    phone_number: Text


class Did(_Simple, frozen=True, tag="did"):
    """A decentralised identifier, RFC 9493 section 3.2.6."""

    url: Text


class Uri(_Simple, frozen=True, tag="uri"):
    """RFC 9493 section 3.2.7."""

    uri: Text


class JwtId(_Simple, frozen=True, tag="jwt_id"):
    """SSF 1.0 section 3.5.1."""

    iss: Text
    jti: Text


class SamlAssertionId(_Simple, frozen=True, tag="saml_assertion_id"):
    """SSF 1.0 section 3.5.2."""

    issuer: Text
    assertion_id: Text


class IpAddresses(_Simple, frozen=True, tag="ip-addresses"):
    """SSF 1.0 section 3.5.3."""

    addresses: Annotated[tuple[Text, ...], Meta(min_length=1, max_length=64)] = msgspec.field(name="ip-addresses")


class Proprietary(Struct, frozen=True):
    """A format agreed between two parties; ``body``: the whole identifier as JSON, keys in order."""

    format: str
    body: str


Plain = (
    Account | Email | IssSub | Opaque | PhoneNumber | Did | Uri | JwtId | SamlAssertionId | IpAddresses | Proprietary
)
_KINDS: dict[str, type[_Simple]] = {
    "account": Account,
    "email": Email,
    "iss_sub": IssSub,
    "opaque": Opaque,
    "phone_number": PhoneNumber,
    "did": Did,
    "uri": Uri,
    "jwt_id": JwtId,
    "saml_assertion_id": SamlAssertionId,
    "ip-addresses": IpAddresses,
}


class Aliases(Struct, frozen=True):
    """Several names of one subject, none of them aliases again: RFC 9493 section 3.2.8."""

    identifiers: tuple[Plain, ...]


Simple = Plain | Aliases


class Complex(Struct, frozen=True):
    """Attributes that together are one subject, by name: ``user``, ``device``, ``session``, … (SSF 1.0 section 3.3)."""

    members: tuple[tuple[str, Simple], ...]

    def member(self, name: str) -> Simple | None:
        """One attribute; None where nothing is said of it."""
        return next((value for key, value in self.members if key == name), None)


Subject = Simple | Complex


def complex_subject(**members: Simple | None) -> Complex:
    """A complex subject of the members that are given.

    >>> complex_subject(session=Opaque("s-1"), user=None).members
    (('session', Opaque(id='s-1')),)
    """
    return Complex(tuple(sorted((name, value) for name, value in members.items() if value is not None)))


def subject_of(value: Any) -> Subject:
    """A subject from JSON's builtin types. Raises ``RefusedSetError``.

    >>> subject_of({"format": "email", "email": "app@example.com"})
    Email(email='app@example.com')
    """
    if _format_of(value) != "complex":
        return _simple(value)
    members = {name: member for name, member in value.items() if name != "format"}
    if not 0 < len(members) <= MOST_MEMBERS:
        raise RefusedSetError("subject", f"complex subject of {len(members)} members, wanted 1 to {MOST_MEMBERS}")
    return complex_subject(**{name: _simple(member) for name, member in members.items()})


def builtins_of(subject: Subject) -> dict[str, Any]:
    """A subject as JSON's builtin types: what ``subject_of`` takes."""
    if isinstance(subject, Complex):
        return {"format": "complex"} | {name: builtins_of(member) for name, member in subject.members}
    if isinstance(subject, Aliases):
        return {"format": "aliases", "identifiers": [builtins_of(i) for i in subject.identifiers]}
    if isinstance(subject, Proprietary):
        found: dict[str, Any] = msgspec.json.decode(subject.body)
        return found
    plain: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(subject))
    return plain


def canonical(subject: Subject) -> str:
    """One text for one subject, the same for equal ones."""
    return msgspec.json.encode(builtins_of(subject), order="sorted").decode()


def matches(one: Subject, other: Subject) -> bool:
    """Whether two subjects match: simple ones when they are the same, complex ones where no member both have differs (SSF 1.0 section 8.1.3.1)."""
    if not isinstance(one, Complex) or not isinstance(other, Complex):
        return one == other
    theirs = dict(other.members)
    return all(theirs.get(name, member) == member for name, member in one.members)


def covers(wide: Subject, narrow: Subject) -> bool:
    """Whether every member of ``wide`` stands in ``narrow`` alike: then what is said of ``wide`` holds for ``narrow`` for certain."""
    if not isinstance(wide, Complex) or not isinstance(narrow, Complex):
        return wide == narrow
    return set(wide.members) <= set(narrow.members)


def _simple(value: Any) -> Simple:
    name = _format_of(value)
    if name == "aliases":
        return _aliases(value)
    return _plain(name, value)


def _aliases(value: dict[str, Any]) -> Aliases:
    listed = value.get("identifiers")
    if not isinstance(listed, list) or not 0 < len(listed) <= MOST_MEMBERS:
        raise RefusedSetError("subject", f"aliases: wanted a list of 1 to {MOST_MEMBERS} identifiers")
    names = [_format_of(one) for one in listed]
    if "aliases" in names:
        raise RefusedSetError("subject", "aliases among aliases")
    return Aliases(tuple(_plain(name, one) for name, one in zip(names, listed, strict=True)))


def _plain(name: str, value: dict[str, Any]) -> Plain:
    if name == "complex":
        raise RefusedSetError("subject", "a complex subject inside another")
    kind = _KINDS.get(name)
    if kind is None:
        return Proprietary(name, msgspec.json.encode(value, order="sorted").decode())
    try:
        found: Plain = msgspec.convert(value, kind)  # type: ignore[assignment]
    except msgspec.ValidationError as error:
        raise RefusedSetError("subject", f"subject of format {name}: {_path_of(error)}") from error
    return found


def _path_of(error: msgspec.ValidationError) -> str:
    return str(error)[:200]


def _format_of(value: Any) -> str:
    name = value.get("format") if isinstance(value, dict) else None
    if not isinstance(name, str) or not 0 < len(name) <= 64:
        raise RefusedSetError("subject", "subject without a format")
    return name
