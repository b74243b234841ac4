"""Notices: the row of a call that minted a credential, copied for the principal the credential speaks for.

A shard knows only its own principals. So that it knows who minted a credential one of them uses, the minting row goes twice: as it is to the minter's
shard, and as a notice to the heir's. A notice is lineage and nothing else: never scored, never counted, never a duplicate.
"""

import numpy as np

from detector.event import Mark


def with_notices(rows: np.ndarray) -> np.ndarray:
    """Rows (``ROW``) with a notice behind every row that minted a credential for another principal. Call before rows are parted by principal.

    A notice's ``principal`` is the heir, its ``minted_for`` the minter; ``batch`` and ``index`` still point at the event. Rows that are notices already
    get none.
    """
    is_notice = rows["marks"] & int(Mark.NOTICE) != 0
    minting = np.flatnonzero(
        (rows["minted_for"] != 0) & (rows["minted_for"] != rows["principal"]) & (rows["minted"] != 0) & ~is_notice
    )
    if not len(minting):
        return rows
    notices = rows[minting]
    notices["principal"], notices["minted_for"] = notices["minted_for"], rows["principal"][minting]
    notices["marks"] |= int(Mark.NOTICE)
    found: np.ndarray = np.insert(rows, minting + 1, notices)
    return found
