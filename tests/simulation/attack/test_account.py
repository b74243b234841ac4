"""The account an intruder is in: answers that stay the same until it changes something."""

from simulation.attack.account import PROPAGATION_S, Account
from simulation.attack.residents import Residents
from simulation.estate import Estate

_ESTATE = Estate(seed=11, identities=60)
_MEMBERS = _ESTATE.identities
_AT_S = 1_772_500_000


def account(seed: int = 3) -> Account:
    return Account(Residents(_MEMBERS, seed, lambda name: _ESTATE.calls(name, 3)))


def answers(seed: int) -> list[str]:
    asked = ("iam:ListUsers", "s3:GetObject", "secretsmanager:GetSecretValue", "ec2:DescribeInstances")
    inside = account(seed)
    return [inside.answer(m.name, op, "", "us-east-1", _AT_S) for m in _MEMBERS[:12] for op in asked]


def test_the_same_question_has_the_same_answer_in_every_account_of_the_seed() -> None:
    assert answers(3) == answers(3)
    assert answers(3) != answers(4)


def test_everybody_may_do_what_it_always_did_and_few_may_do_anything() -> None:
    inside = account()
    for member in _MEMBERS:
        done = [call for call in _ESTATE.calls(member.name, 3) if call.session.key_id and not call.failure]
        answered = [inside.answer(member.name, c.operation, c.resource, c.region or "us-east-1", _AT_S) for c in done]
        assert not any(answered), member.name
    strangers = [
        inside.answer(m.name, "iam:CreateUser", "x", "us-east-1", _AT_S) for m in _MEMBERS if m.kind == "service"
    ]
    assert strangers.count("denied") > len(strangers) * 0.7
    assert not inside.answer("break-glass-admin", "iam:CreateUser", "x", "us-east-1", _AT_S)


def test_asking_who_one_is_needs_no_permission() -> None:
    assert not account().answer("nobody-knows-me", "sts:GetCallerIdentity", "", "us-east-1", _AT_S)


def test_a_granted_policy_works_only_once_it_has_spread() -> None:
    inside = account()
    caller = next(m.name for m in _MEMBERS if inside.answer(m.name, "iam:DeleteUser", "", "us-east-1", _AT_S))
    inside.make_admin(caller, _AT_S)
    assert inside.answer(caller, "iam:DeleteUser", "", "us-east-1", _AT_S + PROPAGATION_S[0] - 1) == "denied"
    assert not inside.answer(caller, "iam:DeleteUser", "", "us-east-1", _AT_S + PROPAGATION_S[1])


def test_a_thing_that_is_not_there_is_missing_to_whoever_may_look() -> None:
    inside = account()
    assert (
        inside.answer("break-glass-admin", "secretsmanager:GetSecretValue", "made/up", "us-east-1", _AT_S) == "missing"
    )
    real = inside.things["secrets"][0]
    assert real in {call.resource for member in _MEMBERS for call in _ESTATE.calls(member.name, 3)}
    assert not inside.answer("break-glass-admin", "secretsmanager:GetSecretValue", real, "us-east-1", _AT_S)


def test_a_widened_trust_lets_the_caller_in_and_nobody_assumes_the_providers_own_roles() -> None:
    inside = account()
    assert "data-admin" not in inside.targets("svc-media", _AT_S)
    inside.trust("svc-media", "data-admin")
    assert "data-admin" in inside.targets("svc-media", _AT_S)
    assert not [role for role in inside.targets("break-glass-admin", _AT_S) if role.startswith("AWS")]
