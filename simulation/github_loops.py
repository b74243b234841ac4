"""What intruders with a stolen GitHub credential do, loop by loop, each step following from the answer to the one before.

Sources: GitHub, "Security alert: Attack campaign involving stolen OAuth user tokens issued to two third-party integrators"; Unit 42, "GitHub Actions Supply Chain
Attack"; Wiz, "s1ngularity" and "Shai-Hulud 2.0"; GitGuardian, "The GhostAction Campaign"; MITRE ATT&CK T1213.003, T1552.001, T1098.001, T1195.002, T1528. There is no
loop of hosted models: calls to them are not in this log.
"""

from collections.abc import Mapping

from simulation.github import deploy_seat, fine_seat, hashed, number_of, ssh_seat
from simulation.github_routes import asked, is_about_a_repository
from simulation.github_steps import (
    BRANCH,
    CLONE,
    CONTENTS,
    DISPATCH,
    LOOKS,
    ORG,
    ORG_SECRETS,
    PUSH,
    REPO,
    REPO_LOOKS,
    REPOS,
    SECRETS,
    TOOLS,
    WHO,
    WRITE,
    Terms,
    a_repo,
    call,
    found_token,
    harvest,
    introduce,
    look,
    place_of,
    repos,
    things,
)
from simulation.native.campaign import Loop
from simulation.native.intruder import Intruder

_KEYS, _MY_KEYS = asked("POST /keys", REPO), asked("POST /user/keys")
_LET_IN = asked("POST /personal-access-token-requests/{pat_request_id}", ORG)
_MEMBER, _COLLABORATOR = asked("PUT /memberships/{username}", ORG), asked("PUT /collaborators/{username}", REPO)
_RUNNER, _HOOK = asked("POST /actions/runners/registration-token", REPO), asked("POST /hooks", REPO)
_GATE = asked("PUT /environments/{environment_name}", REPO)
_OUTSIDERS = ("support-dev", "build-helper", "qa-contract", "release-mirror")


def reconnaissance(me: Intruder) -> None:
    """The organisation, then repository by repository."""
    introduce(me)
    look(me, int(me.rng.integers(6, 15)))
    for repo in repos(me, int(me.rng.integers(2, 7))):
        for operation in me.pick(REPO_LOOKS, int(me.rng.integers(2, 6))):
            call(me, operation, repo)
        if me.chance(0.4):
            call(me, CLONE, repo)


def credential_testing(me: Intruder) -> None:
    """One call after the other, to see what the token is good for."""
    introduce(me)
    tries = (
        *WHO,
        *LOOKS[:9],
        *REPO_LOOKS,
        asked("POST /graphql"),
        asked("GET /user/repos"),
        asked("GET /user/memberships/orgs"),
        asked("GET /search/code"),
    )
    for operation in me.pick(tries, int(me.rng.integers(6, 14))):
        call(me, operation, a_repo(me) if is_about_a_repository(operation) else "")


def leaked_secret_pivot(me: Intruder) -> None:
    """A token tested, the code read for more, and what lay in it used."""
    introduce(me)
    if me.chance(0.6) and call(me, REPOS):
        me.found.add("repos")
    won = call(me, asked("GET /search/code")) if me.chance(0.4) else False
    for repo in repos(me, int(me.rng.integers(2, 6))):
        won = call(me, me.pick((CLONE, CONTENTS, asked("GET /tarball/{ref}", REPO)), 1)[0], repo) or won
    won = won or harvest(me, a_repo(me))
    if won and found_token(me):
        introduce(me)
        look(me, 5)
        if me.chance(0.6):
            harvest(me, a_repo(me))


def privilege_chaining(me: Intruder) -> None:
    """More rights by whatever way is open, and then what they are good for."""
    introduce(me)
    if me.chance(0.5):
        look(me, 3)
    hops = 0
    for way in me.rng.permutation(3):
        if (widen, _through_a_workflow, _over_the_guards)[way](me):
            hops += 1
            introduce(me)
            look(me, 3)
            if hops == 2:
                break
    spoils(me)


