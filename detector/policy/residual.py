"""How long a provider leaves an access usable after it accepted a command: part of what a command says, and of what a rung is worth.

The providers' own words or public measurements; each stands with its page at the connector that does the deed (``docs/connectors.md``), and a test holds the two equal. What a
receipt says is about the very credential and replaces it.

Blind to: tokens that resource servers check by their signature alone, and never ask anybody about.
"""

AWS_IAM_S = 4.0
"""IAM spreads a change within seconds."""
ENTRA_TOKEN_S = 5400.0
"""Access tokens go on for 60 to 90 minutes where nobody evaluates continuously."""
OKTA_TOKEN_S, GCP_TOKEN_S = 3600.0, 3600.0
"""Access tokens got before go on for an hour."""

RESIDUAL_S: dict[str, dict[str, float]] = {
    "aws": {
        "narrow": AWS_IAM_S,
        "revoke_session": AWS_IAM_S,
        "disable_credential": AWS_IAM_S,
        "quarantine_principal": AWS_IAM_S,
        "cut_delegation": AWS_IAM_S,
    },
    "entra": {
        "step_up": ENTRA_TOKEN_S,
        "revoke_session": ENTRA_TOKEN_S,
        "disable_credential": ENTRA_TOKEN_S,
        "quarantine_principal": ENTRA_TOKEN_S,
        "cut_delegation": ENTRA_TOKEN_S,
    },
    "gcp": {"disable_credential": GCP_TOKEN_S, "quarantine_principal": 5.0},
    "github": {
        "revoke_session": 0.0,
        "disable_credential": 0.0,
        "quarantine_principal": 0.0,
        "cut_delegation": 0.0,
    },
    "keycloak": {
        "step_up": 1.0,
        "narrow": 1.0,
        "revoke_session": 1.0,
        "disable_credential": 1.0,
        "quarantine_principal": 1.0,
        "cut_delegation": 1.0,
    },
    "kubernetes": {
        "narrow": 0.0,
        "revoke_session": 61.0,
        "disable_credential": 0.0,
        "quarantine_principal": 60.0,
        "cut_delegation": 0.0,
    },
    "okta": {
        "step_up": 0.0,
        "revoke_session": 0.0,
        "disable_credential": OKTA_TOKEN_S,
        "quarantine_principal": OKTA_TOKEN_S,
        "cut_delegation": 0.0,
    },
    "vault": {"revoke_session": 0.0, "disable_credential": 0.0, "quarantine_principal": 0.0},
}
"""By provider and rung, the longest of whatever kind the credential is. A rung that is missing is none the provider's own connector knows."""


LONGEST_S = 86_400.0
"""No provider is waited for longer, whatever a webhook's settings say."""


def expected_residual_s(provider: str, action: str) -> float | None:
    """Seconds; None where only the responder's settings know, such as of a webhook or an authorization server.

    >>> expected_residual_s("aws", "disable_credential"), expected_residual_s("aws", "step_up")
    (4.0, None)
    """
    return RESIDUAL_S.get(provider, {}).get(action)
