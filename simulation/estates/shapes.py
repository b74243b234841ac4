"""Which request parameter names the object of a call, where nothing else of the request matters.

Parameter names: each operation's request syntax in its service's API reference, in CloudTrail's spelling (first letter
small).
"""

import numpy as np

from simulation.cloudtrail import Record, timestamp
from simulation.identifiers import VENDOR_ACCOUNT, access_key

_NAMED_BY = {
    "jobName": "glue:StartJobRun glue:GetJobRun glue:UpdateJob glue:GetJob glue:GetJobRuns glue:ResetJobBookmark",
    "name": (
        "glue:StartCrawler glue:GetCrawler glue:GetDatabase eks:DescribeCluster events:DescribeRule appconfig:StartDeployment "
        "ssm:GetParameterHistory ssm:PutParameter"
    ),
    "databaseName": "glue:GetTable glue:GetTables glue:GetPartitions glue:BatchCreatePartition glue:UpdateTable glue:DeleteTable",
    "workGroup": "athena:StartQueryExecution athena:GetWorkGroup",
    "queryExecutionId": "athena:GetQueryExecution athena:GetQueryResults",
    "stateMachineArn": "states:StartExecution states:ListExecutions states:DescribeStateMachine",
    "executionArn": "states:DescribeExecution states:StopExecution states:GetExecutionHistory",
    "trainingJobName": "sagemaker:CreateTrainingJob sagemaker:DescribeTrainingJob",
    "transformJobName": "sagemaker:CreateTransformJob sagemaker:DescribeTransformJob",
    "processingJobName": "sagemaker:CreateProcessingJob sagemaker:DescribeProcessingJob",
    "endpointName": "sagemaker:UpdateEndpoint sagemaker:DescribeEndpoint sagemaker:InvokeEndpoint",
    "modelName": "sagemaker:CreateModel",
    "clusterId": "elasticmapreduce:DescribeCluster elasticmapreduce:DescribeStep",
    "jobFlowId": "elasticmapreduce:AddJobFlowSteps elasticmapreduce:TerminateJobFlows",
    "clusterIdentifier": "redshift-data:ExecuteStatement redshift:GetClusterCredentialsWithIAM redshift:DescribeLoggingStatus",
    "id": "redshift-data:DescribeStatement redshift-data:GetStatementResult route53:GetHostedZone",
    "keyId": "kms:Encrypt kms:Sign kms:Verify kms:GetPublicKey kms:CreateGrant kms:GetKeyRotationStatus kms:PutKeyPolicy",
    "tableName": (
        "dynamodb:DescribeTable dynamodb:DeleteItem dynamodb:UpdateTable dynamodb:DescribeContinuousBackups dynamodb:DeleteTable "
        "dynamodb:DescribeTimeToLive dynamodb:UpdateContinuousBackups dynamodb:CreateTable dynamodb:CreateBackup"
    ),
    "streamName": "kinesis:GetShardIterator kinesis:ListShards kinesis:DescribeStreamSummary",
    "queueUrl": "sqs:GetQueueAttributes sqs:SetQueueAttributes sqs:DeleteQueue sqs:PurgeQueue sqs:ListQueueTags",
    "topicArn": "sns:GetTopicAttributes sns:SetTopicAttributes sns:DeleteTopic sns:Subscribe",
    "logGroupName": (
        "logs:FilterLogEvents logs:DescribeLogStreams logs:StartQuery logs:PutRetentionPolicy logs:DeleteLogGroup "
        "logs:GetLogEvents logs:CreateLogGroup logs:PutSubscriptionFilter logs:CreateExportTask"
    ),
    "stackName": (
        "cloudformation:CreateChangeSet cloudformation:DescribeChangeSet cloudformation:ExecuteChangeSet "
        "cloudformation:DescribeStackResources cloudformation:UpdateStack cloudformation:GetTemplate"
    ),
    "hostedZoneId": "route53:ListResourceRecordSets route53:ChangeResourceRecordSets",
    "dBInstanceIdentifier": "rds:ModifyDBInstance rds:RebootDBInstance rds:CreateDBSnapshot rds:DeleteDBInstance",
    "dBClusterIdentifier": "rds:CreateDBClusterSnapshot rds:StopDBCluster rds:StartDBCluster",
    "autoScalingGroupName": "autoscaling:SetDesiredCapacity autoscaling:StartInstanceRefresh autoscaling:CompleteLifecycleAction",
    "repositoryName": (
        "ecr:BatchCheckLayerAvailability ecr:InitiateLayerUpload ecr:UploadLayerPart ecr:CompleteLayerUpload ecr:PutImage "
        "ecr:GetDownloadUrlForLayer ecr:GetRepositoryPolicy ecr:PutLifecyclePolicy"
    ),
    "taskDefinition": "ecs:DescribeTaskDefinition ecs:RegisterTaskDefinition ecs:DeregisterTaskDefinition ecs:RunTask",
    "thingName": "iot:DescribeThing iot:GetThingShadow iot:UpdateThingShadow iot:RegisterThing iot:AttachThingPrincipal",
    "userPoolId": "cognito-idp:AdminGetUser cognito-idp:AdminInitiateAuth cognito-idp:ListUsers",
    "policyArn": "iam:GetPolicy iam:GetPolicyVersion iam:ListPolicyVersions iam:DeletePolicyVersion iam:DeletePolicy",
    "volumeId": "ec2:CreateSnapshot ec2:AttachVolume ec2:DetachVolume ec2:DeleteVolume",
    "snapshotId": "ec2:DeleteSnapshot ec2:ModifySnapshotAttribute ec2:DescribeSnapshotAttribute ebs:ListSnapshotBlocks ebs:GetSnapshotBlock",
    "groupId": "ec2:AuthorizeSecurityGroupIngress ec2:RevokeSecurityGroupIngress ec2:RevokeSecurityGroupEgress ec2:DeleteSecurityGroup",
    "imageId": "ec2:DeregisterImage ec2:ModifyImageAttribute",
    "knowledgeBaseId": "bedrock:Retrieve",
    "guardrailIdentifier": "bedrock:ApplyGuardrail",
    "certificateArn": "acm:DescribeCertificate acm:ListTagsForCertificate acm:DeleteCertificate",
    "backupVaultName": "backup:StartBackupJob backup:ListRecoveryPointsByBackupVault",
    "distributionId": "cloudfront:CreateInvalidation cloudfront:GetInvalidation",
    "secretId": "secretsmanager:PutSecretValue secretsmanager:UpdateSecret secretsmanager:UpdateSecretVersionStage secretsmanager:GetResourcePolicy",
}
NAMED_BY = {operation: key for key, operations in _NAMED_BY.items() for operation in operations.split()}

