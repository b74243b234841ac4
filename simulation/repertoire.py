"""What identities of each kind do: lists of operations, common ones first, and the resources they do it to.

Operation names are those CloudTrail records (Lambda's carry API dates): each service's page on
"Logging API calls with AWS CloudTrail".
"""

from functools import lru_cache

from simulation.identifiers import ACCOUNT, uuid_of

THEMES: dict[str, tuple[str, ...]] = {
    "orders": (
        "dynamodb:GetItem", "dynamodb:PutItem", "sqs:SendMessage", "kms:Decrypt", "sns:Publish", "dynamodb:Query",
        "ssm:GetParameter", "secretsmanager:GetSecretValue", "dynamodb:UpdateItem", "lambda:Invoke",
    ),
    "checkout": (
        "dynamodb:Query", "dynamodb:UpdateItem", "sqs:ReceiveMessage", "sqs:DeleteMessage", "kms:GenerateDataKey",
        "sns:Publish", "ssm:GetParameters", "dynamodb:PutItem", "secretsmanager:GetSecretValue",
    ),
    "media": (
        "s3:GetObject", "s3:PutObject", "s3:HeadObject", "sqs:ReceiveMessage", "sqs:DeleteMessage", "kms:Decrypt",
        "s3:ListObjects", "rekognition:DetectLabels", "mediaconvert:CreateJob", "mediaconvert:GetJob",
    ),
    "search": (
        "s3:GetObject", "dynamodb:Scan", "es:DescribeDomain", "kms:Decrypt", "sqs:ReceiveMessage",
        "dynamodb:BatchGetItem", "s3:ListObjects", "ssm:GetParameter",
    ),
    "notify": (
        "sqs:ReceiveMessage", "sns:Publish", "ses:SendEmail", "dynamodb:GetItem", "sqs:DeleteMessage",
        "kms:Decrypt", "ses:GetSendQuota", "ssm:GetParametersByPath",
    ),
    "invoice": (
        "dynamodb:Query", "s3:PutObject", "kms:GenerateDataKey", "states:StartExecution",
        "states:DescribeExecution", "sqs:SendMessage", "secretsmanager:GetSecretValue",
        "athena:StartQueryExecution", "athena:GetQueryExecution",
    ),
    "pipeline": (
        "s3:GetObject", "s3:PutObject", "glue:GetTable", "glue:GetPartitions", "athena:StartQueryExecution",
        "athena:GetQueryExecution", "athena:GetQueryResults", "glue:BatchCreatePartition", "s3:ListObjects",
        "kms:Decrypt", "states:DescribeExecution",
    ),
    "recommend": (
        "dynamodb:BatchGetItem", "s3:GetObject", "kinesis:DescribeStreamSummary", "kinesis:ListShards",
        "kms:Decrypt", "ssm:GetParameters", "sqs:SendMessage",
    ),
}  # fmt: skip
SERVICE_TAIL = (
    "sqs:GetQueueAttributes", "sqs:GetQueueUrl", "dynamodb:DescribeTable", "s3:GetBucketLocation",
    "ssm:GetParameter", "kms:DescribeKey", "sts:GetCallerIdentity", "sns:ListTopics", "dynamodb:BatchWriteItem",
    "s3:DeleteObject", "states:ListExecutions", "events:DescribeRule", "servicediscovery:DiscoverInstances",
    "secretsmanager:DescribeSecret", "logs:CreateLogStream", "lambda:GetFunctionConfiguration20150331v2",
    "ec2:DescribeInstances", "elasticloadbalancing:DescribeTargetHealth",
)  # fmt: skip
BATCH = (
    "s3:ListObjects", "s3:GetObject", "dynamodb:Scan", "s3:PutObject", "athena:StartQueryExecution",
    "athena:GetQueryExecution", "kms:GenerateDataKey", "sns:Publish",
)  # fmt: skip
UPLOADER = ("s3:PutObject", "s3:ListObjects", "s3:HeadObject", "kms:GenerateDataKey")
MODEL = (
    "bedrock:InvokeModel", "bedrock:InvokeModelWithResponseStream", "dynamodb:GetItem", "s3:GetObject",
    "ssm:GetParameter",
)  # fmt: skip
SECRETS = (
    "secretsmanager:GetSecretValue", "kms:Decrypt", "secretsmanager:DescribeSecret", "ssm:GetParameters",
    "ssm:GetParametersByPath",
)  # fmt: skip
MONITORING = (
    "monitoring:GetMetricData", "ec2:DescribeInstances", "elasticloadbalancing:DescribeLoadBalancers",
    "rds:DescribeDBInstances", "monitoring:ListMetrics", "tagging:GetResources", "ecs:DescribeServices",
    "sqs:GetQueueAttributes",
)  # fmt: skip
BILLING_VENDOR = (
    "ce:GetCostAndUsage", "ce:GetCostForecast", "ce:GetDimensionValues", "cur:DescribeReportDefinitions",
    "budgets:DescribeBudgets", "ec2:DescribeInstances", "ec2:DescribeReservedInstances", "s3:GetObject",
)  # fmt: skip
LEGACY = (
    ("s3:PutObject", "sqs:SendMessage", "s3:HeadObject", "ses:SendEmail"),
    ("dynamodb:Scan", "s3:GetObject", "s3:ListObjects", "sns:Publish"),
)  # fmt: skip
CI = (
    "sts:GetCallerIdentity", "ecr:GetAuthorizationToken", "ecr:BatchCheckLayerAvailability",
    "ecr:InitiateLayerUpload", "ecr:CompleteLayerUpload", "ecr:PutImage", "s3:PutObject",
    "ecs:DescribeTaskDefinition", "ecs:RegisterTaskDefinition", "ecs:UpdateService",
    "ecs:DescribeServices", "ecs:DescribeServices", "lambda:UpdateFunctionCode20150331v2",
    "lambda:GetFunction20150331v2", "cloudfront:CreateInvalidation", "cloudfront:GetInvalidation",
)  # fmt: skip
CI_TAIL = (
    "cloudformation:DescribeStacks", "cloudformation:CreateChangeSet", "lambda:PublishVersion20150331",
    "lambda:UpdateAlias20150331", "ecr:CreateRepository", "ssm:PutParameter", "ecs:RunTask",
    "secretsmanager:GetSecretValue", "events:PutRule", "elasticloadbalancing:ModifyListener", "s3:DeleteObject",
    "logs:CreateLogGroup",
)  # fmt: skip
# One Terraform module each: (refreshing reads, writes when it is applied).
TERRAFORM_MODULES: tuple[tuple[tuple[str, ...], tuple[str, ...]], ...] = (
    (
        (
            "iam:GetRole", "iam:ListRolePolicies", "iam:ListAttachedRolePolicies", "iam:GetRolePolicy",
            "iam:GetPolicy", "iam:GetPolicyVersion",
        ),
        ("iam:CreateRole", "iam:PutRolePolicy", "iam:AttachRolePolicy", "iam:TagRole", "iam:CreatePolicyVersion"),
    ),
    (
        (
            "ec2:DescribeVpcs", "ec2:DescribeSubnets", "ec2:DescribeRouteTables", "ec2:DescribeSecurityGroups",
            "ec2:DescribeVpcAttribute",
        ),
        (
            "ec2:CreateSecurityGroup", "ec2:AuthorizeSecurityGroupIngress", "ec2:AuthorizeSecurityGroupEgress",
            "ec2:CreateTags",
        ),
    ),
    (
        (
            "s3:GetBucketPolicy", "s3:GetBucketVersioning", "s3:GetBucketEncryption", "s3:GetBucketAcl",
            "s3:GetBucketTagging", "s3:GetBucketLogging",
        ),
        (
            "s3:CreateBucket", "s3:PutBucketPolicy", "s3:PutBucketVersioning", "s3:PutBucketEncryption",
            "s3:PutBucketPublicAccessBlock",
        ),
    ),
    (
        (
            "lambda:GetFunction20150331v2", "lambda:GetPolicy20150331v2", "lambda:ListVersionsByFunction20150331",
            "logs:DescribeLogGroups",
        ),
        (
            "lambda:CreateFunction20150331", "lambda:AddPermission20150331v2",
            "lambda:UpdateFunctionConfiguration20150331v2", "lambda:TagResource20170331v2",
        ),
    ),
    (
        (
            "rds:DescribeDBInstances", "rds:DescribeDBSubnetGroups", "rds:ListTagsForResource",
            "secretsmanager:DescribeSecret",
        ),
        (
            "rds:ModifyDBInstance", "rds:CreateDBParameterGroup", "secretsmanager:CreateSecret",
            "secretsmanager:PutSecretValue",
        ),
    ),
    (
        (
            "dynamodb:DescribeTable", "dynamodb:DescribeContinuousBackups", "dynamodb:DescribeTimeToLive",
            "dynamodb:ListTagsOfResource",
        ),
        (
            "dynamodb:CreateTable", "dynamodb:UpdateTable", "dynamodb:UpdateContinuousBackups",
            "autoscaling:PutScalingPolicy",
        ),
    ),
    (
        ("kms:DescribeKey", "kms:GetKeyPolicy", "kms:GetKeyRotationStatus", "kms:ListAliases"),
        ("kms:CreateKey", "kms:PutKeyPolicy", "kms:EnableKeyRotation", "kms:CreateAlias", "kms:CreateGrant"),
    ),
    (
        ("iam:GetUser", "iam:ListAccessKeys", "iam:ListGroupsForUser", "iam:ListUserPolicies"),
        (
            "iam:CreateUser", "iam:CreateAccessKey", "iam:PutUserPolicy", "iam:AttachUserPolicy",
            "iam:DeleteAccessKey",
        ),
    ),
    (
        (
            "cloudtrail:DescribeTrails", "cloudtrail:GetTrailStatus", "cloudtrail:GetEventSelectors",
            "config:DescribeConfigRules",
        ),
        (
            "cloudtrail:UpdateTrail", "cloudtrail:PutEventSelectors", "config:PutConfigRule",
            "guardduty:UpdateDetector",
        ),
    ),
    (
        (
            "ecs:DescribeClusters", "ecs:DescribeServices", "elasticloadbalancing:DescribeListeners",
            "elasticloadbalancing:DescribeRules",
        ),
        (
            "ecs:CreateService", "ecs:RegisterTaskDefinition", "elasticloadbalancing:CreateListener",
            "elasticloadbalancing:CreateTargetGroup",
        ),
    ),
)  # fmt: skip
SCANNER = (
    *dict.fromkeys(operation for reads, _ in TERRAFORM_MODULES for operation in reads),
    "iam:ListUsers", "iam:ListRoles", "iam:ListPolicies", "iam:GetAccountSummary", "iam:GetAccountPasswordPolicy",
    "iam:GetCredentialReport", "iam:GenerateCredentialReport", "iam:GetAccountAuthorizationDetails",
    "iam:ListMFADevices", "iam:GetAccessKeyLastUsed", "s3:ListBuckets", "s3:GetBucketPublicAccessBlock",
    "s3:GetBucketPolicyStatus", "ec2:DescribeInstances", "ec2:DescribeVolumes", "ec2:DescribeSnapshots",
    "ec2:DescribeImages", "ec2:DescribeNetworkAcls", "ec2:DescribeFlowLogs", "ec2:DescribeRegions",
    "ec2:DescribeAddresses", "ec2:DescribeKeyPairs", "ec2:GetEbsEncryptionByDefault", "rds:DescribeDBSnapshots",
    "rds:DescribeDBClusters", "lambda:ListFunctions20150331", "kms:ListKeys", "kms:ListGrants",
    "secretsmanager:ListSecrets", "ssm:DescribeParameters", "ssm:DescribeInstanceInformation", "sns:ListTopics",
    "sqs:ListQueues", "sqs:GetQueueAttributes", "cloudformation:ListStacks", "cloudfront:ListDistributions",
    "eks:ListClusters", "ecr:DescribeRepositories", "ecs:ListClusters", "guardduty:ListDetectors",
    "guardduty:GetDetector", "securityhub:DescribeHub", "access-analyzer:ListAnalyzers",
    "organizations:DescribeOrganization", "organizations:ListAccounts", "bedrock:ListFoundationModels",
    "bedrock:GetModelInvocationLoggingConfiguration", "redshift:DescribeClusters",
    "elasticache:DescribeCacheClusters", "route53:ListHostedZones", "acm:ListCertificates",
    "apigateway:GetRestApis", "backup:ListBackupPlans", "wafv2:ListWebACLs", "sagemaker:ListNotebookInstances",
)  # fmt: skip
CONSOLE_PAGES: tuple[tuple[str, ...], ...] = (
    (
        "ec2:DescribeInstances", "ec2:DescribeInstanceStatus", "ec2:DescribeTags", "ec2:DescribeVolumes",
        "ec2:DescribeSecurityGroups", "monitoring:DescribeAlarms", "compute-optimizer:GetEnrollmentStatus",
        "autoscaling:DescribeAutoScalingGroups",
    ),
    (
        "s3:ListBuckets", "s3:GetBucketVersioning", "s3:GetBucketPolicy", "s3:GetBucketAcl", "s3:ListObjects",
        "s3:GetBucketLocation",
    ),
    (
        "lambda:ListFunctions20150331", "lambda:GetAccountSettings20160819", "lambda:GetFunction20150331v2",
        "lambda:GetPolicy20150331v2", "logs:DescribeLogGroups", "logs:DescribeLogStreams", "logs:FilterLogEvents",
    ),
    (
        "rds:DescribeDBInstances", "rds:DescribeDBClusters", "rds:DescribeEvents",
        "rds:DescribePendingMaintenanceActions", "monitoring:GetMetricData",
    ),
    (
        "iam:ListUsers", "iam:ListRoles", "iam:GetAccountSummary", "iam:ListAccountAliases", "iam:GetRole",
        "iam:ListAttachedRolePolicies",
    ),
    (
        "ecs:ListClusters", "ecs:DescribeClusters", "ecs:ListServices", "ecs:DescribeServices", "ecs:ListTasks",
        "ecs:DescribeTasks",
    ),
    ("secretsmanager:ListSecrets", "secretsmanager:DescribeSecret", "kms:ListAliases", "kms:DescribeKey"),
    (
        "cloudformation:ListStacks", "cloudformation:DescribeStacks", "cloudformation:DescribeStackEvents",
        "cloudformation:GetTemplate",
    ),
    (
        "health:DescribeEventAggregates", "ce:GetCostAndUsage", "notifications:ListNotificationHubs",
        "servicecatalog:ListApplications",
    ),
    (
        "sqs:ListQueues", "sqs:GetQueueAttributes", "sns:ListTopics", "sns:ListSubscriptions",
        "monitoring:ListMetrics",
    ),
)  # fmt: skip
CONSOLE_EDITS = (
    "lambda:UpdateFunctionConfiguration20150331v2", "ec2:StopInstances", "ec2:StartInstances", "s3:PutObject",
    "ecs:UpdateService", "monitoring:PutMetricAlarm", "logs:PutRetentionPolicy", "secretsmanager:GetSecretValue",
)  # fmt: skip
COMMAND_LINE = (
    "sts:GetCallerIdentity", "s3:ListBuckets", "s3:ListObjects", "logs:FilterLogEvents", "ecs:DescribeServices",
    "ecs:ListTasks", "ec2:DescribeInstances", "s3:GetObject", "ssm:StartSession", "cloudformation:DescribeStacks",
    "secretsmanager:GetSecretValue", "lambda:ListFunctions20150331", "dynamodb:Query", "eks:DescribeCluster",
)  # fmt: skip
BREAK_GLASS = (
    "sts:GetCallerIdentity", "ec2:DescribeInstances", "iam:GetRole", "iam:UpdateAssumeRolePolicy",
    "iam:AttachRolePolicy", "ec2:AuthorizeSecurityGroupIngress", "rds:ModifyDBInstance", "ecs:UpdateService",
    "iam:DetachRolePolicy", "ec2:RevokeSecurityGroupIngress",
)  # fmt: skip
SERVICE_LINKED: dict[str, tuple[str, ...]] = {
    "AutoScaling": (
        "ec2:DescribeInstances", "ec2:DescribeInstanceStatus", "elasticloadbalancing:DescribeTargetHealth",
        "ec2:RunInstances", "elasticloadbalancing:RegisterTargets", "ec2:TerminateInstances", "ec2:DescribeSubnets",
    ),
    "Config": (
        "ec2:DescribeVolumes", "s3:GetBucketPolicy", "iam:GetRole", "iam:ListAttachedRolePolicies",
        "rds:DescribeDBInstances", "kms:GetKeyPolicy", "lambda:GetPolicy20150331v2", "s3:GetBucketAcl",
    ),
}  # fmt: skip
MODELS = (
    "anthropic.claude-3-haiku-20240307-v1:0", "amazon.titan-text-express-v1",
    "anthropic.claude-3-5-sonnet-20240620-v1:0", "meta.llama3-70b-instruct-v1:0", "mistral.mistral-large-2402-v1:0",
    "amazon.nova-pro-v1:0", "cohere.command-r-plus-v1:0",
)  # fmt: skip


@lru_cache(maxsize=1 << 17)
def resource(operation: str, stem: str, pick: int) -> str:
    """The thing an identity named `stem` touches with the operation; `pick` chooses among the few it owns, stably."""
    service = operation.partition(":")[0]
    if operation in ("sts:GetCallerIdentity", "s3:ListBuckets") or service in ("ce", "cur", "budgets"):
        return ""
    if service == "s3":
        return f"shop-{stem}/2026/{pick % 12 + 1:02d}/part-{pick:04d}.json"
    if service == "sqs":
        return f"https://sqs.us-east-1.amazonaws.com/{ACCOUNT}/{stem}-{('jobs', 'events')[pick % 2]}"
    if service in ("kms", "bedrock"):
        return uuid_of(f"{stem} key") if service == "kms" else MODELS[pick % 2]
    return _NAMED.get(service, "{stem}-{letter}").format(stem=stem, pick=pick % 3, letter="abcd"[pick % 4])


_NAMED = {
    "secretsmanager": "prod/{stem}/credential-{pick}",
    "ssm": "/prod/{stem}/setting-{pick}",
    "dynamodb": "shop-{stem}",
    "logs": "/aws/lambda/{stem}",
    "sns": "{stem}-notices",
}
