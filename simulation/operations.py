"""What each API operation looks like in a record: its request, its answer, its host and its error codes.

Operations are written `service:Name`, where the service is the first label of CloudTrail's `eventSource`.
Which calls are data events: CloudTrail User Guide, "Logging data events". Error codes: each service's API reference,
"Common Errors".
"""

from functools import lru_cache
from typing import Any

from simulation.identifiers import ACCOUNT

Fields = dict[str, Any]

_READ_VERBS = (
    "Get",
    "List",
    "Describe",
    "Head",
    "Lookup",
    "Retrieve",
    "Verify",
    "Encrypt",
    "Analyze",
    "Search",
    "Query",
    "Scan",
    "BatchGet",
    "BatchCheck",
    "Assume",
    "Decrypt",
    "GenerateDataKey",
    "Receive",
    "InvokeModel",
    "Converse",
    "Simulate",
    "Check",
    "Select",
    "View",
    "Filter",
    "Test",
    "Preview",
    "Validate",
)
_DATA_EVENTS = frozenset(
    {
        "s3:GetObject",
        "s3:PutObject",
        "s3:HeadObject",
        "s3:ListObjects",
        "s3:DeleteObject",
        "s3:CopyObject",
        "dynamodb:GetItem",
        "dynamodb:PutItem",
        "dynamodb:Query",
        "dynamodb:UpdateItem",
        "dynamodb:BatchGetItem",
        "dynamodb:Scan",
        "dynamodb:BatchWriteItem",
        "lambda:Invoke",
        "sqs:SendMessage",
        "sqs:ReceiveMessage",
        "sqs:DeleteMessage",
        "sns:Publish",
        "monitoring:GetMetricData",
        "monitoring:PutMetricData",
        "s3:UploadPart",
        "s3:CreateMultipartUpload",
        "s3:CompleteMultipartUpload",
        "s3:AbortMultipartUpload",
        "dynamodb:DeleteItem",
        "dynamodb:TransactWriteItems",
        "kinesis:GetRecords",
        "sagemaker:InvokeEndpoint",
        "bedrock:Retrieve",
        "bedrock:ApplyGuardrail",
        "iot:GetThingShadow",
        "iot:UpdateThingShadow",
        "ebs:ListSnapshotBlocks",
        "ebs:GetSnapshotBlock",
    }
)
_QUERY_SERVICES = frozenset(
    {
        "iam",
        "sts",
        "s3",
        "sns",
        "sqs",
        "rds",
        "cloudformation",
        "elasticloadbalancing",
        "autoscaling",
        "monitoring",
        "route53",
        "signin",
    }
)
_GLOBAL_HOSTS = {
    "iam": "iam.amazonaws.com",
    "route53": "route53.amazonaws.com",
    "organizations": "organizations.us-east-1.amazonaws.com",
}
_GLOBAL_SERVICES = frozenset({"iam", "route53", "organizations", "cloudfront", "ce", "budgets", "signin"})
_EVENT_VERSIONS = {
    "s3": "1.11",
    "iam": "1.10",
    "ec2": "1.10",
    "sts": "1.08",
    "secretsmanager": "1.11",
    "bedrock": "1.11",
    "dynamodb": "1.11",
}

