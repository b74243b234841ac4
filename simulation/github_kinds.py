"""Who lives in a GitHub organisation: its own bots, workflows, apps, machine accounts with tokens and keys, vendors and people, as habits.

Workflows hold a token a job, apps one an hour, machine accounts a token or key for good; people use the browser, git and the command line under one login.
Permissions each program needs are those of its documentation (Renovate, Argo CD, actions-runner-controller, the Terraform provider for GitHub); how often is an assumption.
"""

from dataclasses import replace
from typing import Any

from simulation.github_routes import LIBRARY, events, of_org, of_repo, other
from simulation.native.shape import Habit, Kind

_NOT_OURS = "a bot of GitHub's own: it holds nothing an owner could take away"
_BROWSER = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131.0.0.0 Safari/537.36"
_CLI = "GitHub CLI 2.62.0"
_OCTOKIT, _PYTHON, _GO = "octokit-core.js/6.1.2 Node.js/20.18.0 (linux; x64)", "PyGithub/Python", "go-github/v66.0.0"
_RUNNER = "launch/production"
_NAMED = "{stem}[bot]"

_GROWTH = (
    Habit(of_repo("GET /releases", "GET /releases/latest", "GET /tags"), runs=(2, 8)),
    Habit(of_repo("GET /contents/{path}", "GET /git/trees/{tree_sha}"), every_s=2400),
    Habit(of_repo("POST /issues", "POST /issues/{issue_number}/comments"), runs=(1, 4)),
    Habit(of_repo("GET /actions/runs", "GET /actions/runs/{run_id}/jobs", "GET /actions/artifacts"), every_s=3000),
    Habit(of_repo("GET /branches", "GET /branches/{branch}/protection"), runs=(1, 4)),
    Habit(of_repo("GET /deployments", "POST /deployments", "POST /deployments/{deployment_id}/statuses"), runs=(1, 5)),
    Habit((*of_repo("GET /collaborators"), *of_org("GET /teams")), runs=(1, 2)),
    Habit(of_repo("GET /dependabot/alerts", "GET /code-scanning/alerts"), every_s=6000),
    Habit(events("git.fetch", about=LIBRARY), every_s=3600),
)
_READ_PULLS = of_repo("GET /pulls", "GET /pulls/{pull_number}", "GET /pulls/{pull_number}/files", about=LIBRARY)


def _bot(name: str, *habits: Habit) -> Kind:
    return Kind(
        name, "github", _RUNNER, habits, principal=f"{name}[bot]", weight=0.01, counted=False, why_not=_NOT_OURS
    )


GITHUBS = (
    _bot("dependabot", Habit((*events("git.push", "pull_request.create", about=LIBRARY), *of_repo("GET /contents/{path}", about=LIBRARY)), runs=(20, 60))),
    _bot("github-merge-queue", Habit(events("git.push", "pull_request.merge", about=LIBRARY), runs=(20, 60), hours=(7, 20), is_office=True)),
    _bot("github-advanced-security", Habit(events("checks.delete_logs", "secret_scanning_alert.create", about=LIBRARY), runs=(1, 9))),
)  # fmt: skip


def _job(name: str, where: str, agent: str, *habits: Habit, **changed: Any) -> Kind:
    return replace(Kind(name, where, agent, habits, growth=_GROWTH), **changed)


def _workflow(name: str, *calls: str, runs: tuple[int, int] = (4, 14), office: bool = True, **changed: Any) -> Kind:
    """A workflow's jobs: announced, checked out, its own work, done."""
    begins = (*events("workflows.created_workflow_run", "workflows.prepared_workflow_job", "git.fetch"),)
    hours = (7, 20) if office else (0, 6)
    habit = Habit(
        (*begins, *calls, *events("workflows.completed_workflow_run")),
        runs=runs,
        hours=hours,
        is_office=office,
        part=0.93,
        gap_s=(0.5, 12),
    )
    seldom = (
        *of_repo("GET /actions/caches", "POST /check-runs", "PATCH /issues/{issue_number}", "POST /releases"),
        *events("workflows.cancel_workflow_run"),
    )
    return _job(name, "actions", _RUNNER, habit, seldom=seldom, **{"weight": 1.6, **changed})  # fmt: skip


