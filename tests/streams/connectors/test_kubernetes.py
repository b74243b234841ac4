"""The Kubernetes connector: the contract, and what is its own."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from detector.policy.guardrails import RevocationCommand
from streams.connectors.base import RefusedError, UnavailableError
from streams.connectors.http_client import NotAllowedError
from streams.connectors.kubernetes import Kubernetes
from streams.connectors.settings.http import Http
from streams.connectors.settings.kubernetes import KubernetesSettings
from tests.fakes.kubernetes import OUR_TOKEN, FakeKubernetes, subject
from tests.streams.connectors.contract import ConnectorContract, FakeScene, command_for

APP = "system:serviceaccount:shop:app"
CREDENTIALS = {"revoke_session": "pod:shop/app-7d", "disable_credential": "secret:shop/app-token"}


@pytest.fixture(autouse=True)
def _our_token(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TEST_KUBERNETES_TOKEN", OUR_TOKEN)


class KubernetesScene(FakeScene):
    fake: FakeKubernetes
    secrets = (OUR_TOKEN, "stolen-secret-token", "stolen-pod-token", "c3RvbGVuLXNlY3JldC10b2tlbg")

    def __init__(self) -> None:
        super().__init__(FakeKubernetes())

    def connect(self, **settings: Any) -> Kubernetes:
        known = {"url": self.fake.url, "token": "env:TEST_KUBERNETES_TOKEN", "http": Http()}
        return Kubernetes(KubernetesSettings(**(known | settings)))

    def command(self, action: str, **fields: Any) -> RevocationCommand:
        known = {"provider": "kubernetes", "credential": CREDENTIALS.get(action, "JTI=3f9a"), "principal": APP}
        return command_for(action, **(known | fields))

    def stranger(self, action: str) -> RevocationCommand | None:
        if action == "quarantine_principal":
            return None  # an account that is gone looks like one that never was
        fields = {"credential": CREDENTIALS[action].replace("app", "nobody")} if action in CREDENTIALS else {}
        return self.command(action, principal="system:serviceaccount:shop:nobody", **fields)

    async def use(self, action: str) -> bool:
        token = "stolen-secret-token" if action == "disable_credential" else "stolen-pod-token"
        path = "/api/v1/nodes" if action == "narrow" else "/api/v1/namespaces/shop/configmaps"
        async with (
            aiohttp.ClientSession(self.fake.url, headers={"Authorization": f"Bearer {token}"}) as thief,
            thief.get(path) as answer,
        ):
            return answer.status == 200

    def picture(self) -> object:
        return self.fake.picture()


class TestKubernetes(ConnectorContract):
    scene = KubernetesScene


def play(test: Callable[[KubernetesScene, Kubernetes], Awaitable[None]], **settings: Any) -> None:
    async def run() -> None:
        async with KubernetesScene() as scene:
            connector = scene.connect(**settings)
            try:
                await test(scene, connector)
            finally:
                await connector.close()

    asyncio.run(run())


def test_only_the_principal_leaves_a_binding_and_the_receipt_says_who_was_in_it() -> None:
    async def test(scene: KubernetesScene, connector: Kubernetes) -> None:
        receipt = await connector.revoke(scene.command("cut_delegation"))
        left = {key[2]: body["subjects"] for key, body in scene.fake.bindings.items()}
        assert left == {
            "admins": [subject("ann", kind="User")],
            "editors": [subject("other")],
            "readers": [subject("other")],
        }
        assert set(receipt.reference) == {
            "subjects of clusterrolebindings admins", "subjects of rolebindings shop/editors", "subjects of rolebindings shop/readers",
        }  # fmt: skip

    play(test)


def test_narrowing_leaves_what_is_not_sensitive() -> None:
    async def test(scene: KubernetesScene, connector: Kubernetes) -> None:
        await connector.revoke(scene.command("narrow"))
        assert not await scene.use("narrow")
        assert await scene.use("cut_delegation")

    play(test)


def test_settings_say_what_narrow_takes() -> None:
    async def test(scene: KubernetesScene, connector: Kubernetes) -> None:
        await connector.revoke(scene.command("narrow"))
        assert subject("app") in scene.fake.bindings["clusterrolebindings", "", "admins"]["subjects"]
        assert scene.fake.bindings["rolebindings", "shop", "editors"]["subjects"] == [subject("other")]

    play(test, sensitive_roles=("edit",))


def test_a_user_is_cut_by_name() -> None:
    async def test(scene: KubernetesScene, connector: Kubernetes) -> None:
        await connector.revoke(scene.command("cut_delegation", principal="ann"))
        assert scene.fake.bindings["clusterrolebindings", "", "admins"]["subjects"] == [subject("app")]

    play(test)


@pytest.mark.parametrize(
    ("action", "fields", "says"),
    [
        ("disable_credential", {"credential": "secret:shop/db"}, "is no token of service account shop/app"),
        ("disable_credential", {"credential": "secret:shop/app-token", "principal": "system:serviceaccount:shop:other"}, "is no token of service account"),
        ("disable_credential", {"credential": "JTI=3f9a"}, "wanted secret:NAMESPACE/NAME; quarantine_principal"),
        ("disable_credential", {"credential": "secret:shop/.."}, "names nothing"),
        ("revoke_session", {"principal": "system:serviceaccount:shop:other"}, "runs as app, not as other"),
        ("quarantine_principal", {"principal": "ann"}, "no service account"),
        ("quarantine_principal", {"principal": "system:serviceaccount:shop:"}, "no service account"),
    ],
)  # fmt: skip
def test_what_is_somebody_elses_is_never_deleted(action: str, fields: dict[str, str], says: str) -> None:
    async def test(scene: KubernetesScene, connector: Kubernetes) -> None:
        before = scene.picture()
        with pytest.raises(RefusedError, match=says):
            await connector.revoke(scene.command(action, **fields))
        assert scene.picture() == before

    play(test)


def test_a_later_pod_of_the_same_name_is_left_alone() -> None:
    async def test(scene: KubernetesScene, connector: Kubernetes) -> None:
        before = scene.picture()
        asked = scene.command("revoke_session", credential="pod:shop/app-7d/uid-gone")
        receipt = await connector.revoke(asked)
        assert scene.picture() == before
        assert receipt.steps == ("the pod is gone already",)
        assert (await connector.prove(asked, receipt)).standing == "inactive"

    play(test)


def test_what_is_still_being_deleted_is_alive() -> None:
    async def test(scene: KubernetesScene, connector: Kubernetes) -> None:
        scene.fake.keeps_deleting = True
        asked = scene.command("revoke_session")
        receipt = await connector.revoke(asked)
        proof = await connector.prove(asked, receipt)
        assert (proof.standing, "being deleted" in proof.text) == ("alive", True)
        scene.fake.objects["pods", "shop", "app-7d"]["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z"
        assert (await connector.prove(asked, receipt)).standing == "inactive"

    play(test)


def test_a_service_account_made_again_is_found_by_the_proof() -> None:
    async def test(scene: KubernetesScene, connector: Kubernetes) -> None:
        asked = scene.command("quarantine_principal")
        receipt = await connector.revoke(asked)
        scene.fake.put("serviceaccounts", "shop", "app")
        assert (await connector.prove(asked, receipt)).standing == "alive"

    play(test)


def test_a_binding_somebody_else_writes_at_the_same_time_is_tried_again_later() -> None:
    async def test(scene: KubernetesScene, connector: Kubernetes) -> None:
        scene.fake.changes_meanwhile = True
        with pytest.raises(UnavailableError, match="changed while"):
            await connector.revoke(scene.command("cut_delegation"))

    play(test)


def test_another_cluster_is_not_ours() -> None:
    async def test(scene: KubernetesScene, connector: Kubernetes) -> None:
        with pytest.raises(RefusedError, match="cluster 'west' is not ours, wanted 'east'"):
            await connector.revoke(scene.command("narrow", scope="west"))

    play(test, cluster="east")


def test_a_token_that_changes_on_disk_is_read_again(tmp_path: Path) -> None:
    async def test(scene: KubernetesScene, connector: Kubernetes) -> None:
        with pytest.raises(RefusedError, match="our own token"):
            await connector.revoke(scene.command("narrow"))
        (tmp_path / "token").write_text("old")
        with pytest.raises(NotAllowedError):
            await connector.revoke(scene.command("narrow"))
        (tmp_path / "token").write_text(OUR_TOKEN)
        await connector.revoke(scene.command("narrow"))

    play(test, token=f"file:{tmp_path / 'token'}")
