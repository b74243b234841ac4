"""How programs use AWS services: the few calls in a row that a library, a tutorial or a habit makes of each.

Each idiom is built for a setting, with numbers and names of its own, and gives one step. Operations as in the AWS API
references, written as CloudTrail names them.
"""

from collections.abc import Callable

from simulation.estates import jobs
from simulation.estates.flow import (
    Step,
    attempt,
    dated,
    do,
    either,
    items,
    loop,
    maybe,
    nothing,
    numbered,
    pages,
    retry,
    seq,
)
from simulation.estates.setting import Setting

Idiom = Callable[[Setting], Step]

_MODELS = (
    "anthropic.claude-3-5-haiku-20241022-v1:0",
    "anthropic.claude-sonnet-4-20250514-v1:0",
    "amazon.titan-embed-text-v2:0",
    "amazon.nova-lite-v1:0",
    "meta.llama3-1-70b-instruct-v1:0",
    "cohere.embed-multilingual-v3",
)


def start_up(s: Setting) -> Step:
    """What a process reads once before it works: parameters, a secret, its tables."""
    parts: list[Step] = []
    if s.dice.chance(0.6):
        keys = tuple(
            s.parameter(key) for key in s.dice.some(("db/host", "api/url", "flags", "log-level", "limits"), 1, 4)
        )
        parts.append(either(*(do("ssm:GetParameter", key) for key in keys)) if s.dice.chance(0.5) else _each(keys))
    elif s.dice.chance(0.5):
        parts.append(pages("ssm:GetParametersByPath", s.parameter("")[:-1], 0.3))
    if s.dice.chance(0.6):
        secret = s.secret(s.dice.pick(("db", "api-key", "oauth-client", "signing-key")))
        fetch = do("secretsmanager:GetSecretValue", secret)
        parts.append(seq(do("secretsmanager:DescribeSecret", secret), fetch) if s.dice.chance(0.2) else fetch)
        if s.dice.chance(0.4):
            parts.append(do("kms:Decrypt", secret))
    if s.dice.chance(0.15):
        parts.append(do("sts:GetCallerIdentity"))
    if s.dice.chance(0.3):
        parts.append(do("dynamodb:DescribeTable", s.things("state")))
    return seq(*parts) if parts else do("ssm:GetParameter", s.parameter("config"))


def _each(keys: tuple[str, ...]) -> Step:
    return seq(*(do("ssm:GetParameter", key) for key in keys))


def table(s: Setting) -> Step:
    """A record read, changed under a condition, and read again where somebody else was faster."""
    name = s.things(*s.dice.some(("orders", "state", "events", "locks", "customers", "sessions"), 1, 3))
    read = either(do("dynamodb:GetItem", name), do("dynamodb:Query", name))
    lost = do("dynamodb:UpdateItem", name, s.dice.span(0.002, 0.03), "conflict")
    write = s.dice.pick((lost, do("dynamodb:PutItem", name), do("dynamodb:TransactWriteItems", name)))
    return seq(read, maybe(s.dice.span(0.2, 0.9), attempt(write, seq(read, write))))


def bulk_table(s: Setting) -> Step:
    """A table scanned or written in batches."""
    name = s.things("index")
    turn = s.dice.pick(("dynamodb:BatchWriteItem", "dynamodb:Scan", "dynamodb:BatchGetItem"))
    return items(s.dice.span(1, 6), 0.7, do(turn, name), 30)


def take_object(s: Setting) -> Step:
    """An object looked up and read; now and then it is not there."""
    bucket = s.dice.pick(s.buckets("raw", "uploads", "documents", "exports"))
    key = numbered(f"{bucket}/{s.app}/%06d.json", s.dice.pick((40, 400, 5000)))
    read = do("s3:GetObject", key, s.dice.span(0.0, 0.02))
    return seq(do("s3:HeadObject", key, 0.02), read) if s.dice.chance(0.3) else read