WORKFLOWS = (
    _workflow("build", *of_repo("GET /actions/artifacts", "GET /actions/caches", "POST /check-runs", "PATCH /check-runs/{check_run_id}")),
    _workflow("release", *events("git.push"), *of_repo("GET /releases/tags/{tag}", "POST /releases", "PATCH /releases/{release_id}", "GET /releases/latest",
        "POST /git/refs"), *events("packages.package_version_published"), runs=(1, 4), rights="wide"),
    _workflow("deploy", *of_repo("POST /deployments", "POST /deployments/{deployment_id}/statuses", "GET /environments", "GET /commits/{ref}/status"),
        *events("environment.add_protection_rule"), runs=(2, 9)),
    _workflow("code-scan", *of_repo("POST /code-scanning/sarifs", "GET /code-scanning/sarifs/{sarif_id}", "GET /languages"), runs=(2, 6)),
    _workflow("triage", *of_repo("GET /issues", "PATCH /issues/{issue_number}", "POST /issues/{issue_number}/labels", "POST /issues/{issue_number}/comments"),
        runs=(10, 24), office=False),
    _workflow("docs", *events("git.push"), *of_repo("POST /pages/deployments", "GET /pages"), runs=(1, 6), weight=1.0),
    _workflow("e2e", *of_repo("GET /actions/artifacts", "GET /actions/artifacts/{artifact_id}/{archive_format}", "GET /pulls", "POST /statuses/{sha}",
        "POST /issues/{issue_number}/comments"), runs=(3, 12)),
    _workflow("nightly", *of_repo("GET /actions/runs", "GET /actions/runs/{run_id}/logs", "DELETE /actions/runs/{run_id}", "POST /issues"),
        *events("git.push"), runs=(1, 2), office=False, weight=1.0),
    _workflow("dispatch", *of_repo("POST /actions/workflows/{workflow_id}/dispatches", "GET /actions/runs", "POST /dispatches"), runs=(2, 7), rights="wide",
        weight=0.8),
)  # fmt: skip


APPS = (
    _job("renovate", "app", "renovate/41.0.0", Habit((*of_repo("GET ", "GET /contents/{path}", "GET /git/trees/{tree_sha}", "GET /pulls", about=LIBRARY),
        *events("git.fetch", "git.push", about=LIBRARY), *of_repo("POST /git/refs", "PATCH /git/refs/{ref}", "POST /pulls", "PATCH /pulls/{pull_number}",
        "POST /issues/{issue_number}/labels", about=LIBRARY)), runs=(8, 24), part=0.8, gap_s=(0.2, 6)), Habit(other("POST /graphql", "GET /rate_limit"),
        every_s=3600), principal=_NAMED, rights="wide", weight=0.5),
    _job("build-farm", "app", _GO, Habit((*events("git.fetch", about=LIBRARY), *of_repo("GET /commits/{ref}", "POST /statuses/{sha}", "POST /check-runs",
        "PATCH /check-runs/{check_run_id}", about=LIBRARY)), runs=(12, 40), hours=(6, 21), is_office=True), principal=_NAMED, weight=0.8),
    _job("merge-keeper", "app", _OCTOKIT, Habit((*_READ_PULLS, *of_repo("GET /pulls/{pull_number}/reviews", "GET /commits/{ref}/check-runs",
        "PUT /pulls/{pull_number}/merge", "DELETE /git/refs/{ref}", about=LIBRARY)), runs=(8, 30), hours=(7, 20), is_office=True, part=0.85),
        principal=_NAMED, rights="wide", weight=0.6),
    _job("backport", "app", _OCTOKIT, Habit((*_READ_PULLS, *events("git.fetch", "git.push", about=LIBRARY), *of_repo("POST /git/refs", "POST /pulls",
        "POST /issues/{issue_number}/comments", about=LIBRARY)), runs=(2, 9), hours=(8, 19), is_office=True), principal=_NAMED, weight=0.6),
    _job("chat-bridge", "app", _OCTOKIT, Habit(of_repo("GET /issues/{issue_number}", "GET /pulls/{pull_number}", "POST /issues/{issue_number}/comments",
        about=LIBRARY), every_s=1500), principal=_NAMED, weight=0.8),
    _job("runner-controller", "app", "actions-runner-controller/0.27.6", Habit(of_org("GET /actions/runners", "GET /actions/runner-groups",
        "POST /actions/runners/generate-jitconfig", "DELETE /actions/runners/{runner_id}"), every_s=900),
        Habit(of_org("POST /actions/runners/registration-token"), every_s=3000), principal=_NAMED, rights="wide", weight=0.4),
    _job("secret-rotator", "app", _PYTHON, Habit((*of_org("GET /actions/secrets", "GET /actions/secrets/public-key", "PUT /actions/secrets/{secret_name}"),
        *of_repo("GET /actions/secrets/public-key", "PUT /actions/secrets/{secret_name}", "GET /actions/secrets", about=LIBRARY)), runs=(1, 3), hours=(1, 5),
        gap_s=(0.3, 5)), principal=_NAMED, rights="wide", weight=0.4),
    _job("token-warden", "app", _PYTHON, Habit((*of_org("GET /personal-access-token-requests", "GET /personal-access-tokens", "GET /credential-authorizations"),
        *of_org("POST /personal-access-token-requests/{pat_request_id}", about="@robot-{n}")), runs=(2, 6), hours=(7, 19), is_office=True, part=0.8),
        principal=_NAMED, rights="wide", weight=0.3),
    _job("code-index", "app", _GO, Habit(events("git.fetch", about=LIBRARY), every_s=1200), Habit((*of_org("GET /repos"), *events("git.clone", about=LIBRARY)),
        runs=(1, 3), hours=(1, 6)), principal=_NAMED, rights="reader", weight=0.5),
    _job("secret-hunter", "app", "secret-hunter-scanner/3.82 Go-http-client/2.0", Habit((*of_org("GET /repos", "GET /secret-scanning/alerts"),
        *events("git.clone", about=LIBRARY), *of_repo("GET /secret-scanning/alerts", "GET /branches", about=LIBRARY)), runs=(3, 9), hours=(0, 7)),
        principal=_NAMED, rights="reader", weight=0.4),
)  # fmt: skip

