"""Attacks: the right key in the right hand at the right pace, and a truth that can be checked."""

import json

import numpy as np
import pytest

from simulation.attackers import PACES_S, held_session, launch, launch_many_keys
from simulation.cloudtrail import record
from simulation.estate import Estate
from simulation.playbooks import PLAYBOOKS

_ESTATE = Estate(seed=11)
_VICTIM = _ESTATE.calls("svc-media", 8)
_AT_S = _ESTATE.midnight_s(8) + 15 * 3600
_SINGLE = [family for family in PLAYBOOKS if family != "many_keys"]


def rng(seed: int = 1) -> np.random.Generator:
    return np.random.default_rng(seed)


@pytest.mark.parametrize("family", PLAYBOOKS)
def test_every_playbook_gives_the_same_attack_for_the_same_seed(family: str) -> None:
    assert launch(family, _VICTIM, _AT_S, rng()) == launch(family, _VICTIM, _AT_S, rng())


@pytest.mark.parametrize("family", _SINGLE)
def test_every_playbook_begins_with_the_victims_key(family: str) -> None:
    attack = launch(family, _VICTIM, _AT_S, rng())
    assert attack.credential == held_session(_VICTIM, _AT_S).key_id == attack.calls[0].session.key_id
    assert attack.principal == "arn:aws:iam::123456789012:role/svc-media"


@pytest.mark.parametrize("pace", PACES_S)
def test_gaps_keep_to_the_pace(pace: str) -> None:
    calls = launch("recon", _VICTIM, _AT_S, rng(), pace=pace).calls
    gaps = np.diff([call.at_s for call in calls])
    assert PACES_S[pace][0] <= gaps.min() <= gaps.max() <= PACES_S[pace][1]


def test_plain_uses_its_own_network_and_agent_and_bind_the_victims() -> None:
    own = held_session(_VICTIM, _AT_S)
    plain = {(call.session.source, call.session.agent) for call in launch("recon", _VICTIM, _AT_S, rng()).calls}
    bound = {(call.session.source, call.session.agent) for call in launch("recon", _VICTIM, _AT_S, rng(), "bind").calls}
    assert bound == {(own.source, own.agent)}
    assert not plain & bound


def test_a_camouflaged_attack_is_about_fifty_five_percent_the_victims_own_calls() -> None:
    bare = sum(len(launch("recon", _VICTIM, _AT_S, rng(seed), "bind").calls) for seed in range(200))
    camouflaged = [launch("recon", _VICTIM, _AT_S, rng(seed), "camo").calls for seed in range(200)]
    assert 0.53 <= 1 - bare / sum(map(len, camouflaged)) <= 0.57


def test_camouflage_is_taken_from_the_victims_own_successful_calls() -> None:
    habits = {(call.operation, call.resource) for call in _VICTIM}
    own = {step.operation for step in PLAYBOOKS["recon"](rng())}
    cover = [call for call in launch("recon", _VICTIM, _AT_S, rng(), "camo").calls if call.operation not in own]
    assert cover
    assert all((call.operation, call.resource) in habits and not call.failure for call in cover)


def test_a_chained_attack_goes_on_with_the_keys_it_minted() -> None:
    attack = launch("leaked_key", _ESTATE.calls("batch-export", 8), _AT_S, rng())
    records = [record(call, rng()) for call in attack.calls]
    minted = [
        r["responseElements"]["credentials"]["accessKeyId"]
        for r in records
        if (r["responseElements"] or {}).get("credentials")
    ]
    assert attack.truth(records)["credentials"] == [attack.credential, *minted]
    assert attack.credential.startswith("AKIA")
    assert len(minted) == 2


def test_many_keys_are_tried_from_one_source() -> None:
    names = ["svc-media", "svc-orders", "svc-checkout", "batch-export", "assistant"]
    attack = launch_many_keys([_ESTATE.calls(name, 8) for name in names], _AT_S, rng())
    assert len({call.session.source for call in attack.calls}) == 1
    assert len({call.session.key_id for call in attack.calls}) == len(names)


def test_the_truth_is_never_inside_the_records() -> None:
    attack = launch("model_hijack", _VICTIM, _AT_S, rng(), name="planted-name")
    records = [record(call, rng()) for call in attack.calls]
    assert "planted-name" not in json.dumps(records)
    assert attack.truth(records)["event_ids"] == [r["eventID"] for r in records]


def test_nothing_can_be_stolen_before_the_victim_has_used_a_key() -> None:
    with pytest.raises(ValueError, match="nothing to steal yet"):
        launch("recon", _VICTIM, _VICTIM[0].at_s, rng())


@pytest.mark.parametrize(
    ("family", "binding", "pace"), [("x", "plain", "agent"), ("recon", "x", "agent"), ("recon", "bind", "x")]
)
def test_an_unknown_option_is_named(family: str, binding: str, pace: str) -> None:
    with pytest.raises(ValueError, match="unknown 'x': wanted one of"):
        launch(family, _VICTIM, _AT_S, rng(), binding, pace)
