"""Tokens that may have to be revoked, kept in a folder as a secret store mounts it: audit records name tokens, they never hold them.

A token's file is named as its credential, percent-encoded; the name with ``.refresh`` holds the refresh token. Read anew every time.
"""

from pathlib import Path
from urllib.parse import quote

from streams.connectors.base import Finding


def kept_token(folder: str, credential: str, suffix: str = "") -> str:
    """The token kept for a credential; '' where there is none.

    >>> kept_token("/nowhere", "oauth-token:app/../1")
    ''
    """
    name = quote(credential.encode("utf-8", "surrogatepass"), safe="")
    try:
        return Path(folder, name + suffix).read_text("utf-8").strip()
    except (OSError, UnicodeDecodeError):
        return ""


def folder_finding(folder: str) -> Finding:
    """Whether the folder is there."""
    is_there = Path(folder).is_dir()
    return Finding(
        "kept_in", is_there, f"{folder}: a folder" if is_there else f"{folder}: no folder, mount the tokens there"
    )