def put_object(s: Setting) -> Step:
    """An object written, large ones in parts that are put together in the end."""
    bucket = s.dice.pick(s.buckets("results", "archive", "exports", "thumbnails"))
    key = dated(f"{bucket}/{s.app}", "%05d.parquet", 3000)
    whole = do("s3:PutObject", key)
    parts = seq(
        do("s3:CreateMultipartUpload", key),
        loop(2, s.dice.between(3, 12), do("s3:UploadPart", key)),
        do("s3:CompleteMultipartUpload", key, 0.01),
    )
    return maybe(s.dice.span(0.02, 0.3), attempt(parts, do("s3:AbortMultipartUpload", key)), whole)


def listing(s: Setting) -> Step:
    """A prefix listed page by page, some of its objects fetched."""
    bucket = s.dice.pick(s.buckets("raw", "landing", "archive"))
    key = dated(f"{bucket}/{s.app}", "%05d.csv", 500)
    return seq(pages("s3:ListObjects", bucket, s.dice.span(0.1, 0.6)), items(2, 0.7, do("s3:GetObject", key), 20))


def take_messages(s: Setting) -> Step:
    """A batch taken from a queue; each message is deleted when it is done."""
    queue = s.queue("work")
    return seq(do("sqs:ReceiveMessage", queue), loop(0, 6, do("sqs:DeleteMessage", queue)))


def send_message(s: Setting) -> Step:
    """A message handed on, through a queue or a topic."""
    topic = s.things(*s.dice.some(("done", "audit", "notify"), 1, 2))
    return s.dice.pick((do("sqs:SendMessage", s.queue("next")), do("sns:Publish", topic)))


def stream(s: Setting) -> Step:
    """Shards read in turn; an iterator that ran out is fetched anew."""
    name = s.things("stream")
    take = do("kinesis:GetRecords", name, 0.02, "expired")
    return seq(
        maybe(0.2, do("kinesis:ListShards", name)),
        do("kinesis:GetShardIterator", name),
        loop(1, 8, attempt(take, do("kinesis:GetShardIterator", name))),
    )


def data_key(s: Setting) -> Step:
    """An envelope opened or sealed."""
    purpose = s.things(*s.dice.some(("customers", "documents", "cards"), 1, 2))
    return s.dice.pick((do("kms:Decrypt", purpose), do("kms:GenerateDataKey", purpose), do("kms:Encrypt", purpose)))


def signature(s: Setting) -> Step:
    """A document signed with a key that never leaves KMS."""
    key = s.things("signing")
    return seq(maybe(0.1, do("kms:GetPublicKey", key)), do("kms:Sign", key), maybe(0.2, do("kms:Verify", key)))


def invoke(s: Setting) -> Step:
    """Another function called."""
    return do("lambda:Invoke", s.things(*s.dice.some(("price", "score", "render", "enrich"), 1, 3)), 0.002)


def inference(s: Setting) -> Step:
    """A model of Bedrock asked, streamed or embedded; too much at once is throttled."""
    models = tuple(s.dice.some(_MODELS, 1, 3))
    ask = s.dice.pick(("bedrock:InvokeModel", "bedrock:InvokeModelWithResponseStream", "bedrock:Converse"))
    return retry(do(ask, models, s.dice.span(0, 0.02), "throttled"), 3, 2)


def retrieval(s: Setting) -> Step:
    """Passages fetched from a knowledge base before the model is asked."""
    base = s.things("kb")[0]
    return seq(do("bedrock:Retrieve", base), inference(s))


def mail(s: Setting) -> Step:
    """A mail sent, its bounce looked at."""
    return seq(do("ses:SendEmail", s.app), maybe(0.03, do("ses:GetSendQuota")))


def login(s: Setting) -> Step:
    """A customer looked up or signed in."""
    pool = s.things("pool")[0]
    return s.dice.pick(
        (do("cognito-idp:AdminGetUser", pool, 0.03), do("cognito-idp:AdminInitiateAuth", pool, 0.04, "denied"))
    )


def metrics(s: Setting) -> Step:
    """A program's own numbers published."""
    return do("monitoring:PutMetricData", f"{s.company.stem}/{s.app}")