_TERRAFORM = (
    *of_org("GET /members", "GET /teams", "GET /teams/{team_slug}/members", "GET /teams/{team_slug}/repos", "GET /actions/secrets", "GET /hooks"),
    *of_repo("GET ", "GET /branches/{branch}/protection", "GET /collaborators", "GET /keys", "GET /hooks", "GET /actions/secrets", "GET /environments",
             "GET /rulesets", about=LIBRARY),
)  # fmt: skip
_TERRAFORM_WRITES = (
    *of_org("POST /repos", about=LIBRARY), *of_repo("PUT /branches/{branch}/protection", "POST /rulesets", "POST /keys", "POST /hooks",
        "PUT /actions/secrets/{secret_name}", "PUT /environments/{environment_name}", "PUT /collaborators/{username}", about=f"{LIBRARY}@robot-{{n}}"),
    *of_org("PUT /teams/{team_slug}/repos/{owner}/{repo}", "PUT /teams/{team_slug}/memberships/{username}", about="#team-{n}@user-{n}"),
)  # fmt: skip


def _machine(name: str, where: str, agent: str, *habits: Habit, **changed: Any) -> Kind:
    """A machine account. Its token may look at itself now and then."""
    seldom = (
        *other("GET /user", "GET /rate_limit"),
        *of_repo("GET ", "GET /commits", "GET /branches"),
        *of_org("GET "),
    )
    return _job(name, where, agent, *habits, seldom=seldom, **changed)


