"""What a command says of the time a provider leaves an access usable."""

import pytest

from detector.config import Guards, Policy
from detector.policy.guardrails import RevocationCommand, narrowed, next_rung, raised_to_principal
from detector.policy.residual import RESIDUAL_S, expected_residual_s
from streams.connectors.catalogue import EXAMPLES, catalogue
from tests.detector.policy.commanding import ARMED, commanded

DESCRIBED = {
    told.providers[0]: told for field, told in catalogue().items() if not hasattr(EXAMPLES[field], "residual_s")
}


def test_every_connector_whose_residual_is_no_setting_has_its_numbers_here() -> None:
    assert set(RESIDUAL_S) == {*DESCRIBED} - {"*"}


@pytest.mark.parametrize("provider", sorted(RESIDUAL_S))
def test_commands_expect_what_the_connector_says(provider: str) -> None:
    assert RESIDUAL_S[provider] == {deed.action: deed.residual_s for deed in DESCRIBED[provider].deeds}


def test_a_command_carries_the_number_and_so_does_whatever_follows_it() -> None:
    command = commanded("disable_credential")
    assert command.residual_s == 4.0
    followed: list[RevocationCommand | None] = [next_rung(command, ARMED), raised_to_principal(command, ARMED)]
    unguarded = Policy(armed=True, guards=Guards(two_person=()))
    followed += [narrowed(command), next_rung(commanded("revoke_session"), unguarded)]
    for each in followed:
        assert each is not None
        assert each.residual_s == expected_residual_s("aws", each.action) == 4.0


def test_what_nobody_knows_is_not_said_to_be_nothing() -> None:
    assert commanded("step_up").residual_s is None
    assert expected_residual_s("somebody", "disable_credential") is None
