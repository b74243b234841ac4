"""The temper of a messy company: how skewed, how bursty, how restless it is, drawn from wide priors, a new one each seed.

Nobody publishes these numbers for AWS audit trails, so each prior spans what neighbouring fields report, and every seed is
another company:
- Operations and commands follow Zipf's law with exponents around one, a few of them make up nearly all use, and new ones
  keep coming, in bursts (Hanson, Kraut and Farber, 1984; Greenberg and Witten, "Directing the user interface", 1988): a
  Pitman-Yor law, whose discount is the exponent at which a vocabulary grows.
- Activity spans many orders of magnitude between functions of one provider, varies from day to day and comes in bursts
  (Shahrad et al., USENIX ATC 2020; Joosen et al., SoCC 2023; Karsai, Jo and Kaski, "Bursty Human Dynamics", 2018):
  log-normal volumes, self-exciting arrivals. Only volumes are tamed, to a mean of 60 to 150 calls an identity-day.
- Old keys, shared by people and machines, are common: a quarter to a half of companies still have IAM users with keys of
  a year or more (Datadog, State of Cloud Security, 2023 to 2025).
- Most identities use few of their permissions, and hardly any of those that give power (Sonrai, 2026; Microsoft, State of
  Cloud Permissions Risks, 2023): three sorts of identity, of which the powerful one is rare.
"""

from dataclasses import dataclass
from math import exp, log

from simulation.estates.chance import Dice

_DATA_SERVICES = ("s3", "dynamodb", "lambda", "sqs", "sns", "kinesis", "monitoring", "bedrock", "iot", "sagemaker")


@dataclass(frozen=True, slots=True)
class Temper:
    """One company's numbers. Rates are a month of 30 days unless they say otherwise; shares are between 0 and 1."""

    zipf: float  # exponent of how common operations are within a service
    discount: float  # Pitman-Yor: how fast an identity's vocabulary of tasks grows
    strength: float  # Pitman-Yor: how many tasks an identity has to begin with
    calls_a_day: float  # mean of an identity-day
    spread: float  # sigma of the log of calls between identities
    restlessness: float  # sigma of the log of calls between the days of one identity
    branching: float  # share of task runs that another one set off
    decay_s: float  # how soon
    churn: float  # share of an identity's tasks replaced in a month
    one_offs_a_day: float  # spells of trying something else, an identity-day
    shared: float  # share of machine identities with several hands on them
    keys: float  # share of machine identities that are IAM users
    failing: float  # share of calls that fail for no lasting reason
    broken: float  # share of tasks that never work, and nobody minds
    roaming: float  # chance a day that a hand calls from somewhere new
    upgrades: float  # of a hand's client software
    weekend: float  # share of a working day's activity on days off
    born: float
    gone: float
    unlogged: frozenset[str]  # services whose data events are not recorded


def drawn(throws: Dice) -> Temper:
    """A company's temper."""
    return Temper(
        zipf=throws.span(0.9, 1.7),
        discount=throws.span(0.05, 0.6),
        strength=_log_uniform(throws, 0.7, 8),
        calls_a_day=_log_uniform(throws, 60, 150),
        spread=throws.span(0.7, 1.5),
        restlessness=throws.span(0.2, 0.9),
        branching=throws.span(0.2, 0.85),
        decay_s=_log_uniform(throws, 20, 3600),
        churn=float(throws.rng.beta(2, 6)),
        one_offs_a_day=_log_uniform(throws, 0.003, 0.1),
        shared=throws.span(0.02, 0.25),
        keys=_log_uniform(throws, 0.05, 0.5),
        failing=_log_uniform(throws, 0.002, 0.04),
        broken=_log_uniform(throws, 0.005, 0.05),
        roaming=_log_uniform(throws, 0.01, 0.5),
        upgrades=throws.span(0.1, 1.0),
        weekend=throws.span(0.1, 1.0),
        born=throws.span(0.02, 0.2),
        gone=throws.span(0.01, 0.1),
        unlogged=frozenset(service for service in _DATA_SERVICES if throws.chance(0.5)),
    )


def _log_uniform(throws: Dice, least: float, most: float) -> float:
    return exp(throws.span(log(least), log(most)))
