"""AWS on loopback: moto's server with IAM enforcement on, and what moto leaves out of it put right.

moto keeps the state and checks signatures and permissions; but it lets an inactive key in, takes a condition it does not know for met, reads a denial in a trust policy as leave,
and hands every ``GetSessionToken`` the same made-up key. ``aws_judge`` decides in its place.
"""

import json
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime, timedelta
from io import BytesIO
from typing import Any, NamedTuple, Self
from unittest import mock
from urllib.parse import parse_qs

import boto3
import moto.settings
from botocore.config import Config
from moto.core.authorization import ActionAuthenticatorMixin
from moto.core.responses import ActionResult
from moto.iam import access_control
from moto.iam.models import iam_backends
from moto.moto_api._internal.models import moto_api_backend
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, MotoRequestHandler, create_backend_app
from moto.sts.models import STSBackend
from moto.sts.responses import TokenResponse
from werkzeug.serving import make_server

from tests.fakes.aws_judge import UserSession, allows, key_maker

ACCOUNT, OTHER = "123456789012", "210987654321"
_SESSION = boto3.session.Session()  # keeps what boto3 reads for each client
_DONE = "<{0}Response><ResponseMetadata><RequestId>0</RequestId></ResponseMetadata></{0}Response>"


class Keys(NamedTuple):
    """What signs a request, in the order boto3 takes it."""

    access_key_id: str
    secret: str
    token: str | None = None


class FakeAws:
    """Answers on ``url`` while entered. ``is_down`` and ``is_lying`` as for other fakes; ``issued_later_s``: sessions are issued so much later than now."""

    def __init__(self) -> None:
        self.url = ""
        self.is_down = self.is_lying = False
        self.issued_later_s = 0.0
        self.asked = Counter[str]()
        self.issued: dict[str, datetime] = {}
        self.sessions: dict[str, UserSession] = {}
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        moto_api_backend.reset()
        self._app = DomainDispatcherApplication(create_backend_app)
        for patch in self._patches():
            self._stack.enter_context(patch)
        server = make_server("127.0.0.1", 0, self._answer, threaded=True, request_handler=_Quiet)
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        thread.start()
        for close in (server.server_close, thread.join, server.shutdown):  # called from the last to the first
            self._stack.callback(close)
        self.url = f"http://127.0.0.1:{server.server_port}"
        return self

    def __exit__(self, *_error: object) -> None:
        self._stack.close()

    @contextmanager
    def unguarded(self) -> Iterator[None]:
        """Everybody may do everything: for setting a scene."""
        with mock.patch.object(moto.settings, "INITIAL_NO_AUTH_ACTION_COUNT", float("inf")):
            yield

    def client(self, service: str, keys: Keys) -> Any:
        """A client that signs with these keys and tries once."""
        return _SESSION.client(
            service, "us-east-1", None, True, None, self.url, *keys, Config(retries={"total_max_attempts": 1})
        )

    def picture(self) -> object:
        """Users, keys, roles and policies of both accounts."""
        return [_picture(account) for account in (ACCOUNT, OTHER)]

    def note_issue(self, access_key_id: str) -> None:
        """A session is issued now, or as much later as the test says."""
        self.issued[access_key_id] = (datetime.now(UTC) + timedelta(seconds=self.issued_later_s)).replace(microsecond=0)

    def _answer(self, environ: dict[str, Any], start_response: Any) -> Any:
        body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
        environ["wsgi.input"] = BytesIO(body)
        action = parse_qs(body.decode("latin-1")).get("Action", [""])[0]
        self.asked[action] += 1
        if self.is_down:
            start_response("503 Service Unavailable", [("Content-Length", "0")])
            return [b""]
        if self.is_lying and action.startswith(("Put", "Update")):
            start_response("200 OK", [("Content-Type", "text/xml")])
            return [_DONE.format(action).encode()]
        return self._app(environ, start_response)

    def _patches(self) -> Iterator[Any]:
        fake, assume = self, STSBackend.assume_role

        def assume_role(backend: STSBackend, *args: Any, **named: Any) -> Any:
            role = assume(backend, *args, **named)
            fake.note_issue(role.access_key_id)
            return role

        def get_session_token(asked: Any) -> ActionResult:
            return ActionResult({"Credentials": fake._session_of(asked.get_access_key())})

        def check_action_permitted(request: Any, resource: str) -> None:
            if not allows(request, resource, fake.issued):
                request._raise_access_denied()

        yield mock.patch.object(moto.settings, "INITIAL_NO_AUTH_ACTION_COUNT", 0)
        yield mock.patch.object(ActionAuthenticatorMixin, "request_count", 0)
        yield mock.patch.object(STSBackend, "assume_role", assume_role)
        yield mock.patch.object(TokenResponse, "get_session_token", get_session_token)
        yield mock.patch.object(access_control, "create_access_key", key_maker(self.sessions))
        yield mock.patch.object(access_control.IAMRequestBase, "check_action_permitted", check_action_permitted)

    def _session_of(self, access_key_id: str) -> dict[str, Any]:
        """``GetSessionToken``: temporary credentials of the user who asks."""
        owner = iam_backends[ACCOUNT]["aws"].get_access_key_last_used(access_key_id)["user_name"]
        number = len(self.sessions)
        name = f"ASIAEXAMPLEUSER{number:05}"
        self.sessions[name] = UserSession(owner, f"user-session-secret-{number}", f"user-session-token-{number}")
        self.note_issue(name)
        return {
            "AccessKeyId": name, "SecretAccessKey": self.sessions[name].secret, "SessionToken": self.sessions[name].token,
            "Expiration": datetime.now(UTC) + timedelta(hours=12),
        }  # fmt: skip


class _Quiet(MotoRequestHandler):
    def log(self, *_arguments: Any, **_named: Any) -> None:
        pass


def _picture(account: str) -> object:
    backend = iam_backends[account]["aws"]
    users = {
        name: (sorted((key.access_key_id, key.status) for key in user.access_keys), dict(user.policies))
        for name, user in backend.users.items()
    }
    roles = {
        role.name: (json.loads(role.assume_role_policy_document), dict(role.policies))
        for role in backend.roles.values()
    }
    return users, roles