def widen(me: Intruder) -> bool:
    """Whether some way of granting oneself more worked."""
    who = me.pick(_OUTSIDERS, 1)[0]
    ways = (
        (_MEMBER, f"@{who}"), (_COLLABORATOR, f"{a_repo(me)}@{who}"), (asked("PUT /teams/{team_slug}/memberships/{username}", ORG), f"#team-1@{who}"),
        (asked("PUT /teams/{team_slug}/repos/{owner}/{repo}", ORG), "#team-1"), (asked("PUT /organization-roles/users/{username}/{role_id}", ORG), f"@{who}"),
        (asked("PUT /actions/permissions/workflow", REPO), a_repo(me)), (asked("PUT /outside_collaborators/{username}", ORG), f"@{who}"),
    )  # fmt: skip
    for n in me.rng.permutation(len(ways))[: int(me.rng.integers(3, 7))]:
        if call(me, *ways[n]):
            me.rights.admins.add(me.me)
            return True
    return False


def _through_a_workflow(me: Intruder) -> bool:
    return any(harvest(me, repo) for repo in repos(me, 2)) and found_token(me)


def _over_the_guards(me: Intruder) -> bool:
    """Whether a branch's or an environment's guard could be taken away."""
    repo = a_repo(me)
    ways = (
        asked("DELETE /branches/{branch}/protection", REPO),
        asked("DELETE /rulesets/{ruleset_id}", REPO),
        _GATE,
        asked("PUT /secret-scanning", REPO),
    )
    gone = [call(me, operation, repo) for operation in me.pick(ways, 2)]
    if any(gone):
        me.rights.open(me.me, (PUSH, WRITE, BRANCH, DISPATCH))
        return me.ask(PUSH, repo)
    return False


def vault_self_grant(me: Intruder) -> None:
    """Its own way past what guards the secrets, then all of them."""
    introduce(me)
    ways = ((_GATE, a_repo(me)), (_COLLABORATOR, f"{a_repo(me)}@{me.pick(_OUTSIDERS, 1)[0]}"), (_MEMBER, "@support-dev"),
            (asked("PUT /actions/permissions/workflow", REPO), a_repo(me)), (asked("PUT /teams/{team_slug}/repos/{owner}/{repo}", ORG), "#team-2"))  # fmt: skip
    for n in me.rng.permutation(len(ways)):
        if call(me, *ways[n]):
            me.rights.open(
                me.me,
                (SECRETS, ORG_SECRETS, BRANCH, WRITE, DISPATCH, asked("GET /actions/runs/{run_id}/logs", REPO)),
            )
            break
    call(me, ORG_SECRETS)
    for repo in repos(me, int(me.rng.integers(4, 12))):
        call(me, SECRETS, repo)
        call(me, asked("GET /environments/{environment_name}/secrets", REPO), repo)
        if me.chance(0.4):
            harvest(me, repo)


def credential_minting(me: Intruder) -> None:
    """Ways back in: keys, tokens let in, runners, hooks, people of its own."""
    introduce(me)
    won = 0
    for way in me.rng.permutation(5):
        won += (_deploy_keys, _own_key, _token_let_in, _runners_and_hooks, _people)[way](me)
        if won >= 3 and me.chance(0.5):
            break


def _deploy_keys(me: Intruder) -> bool:
    won = False
    for repo in repos(me, int(me.rng.integers(1, 5))):
        key = hashed("left behind", me.at_s, repo)
        if call(me, _KEYS, repo, key):
            won = True
            if me.chance(0.7):
                back = me.seat
                me.become(deploy_seat(repo, key, me.seat.source, me.seat.agent))
                me.ask(CLONE, repo)
                me.become(back)
    return won


def _own_key(me: Intruder) -> bool:
    """A key of the account's own; an app has none."""
    key = hashed("own", me.at_s, me.me)
    if "/" in me.me or me.me.endswith("[bot]") or not call(me, _MY_KEYS, "", key):
        return False
    back = me.seat
    me.become(ssh_seat(me.me, key, me.seat.source, me.seat.agent))
    for repo in me.some("repos", 2):
        me.ask(CLONE, repo)
    me.become(back)
    return True


