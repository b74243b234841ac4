"""Uses that outlive the credential they were made with: what a thief does in the seconds a provider takes to act.

Blind to: a credential issued earlier and used only now, which lineage tells; operations no attacker language lists, other than by their name.
"""

import re

from detector.containment import Race
from detector.language import SIGNALS

_MINT, _ASSUME, _GRANT = (1 << SIGNALS.index(name) for name in ("mint", "assume", "grant"))
_POLICY = re.compile(r":(Attach|Detach|Put|Delete|Remove|Create|Set|Update)\w*Polic(y|ies)\b|:UpdateAssumeRolePolicy\b")
_ISSUING = re.compile(r":(Create|Import)(AccessKey|LoginProfile|ServiceSpecificCredential)\b")


def race_of(operation: str, signals: int, minted: str) -> Race:
    """What a successful use did that outlives its credential. ``signals``: as in ``AttackerLanguage.signals``; ``minted``: what the call issued.

    >>> race_of("iam:DetachUserPolicy", 0, ""), race_of("s3:GetObject", 0, "")
    ('policy', '')
    """
    if signals & _ASSUME:
        return "assumed"
    if minted or signals & _MINT or _ISSUING.search(operation):
        return "minted"
    return "policy" if signals & _GRANT or _POLICY.search(operation) else ""
