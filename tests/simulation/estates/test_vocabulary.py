"""The operations are AWS's: every name the estates write is one of its API's, or one CloudTrail is known to write."""

import re
from functools import lru_cache
from pathlib import Path

import botocore.session
import pytest

import simulation.estates
from simulation.estates.shapes import NAMED_BY
from simulation.estates.vocabulary import CHANGES, POWER, READS, WORDS

_FOLDER = Path(simulation.estates.__file__).parent
_MODELS = {
    "monitoring": ("cloudwatch",), "elasticmapreduce": ("emr",), "elasticloadbalancing": ("elb", "elbv2"), "states": ("stepfunctions",),
    "tagging": ("resourcegroupstaggingapi",), "elasticfilesystem": ("efs",), "ses": ("ses", "sesv2"), "es": ("es", "opensearch"),
    "bedrock": ("bedrock", "bedrock-runtime", "bedrock-agent", "bedrock-agent-runtime"), "sagemaker": ("sagemaker", "sagemaker-runtime"),
    "iot": ("iot", "iot-data"), "s3": ("s3", "s3control"), "sso": ("sso-admin",), "access-analyzer": ("accessanalyzer",),
    "servicequotas": ("service-quotas",),
}  # fmt: skip
# Written by CloudTrail and found in no SDK, or under another name there (the services' pages on CloudTrail logging).
_TRAIL_ONLY = {
    "s3:GetBucketPublicAccessBlock", "s3:PutBucketPublicAccessBlock", "s3:GetAccountPublicAccessBlock", "s3:PutAccountPublicAccessBlock",
    "lakeformation:GetDataAccess", "ssm:UpdateInstanceInformation", "bedrock:PutFoundationModelEntitlement", "sts:GetServiceBearerToken",
}  # fmt: skip


@lru_cache(maxsize=128)
def named(service: str) -> frozenset[str]:
    session = botocore.session.get_session()
    return frozenset(
        name for model in _MODELS.get(service, (service,)) for name in session.get_service_model(model).operation_names
    )


def is_real(operation: str) -> bool:
    service, _, name = operation.partition(":")
    return operation in _TRAIL_ONLY or re.sub(r"20\d{6}(v\d)?$", "", name) in named(service)


def written() -> set[str]:
    """Every operation that stands in the estates' code or tables."""
    texts = [path.read_text() for path in (*_FOLDER.glob("*.py"), _FOLDER / "habits.toml")]
    found = {operation for text in texts for operation in re.findall(r"(?<![\w/.-])([a-z][a-z0-9-]*:[A-Z]\w+)", text)}
    return found - {"sts:AssumeRol", "sts:Assume"}


@pytest.mark.timeout(120)
def test_every_operation_is_one_of_aws() -> None:
    assert [
        operation
        for operation in sorted({word.operation for word in WORDS} | written() | set(NAMED_BY))
        if not is_real(operation)
    ] == []


def test_the_vocabulary_is_large_and_says_of_each_word_what_it_does() -> None:
    assert len(WORDS) == len({word.operation for word in WORDS}) > 900
    sorts = {word.operation: word.sort for word in WORDS}
    assert (sorts["ec2:DescribeInstances"], sorts["s3:PutObject"], sorts["iam:CreateAccessKey"]) == (
        READS,
        CHANGES,
        POWER,
    )