def health(s: Setting) -> Step:
    """A deep health check, such as frameworks and actuators come with."""
    checks = {
        "dynamodb:DescribeTable": s.things("state")[0], "sqs:GetQueueAttributes": s.queue("work"), "kms:DescribeKey": s.app,
        "s3:ListBuckets": "", "s3:HeadBucket": s.buckets("raw")[0], "sts:GetCallerIdentity": "", "rds:DescribeDBInstances": "",
    }  # fmt: skip
    return seq(*(do(operation, checks[operation]) for operation in s.dice.some(tuple(checks), 1, 3)))


def borrowed(s: Setting) -> Step:
    """A shared account's role assumed, to read what another team owns."""
    return do(
        "sts:AssumeRole",
        f"arn:aws:iam::210987654321:role/{s.company.stem}-shared-{s.dice.pick(('data', 'dns', 'billing'))}",
    )


def presence(s: Setting) -> Step:
    """Service discovery: who else of my kind is there."""
    looks = (
        do("ec2:DescribeInstances"), do("ecs:ListTasks", s.app), do("ecs:DescribeTasks", s.app),
        do("servicediscovery:DiscoverInstances", s.app), do("elasticache:DescribeCacheClusters", s.app),
        do("rds:DescribeDBClusters", s.app), do("autoscaling:DescribeAutoScalingGroups", s.app),
        do("ec2:DescribeTags"), do("elasticloadbalancing:DescribeTargetHealth", s.app),
    )  # fmt: skip
    return seq(*s.dice.some(looks, 1, 3))


def group_made(s: Setting) -> Step:
    """The log group a function tries to make at every cold start, often without being allowed to."""
    return attempt(do("logs:CreateLogGroup", s.app, s.dice.pick((0.0, 1.0)), "denied"))


WORK: tuple[Idiom, ...] = (
    table, bulk_table, take_object, put_object, listing, take_messages, send_message, data_key, jobs.execution, invoke, jobs.athena,
    inference, jobs.document, mail, login, metrics, jobs.warehouse,
)  # fmt: skip
LATER: tuple[Idiom, ...] = (
    *WORK, health, presence, borrowed, signature, retrieval, start_up, stream, jobs.glue_job, jobs.crawl,
)  # fmt: skip


def chosen(s: Setting, idioms: tuple[Idiom, ...], least: int, most: int) -> list[Step]:
    """Some of the idioms, built for the setting."""
    return [idiom(s) for idiom in s.dice.some(idioms, least, most)]


def branching(s: Setting, steps: list[Step]) -> Step:
    """A handler of a request: some steps always, others in a branch, some hardly ever, mistakes caught or not."""
    shares = [s.dice.pick((1.0, 1.0, 0.5, 0.2, 0.05, 0.005)) for _ in steps]
    shares[0] = 1.0
    return seq(
        *(step if share == 1.0 else maybe(share, attempt(step)) for step, share in zip(steps, shares, strict=True))
    )


def seldom(s: Setting) -> Step:
    """An error branch that a few weeks may pass without: a fallback, a dead letter, a look at one's own limits."""
    branches = (
        do("sqs:SendMessage", s.queue("dead")), do("secretsmanager:GetSecretValue", s.secret("fallback")),
        do("s3:PutObject", dated(f"{s.buckets('quarantine')[0]}/{s.app}", "%04d.json", 900)),
        do("servicequotas:GetServiceQuota"), do("sns:Publish", s.things("alarm")), do("kms:Decrypt", s.app),
        do("logs:FilterLogEvents", s.app), do("ssm:PutParameter", s.parameter("watermark")), do("s3:ListBuckets"),
        do("dynamodb:DeleteItem", s.things("locks")), do("iam:GetRole", s.app), do("lambda:GetFunction20150331v2", s.app),
        do("ecs:DescribeServices", s.app), do("sts:GetCallerIdentity"), do("events:PutRule", s.app, 0.5, "denied"),
        do("ec2:DescribeNetworkInterfaces"), do("states:StopExecution", s.app), nothing,
    )  # fmt: skip
    rare = s.dice.some(branches, 1, 3)
    return seq(*(maybe(10 ** s.dice.span(-4, -2), attempt(step)) for step in rare))
