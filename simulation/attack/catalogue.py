"""What an intruder knows before it comes: services worth a look, names worth a guess, models worth a bill.

Operations are those named in public incident reports and in the modules of public tools (Pacu, CloudFox); the pages
stand beside the loops that use them.
"""

from simulation.repertoire import MODELS as OWN_MODELS

REGIONS = ("us-east-1", "us-west-2", "eu-west-1", "eu-central-1", "ap-southeast-1", "ap-northeast-1", "sa-east-1")
MODELS = (
    *OWN_MODELS,
    "anthropic.claude-3-opus-20240229-v1:0",
    "anthropic.claude-v2:1",
    "ai21.jamba-1-5-large-v1:0",
    "deepseek.r1-v1:0",
)
GLOBAL = frozenset({"iam", "sts", "organizations", "route53", "cloudfront", "ce", "budgets", "account", "support"})
CONTENT_READS = frozenset(
    {
        "secretsmanager:GetSecretValue",
        "secretsmanager:BatchGetSecretValue",
        "ssm:GetParameter",
        "ssm:GetParameters",
        "ssm:GetParametersByPath",
        "s3:GetObject",
        "dynamodb:Scan",
        "dynamodb:Query",
        "kms:Decrypt",
        "ec2:GetPasswordData",
        "bedrock:InvokeModel",
        "bedrock:InvokeModelWithResponseStream",
        "bedrock:Converse",
    }
)
GUESSES: dict[str, tuple[str, ...]] = {
    "roles": (
        "admin", "Administrator", "OrganizationAccountAccessRole", "devops", "deploy", "terraform", "AdminRole",
        "platform-admin", "lambda-execution", "ec2-admin", "ReadOnly", "jenkins",
    ),
    "users": ("admin", "root", "backup", "deploy", "terraform", "ci", "jenkins", "s3-user"),
    "secrets": (
        "prod/db/password", "production/database", "api-keys", "prod/api/key", "rds/master", "stripe", "github-token",
    ),
    "parameters": ("/prod/db/password", "/production/api-key", "/app/config"),
    "buckets": ("backups", "prod-data", "customer-exports", "terraform-state", "logs", "company-backup"),
    "tables": ("users", "customers", "orders", "sessions"),
    "functions": ("api", "worker", "auth"),
    "instances": ("i-0123456789abcdef0",),
    "trails": ("default", "management-events"),
    "detectors": (),
    "models": MODELS,
}  # fmt: skip
REVEALS: dict[str, tuple[str, ...]] = {
    "iam:ListRoles": ("roles",),
    "iam:ListUsers": ("users",),
    "iam:GetAccountAuthorizationDetails": ("roles", "users"),
    "s3:ListBuckets": ("buckets",),
    "secretsmanager:ListSecrets": ("secrets",),
    "secretsmanager:BatchGetSecretValue": ("secrets",),
    "ssm:DescribeParameters": ("parameters",),
    "dynamodb:ListTables": ("tables",),
    "lambda:ListFunctions20150331": ("functions",),
    "ec2:DescribeInstances": ("instances",),
    "cloudtrail:DescribeTrails": ("trails",),
    "guardduty:ListDetectors": ("detectors",),
    "bedrock:ListFoundationModels": ("models",),
}

# Topics of a map: the door, then what lies behind it.
TOPICS: dict[str, tuple[str, ...]] = {
    "identities": (
        "iam:ListUsers", "iam:ListRoles", "iam:GetAccountAuthorizationDetails", "iam:ListPolicies", "iam:ListGroups",
        "iam:GetAccountSummary", "iam:ListAttachedRolePolicies", "iam:ListRolePolicies", "iam:GetPolicyVersion",
        "iam:ListAccessKeys", "iam:GetAccountPasswordPolicy", "iam:GetCredentialReport", "iam:ListInstanceProfiles",
        "iam:ListAccountAliases",
    ),
    "storage": (
        "s3:ListBuckets", "s3:GetBucketPolicy", "s3:GetBucketAcl", "s3:ListObjects", "s3:GetBucketLocation",
        "s3:GetBucketVersioning", "s3:GetBucketPublicAccessBlock",
    ),
    "compute": (
        "ec2:DescribeInstances", "ec2:DescribeSecurityGroups", "ec2:DescribeInstanceAttribute", "ec2:DescribeRegions",
        "ec2:DescribeVpcs", "ec2:DescribeSnapshots", "ec2:DescribeImages", "ec2:DescribeKeyPairs",
        "ec2:DescribeAddresses", "ec2:DescribeSubnets", "autoscaling:DescribeAutoScalingGroups",
    ),
    "functions": (
        "lambda:ListFunctions20150331", "lambda:GetFunction20150331v2", "lambda:GetFunctionConfiguration20150331v2",
        "lambda:ListEventSourceMappings20150331", "apigateway:GetRestApis", "states:ListStateMachines",
    ),
    "secrets": (
        "secretsmanager:ListSecrets", "ssm:DescribeParameters", "secretsmanager:DescribeSecret", "kms:ListKeys",
        "kms:ListAliases",
    ),
    "databases": (
        "rds:DescribeDBInstances", "dynamodb:ListTables", "rds:DescribeDBSnapshots", "rds:DescribeDBClusters",
        "dynamodb:DescribeTable", "redshift:DescribeClusters", "elasticache:DescribeCacheClusters",
    ),
    "containers": (
        "ecs:ListClusters", "eks:ListClusters", "ecr:DescribeRepositories", "ecs:ListTaskDefinitions",
        "ecs:DescribeTaskDefinition", "eks:DescribeCluster", "ecr:GetAuthorizationToken",
    ),
    "guards": (
        "cloudtrail:DescribeTrails", "guardduty:ListDetectors", "cloudtrail:GetTrailStatus", "guardduty:GetDetector",
        "config:DescribeConfigurationRecorders", "access-analyzer:ListAnalyzers", "securityhub:DescribeHub",
        "guardduty:ListFindings",
    ),
    "organisation": (
        "organizations:DescribeOrganization", "organizations:ListAccounts", "organizations:ListPolicies",
        "account:GetAlternateContact", "account:ListRegions", "ce:GetCostAndUsage",
        "servicequotas:ListServiceQuotas",
    ),
    "mail": (
        "ses:GetSendQuota", "ses:ListIdentities", "ses:GetAccountSendingEnabled", "ses:GetAccount",
        "sns:GetSMSAttributes", "sns:ListTopics",
    ),
    "models": (
        "bedrock:ListFoundationModels", "bedrock:GetFoundationModelAvailability",
        "bedrock:GetModelInvocationLoggingConfiguration", "sagemaker:ListNotebookInstances",
    ),
    "deployments": (
        "cloudformation:ListStacks", "cloudformation:DescribeStacks", "codebuild:ListProjects", "codebuild:BatchGetProjects",
        "cloudformation:GetTemplate", "codecommit:ListRepositories", "elasticbeanstalk:DescribeApplications",
    ),
    "network": (
        "route53:ListHostedZones", "elasticloadbalancing:DescribeLoadBalancers", "cloudfront:ListDistributions",
        "ec2:DescribeNetworkInterfaces", "ec2:DescribeFlowLogs", "sqs:ListQueues",
    ),
}  # fmt: skip
