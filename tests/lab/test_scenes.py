import pytest

from tests.lab.lab import Lab
from tests.lab.scenes import SCENES, Scene, overspend


@pytest.mark.parametrize("scene", SCENES, ids=lambda scene: scene.name)
async def test_scene_plays_as_expected_on_a_real_asterisk(lab: Lab, scene: Scene) -> None:
    outcome = await scene.play(lab)

    assert [check for check in outcome.checks if not check.holds] == []
    assert overspend(await lab.gateway.account(outcome.account), outcome.talks) == 0