MACHINES = (
    _machine("org-as-code", "fine", "Terraform/1.9.5 (+https://www.terraform.io) terraform-provider-github/6.3.1", Habit(_TERRAFORM, runs=(2, 6), hours=(8, 19),
        is_office=True, gap_s=(0.05, 1.5)), Habit(_TERRAFORM_WRITES, runs=(1, 3), hours=(9, 17), is_office=True, part=0.6, chance=0.4, gap_s=(0.1, 2)),
        rights="admin", weight=0.3),
    _machine("deploy-robot", "classic", _PYTHON, Habit((*events("git.clone"), *of_repo("GET /releases/latest", "POST /deployments",
        "POST /deployments/{deployment_id}/statuses")), runs=(4, 12), hours=(7, 20), is_office=True), weight=1.4),
    _machine("mirror", "classic", "git/2.39.5", Habit((*of_org("GET /repos"), *events(*["git.fetch"] * 3, about=LIBRARY)), runs=(3, 8), hours=(0, 6)),
        rights="reader", weight=0.7),
    _machine("backup", "classic", _GO, Habit((*of_org("GET /repos", "POST /migrations", "GET /migrations/{migration_id}",
        "GET /migrations/{migration_id}/archive"), *events("git.clone", "git.clone", about=LIBRARY)), runs=(1, 2), hours=(1, 4), gap_s=(0.5, 20)),
        rights="reader", weight=0.4),
    _machine("argo-cd", "fine", "go-git/5.12.0", Habit(events("git.fetch"), every_s=900), replicas=2, weight=1.2),
    _machine("flux", "fine", "source-controller/v1.4.1 go-git/5.12.0", Habit(events("git.fetch"), every_s=1100), Habit((*events("git.push"),
        *of_repo("POST /pulls")), runs=(0, 4)), weight=1.0),
    _machine("release-train", "fine", _OCTOKIT, Habit((*of_repo("GET /pulls", "GET /commits", "POST /git/refs", "POST /releases",
        "PUT /pulls/{pull_number}/merge"), *events("git.push")), runs=(1, 5), hours=(8, 18), is_office=True), rights="wide", weight=0.8),
    _machine("metrics", "fine", _GO, Habit((*of_org("GET /repos", "GET /members", "GET /teams"), *of_repo("GET /pulls", "GET /actions/runs",
        "GET /stats/contributors", about=LIBRARY)), every_s=1100), rights="reader", weight=0.6),
    _machine("audit-exporter", "fine", "siem-collector/2.3", Habit(of_org("GET /audit-log"), every_s=900), Habit(of_org("GET /members",
        "GET /outside_collaborators", "GET /installations"), runs=(1, 2)), rights="reader", weight=0.3),
    _machine("joiner", "classic", "okta-scim/1.0", Habit(of_org("GET /members", "POST /invitations", "PUT /teams/{team_slug}/memberships/{username}",
        "DELETE /memberships/{username}", about="#team-{n}@user-{n}"), runs=(1, 6), hours=(7, 19), is_office=True, part=0.6), rights="wide", weight=0.3),
    _machine("package-proxy", "classic", "artifact-proxy/7.90", Habit(of_repo("GET /releases/assets/{asset_id}", "GET /tarball/{ref}", about=LIBRARY),
        every_s=1000), weight=0.8),
    _machine("dashboard", "fine", _OCTOKIT, Habit((*other("POST /graphql"), *of_repo("GET /actions/runs", "GET /deployments", about=LIBRARY)), every_s=700),
        rights="reader", weight=1.0),
    _machine("legacy-ci", "classic", "Jenkins-GitHub-Plugin/1.40", Habit((*events("git.fetch", about=LIBRARY), *of_repo("GET /commits/{ref}",
        "POST /statuses/{sha}", "GET /hooks", about=LIBRARY)), every_s=900), replicas=4, rights="wide", weight=0.8),
    _machine("jenkins", "ssh", "git/2.34.1", Habit(events("git.fetch", about=LIBRARY), every_s=1200), Habit(events("git.push"), runs=(0, 3)), weight=0.9),
    _job("deploy-key-server", "deploy", "git/2.43.0", Habit(events("git.fetch"), every_s=1800), weight=1.2),
    _job("deploy-key-docs", "deploy", "git/2.39.5", Habit(events("git.fetch", "git.push"), runs=(1, 6)), weight=0.7),
    _job("deploy-key-edge", "deploy", "git/2.30.2", Habit(events("git.clone"), runs=(2, 8)), replicas=3, weight=0.7),
)  # fmt: skip

OUTSIDERS = (
    _job("vendor-ci", "oauth", "vendor-ci/3.1", Habit((*events("git.clone", about=LIBRARY), *of_repo("GET /commits/{ref}", "POST /statuses/{sha}", "GET /hooks",
        about=LIBRARY)), runs=(8, 24), hours=(7, 20), is_office=True), path="delegated", rights="wide", weight=0.8),
    _job("vendor-posture", "app", "vendor-posture-scanner/4.2", Habit((*of_org("GET ", "GET /members", "GET /repos", "GET /teams", "GET /hooks",
        "GET /installations", "GET /actions/permissions", "GET /actions/secrets", "GET /outside_collaborators"), *of_repo("GET /branches/{branch}/protection",
        "GET /keys", "GET /hooks", "GET /collaborators", "GET /secret-scanning/alerts", "GET /actions/secrets", about=LIBRARY)), runs=(1, 3), hours=(2, 6),
        gap_s=(0.1, 3)), path="delegated", principal=_NAMED, rights="reader", weight=0.5),
    _job("vendor-review", "for-user", "vendor-review/1.8", Habit((*_READ_PULLS, *of_repo("GET /contents/{path}", "POST /pulls/{pull_number}/reviews",
        "POST /issues/{issue_number}/comments", about=LIBRARY)), runs=(6, 20), hours=(7, 20), is_office=True, part=0.85), path="delegated", weight=0.9),
    _job("vendor-tracker", "oauth", "vendor-tracker/2024.10", Habit(of_repo("GET /issues", "POST /issues/{issue_number}/comments", "GET /pulls", "GET /commits",
        about=LIBRARY), every_s=1400), path="delegated", weight=0.9),
    _job("partner-dev", "fine", "git/2.44.0", Habit((*events("git.fetch", "git.push"), *of_repo("POST /pulls", "GET /pulls")), runs=(1, 6), hours=(6, 16),
        is_office=True), path="delegated", weight=0.7),
    _job("vendor-assistant", "for-user", "vendor-assistant/0.9", Habit((*of_repo("GET /contents/{path}", "GET /git/trees/{tree_sha}", about=LIBRARY),
        *other("GET /search/code", "GET /user")), runs=(10, 30), hours=(8, 19), is_office=True, part=0.6), path="delegated", weight=0.8),
)  # fmt: skip

