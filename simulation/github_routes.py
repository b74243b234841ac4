"""Requests of GitHub's REST API by short names, what a request that changes something leaves beside itself, and what each is about.

Routes: docs.github.com/en/rest. Events: docs.github.com, "Audit log events for your organization".
"""

from collections.abc import Mapping
from functools import cache

OWN = "{home}-{stem}"
"""A member's own repository, as habits name it: the team's name, then its own."""
LIBRARY = "{home}-lib-{n}"
"""One of the team's other repositories."""
_REPO, _ORG, _API = "/repos/{owner}/{repo}", "/orgs/{org}", "github:api/"
_EVENTS_OF_REPOSITORIES = (
    "git", "repo", "pull_request", "workflows", "protected_branch", "repository_ruleset", "environment", "hook", "public_key", "checks",
    "pull_request_review", "secret_scanning_alert", "packages", "repository_vulnerability_alert", "dependabot_alerts",
)  # fmt: skip
ZIP = "github:repo.download_zip"
REFUSED_PUSH = "github:protected_branch.rejected_ref_update"


def asked(method_and_route: str, base: str = "") -> str:
    """The operation of a request, as a reader of the log names it.

    >>> asked("GET /actions/secrets", "/orgs/{org}")
    'github:api/GET/orgs/{org}/actions/secrets'
    """
    method, _, route = method_and_route.partition(" ")
    return f"{_API}{method}{base}{route}"


def of_repo(*routes: str, about: str = OWN) -> tuple[str, ...]:
    """Calls about a repository, such as "GET /pulls"."""
    return tuple(f"{asked(route, _REPO)} {about}" for route in routes)


def of_org(*routes: str, about: str = "") -> tuple[str, ...]:
    """Calls about the organisation, such as "GET /members"."""
    return tuple(f"{asked(route, _ORG)} {about}".strip() for route in routes)


def other(*routes: str) -> tuple[str, ...]:
    """Calls about neither, such as "GET /rate_limit"."""
    return tuple(asked(route) for route in routes)


def events(*names: str, about: str = OWN) -> tuple[str, ...]:
    """Things done that are no request of the API, such as "git.fetch"."""
    return tuple(f"github:{name} {about}" for name in names)


_LEFT: Mapping[str, str] = {
    asked("POST /keys", _REPO): "public_key.create",
    asked("DELETE /keys/{key_id}", _REPO): "public_key.delete",
    asked("POST /user/keys"): "public_key.create",
    asked("PUT /actions/secrets/{secret_name}", _REPO): "repo.update_actions_secret",
    asked("PUT /actions/secrets/{secret_name}", _ORG): "org.update_actions_secret",
    asked("DELETE /actions/secrets/{secret_name}", _ORG): "org.remove_actions_secret",
    asked("POST /actions/runners/registration-token", _REPO): "repo.register_self_hosted_runner",
    asked("POST /actions/runners/registration-token", _ORG): "org.register_self_hosted_runner",
    asked("POST /actions/runners/generate-jitconfig", _ORG): "org.configure_self_hosted_jit_runner",
    asked("DELETE /actions/runners/{runner_id}", _ORG): "org.remove_self_hosted_runner",
    asked("POST /actions/workflows/{workflow_id}/dispatches", _REPO): "workflows.created_workflow_run",
    asked("DELETE /actions/runs/{run_id}", _REPO): "workflows.delete_workflow_run",
    asked("PUT /actions/permissions/workflow", _REPO): "repo.set_default_workflow_permissions",
    asked("POST /hooks", _REPO): "hook.create",
    asked("PATCH /hooks/{hook_id}", _REPO): "hook.config_changed",
    asked("POST /hooks", _ORG): "hook.create",
    asked("PUT /collaborators/{username}", _REPO): "repo.add_member",
    asked("PUT /memberships/{username}", _ORG): "org.update_member",
    asked("DELETE /memberships/{username}", _ORG): "org.remove_member",
    asked("POST /invitations", _ORG): "org.invite_member",
    asked("PUT /outside_collaborators/{username}", _ORG): "org.add_outside_collaborator",
    asked("PUT /teams/{team_slug}/memberships/{username}", _ORG): "team.add_member",
    asked("DELETE /teams/{team_slug}/memberships/{username}", _ORG): "team.remove_member",
    asked("PUT /teams/{team_slug}/repos/{owner}/{repo}", _ORG): "team.add_repository",
    asked("POST /teams", _ORG): "team.create",
    asked("PUT /organization-roles/users/{username}/{role_id}", _ORG): "organization_role.assign",
    asked("POST /personal-access-token-requests/{pat_request_id}", _ORG): "personal_access_token.access_granted",
    asked("POST /repos", _ORG): "repo.create",
    asked("POST /forks", _REPO): "repo.create",
    asked("PATCH ", _REPO): "repo.access",
    asked("DELETE ", _REPO): "repo.destroy",
    asked("POST /transfer", _REPO): "repo.transfer",
    asked("PUT /branches/{branch}/protection", _REPO): "protected_branch.update_admin_enforced",
    asked("DELETE /branches/{branch}/protection", _REPO): "protected_branch.destroy",
    asked("POST /rulesets", _REPO): "repository_ruleset.create",
    asked("DELETE /rulesets/{ruleset_id}", _REPO): "repository_ruleset.destroy",
    asked("PUT /environments/{environment_name}", _REPO): "environment.update_protection_rule",
    asked("POST /pulls", _REPO): "pull_request.create",
    asked("PUT /pulls/{pull_number}/merge", _REPO): "pull_request.merge",
    asked("POST /pulls/{pull_number}/reviews", _REPO): "pull_request_review.submit",
    asked("POST /migrations", _ORG): "migration.create",
    asked("PUT /secret-scanning", _REPO): "repository_secret_scanning.disable",
}  # fmt: skip


def left_by(operation: str) -> str:
    """The event that a request leaves beside its own when it succeeds; '' for one that changes nothing the log tells of.

    >>> left_by("github:api/POST/repos/{owner}/{repo}/keys")
    'github:public_key.create'
    """
    found = _LEFT.get(operation, "")
    return f"github:{found}" if found else ""


def is_request(operation: str) -> bool:
    """Whether an operation is a request of the API."""
    return operation.startswith(_API)


@cache
def is_about_a_repository(operation: str) -> bool:
    """Whether a record of the operation names a repository."""
    if is_request(operation):
        return "{owner}/{repo}" in operation
    return operation.removeprefix("github:").partition(".")[0] in _EVENTS_OF_REPOSITORIES
