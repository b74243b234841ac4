"""Loops that take or break: secrets, objects, somebody's model bill, a customer's trust, the data and the logs themselves.

Sources: Sysdig, "LLMjacking: Stolen Cloud Credentials Used in New AI Attack" (invocations with impossible parameters to see
whether a model answers, GetModelInvocationLoggingConfiguration, entitlements, many regions); Halcyon's Codefinger report and
AWS's "Preventing unintended encryption of Amazon S3 objects" (CopyObject with the attacker's own key, lifecycle rules, a note);
Permiso's LUCR-3 and mitigant.io/en/blog/emulating-and-detecting-scattered-spider-like-attacks (secrets in bulk, guards off);
MITRE ATT&CK T1496.004, T1530, T1555.006, T1486, T1485, T1562.008, T1199.
"""

from simulation.attack.catalogue import MODELS, REGIONS
from simulation.attack.intruder import Intruder

_ENCRYPTED = "x-amz-server-side-encryption-customer-algorithm"


def model_access_hijack(me: Intruder) -> None:
    """Which model answers where? Then as many invocations as patience allows, and elsewhere when one is refused."""
    me.introduce()
    if me.rng.random() < 0.6:
        me.ask("bedrock:ListFoundationModels")
    if me.rng.random() < 0.6:
        me.ask("bedrock:GetModelInvocationLoggingConfiguration")
    regions = [me.region, *[REGIONS[n] for n in me.rng.permutation(len(REGIONS)) if REGIONS[n] != me.region]]
    opened = ("", "")
    for region in regions[: int(me.rng.integers(2, 6))]:
        model = _probe(me, region)
        if model:
            opened = (region, model)
            if me.rng.random() < 0.5:
                break
    region, model = opened if opened[0] else _entitled(me, regions[0])
    _run_up(me, region, model)


def _probe(me: Intruder, region: str) -> str:
    """A model that answered in the region, or ''."""
    found = ""
    for number in me.rng.permutation(len(MODELS))[: int(me.rng.integers(2, 6))]:
        model = MODELS[number]
        if me.rng.random() < 0.25:
            me.ask("bedrock:GetFoundationModelAvailability", model, region)
        me.ask("bedrock:InvokeModel", model, region, failure="invalid" if me.rng.random() < 0.6 else "")
        found = model if me.answer in ("", "invalid") else found
    return found


def _entitled(me: Intruder, region: str) -> tuple[str, str]:
    model = MODELS[int(me.rng.integers(len(MODELS)))]
    for operation in (
        "bedrock:ListFoundationModelAgreementOffers",
        "bedrock:PutUseCaseForModelAccess",
        "bedrock:CreateFoundationModelAgreement",
        "bedrock:PutFoundationModelEntitlement",
    ):
        if not me.ask(operation, model, region) and me.rng.random() < 0.5:
            break
    return region, model


def _run_up(me: Intruder, region: str, model: str) -> None:
    operations = ("bedrock:InvokeModel", "bedrock:InvokeModelWithResponseStream", "bedrock:Converse")
    operation, refused = operations[int(me.rng.integers(3))], 0
    for _ in range(int(me.rng.integers(6, 40))):
        refused = 0 if me.ask(operation, model, region) or me.answer == "throttled" else refused + 1
        if refused > 6:
            return
        if refused:
            region, model = REGIONS[int(me.rng.integers(4))], MODELS[int(me.rng.integers(len(MODELS)))]


def delegated_access_abuse(me: Intruder) -> None:
    """A vendor's access turned on its customer: what it never looked at, then whatever can be read."""
    if me.rng.random() < 0.3:
        me.introduce()
    topics = ("storage", "secrets", "databases", "identities", "functions", "containers")
    me.look([topics[n] for n in me.rng.permutation(len(topics))[: int(me.rng.integers(2, 5))]])
    for taking in (_read_secrets, _read_objects, _read_tables):
        if me.rng.random() < 0.7:
            taking(me, int(me.rng.integers(3, 12)))


def secrets_sweep(me: Intruder) -> None:
    """Every secret there is, from each store that lets it, in each region it thinks of."""
    if me.rng.random() < me.style.asks_first / 2:
        me.ask("sts:GetCallerIdentity")
    stores = [_read_secrets, _batch, _read_parameters]
    for number in me.rng.permutation(3):
        stores[number](me, int(me.rng.integers(5, 25)))
    if me.rng.random() < 0.3:
        me.change_region()
        _read_secrets(me, 5)


def s3_exfiltration(me: Intruder) -> None:
    """Find the buckets, look at their guards, carry the objects off; sometimes replicate or share instead of reading."""
    if me.rng.random() < me.style.asks_first:
        me.ask("sts:GetCallerIdentity")
    me.ask("s3:ListBuckets")
    won = _choose_buckets(me)
    for bucket in won:
        if me.rng.random() < 0.2:
            me.ask("s3:PutBucketPolicy", bucket)
        elif me.rng.random() < 0.1:
            me.ask("s3:PutBucketReplication", bucket)
    _read_objects(me, int(me.rng.integers(10, 40)), won)


def s3_ransom(me: Intruder) -> None:
    """Objects re-encrypted with a key only the intruder has, or deleted, versions off, an expiry rule and a note."""
    me.introduce()
    me.ask("s3:ListBuckets")
    for bucket in _choose_buckets(me) or me.names("buckets", 2):
        if me.rng.random() < 0.5:
            me.ask("s3:GetBucketVersioning", bucket)
        if me.rng.random() < 0.4:
            me.ask("s3:PutBucketVersioning", bucket)
        if not _encrypt(me, bucket) and not _delete(me, bucket):
            continue
        me.ask("s3:PutBucketLifecycle", bucket)
        me.ask("s3:PutObject", f"{bucket}/HOW-TO-RECOVER.txt")


