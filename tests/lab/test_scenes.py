import asyncio

import pytest

from tests.lab.lab import Lab
from tests.lab.scenes import SCENES, Outcome, Scene, overspend


@pytest.fixture(scope="session")
async def played(lab: Lab) -> dict[str, Outcome | BaseException]:
    """Play the scenes as the demo does: side by side, but for those that stop the gateway."""
    together = [scene for scene in SCENES if not scene.alone]
    playing = (scene.play(lab) for scene in together)
    outcomes = dict(
        zip(
            (scene.name for scene in together),
            await asyncio.gather(*playing, return_exceptions=True),
            strict=True,
        )
    )
    for scene in SCENES:
        if scene.alone:
            [outcomes[scene.name]] = await asyncio.gather(scene.play(lab), return_exceptions=True)
    return outcomes


@pytest.mark.parametrize("scene", SCENES, ids=lambda scene: scene.name)
async def test_scene_plays_as_expected_on_a_real_asterisk(
    lab: Lab, played: dict[str, Outcome | BaseException], scene: Scene
) -> None:
    outcome = played[scene.name]
    if isinstance(outcome, BaseException):
        raise outcome

    assert [check for check in outcome.checks if not check.holds] == []
    assert overspend(await lab.gateway.account(outcome.account), outcome.talks) == 0