# A value may hold {resource}, its part before the first slash {head}, the part after it {tail}, {region} and {account}.
_REQUESTS: dict[str, Fields | None] = {
    "s3:GetObject": {"bucketName": "{head}", "Host": "{head}.s3.{region}.amazonaws.com", "key": "{tail}"},
    "s3:PutObject": {
        "bucketName": "{head}",
        "Host": "{head}.s3.{region}.amazonaws.com",
        "key": "{tail}",
        "x-amz-server-side-encryption": "aws:kms",
    },
    "s3:HeadObject": {"bucketName": "{head}", "Host": "{head}.s3.{region}.amazonaws.com", "key": "{tail}"},
    "s3:DeleteObject": {"bucketName": "{head}", "Host": "{head}.s3.{region}.amazonaws.com", "key": "{tail}"},
    "s3:ListObjects": {
        "list-type": "2",
        "bucketName": "{head}",
        "encoding-type": "url",
        "prefix": "",
        "Host": "{head}.s3.{region}.amazonaws.com",
    },
    "s3:ListBuckets": {"Host": "s3.amazonaws.com"},
    "dynamodb:GetItem": {
        "tableName": "{resource}",
        "key": {"pk": "HIDDEN_DUE_TO_SECURITY_REASONS"},
        "consistentRead": False,
    },
    "dynamodb:PutItem": {
        "tableName": "{resource}",
        "key": {"pk": "HIDDEN_DUE_TO_SECURITY_REASONS"},
        "items": ["pk", "sk"],
    },
    "dynamodb:UpdateItem": {
        "tableName": "{resource}",
        "key": {"pk": "HIDDEN_DUE_TO_SECURITY_REASONS"},
        "returnValues": "ALL_NEW",
    },
    "dynamodb:Query": {
        "tableName": "{resource}",
        "keyConditionExpression": "#pk = :pk",
        "limit": 50,
        "scanIndexForward": False,
    },
    "dynamodb:ListTables": {"limit": 100},
    "sqs:ReceiveMessage": {
        "queueUrl": "{resource}",
        "maxNumberOfMessages": 10,
        "waitTimeSeconds": 20,
        "attributeNames": ["All"],
    },
    "sqs:SendMessage": {"queueUrl": "{resource}", "messageBody": "HIDDEN_DUE_TO_SECURITY_REASONS", "delaySeconds": 0},
    "sqs:DeleteMessage": {"queueUrl": "{resource}", "receiptHandle": "HIDDEN_DUE_TO_SECURITY_REASONS"},
    "sns:Publish": {
        "topicArn": "arn:aws:sns:{region}:{account}:{resource}",
        "message": "HIDDEN_DUE_TO_SECURITY_REASONS",
    },
    "secretsmanager:GetSecretValue": {"secretId": "{resource}"},
    "secretsmanager:DescribeSecret": {"secretId": "{resource}"},
    "secretsmanager:BatchGetSecretValue": {"filters": [{"key": "all", "values": ["{resource}"]}]},
    "ssm:GetParameter": {"name": "{resource}", "withDecryption": True},
    "ssm:GetParameters": {"names": ["{resource}"], "withDecryption": True},
    "ssm:GetParametersByPath": {"path": "{resource}", "recursive": True, "withDecryption": True},
    "kms:Decrypt": {
        "encryptionContext": {"service": "{resource}"},
        "keyId": "{key_arn}",
        "encryptionAlgorithm": "SYMMETRIC_DEFAULT",
    },
    "kms:GenerateDataKey": {"encryptionContext": {"service": "{resource}"}, "keyId": "{key_arn}", "keySpec": "AES_256"},
    "bedrock:InvokeModel": {"modelId": "{resource}"},
    "bedrock:InvokeModelWithResponseStream": {"modelId": "{resource}"},
    "bedrock:GetFoundationModel": {"modelIdentifier": "{resource}"},
    "bedrock:GetFoundationModelAvailability": {"modelId": "{resource}"},
    "bedrock:PutFoundationModelEntitlement": {"modelId": "{resource}"},
    "iam:CreateUser": {"userName": "{resource}"},
    "iam:CreateAccessKey": {"userName": "{resource}"},
    "iam:CreateLoginProfile": {"userName": "{resource}", "passwordResetRequired": False},
    "iam:AttachUserPolicy": {"userName": "{resource}", "policyArn": "arn:aws:iam::aws:policy/AdministratorAccess"},
    "iam:AttachRolePolicy": {"roleName": "{resource}", "policyArn": "arn:aws:iam::{account}:policy/{resource}"},
    "iam:CreatePolicyVersion": {
        "policyArn": "arn:aws:iam::{account}:policy/{resource}",
        "setAsDefault": True,
        "policyDocument": "{policy}",
    },
    "iam:PutUserPolicy": {"userName": "{resource}", "policyName": "inline", "policyDocument": "{policy}"},
    "iam:PutRolePolicy": {"roleName": "{resource}", "policyName": "inline", "policyDocument": "{policy}"},
    "iam:CreateRole": {"roleName": "{resource}", "assumeRolePolicyDocument": "{policy}"},
    "iam:UpdateAssumeRolePolicy": {"roleName": "{resource}", "policyDocument": "{policy}"},
    "iam:ListUsers": None,
    "iam:ListRoles": None,
    "iam:GetAccountSummary": None,
    "sts:GetCallerIdentity": None,
    "ec2:DescribeInstances": {"instancesSet": {}, "filterSet": {}},
    "ec2:DescribeVolumes": {"volumeSet": {}, "filterSet": {}},
    "ec2:DescribeSecurityGroups": {"securityGroupSet": {}, "securityGroupIdSet": {}, "filterSet": {}},
    "monitoring:PutMetricData": {"namespace": "{resource}"},
    "monitoring:GetMetricData": {
        "startTime": "PT1H",
        "metricDataQueries": [{"id": "m1", "metricStat": {"stat": "Average", "period": 60}}],
    },
    "logs:CreateLogStream": {"logGroupName": "{resource}", "logStreamName": "main"},
    "ce:GetCostAndUsage": {
        "granularity": "DAILY",
        "metrics": ["UnblendedCost"],
        "groupBy": [{"type": "DIMENSION", "key": "SERVICE"}],
    },
    "lambda:Invoke": {
        "functionName": "arn:aws:lambda:{region}:{account}:function:{resource}",
        "invocationType": "RequestResponse",
    },
    "lambda:UpdateFunctionCode20150331v2": {"functionName": "{resource}", "publish": True, "dryRun": False},
    "ecs:UpdateService": {"cluster": "shop", "service": "{resource}", "forceNewDeployment": True, "desiredCount": 3},
    "ecr:BatchGetImage": {
        "registryId": "{account}",
        "repositoryName": "{resource}",
        "imageIds": [{"imageTag": "main"}],
    },
}
_RESPONSES: dict[str, Fields] = {
    "iam:CreateUser": {
        "user": {"path": "/", "userName": "{resource}", "arn": "arn:aws:iam::{account}:user/{resource}"}
    },
    "iam:CreateRole": {
        "role": {"path": "/", "roleName": "{resource}", "arn": "arn:aws:iam::{account}:role/{resource}"}
    },
    "iam:CreateLoginProfile": {"loginProfile": {"userName": "{resource}", "passwordResetRequired": False}},
    "iam:CreatePolicyVersion": {"policyVersion": {"versionId": "v4", "isDefaultVersion": True}},
    "s3:PutObject": {"x-amz-server-side-encryption": "aws:kms"},
    "ecs:UpdateService": {"service": {"serviceName": "{resource}", "status": "ACTIVE", "desiredCount": 3}},
    "lambda:UpdateFunctionCode20150331v2": {"functionName": "{resource}", "runtime": "python3.12", "memorySize": 512},
    "sqs:DeleteMessage": {},
}
_POLICY = '{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"}]}'


