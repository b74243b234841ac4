"""One adaptive attack: every loop at every pace, its credential, its cover, and that it goes on from the answers it gets."""

import json
from collections import Counter
from itertools import pairwise

import numpy as np
import pytest

from simulation.attack.account import Account
from simulation.attack.launch import Manner, attack, many_keys
from simulation.attack.loops import LOOPS
from simulation.attack.residents import Residents
from simulation.attack.tempo import PACES
from simulation.attack.victim import Victim
from simulation.attackers import Attack
from simulation.cloudtrail import name_of, record
from simulation.estate import Estate

_ESTATE = Estate(seed=11, identities=40, days=12)
_DAYS = range(6, 12)
_SINGLE = [loop for loop in LOOPS if loop != "many_keys"]
_MACHINES = ("svc-media", "batch-export", "ci-deploy", "billing-insight", "assistant")


def victim(name: str) -> Victim:
    member = _ESTATE.member(name)
    return Victim(name, member.kind, member.path, [c for day in _DAYS for c in _ESTATE.calls(name, day)])


_RESIDENTS = Residents(_ESTATE.identities, 3, lambda name: _ESTATE.calls(name, 7))
_VICTIMS = {name: victim(name) for name in _MACHINES}


def launched(loop: str, who: str = "svc-media", seed: int = 1, **how: str) -> Attack:
    held = _VICTIMS[who]
    uses = held.uses_between(_ESTATE.midnight_s(8), _ESTATE.midnight_s(9))
    account = Account(_RESIDENTS)
    return attack(loop, account, held, uses[len(uses) // 2] + 5, np.random.default_rng(seed), Manner(**how))


@pytest.mark.parametrize("loop", _SINGLE)
@pytest.mark.parametrize("pace", PACES)
def test_every_loop_runs_at_every_pace_in_time_order_and_within_its_patience(loop: str, pace: str) -> None:
    made = launched(loop, pace=pace)
    times = [call.at_s for call in made.calls]
    assert times == sorted(times)
    assert 3 <= len(made.calls) <= PACES[pace].budget[1]
    assert (made.loop, made.pace, made.mimicry, made.origin) == (loop, pace, "plain", "simulated")


@pytest.mark.parametrize("loop", _SINGLE)
def test_the_same_seed_gives_the_same_attack_and_another_seed_another(loop: str) -> None:
    assert launched(loop) == launched(loop)
    kinds = {tuple((call.operation, call.failure) for call in launched(loop, seed=seed).calls) for seed in range(8)}
    assert len(kinds) == 8


@pytest.mark.parametrize("pace", PACES)
def test_decisions_keep_to_the_pace(pace: str) -> None:
    gaps = [
        b.at_s - a.at_s
        for seed in range(6)
        for a, b in pairwise(launched("reconnaissance", pace=pace, seed=seed).calls)
    ]
    least, most = PACES[pace].gap_s
    usual = [gap for gap in gaps if least <= gap <= most]
    assert len(usual) >= 0.8 * len(gaps)
    assert all(gap == 0 or PACES[pace].pause_s[0] <= gap <= PACES[pace].pause_s[1] for gap in gaps if gap not in usual)


def test_an_attack_begins_with_the_credential_the_victim_held() -> None:
    for who in _MACHINES:
        made = launched("credential_testing", who)
        assert made.calls[0].session.key_id == made.credential
        assert made.credential in {call.session.key_id for call in _VICTIMS[who].calls}
        assert made.principal.endswith(f"/{who}")


@pytest.mark.parametrize("who", _MACHINES)
def test_a_minted_attack_first_buys_a_session_and_goes_on_with_it(who: str) -> None:
    made = launched("credential_testing", who, freshness="minted", seed=4)
    first = made.calls[0]
    assert first.operation.startswith(("sts:AssumeRole", "sts:GetSessionToken", "sts:GetFederationToken"))
    assert first.response is not None
    bought = first.response["credentials"]["accessKeyId"]
    assert bought not in {call.session.key_id for call in _VICTIMS[who].calls}
    assert made.calls[1].session.key_id == bought
    assert made.freshness == "minted"


def test_sessions_bought_by_a_user_are_refused_by_iam_and_the_key_is_used_for_it_from_then_on() -> None:
    seen = []
    for seed in range(30):
        made = launched("credential_minting", "batch-export", seed, freshness="minted", pace="machine")
        iam = [
            call
            for call in made.calls
            if call.operation.startswith("iam:") and call.session.principal_arn == made.principal
        ]
        own = [call for call in iam if call.session.key_id.startswith("ASIA")]
        assert all(call.failure == "denied" for call in own)
        assert len(own) <= 1
        seen += own
    assert seen


def test_plain_shows_another_network_and_bind_the_victims_own() -> None:
    held = _VICTIMS["svc-media"].calls[0].session
    for seed in range(12):
        bound = {
            (c.session.source, c.session.agent) for c in launched("reconnaissance", seed=seed, mimicry="bind").calls
        }
        plain = launched("reconnaissance", seed=seed)
        assert bound == {(held.source, held.agent)}
        assert held.source not in {call.session.source for call in plain.calls}
        assert (held.agent in {call.session.agent for call in plain.calls}) == (plain.variation == "copied_agent")
        assert (len({call.session.source for call in plain.calls}) > 1) == (plain.variation == "anonymised")


def test_every_way_of_showing_oneself_occurs() -> None:
    shown = Counter(launched("credential_testing", seed=seed).variation for seed in range(60))
    assert set(shown) == {"own", "copied_agent", "vpn", "anonymised"}


def test_about_half_of_a_camouflaged_attack_are_the_victims_own_calls() -> None:
    habits = {(call.operation, call.resource) for call in _VICTIMS["svc-media"].calls}
    made = [call for seed in range(60) for call in launched("data_destruction", seed=seed, mimicry="camo").calls]
    cover = sum((call.operation, call.resource) in habits for call in made)
    assert 0.45 <= cover / len(made) <= 0.55


def test_cover_keeps_the_victims_cadence() -> None:
    own = {
        b.at_s - a.at_s for a, b in pairwise(_VICTIMS["svc-media"].calls) if b.at_s - a.at_s <= PACES["human"].cover_s
    }
    habits = {(call.operation, call.resource) for call in _VICTIMS["svc-media"].calls}
    made = launched("data_destruction", seed=2, mimicry="camo", pace="human").calls
    runs = [
        b.at_s - a.at_s for a, b in pairwise(made) if {(a.operation, a.resource), (b.operation, b.resource)} <= habits
    ]
    quick = [gap for gap in runs if gap <= 2]
    assert quick, "the victim works in bursts, and so does its cover"
    assert own >= set(quick)


def test_a_denied_way_is_left_for_another_one() -> None:
    denied, repeated = 0, 0
    for loop in _SINGLE:
        calls = [call for call in launched(loop, seed=3, pace="machine").calls if call.failure == "denied"]
        tries = [(call.operation, call.resource, call.region) for call in calls]
        denied += len(tries)
        repeated += sum(a == b for a, b in pairwise(tries))
    assert denied > 100
    assert repeated <= 0.03 * denied


def test_what_a_listing_gave_away_is_what_is_asked_for_next() -> None:
    secrets = set(Account(_RESIDENTS).things["secrets"])
    told, blind = Counter[bool](), Counter[bool]()
    for seed in range(40):
        is_told = False
        for call in launched("secrets_sweep", seed=seed).calls:
            if call.operation == "secretsmanager:ListSecrets" and not call.failure:
                is_told = True
            if call.operation == "secretsmanager:GetSecretValue" and call.failure != "missing":
                (told if is_told else blind)[call.resource in secrets] += 1
    assert told[False] == 0
    assert blind[False] > 0


def test_after_a_self_granted_policy_more_secrets_are_read_than_before() -> None:
    before, after = Counter[str](), Counter[str]()
    for seed in range(40):
        granted = False
        for call in launched("vault_self_grant", seed=seed, pace="human").calls:
            granted = granted or (
                call.operation.startswith(("iam:Put", "iam:Attach", "iam:CreatePolicy")) and not call.failure
            )
            if call.operation == "secretsmanager:GetSecretValue":
                (after if granted else before)[call.failure] += 1
    assert after[""] / after.total() > 0.8 > 0.5 > before[""] / before.total()


def test_a_chain_goes_through_roles_with_the_key_each_assumption_gave() -> None:
    for seed in range(20):
        made = launched("privilege_chaining", seed=seed)
        given = {made.credential}
        for call in made.calls:
            assert call.session.key_id in given
            if call.operation == "sts:AssumeRole" and call.response:
                given.add(call.response["credentials"]["accessKeyId"])
        assert set(made.credentials) <= given
        assert len(made.principals) <= len(given)


def test_a_key_that_lay_about_is_used_from_where_the_intruder_is() -> None:
    pivoted = set()
    for seed in range(40):
        made = launched("leaked_secret_pivot", "svc-media", seed, mimicry="bind", pace="machine")
        own = made.calls[0].session
        for call in made.calls:
            if call.session.principal_arn != made.principal and call.session.key_id.startswith("AKIA"):
                assert (call.session.source, call.session.agent) == (own.source, own.agent)
                assert call.session.key_id == _RESIDENTS.keys[name_of(call.session)].key_id
                pivoted.add(seed)
    assert len(pivoted) > 3


def test_a_slow_attack_asks_again_for_what_ran_out() -> None:
    made = [launched("privilege_chaining", seed=seed, pace="slow") for seed in range(12)]
    renewed = 0
    for one in made:
        roles = [call.resource for call in one.calls if call.operation == "sts:AssumeRole" and not call.failure]
        renewed += len(roles) != len(set(roles))
    assert renewed
    assert max(one.calls[-1].at_s - one.calls[0].at_s for one in made) > 6 * 3600


def test_a_model_is_probed_in_several_regions_and_then_run_up() -> None:
    made = [launched("model_access_hijack", "assistant", seed) for seed in range(12)]
    regions = [{call.region for call in one.calls if call.operation.startswith("bedrock:")} for one in made]
    bursts = [max(Counter((c.operation, c.resource) for c in one.calls if not c.failure).values()) for one in made]
    assert sum(len(found) > 1 for found in regions) > 4
    assert sum(burst > 5 for burst in bursts) > 4


def test_many_keys_are_tried_from_one_place() -> None:
    at_s = _ESTATE.midnight_s(8) + 15 * 3600
    account = Account(_RESIDENTS)
    made = many_keys(account, list(_VICTIMS.values()), at_s, np.random.default_rng(2), Manner("machine"))
    assert len(made.credentials) == len(_VICTIMS)
    assert len({call.session.source for call in made.calls}) == 1 or made.variation == "anonymised"


@pytest.mark.parametrize("loop", _SINGLE)
def test_records_can_be_made_and_never_tell_the_truth(loop: str) -> None:
    made = launched(loop, mimicry="camo", freshness="minted")
    text = json.dumps([record(call, np.random.default_rng(1)) for call in made.calls])
    assert loop not in text
    assert "camo" not in text


@pytest.mark.parametrize("how", [{"pace": "x"}, {"mimicry": "x"}, {"freshness": "x"}])
def test_an_unknown_manner_is_named(how: dict[str, str]) -> None:
    with pytest.raises(ValueError, match="unknown 'x': wanted one of"):
        Manner(**how)


def test_an_unknown_loop_is_named() -> None:
    with pytest.raises(ValueError, match="unknown 'x': wanted one of reconnaissance"):
        launched("x")


def test_nothing_can_be_stolen_before_there_is_something() -> None:
    held = _VICTIMS["svc-media"]
    with pytest.raises(ValueError, match="nothing to steal yet"):
        attack("credential_testing", Account(_RESIDENTS), held, 0, np.random.default_rng(1), Manner())
    with pytest.raises(ValueError, match="nothing to steal"):
        Victim("nobody", "service", "workload", [])
