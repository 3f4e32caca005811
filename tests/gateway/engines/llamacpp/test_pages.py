"""How far a model is loaded, by the stages that llama.cpp names."""

import json
from typing import Any

import msgspec
import pytest

from gateway.engines.llamacpp.pages import Progress


@pytest.mark.parametrize(
    ("told", "share"),
    [
        ({"stages": ["text_model"], "current": "text_model", "value": 0.42}, 0.42),
        ({"stages": ["text_model", "mmproj_model"], "current": "text_model", "value": 0.5}, 0.25),
        ({"stages": ["text_model", "mmproj_model"], "current": "mmproj_model", "value": 1}, 1.0),
        ({"stage": "text_model", "value": 0.5}, 0.5),  # as it was first
        ({"stage": "mmproj_model"}, 0.0),
        ({"value": 7}, 1.0),
        ({"value": -1}, 0.0),
        ({"value": 1e999}, 0.0),
        ({"stages": [], "current": "", "value": 0.3}, 0.3),
    ],
)
def test_a_share_is_between_0_and_1_whatever_is_told(told: dict[str, Any], share: float) -> None:
    assert pytest.approx(share) == msgspec.convert(json.loads(json.dumps(told)), Progress).share
