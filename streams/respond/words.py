"""The words of approvers who use the command line: one file each in a folder everybody may write to, and its owner, whom the kernel names, is who said it.

The folder is the responder's, sticky and not to be listed by others (mode 1733), so nobody takes or changes another's file. The deadline of an approval is judged by when a file is found, not by
what it says.

Blind to: root, and whoever is the responder's own user: they can write anybody's files, and the responder's memory as well.
"""

import os
import pwd
import stat
import uuid
from pathlib import Path
from typing import Literal, Self

import msgspec

from detector.config import Policy
from detector.errors import ApprovalError, ConfigError
from detector.policy.approval import approver_of
from streams.config import Settings
from streams.logs import logger
from streams.respond.store import Store

log = logger("respond")
FOLDER, SUFFIX = "approvals", ".json"
MOST_BYTES = 16 << 10
MOST_AT_ONCE = 100
MODE = 0o1733


class Word(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One person's word on one command."""

    command_id: str
    verb: Literal["approve", "deny"]
    person: str
    reason: str = ""


def folder_of(settings: Settings) -> Path:
    """Where words are left."""
    return Path(settings.respond.approvals_folder or Path(settings.state_folder) / FOLDER)


def login_of(user: int) -> str:
    """What the operating system calls a user; the number where it has no name."""
    try:
        return pwd.getpwuid(user).pw_name
    except KeyError:
        return str(user)


def check_login(policy: Policy, person: str, user: int) -> None:
    """Raises ``ApprovalError`` where this user of the operating system is not the approver of that name."""
    approver = approver_of(policy, person)
    if approver is None or approver.login not in (login_of(user), str(user)):
        wanted = f"wanted login {approver.login!r}" if approver and approver.login else "who has no login"
        raise ApprovalError(f"a word by {person[:200]!r} from login {login_of(user)!r}, {wanted}")


def leave(folder: Path, word: Word) -> None:
    """Leaves a word, whole or not at all. Raises ``ApprovalError`` where the folder cannot be written to."""
    path = folder / f"{uuid.uuid4().hex}{SUFFIX}"
    unfinished = path.with_suffix(".unfinished")
    try:
        with os.fdopen(os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644), "wb") as out:
            os.fchmod(out.fileno(), 0o644)  # the responder, another user, reads it
            out.write(msgspec.json.encode(word))
        unfinished.rename(path)
    except OSError as error:
        raise ApprovalError(f"{folder}: {error.strerror or error}, wanted the folder the responder made") from error


class Words:
    """The folder, from the responder's side. Does nothing where the policy names no approvers with a login."""

    def __init__(self, folder: Path | None, policy: Policy, store: Store) -> None:
        self.folder, self._policy, self._store = folder, policy, store
        self._stuck: set[str] = set()
        """What cannot be taken out of the folder, such as a folder in it: looked at once."""

    @classmethod
    def of(cls, settings: Settings, store: Store) -> Self:
        """Makes the folder. Raises ``ConfigError`` where it is somebody else's: words could not be taken out of it."""
        if not any(approver.login for approver in settings.approvers):
            return cls(None, settings, store)
        folder = folder_of(settings)
        try:
            folder.mkdir(parents=True, exist_ok=True)
            if folder.stat().st_uid != os.geteuid():
                raise ConfigError(f"respond.approvals_folder {folder}: another user's, wanted the responder's own")
            folder.chmod(MODE)
        except OSError as error:
            raise ConfigError(f"respond.approvals_folder {folder}: {error.strerror or error}") from error
        return cls(folder, settings, store)

    def collect(self, now_ns: int) -> None:
        """Takes every word there is to the responder's requests, each once it is known whose it is; the others are refused and logged. ``now_ns``: ns since 1970."""
        if self.folder is None:
            return
        found = sorted(path for path in self.folder.glob(f"*{SUFFIX}") if path.name not in self._stuck)
        for path in found[:MOST_AT_ONCE]:
            try:
                word, known_by = self._read(path)
            except (ApprovalError, OSError, msgspec.DecodeError, UnicodeDecodeError) as error:
                log.warning("approval refused", reason=str(error)[:300])
            else:
                self._store.ask(word.command_id, word.verb, word.person, word.reason, now_ns, known_by)
            try:
                path.unlink(missing_ok=True)
            except OSError:
                self._stuck.add(path.name)

    def _read(self, path: Path) -> tuple[Word, str]:
        with os.fdopen(os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK), "rb") as file:
            found = os.fstat(file.fileno())
            if not stat.S_ISREG(found.st_mode) or found.st_nlink != 1 or found.st_size > MOST_BYTES:
                raise ApprovalError(f"{path.name}: wanted one plain file of at most {MOST_BYTES} bytes")
            word = msgspec.json.decode(file.read(MOST_BYTES), type=Word)
        check_login(self._policy, word.person, found.st_uid)
        return word, f"login {login_of(found.st_uid)}"
