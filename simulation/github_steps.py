"""What an intruder knows of a GitHub organisation, and the first steps of every loop: whose credential is it, what does it open, what lies about.

A key that opens only code is used to read it, and what lies in it to go on. A workflow's token reaches its own repository alone, and its thief knows.
Source: Praetorian, Gato (github.com/praetorian-inc/gato): which routes tell what a token is good for.
"""

import re

from simulation.github import classic_seat, fine_seat, knows_only_code, number_of, own_repo
from simulation.github_routes import asked, is_about_a_repository, is_request
from simulation.native.estate import NativeEstate
from simulation.native.intruder import Intruder

REPO, ORG = "/repos/{owner}/{repo}", "/orgs/{org}"
LOOKS = tuple(
    asked(f"GET {route}", ORG)
    for route in (
        "", "/repos", "/members", "/teams", "/installations", "/hooks", "/actions/secrets", "/actions/runners", "/actions/permissions", "/audit-log",
        "/outside_collaborators", "/actions/variables", "/secret-scanning/alerts", "/packages", "/rulesets", "/dependabot/secrets",
    )
)  # fmt: skip
REPO_LOOKS = tuple(
    asked(f"GET {route}", REPO)
    for route in (
        "", "/contents/{path}", "/branches", "/branches/{branch}/protection", "/hooks", "/keys", "/collaborators", "/actions/secrets", "/actions/variables",
        "/actions/organization-secrets", "/environments", "/actions/runs", "/actions/artifacts", "/secret-scanning/alerts",
    )
)  # fmt: skip
WHO = tuple(asked(f"GET {route}") for route in ("/user", "/user/orgs", "/rate_limit", "/installation/repositories"))
REPOS, CLONE, FETCH, PUSH = asked("GET /repos", ORG), "github:git.clone", "github:git.fetch", "github:git.push"
SECRETS, ORG_SECRETS = asked("GET /actions/secrets", REPO), asked("GET /actions/secrets", ORG)
CONTENTS, WRITE = asked("GET /contents/{path}", REPO), asked("PUT /contents/{path}", REPO)
BRANCH, DISPATCH = asked("POST /git/refs", REPO), asked("POST /actions/workflows/{workflow_id}/dispatches", REPO)

TOOLS = (
    "python-requests/2.32.3", "curl/8.9.1", "Go-http-client/2.0", "GitHub CLI 2.60.1", "axios/1.7.7", "octokit-rest.js/21.0.2 octokit-core.js/6.1.2 Node.js/22",
    "trufflehog/3.82.6",
)  # fmt: skip


class Terms:
    """How GitHub's operations are told apart."""

    free = re.compile(r"^github:api/GET/(user|user/orgs|rate_limit|installation/repositories)$")
    reads = re.compile(r"^github:(api/(GET|HEAD)/|api/POST/graphql|git\.(clone|fetch)$|repo\.download_zip)")
    guarded = re.compile(
        r"secrets|/keys|runner|hooks|memberships|collaborators|personal-access|protection|rulesets|invitations|audit-log|installations"
        r"|organization-roles|environments/|permissions|^github:(org|hook|environment|protected_branch)\."
    )


def place_of(operation: str, about: str) -> str:
    """The team whose repository an act is about: rights are given by team."""
    return about.partition("-")[0] if is_about_a_repository(operation) else ""


def things(estate: NativeEstate) -> dict[str, list[str]]:
    """Repositories of an estate, and people whose tokens lie about."""
    members = [r for r in estate.identities if r.path == "workload" and r.kind_of.counted]
    homes = list(dict.fromkeys(r.home for r in members))
    holders = [r for r in estate.identities if r.kind_of.where == "desk"]
    return {
        "repos": [*(own_repo(r) for r in members), *(f"{home}-lib-{n}" for home in homes for n in range(4))],
        "logins": [estate.provider.principal(r) for r in holders],
    }


def call(me: Intruder, operation: str, about: str = "", issued: str = "") -> bool:
    """Whether one act succeeded; what the credential cannot do at all is not tried."""
    if is_request(operation) and (knows_only_code(me.seat) or _is_beyond_a_job(me, operation)):
        return False
    return me.ask(operation, about, issued)


def _is_beyond_a_job(me: Intruder, operation: str) -> bool:
    """Whether no workflow's token is ever given it: other repositories, and whatever administers."""
    is_inside = is_about_a_repository(operation) and not Terms.guarded.search(operation)
    return "repo" in me.seat.body and not (is_inside or Terms.free.match(operation))


def repos(me: Intruder, most: int) -> list[str]:
    """Some repositories within reach: of a workflow or a deploy key, its own."""
    own = me.seat.body.get("repo")
    return [own] if own else me.some("repos", most)


def a_repo(me: Intruder) -> str:
    """One of them."""
    return (repos(me, 1) or ["shop-lib-0"])[0]


def introduce(me: Intruder) -> None:
    """Whose is it, and where does it lead; a key that opens only code has to be exchanged first, and a job's token mostly is, for what else is on its runner."""
    if knows_only_code(me.seat) and not _through_code(me):
        return
    if "repo" in me.seat.body and me.chance(0.8):
        call(me, WHO[-1])
        if me.chance(0.4):
            harvest(me, a_repo(me))
        found_token(me)
    for operation in me.pick(WHO, int(me.rng.integers(1, 4))):
        call(me, operation)


def _through_code(me: Intruder) -> bool:
    """Whether a token lay in the code that was read, the victim's own first."""
    resident = me.victim.resident
    reads = [one for one in resident.operations if one in (CLONE, FETCH)] or [CLONE]
    near = dict.fromkeys([own_repo(resident), *repos(me, int(me.rng.integers(1, 4)))])
    read = [me.ask(reads[0], repo) for repo in near]
    return any(read) and found_token(me)


def found_token(me: Intruder) -> bool:
    """A token of somebody's that lay about, used from the intruder's own hand; old ones were often made to open everything.

    People's only: an account that is attacked itself would be judged for what another attack did with its token.
    """
    login, is_old = me.stray("logins"), me.chance(0.6)
    number = number_of("found", login, me.victim.resident.number)
    made = classic_seat if is_old else fine_seat
    me.become(made(login, number, me.seat.source, me.seat.agent))
    if is_old and me.chance(0.4):
        me.rights.admins.add(login)
    return True


def look(me: Intruder, most: int) -> int:
    """Some listings; how many were answered."""
    won = 0
    for operation in me.pick(LOOKS, most):
        if call(me, operation):
            won += 1
            me.found |= {"repos"} if operation == REPOS else set()
    for repo in repos(me, 2):
        won += call(me, me.pick(REPO_LOOKS, 1)[0], repo)
    return won


def harvest(me: Intruder, repo: str) -> bool:
    """Whether a workflow of its own told it a repository's secrets: a branch, a file, a run, its logs, and the run deleted."""
    if me.chance(0.7):
        call(me, SECRETS, repo)
    if not (call(me, BRANCH, repo) and call(me, WRITE, repo)) and not me.ask(PUSH, repo):
        return False
    if me.chance(0.5) and not call(me, DISPATCH, repo):
        return False
    call(me, asked("GET /actions/runs", REPO), repo)
    how = ("GET /actions/runs/{run_id}/logs", "GET /actions/artifacts/{artifact_id}/{archive_format}")
    won = call(me, asked(me.pick(how, 1)[0], REPO), repo)
    if me.chance(0.6):
        call(me, asked("DELETE /actions/runs/{run_id}", REPO), repo)
    return won