@lru_cache(maxsize=4096)
def is_read_only(operation: str) -> bool:
    """Whether CloudTrail marks the operation readOnly: judged by its verb."""
    name = operation.partition(":")[2]
    return name.startswith(_READ_VERBS) and name != "AssociateRole"


def is_data_event(operation: str) -> bool:
    """Whether the operation acts on the contents of a resource and so is a data event, not a management event."""
    return operation in _DATA_EVENTS


def event_version(service: str) -> str:
    """The record version the service writes; always 1.08 or later."""
    return _EVENT_VERSIONS.get(service, "1.09")


def recorded_region(service: str, region: str) -> str:
    """The region a record is filed under: global services always write to us-east-1."""
    return "us-east-1" if service in _GLOBAL_SERVICES else region


def host(service: str, resource: str, region: str) -> str:
    """The host header the client sent (`tlsDetails.clientProvidedHostHeader`)."""
    if service == "s3":
        return f"{resource.partition('/')[0]}.s3.{region}.amazonaws.com" if resource else "s3.amazonaws.com"
    return _GLOBAL_HOSTS.get(service, f"{service}.{region}.amazonaws.com")


def request(operation: str, resource: str, region: str) -> Fields | None:
    """The `requestParameters` of the call, None where the API takes none."""
    template = _REQUESTS[operation] if operation in _REQUESTS else _usual_request(operation)
    return None if template is None else _with_values(template, resource, region)