_CODES = (*events("git.fetch", "git.push"), *of_repo("POST /pulls", "GET /pulls/{pull_number}", "GET /actions/runs"), *events("pull_request.create",
    "pull_request_review.submit"))  # fmt: skip

PEOPLE = (
    Kind("developer", "desk", _CLI, (
        Habit(_CODES, runs=(2, 9), hours=(8, 18), is_office=True, gap_s=(2, 120), part=0.6),
        Habit((*events("git.clone", "repo.create", about="{home}-play-{n}"), *events("protected_branch.rejected_ref_update"), *other("GET /user", "POST /graphql")),
              runs=(1, 2), hours=(8, 19), is_office=True, part=0.4, chance=0.5),
        Habit(("github:public_key.create", "github:oauth_authorization.create", "github:personal_access_token.request_created"), runs=(1, 1), hours=(8, 18),
              is_office=True, part=0.4, chance=0.05),
    ), path="human", rights="wide", principal="user-{number}", weight=2.2),
    Kind("maintainer", "desk", _CLI, (
        Habit((*events("git.fetch", "pull_request_review.submit", "pull_request.merge"), *of_repo("PUT /pulls/{pull_number}/merge", "GET /pulls")), runs=(3, 9),
              hours=(8, 18), is_office=True, gap_s=(3, 120), part=0.6),
        Habit(events("repo.update_actions_secret", "hook.create", "protected_branch.policy_override", "environment.update_protection_rule",
              "workflows.approve_workflow_job", "repo.add_member", about=LIBRARY), runs=(1, 2), hours=(9, 17), is_office=True, part=0.4, chance=0.4),
    ), path="human", rights="wide", principal="user-{number}", weight=1.0),
    Kind("administrator", "browser", _BROWSER, (
        Habit(("github:org.invite_member @user-{n}", "github:org.update_member @user-{n}", "github:team.add_member #team-{n}@user-{n}",
               "github:integration_installation.create", "github:org.update_actions_secret", "github:org.add_outside_collaborator @partner-{n}",
               *events("repo.create", "repo.access", "protected_branch.update_admin_enforced", about=LIBRARY), "github:org.audit_log_export"),
              runs=(1, 5), hours=(8, 18), is_office=True, gap_s=(4, 120), part=0.35),
    ), path="human", rights="admin", principal="user-{number}", weight=0.4),
    Kind("analyst", "browser", _BROWSER, (
        Habit((*events("repo.download_zip", "pull_request.create", about=LIBRARY),), runs=(1, 4), hours=(8, 18), is_office=True, gap_s=(5, 300), part=0.6),
    ), path="human", rights="reader", principal="user-{number}", weight=0.8),
    Kind("staff", "browser", _BROWSER, (
        Habit(events("pull_request_review.submit", about=LIBRARY), runs=(0, 3), hours=(8, 18), is_office=True, gap_s=(10, 600)),
    ), path="human", rights="none", principal="user-{number}", weight=0.8),
    Kind("break-glass", "browser", _BROWSER, (
        Habit(("github:org.update_member @user-{n}", *events("protected_branch.policy_override", "workflows.approve_workflow_job", about=LIBRARY),
               "github:org.audit_log_export"), runs=(1, 1), hours=(9, 18), gap_s=(10, 90), chance=0.06),
    ), path="emergency", rights="admin", principal="break-glass-{number}", weight=0.2),
)  # fmt: skip

KINDS = (*GITHUBS, *WORKFLOWS, *APPS, *MACHINES, *OUTSIDERS, *PEOPLE)
"""Every kind, in the order in which an estate is filled."""