ISSUING = frozenset({"iam:CreateAccessKey", "sts:GetSessionToken", "sts:AssumeRole"})

_LIFE_S = 3600


def request(operation: str, resource: str) -> Record | None:
    """The `requestParameters` of a call on a named object; None where `simulation.operations` knows better."""
    if operation == "sts:AssumeRole":
        return {"roleArn": _elsewhere(resource), "roleSessionName": "session", "durationSeconds": _LIFE_S}
    key = NAMED_BY.get(operation)
    return {key: resource} if key is not None and resource else None


def answer(operation: str, resource: str, at_s: float, rng: np.random.Generator) -> Record | None:
    """The `responseElements` of a call that issues a key; None for every other."""
    match operation:
        case "iam:CreateAccessKey":
            made = {"userName": resource, "accessKeyId": access_key(rng, "AKIA"), "status": "Active"}
            return {"accessKey": made | {"createDate": timestamp(int(at_s))}}
        case "sts:GetSessionToken":
            return {"credentials": _session_key(at_s, rng)}
        case "sts:AssumeRole":
            arn = _elsewhere(resource).replace(":iam:", ":sts:").replace(":role/", ":assumed-role/") + "/session"
            return {"credentials": _session_key(at_s, rng), "assumedRoleUser": {"arn": arn}}
        case _:
            return None


def _elsewhere(resource: str) -> str:
    """A role by its ARN; a bare name is one in another account of the company's."""
    if resource.startswith("arn:"):
        return resource
    return f"arn:aws:iam::{VENDOR_ACCOUNT}:role/{resource.partition('/')[0] or 'shared'}"


def _session_key(at_s: float, rng: np.random.Generator) -> Record:
    return {
        "accessKeyId": access_key(rng, "ASIA"),
        "sessionToken": "EXAMPLETOKEN",
        "expiration": timestamp(int(at_s) + _LIFE_S),
    }
