"""Loops that climb and stay: from role to role, into the vault, to further credentials, past the end of an emergency.

Sources: Rhino Security Labs, "AWS IAM Privilege Escalation: Methods and Mitigation" (the ways to widen one's own rights);
Sysdig's SCARLETEEL reports (keys found in state files and function settings, used to move on); CrowdStrike, "How Adversaries
Can Persist with AWS User Federation" (crowdstrike.com/blog/how-adversaries-persist-with-aws-user-federation); imtr.net,
"From stolen cloud key to persistence as a service"; MITRE ATT&CK T1098, T1136.003, T1078.004, T1550.001, T1555.006.
"""

from simulation.attack.intruder import Intruder

_KEYS_LIE_THERE = 0.6  # of secrets, state files and function settings hold a key
_NAMES = ("support", "backup", "svc-monitor", "aws-audit", "devops", "s3-sync", "root-admin", "ses-smtp")


def privilege_chaining(me: Intruder) -> None:
    """Through one role after the other, looking round in each; where none lets it in, by rewriting a policy."""
    me.introduce()
    steps = 0
    while steps < 3:
        won = _next_role(me)
        if not won:
            break
        steps += 1
        me.introduce()
        me.look([("identities", "storage", "compute", "secrets", "functions")[int(me.rng.integers(5))]])
    if steps < 2 and widen(me):
        _next_role(me)
    _spoils(me)


def widen(me: Intruder) -> bool:
    """Whether some way of granting oneself more worked; each denial leads to another way."""
    mine, own = me.me, me.kind
    ways = [
        (f"iam:Put{own}Policy", mine), (f"iam:Attach{own}Policy", mine), ("iam:CreatePolicyVersion", "base"),
        ("iam:SetDefaultPolicyVersion", "base"), ("iam:UpdateAssumeRolePolicy", me.names("roles", 1)[0]),
        ("iam:AddUserToGroup", mine), ("lambda:UpdateFunctionCode20150331v2", me.some("lambda:GetFunction")),
        ("iam:PassRole", mine), ("glue:CreateDevEndpoint", "dev"), ("cloudformation:CreateStack", "support"),
        ("lambda:CreateFunction20150331", "sync"),
    ]  # fmt: skip
    for number in me.rng.permutation(len(ways))[: int(me.rng.integers(3, 8))]:
        operation, resource = ways[number]
        me.waste()
        if not me.ask(operation, resource):
            continue
        if operation == "iam:UpdateAssumeRolePolicy":
            me.account.trust(mine, resource)
        elif operation.startswith("iam:"):
            me.account.make_admin(mine, me.at_s)
        if me.rng.random() < me.style.checks:
            me.ask(f"iam:ListAttached{own}Policies", mine)
        return True
    return False


def leaked_secret_pivot(me: Intruder) -> None:
    """A leaked secret tested, used again from where it works, and pivoted from: to a role, or to keys lying about."""
    me.ask("sts:GetCallerIdentity")
    me.look([("storage", "functions", "secrets", "identities", "mail")[n] for n in me.rng.permutation(5)[:2]])
    found = False
    for secret in me.names("secrets", int(me.rng.integers(1, 5))):
        found = me.ask("secretsmanager:GetSecretValue", secret) or found
    if not found:
        for bucket in me.names("buckets", 2):
            found = me.ask("s3:GetObject", f"{bucket}/terraform.tfstate") or found
        for function in me.names("functions", 2):
            found = me.ask("lambda:GetFunctionConfiguration20150331v2", function) or found
    if (found and me.rng.random() < _KEYS_LIE_THERE and me.find_key()) or _next_role(me):
        me.introduce()
        me.look(["secrets", "storage"])
    _spoils(me)


def vault_self_grant(me: Intruder) -> None:
    """The vault's own policy or one's own edited to read secrets, then all of them read."""
    me.introduce()
    me.ask("secretsmanager:ListSecrets")
    wanted = me.names("secrets", 40)
    for secret in wanted[: int(me.rng.integers(1, 4))]:
        me.ask("secretsmanager:GetSecretValue", secret)
    own = me.kind
    ways = [(f"iam:Put{own}Policy", me.me), (f"iam:Attach{own}Policy", me.me), ("iam:CreatePolicyVersion", "base")]
    ways += [
        ("secretsmanager:PutResourcePolicy", wanted[0]),
        ("kms:CreateGrant", "vault"),
        ("kms:PutKeyPolicy", "vault"),
    ]
    granted = False
    for number in me.rng.permutation(len(ways)):
        operation, resource = ways[number]
        if me.ask(operation, resource):
            granted = True
            if operation.startswith("iam:"):
                me.account.make_admin(me.me, me.at_s)
            else:
                me.account.open(me.me, "secretsmanager:GetSecretValue", "kms:Decrypt")
            if operation.startswith("iam:") or me.rng.random() < 0.5:
                break
    if granted and not me.known.get("secrets"):
        me.ask("secretsmanager:ListSecrets")
    _read_all(me, me.names("secrets", 40))


