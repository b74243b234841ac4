"""What the company computes on a timetable: data pipelines, model training, scheduled jobs."""

from simulation.estates import idioms, jobs, runtime
from simulation.estates.flow import attempt, do, items, loop, poll, seq
from simulation.estates.idioms import Idiom
from simulation.estates.program import Program, Routine
from simulation.estates.schedule import OFFICE, arrivals, cron, every
from simulation.estates.setting import Setting


def pipeline(s: Setting) -> Program:
    """A data pipeline on a timetable: nightly and hourly runs, month's end, a back-fill when somebody asks."""
    role = s.named(
        f"{s.dice.pick(('curate', 'publish', 'regulatory', 'marts', 'feeds', 'dwh'))}-{s.dice.pick(('etl', 'pipeline', 'load'))}"
    )
    tools: tuple[Idiom, ...] = (
        jobs.glue_job,
        jobs.athena,
        jobs.warehouse,
        jobs.cluster_job,
        jobs.crawl,
        idioms.listing,
    )
    stages = idioms.chosen(s, tools, 2, 4)
    core = seq(
        idioms.start_up(s),
        *(attempt(stage, do("sns:Publish", s.things("alarm"))) for stage in stages),
        idioms.put_object(s),
    )
    run = s.evolving(seq(core, idioms.seldom(s)), (*idioms.LATER, *tools))
    minute, hour = s.dice.below(60), (s.dice.between(0, 6) - s.company.offset_h) % 24
    nightly = s.dice.pick(
        (f"{minute} {hour} * * *", f"{minute} {hour} * * 1-5", f"{minute} */{s.dice.pick((6, 8, 12))} * * *")
    )
    closing = seq(
        items(3, 0.5, jobs.warehouse(s), 8),
        jobs.athena(s),
        idioms.put_object(s),
        do("transfer:StartFileTransfer", s.app),
    )
    refill = seq(items(6, 0.7, stages[0], 20), do("glue:ResetJobBookmark", s.app))
    routines = [
        Routine(cron(nightly), run, 0.5, 0),
        Routine(
            cron(s.dice.pick((f"{minute} 7 L * *", f"{minute} 6 5,20 * *", f"{minute} 6 10 * 1"))), closing, 0.5, 0
        ),
        Routine(arrivals(0.05, OFFICE, 0.1, 3600, 0.0, s.company.offset_h), attempt(refill), 0.5, 0),
    ]
    if s.dice.chance(0.15):  # the year's accounts, in whatever month it ends
        annual = f"{minute} 5 {s.dice.between(1, 28)} {s.dice.between(1, 12)} *"
        routines.append(Routine(cron(annual), seq(closing, attempt(refill), idioms.mail(s)), 0.5, 0))
    if s.dice.chance(0.4):
        routines.append(Routine(every(s.dice.pick((3600.0, 7200.0, 14_400.0)), s.dice.one()), jobs.athena(s), 0.4))
    host = s.dice.pick(("glue", "ecs-tasks", "states", "lambda"))
    return Program(role, "pipeline", runtime.machine_door(s, role, host), tuple(routines), endpoint=s.endpoint)


def trainer(s: Setting) -> Program:
    """Models trained every week or so, tuned in between, scored in batches."""
    role = s.named(f"{s.dice.pick(('churn', 'fraud', 'pricing', 'triage', 'forecast'))}-training")
    tune = seq(
        do("sagemaker:CreateHyperParameterTuningJob", s.app),
        poll("sagemaker:DescribeHyperParameterTuningJob", s.app, 2400, 60.0, 50),
    )
    score = seq(
        do("sagemaker:CreateTransformJob", s.app),
        poll("sagemaker:DescribeTransformJob", s.app, 500, 30.0, 30),
        idioms.listing(s),
    )
    images = seq(
        do("ecr:GetAuthorizationToken"),
        do("ecr:BatchGetImage", s.app),
        loop(1, 6, do("ecr:GetDownloadUrlForLayer", s.app)),
    )
    run = s.evolving(
        seq(idioms.start_up(s), images, idioms.listing(s), jobs.training(s), idioms.seldom(s)), idioms.LATER
    )
    routines = (
        Routine(
            cron(f"{s.dice.below(60)} {s.dice.between(1, 5)} * * {s.dice.pick(('1', '0', '1,4', '*'))}"), run, 0.6, 0
        ),
        Routine(cron(f"{s.dice.below(60)} {s.dice.pick(('6', '*/6', '*/12'))} * * *"), score, 0.6, 0),
        Routine(arrivals(0.15, OFFICE, 0.3, 4000, 0.1, s.company.offset_h), tune, 0.6, 0),
    )
    return Program(role, "trainer", runtime.machine_door(s, role, "sagemaker"), routines, endpoint=s.endpoint)


def job(s: Setting) -> Program:
    """A scheduled task in a container or on AWS Batch: report, import, reconciliation."""
    role = s.named(
        f"{s.dice.pick(('report', 'reconcile', 'import', 'export', 'archive', 'statement'))}-{s.dice.pick(('job', 'task', 'cron'))}"
    )
    core = seq(
        idioms.start_up(s),
        *idioms.chosen(s, idioms.WORK, 1, 3),
        items(5, 0.7, idioms.put_object(s), 40),
        idioms.seldom(s),
    )
    run = s.evolving(core, idioms.LATER)
    minute, hour = s.dice.below(60), s.dice.below(24)
    when = s.dice.pick(
        (
            f"{minute} {hour} * * *",
            f"{minute} */6 * * *",
            f"*/30 {hour}-{min(hour + 3, 23)} * * *",
            f"{minute} {hour} * * 1-5",
            f"{minute} 8-17 * * *",
        )
    )
    quarterly = Routine(cron(f"{minute} 8 L 3,6,9,12 *"), seq(run, jobs.athena(s), idioms.mail(s)), 0.4, 0)
    host = s.dice.pick(("ecs-tasks", "ecs-tasks", "lambda", "ec2"))
    return Program(
        role,
        "job",
        runtime.machine_door(s, role, host),
        (Routine(cron(when), run, 0.4, 0), quarterly),
        endpoint=s.endpoint,
    )