def _usual_request(operation: str) -> Fields:
    service, _, name = operation.partition(":")
    if service == "s3":
        return {"bucketName": "{head}", "Host": "{head}.s3.{region}.amazonaws.com"}
    if service == "iam" and any(noun in name for noun in ("Role", "User", "AccessKey")):
        return {"roleName" if "Role" in name else "userName": "{resource}"}
    if service == "lambda" and not name.startswith("List"):
        return {"functionName": "{resource}"}
    if is_read_only(operation):
        return {"filterSet": {}, "maxResults": 100} if service == "ec2" else {"maxResults": 100}
    return {"name": "{resource}", "tags": [{"key": "team", "value": "shop"}]}


def response(operation: str, resource: str, region: str) -> Fields | None:
    """The `responseElements` of a call that changed something; None for reads, as CloudTrail does."""
    if is_read_only(operation):
        return None
    template: Fields = _RESPONSES.get(operation, {"requestId": "HIDDEN_DUE_TO_SECURITY_REASONS", "_return": True})
    return _with_values(template, resource, region)


def error_code(service: str, failure: str) -> str:
    """The code the service answers with: `failure` is one of `_ERROR_CODES`, else KeyError."""
    if (service, failure) in _OWN_CODES:
        return _OWN_CODES[service, failure]
    family = "ec2" if service == "ec2" else "query" if service in _QUERY_SERVICES else "json"
    return _ERROR_CODES[failure][family]


_ERROR_CODES = {
    "denied": {"ec2": "Client.UnauthorizedOperation", "query": "AccessDenied", "json": "AccessDeniedException"},
    "throttled": {"ec2": "Client.RequestLimitExceeded", "query": "Throttling", "json": "ThrottlingException"},
    "invalid": {"ec2": "Client.InvalidParameterValue", "query": "ValidationError", "json": "ValidationException"},
    "missing": {
        "ec2": "Client.InvalidInstanceID.NotFound",
        "query": "NoSuchEntityException",
        "json": "ResourceNotFoundException",
    },
    "conflict": {"ec2": "Client.IncorrectState", "query": "InvalidParameterCombination", "json": "ConflictException"},
    "expired": {"ec2": "Client.RequestExpired", "query": "RequestExpired", "json": "ExpiredTokenException"},
    "quota": {"ec2": "Client.InstanceLimitExceeded", "query": "LimitExceeded", "json": "LimitExceededException"},
}
_OWN_CODES = {
    ("s3", "missing"): "NoSuchKey",
    ("dynamodb", "conflict"): "ConditionalCheckFailedException",
    ("glue", "conflict"): "ConcurrentRunsExceededException",
    ("states", "conflict"): "ExecutionAlreadyExists",
    ("s3", "conflict"): "OperationAborted",
    ("iam", "conflict"): "EntityAlreadyExists",
    ("kinesis", "expired"): "ExpiredIteratorException",
    ("sagemaker", "quota"): "ResourceLimitExceeded",
    ("cognito-idp", "denied"): "NotAuthorizedException",
}


def _with_values(template: Fields, resource: str, region: str) -> Fields:
    values = _values(resource, region)
    return {name: _filled(part, values) for name, part in template.items()}


def _values(resource: str, region: str) -> dict[str, str]:
    head, _, tail = resource.partition("/")
    key_arn = f"arn:aws:kms:{region}:{ACCOUNT}:key/{resource}"
    named = {"{resource}": resource, "{head}": head, "{tail}": tail, "{region}": region}
    return named | {"{account}": ACCOUNT, "{policy}": _POLICY, "{key_arn}": key_arn}


def _filled(template: Any, values: dict[str, str]) -> Any:
    if isinstance(template, str):
        return _substituted(template, values) if "{" in template else template
    if isinstance(template, dict):
        return {name: _filled(part, values) for name, part in template.items()}
    if isinstance(template, list):
        return [_filled(part, values) for part in template]
    return template


def _substituted(text: str, values: dict[str, str]) -> str:
    for name, value in values.items():
        text = text.replace(name, value)
    return text