def _encrypt(me: Intruder, bucket: str) -> bool:
    won = 0
    for _ in range(int(me.rng.integers(3, 12))):
        key = _object(me)
        copied = {"bucketName": bucket, "key": key, "x-amz-copy-source": f"{bucket}/{key}", _ENCRYPTED: "AES256"}
        won += me.ask("s3:CopyObject", f"{bucket}/{key}", request=copied)
        if not won:
            return False
    return True


def _delete(me: Intruder, bucket: str) -> bool:
    if me.ask("s3:DeleteObjects", bucket):
        return True
    gone = [me.ask("s3:DeleteObject", f"{bucket}/{_object(me)}") for _ in range(3)]
    return any(gone)


def data_destruction(me: Intruder) -> None:
    """The guards first, then snapshots, databases, instances and buckets; a refusal leads to the next kind."""
    me.introduce()
    _quieten(me)
    me.look([("compute", "databases", "storage")[n] for n in me.rng.permutation(3)[:2]])
    ways = (
        ("rds:DeleteDBInstance", "tables"), ("rds:DeleteDBClusterSnapshot", "tables"), ("ec2:TerminateInstances", "instances"),
        ("ec2:DeleteSnapshot", "instances"), ("s3:DeleteObjects", "buckets"), ("s3:DeleteBucket", "buckets"),
        ("dynamodb:DeleteTable", "tables"), ("lambda:DeleteFunction20150331", "functions"), ("kms:ScheduleKeyDeletion", ""),
        ("secretsmanager:DeleteSecret", "secrets"), ("backup:DeleteRecoveryPoint", ""), ("ec2:DeleteVolume", "instances"),
    )  # fmt: skip
    for number in me.rng.permutation(len(ways))[: int(me.rng.integers(3, 8))]:
        operation, kind = ways[number]
        for thing in me.names(kind, int(me.rng.integers(1, 5))) if kind else ["all"]:
            if not me.ask(operation, thing):
                break


def _quieten(me: Intruder) -> None:
    if me.rng.random() < 0.7:
        me.ask("cloudtrail:DescribeTrails")
    trail = (me.names("trails", 1) or ["management-events"])[0]
    ways = (
        ("cloudtrail:StopLogging", trail), ("cloudtrail:PutEventSelectors", trail), ("cloudtrail:DeleteTrail", trail),
        ("cloudtrail:UpdateTrail", trail), ("guardduty:ListDetectors", ""), ("guardduty:UpdateDetector", "detector"),
        ("guardduty:DeleteDetector", "detector"), ("config:StopConfigurationRecorder", "default"),
        ("logs:DeleteLogGroup", "/aws/cloudtrail"), ("ec2:DeleteFlowLogs", "fl-0a1b2c3d"),
    )  # fmt: skip
    for number in me.rng.permutation(len(ways))[: int(me.rng.integers(2, 6))]:
        me.ask(*ways[number])


def _choose_buckets(me: Intruder) -> list[str]:
    """Buckets that could be listed, after a look at their guards."""
    open_ones = []
    for bucket in me.names("buckets", int(me.rng.integers(2, 7))):
        if me.rng.random() < 0.4:
            me.ask(("s3:GetBucketAcl", "s3:GetBucketPolicy", "s3:GetBucketLocation")[int(me.rng.integers(3))], bucket)
        if me.ask("s3:ListObjects", bucket):
            open_ones.append(bucket)
    return open_ones


def _read_secrets(me: Intruder, most: int) -> None:
    me.ask("secretsmanager:ListSecrets")
    refused = 0
    for secret in me.names("secrets", most):
        refused = 0 if me.ask("secretsmanager:GetSecretValue", secret) else refused + 1
        if refused > me.style.gives_up_after:
            return


def _batch(me: Intruder, most: int) -> None:
    for _ in range(min(most, 1 + int(me.rng.integers(4)))):
        if not me.ask("secretsmanager:BatchGetSecretValue", me.some("secretsmanager:GetSecretValue")):
            return


def _read_parameters(me: Intruder, most: int) -> None:
    me.ask("ssm:DescribeParameters")
    if me.rng.random() < 0.6 and me.ask("ssm:GetParametersByPath", ("/", "/prod", "/app")[int(me.rng.integers(3))]):
        return
    refused = 0
    for parameter in me.names("parameters", most):
        refused = 0 if me.ask("ssm:GetParameter", parameter) else refused + 1
        if refused > me.style.gives_up_after:
            return


def _read_objects(me: Intruder, most: int, buckets: list[str] | None = None) -> None:
    refused, chosen = 0, buckets or me.names("buckets", 3)
    for number in range(most):
        bucket = chosen[number % len(chosen)]
        refused = 0 if me.ask("s3:GetObject", f"{bucket}/{_object(me)}") else refused + 1
        if refused > me.style.gives_up_after:
            return


def _read_tables(me: Intruder, most: int) -> None:
    if me.ask("dynamodb:ListTables"):
        for table in me.names("tables", min(most, 4)):
            me.ask("dynamodb:Scan", table)


def _object(me: Intruder) -> str:
    return f"2026/{me.rng.integers(1, 13):02d}/part-{me.rng.integers(500):04d}.json"
