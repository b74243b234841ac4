"""Facts of shared signals: what holds after all of them, whatever order they came in."""

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from detector.identity.context import ContextFeeds
from detector.identity.signals import Fact, latest, read_facts, standings

NAMES = st.sampled_from(["AKIAEXAMPLE", "app", "keycloak:shop/agent"])
FACTS = st.builds(
    Fact,
    name=NAMES,
    standing=st.sampled_from(["exposed", "retired", "distrusted"]),
    holds=st.booleans(),
    issuer=st.sampled_from(["https://tr.example.com", "https://idp.example.com"]),
    time_ns=st.integers(1, 4),
    event=st.sampled_from(["credential_change", "credential_compromise"]),
)


def fact(
    standing: str = "exposed", holds: bool = True, time_ns: int = 1, issuer: str = "https://tr.example.com"
) -> Fact:
    return Fact(
        name="AKIAEXAMPLE",
        standing=standing,  # type: ignore[arg-type]
        holds=holds,
        issuer=issuer,
        time_ns=time_ns,
        event="credential_compromise",
    )


def test_a_party_takes_back_only_what_it_said_itself() -> None:
    said = [fact(), fact(issuer="https://idp.example.com"), fact(holds=False, time_ns=2)]
    assert standings(said).exposed == {"AKIAEXAMPLE"}
    assert standings([*said, fact(holds=False, time_ns=2, issuer="https://idp.example.com")]).exposed == frozenset()


def test_an_older_word_that_comes_late_changes_nothing() -> None:
    assert standings([fact(holds=False, time_ns=9), fact(time_ns=8)]).exposed == frozenset()


def test_of_two_words_at_the_same_time_the_careful_one_counts() -> None:
    assert standings([fact(), fact(holds=False)]).exposed == {"AKIAEXAMPLE"}


@given(st.lists(FACTS, max_size=12), st.randoms())
def test_order_of_arrival_and_repeats_change_nothing(facts: list[Fact], chance: st.DataObject) -> None:
    shuffled = [*facts, *facts[:3]]
    chance.shuffle(shuffled)  # type: ignore[attr-defined]
    assert latest(shuffled) == latest(facts)
    assert standings(latest(facts)) == standings(facts)


@given(st.lists(FACTS, max_size=6), st.sampled_from([b"{", b"\xff\xfe", b'{"name": 1}', b"[" * 5000]))
def test_a_line_that_says_nothing_takes_no_other_with_it(facts: list[Fact], bad: bytes) -> None:
    data = b"\n".join([*(msgspec.json.encode(f) for f in facts), bad, b""])
    assert read_facts(data) == (facts, 1)


def test_the_operators_own_files_are_never_overruled() -> None:
    feeds = ContextFeeds(exposed=frozenset({"AKIAEXAMPLE"}))
    assert feeds.joined(standings([fact(holds=False, time_ns=2)])) == feeds
    assert feeds.joined(standings([fact("distrusted")])).distrusted == {"AKIAEXAMPLE"}
