"""How programs use services whose answers take a while: jobs that are started, asked after, and collected.

Operations as in the AWS API references, written as CloudTrail names them.
"""

from simulation.estates.flow import Step, dated, do, items, loop, maybe, numbered, pages, poll, retry, seq, through
from simulation.estates.setting import Setting


def execution(s: Setting) -> Step:
    """A state machine started, waited for where it matters."""
    machine = s.things(*s.dice.some(("settle", "onboard", "review", "import"), 1, 2))
    start = do("states:StartExecution", machine, 0.01, "conflict")
    done = poll("states:DescribeExecution", machine, s.dice.around(90, 0.8), s.dice.pick((5.0, 15.0, 30.0)))
    return seq(start, maybe(s.dice.pick((0.0, 0.3, 1.0)), done))


def athena(s: Setting) -> Step:
    """A query started, polled, and its pages fetched; Athena reads catalogue and objects in the caller's name."""
    group, lake = s.things("workgroup")[0], s.buckets("lake")[0]
    scan = through(
        "athena",
        seq(
            do("glue:GetDatabase", group),
            do("glue:GetTable", s.things("events", "facts")),
            maybe(0.7, pages("glue:GetPartitions", group, 0.3)),
            do("s3:GetObject", dated(lake, "part-%04d.parquet", 200)),
        ),
    )
    return seq(
        do("athena:StartQueryExecution", group, 0.01, "invalid"),
        scan,
        poll("athena:GetQueryExecution", group, s.dice.around(15, 0.7), s.dice.pick((1.0, 3.0, 10.0))),
        pages("athena:GetQueryResults", group, 0.3),
    )


def glue_job(s: Setting) -> Step:
    """A Glue job run and watched; one that is still running refuses a second start."""
    job = s.things(*s.dice.some(("ingest", "curate", "publish"), 1, 2))
    start = retry(do("glue:StartJobRun", job, 0.02, "conflict"), 2, 60)
    return seq(start, poll("glue:GetJobRun", job, s.dice.around(400, 0.6), s.dice.pick((30.0, 60.0)), 30))


def crawl(s: Setting) -> Step:
    """A crawler started and watched, then the new partitions registered."""
    crawler, base = s.things("crawler")[0], s.things("events")[0]
    return seq(
        do("glue:StartCrawler", crawler, 0.03, "conflict"),
        poll("glue:GetCrawler", crawler, 240, 30.0, 20),
        items(2, 0.7, do("glue:BatchCreatePartition", base), 10),
    )


def cluster_job(s: Setting) -> Step:
    """A transient EMR cluster: started, given steps, watched, taken down."""
    name = s.things("emr")[0]
    return seq(
        do("elasticmapreduce:RunJobFlow", name),
        poll("elasticmapreduce:DescribeCluster", name, 400, 30.0, 25),
        loop(
            1,
            2,
            seq(
                do("elasticmapreduce:AddJobFlowSteps", name), poll("elasticmapreduce:DescribeStep", name, 700, 60.0, 30)
            ),
        ),
        do("elasticmapreduce:TerminateJobFlows", name),
    )


def warehouse(s: Setting) -> Step:
    """Statements through Redshift's data API, with temporary database credentials."""
    name = s.things("warehouse")[0]
    run = seq(
        do("redshift-data:ExecuteStatement", name),
        poll("redshift-data:DescribeStatement", name, 20, s.dice.pick((2.0, 5.0)), 30),
        maybe(0.4, pages("redshift-data:GetStatementResult", name, 0.3)),
    )
    login = do("redshift:GetClusterCredentialsWithIAM", name)
    return seq(maybe(0.4, login), items(2, 0.7, run, 12))


def training(s: Setting) -> Step:
    """A training job, then a model, an endpoint configuration and an endpoint made of it."""
    name = s.things("model")[0]
    deploy = seq(
        do("sagemaker:CreateModel", name),
        do("sagemaker:CreateEndpointConfig", name),
        do("sagemaker:UpdateEndpoint", name, 0.05, "invalid"),
        poll("sagemaker:DescribeEndpoint", name, 400, 30.0, 20),
    )
    return seq(
        do("sagemaker:CreateTrainingJob", name, 0.02, "quota"),
        poll("sagemaker:DescribeTrainingJob", name, s.dice.around(1500, 0.7), 60.0, 50),
        maybe(s.dice.span(0.1, 0.6), deploy),
    )


def document(s: Setting) -> Step:
    """A scan read by machine: text, tables, personal data."""
    key = numbered(f"{s.buckets('documents')[0]}/%06d.pdf", 3000)
    one = seq(do("s3:GetObject", key), do("textract:AnalyzeDocument", key, 0.01, "invalid"))
    many = seq(do("textract:StartDocumentAnalysis", key), poll("textract:GetDocumentAnalysis", key, 30, 5.0, 20))
    return seq(s.dice.pick((one, many)), maybe(0.4, do("comprehend:DetectPiiEntities")))
