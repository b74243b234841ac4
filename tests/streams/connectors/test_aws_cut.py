"""Delegation cut at AWS: the edge is gone, everything else in the trust policies stays."""

import asyncio

import pytest

from streams.connectors.aws import Aws
from streams.connectors.base import RefusedError
from tests.fakes.aws import OTHER
from tests.streams.connectors.aws_scene import APP, AwsScene, command, play, role, trust


def test_a_cut_leaves_others_their_delegation_and_the_receipt_restores_it() -> None:
    async def test(scene: AwsScene, connector: Aws) -> None:
        asked = scene.command("cut_delegation")
        before = scene.picture()
        receipt = await connector.revoke(asked)
        assert not await scene.use("cut_delegation")
        neighbour = await asyncio.to_thread(scene.neighbour)
        assert await scene.passes("sts", neighbour, "assume_role", RoleArn=role("worker"), RoleSessionName="other")
        again = await connector.revoke(asked)
        assert again.reference == receipt.reference
        await asyncio.to_thread(scene.restore, again.reference)
        assert (await connector.prove(asked, receipt)).standing == "alive"
        assert await scene.use("cut_delegation")
        await asyncio.to_thread(scene.forget_neighbour)
        assert scene.picture() == before

    play(test)


def test_a_caller_from_another_account_is_cut_by_its_unique_id() -> None:
    async def test(scene: AwsScene, connector: Aws) -> None:
        await asyncio.to_thread(scene.new_role, "shared", trust(f"arn:aws:iam::{OTHER}:root"))
        unique_id = await asyncio.to_thread(scene.unique_id_of_outsider)
        keys = scene.keys[OTHER]
        assert await scene.passes("sts", keys, "assume_role", RoleArn=role("shared"), RoleSessionName="other")
        asked = command("cut_delegation", keys.access_key_id, f"account:{OTHER}:{unique_id}")
        receipt = await connector.revoke(asked)
        assert not await scene.passes("sts", keys, "assume_role", RoleArn=role("shared"), RoleSessionName="other")
        assert list(receipt.reference) == ["trust of role shared"]
        assert (await connector.prove(asked, receipt)).standing == "inactive"

    play(test)


def test_more_roles_than_allowed_are_not_cut_at_all() -> None:
    async def test(scene: AwsScene, _connector: Aws) -> None:
        scene.settings["most_roles"] = 1
        await asyncio.to_thread(scene.new_role, "second", trust(APP))
        before = scene.picture()
        with pytest.raises(RefusedError, match=r"2 roles trust .* wanted at most most_roles = 1"):
            await scene.connect().revoke(scene.command("cut_delegation"))
        assert scene.picture() == before

    play(test)