def _token_let_in(me: Intruder) -> bool:
    who = me.pick(_OUTSIDERS, 1)[0]
    number = number_of("let in", me.at_s)
    call(me, asked("GET /personal-access-token-requests", ORG))
    if not call(me, _LET_IN, f"@{who}", str(number)):
        return False
    back = me.seat
    me.become(fine_seat(who, number, me.seat.source, me.seat.agent))
    introduce(me)
    look(me, 2)
    me.become(back)
    return True


def _runners_and_hooks(me: Intruder) -> bool:
    won = False
    for repo in repos(me, 3):
        won = call(me, me.pick((_RUNNER, _HOOK), 1)[0], repo) or won
    return call(me, asked("POST /actions/runners/registration-token", ORG)) or won


def _people(me: Intruder) -> bool:
    who = me.pick(_OUTSIDERS, 1)[0]
    won = call(me, asked("POST /invitations", ORG), f"@{who}")
    return call(me, asked("PUT /outside_collaborators/{username}", ORG), f"@{who}") or won


def delegated_access_abuse(me: Intruder) -> None:
    """A vendor's access to a few repositories that reads them all."""
    if me.chance(0.6):
        introduce(me)
    if me.chance(0.7) and call(me, REPOS):
        me.found.add("repos")
    parts = (
        lambda: sweep(me),
        lambda: look(me, 6),
        lambda: harvest(me, a_repo(me)),
        lambda: _deploy_keys(me),
        lambda: call(me, asked("GET /search/code")),
    )
    for n in me.rng.permutation(len(parts)):
        parts[n]()


def sweep(me: Intruder) -> None:
    """Repository after repository carried off."""
    for repo in repos(me, int(me.rng.integers(5, 14))):
        call(me, CLONE if me.chance(0.6) else asked("GET /tarball/{ref}", REPO), repo)


def spoils(me: Intruder) -> None:
    """Something taken, changed or broken on the way out."""
    if me.chance(0.5):
        sweep(me)
    if me.chance(0.4):
        call(me, asked("POST /migrations", ORG)) and call(me, asked("GET /migrations/{migration_id}/archive", ORG))
    if me.chance(0.4):
        for repo in repos(me, 3):
            me.ask(PUSH, repo)
    if me.chance(0.3):
        call(me, asked(me.pick(("PATCH ", "POST /transfer", "DELETE ", "POST /forks"), 1)[0], REPO), a_repo(me))


def break_glass_overrun(me: Intruder) -> None:
    """Emergency access that goes on after the emergency."""
    parts = (
        lambda: widen(me),
        lambda: _deploy_keys(me),
        lambda: _token_let_in(me),
        lambda: spoils(me),
        lambda: _over_the_guards(me),
        lambda: _people(me),
    )
    for n in me.rng.permutation(len(parts)):
        parts[n]()


LOOPS: Mapping[str, Loop] = {
    "reconnaissance": Loop(reconnaissance, holes=((*LOOKS[:6],), (REPOS, CLONE))),
    "credential_testing": Loop(credential_testing),
    "privilege_chaining": Loop(privilege_chaining, holes=((_MEMBER,), (BRANCH, WRITE, PUSH, DISPATCH), (asked("DELETE /branches/{branch}/protection", REPO),))),
    "leaked_secret_pivot": Loop(leaked_secret_pivot, holes=((REPOS, CLONE), (CONTENTS, asked("GET /search/code")))),
    "vault_self_grant": Loop(vault_self_grant, holes=((_GATE,), (_COLLABORATOR, SECRETS))),
    "credential_minting": Loop(credential_minting, holes=((_KEYS, _MY_KEYS), (_LET_IN, _KEYS), (_RUNNER, _HOOK, _KEYS))),
    "delegated_access_abuse": Loop(delegated_access_abuse, ("delegated",), ((REPOS, CLONE), (CONTENTS, SECRETS))),
    "break_glass_overrun": Loop(break_glass_overrun, ("emergency",)),
}  # fmt: skip
"""Every loop the log of an organisation can show."""


class Attackers:
    """What `native.campaign` asks of GitHub."""

    terms = Terms()
    loops = LOOPS
    tools = TOOLS
    place_of = staticmethod(place_of)
    things = staticmethod(things)