def credential_minting(me: Intruder) -> None:
    """New ways back in: a user, its key and password, a key for others, a federated session, a role that trusts outside."""
    me.introduce()
    if me.rng.random() < 0.7:
        me.ask("iam:ListUsers")
    ways = [_new_user, _keys_of_others, _passwords, _outside_role, _federate]
    won = 0
    for number in me.rng.permutation(len(ways)):
        won += ways[number](me)
        me.waste()
        if won >= 3 and me.rng.random() < 0.5:
            break
    if won and me.rng.random() < 0.5:
        me.look(["identities"])


def _new_user(me: Intruder) -> bool:
    name = f"{_NAMES[int(me.rng.integers(len(_NAMES)))]}-{me.rng.integers(10, 99)}"
    if not me.ask("iam:CreateUser", name):
        return False
    me.account.add_user(name)
    if me.ask("iam:AttachUserPolicy" if me.rng.random() < 0.7 else "iam:PutUserPolicy", name):
        me.account.make_admin(name, me.at_s)
    made = me.new_key(name)
    if me.rng.random() < 0.5:
        me.ask("iam:CreateLoginProfile", name)
    if made and me.rng.random() < 0.4:
        me.use_key()
        me.ask("sts:GetCallerIdentity")
        me.look(["storage"])
        me.back()
    return True


def _keys_of_others(me: Intruder) -> bool:
    made = [me.new_key(user) for user in me.names("users", int(me.rng.integers(1, 4)))]
    return any(made)


def _passwords(me: Intruder) -> bool:
    user = (me.names("users", 1) or ["admin"])[0]
    return me.ask("iam:CreateLoginProfile", user) or me.ask("iam:UpdateLoginProfile", user)


def _outside_role(me: Intruder) -> bool:
    if me.rng.random() < 0.5:
        return me.ask("iam:UpdateAssumeRolePolicy", me.names("roles", 1)[0])
    name = f"{_NAMES[int(me.rng.integers(len(_NAMES)))]}-role"
    return me.ask("iam:CreateRole", name) and me.ask("iam:AttachRolePolicy", name)


def _federate(me: Intruder) -> bool:
    if not me.foothold.session.key_id.startswith("AKIA"):
        return me.ask("rolesanywhere:CreateTrustAnchor", "support")
    return me.mint()


def break_glass_overrun(me: Intruder) -> None:
    """Emergency access that goes on after the emergency: more rights, more people, more data than it was for."""
    if me.rng.random() < 0.5:
        me.ask("sts:GetCallerIdentity")
    parts = [_reopen, _new_user, _open_network, _outside_role, _spoils, _quiet_guards]
    for number in me.rng.permutation(len(parts)):
        parts[number](me)


def _reopen(me: Intruder) -> bool:
    role = me.names("roles", 1)[0]
    return me.ask("iam:AttachRolePolicy", role) and me.ask("iam:PutRolePolicy", role)


def _open_network(me: Intruder) -> bool:
    me.ask("ec2:DescribeSecurityGroups")
    return me.ask("ec2:AuthorizeSecurityGroupIngress", "sg-0a1b2c3d")


def _quiet_guards(me: Intruder) -> bool:
    me.ask("cloudtrail:DescribeTrails")
    return me.ask("cloudtrail:StopLogging", me.some("cloudtrail:GetTrailStatus"))


def _next_role(me: Intruder) -> bool:
    """Whether some role let it in: those it was told of, those it makes up, and one whose name lay about in code or settings."""
    if not me.known.get("roles") and me.rng.random() < 0.7:
        me.ask("iam:ListRoles")
    open_to_me = me.account.targets(me.me, me.at_s)
    told = [role for role in open_to_me if role in me.known.get("roles", ()) and me.rng.random() < 0.5]
    for role in [*told[:1], *me.names("roles", int(me.rng.integers(1, 5))), *open_to_me[:1]]:
        me.waste()
        if role != me.me and me.assume(role):
            return True
    return False


def _spoils(me: Intruder) -> bool:
    """Something taken on the way out."""
    if me.rng.random() < 0.5:
        me.ask("secretsmanager:ListSecrets")
        return _read_all(me, me.names("secrets", int(me.rng.integers(2, 10))))
    me.ask("s3:ListBuckets")
    listed = [me.ask("s3:ListObjects", bucket) for bucket in me.names("buckets", int(me.rng.integers(1, 4)))]
    return any(listed)


def _read_all(me: Intruder, secrets: list[str]) -> bool:
    """Whether any secret was read; after a run of denials it stops."""
    refused, won = 0, False
    for secret in secrets:
        if me.ask("secretsmanager:GetSecretValue", secret):
            refused, won = 0, True
        else:
            refused += 1
            if refused > me.style.gives_up_after:
                break
    return won
