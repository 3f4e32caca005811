"""A prompt without its form."""

import pytest

from benchmarks.routing.formats import without_format


@pytest.mark.parametrize(
    ("prompt", "stem"),
    [
        ("Best?\nA. red\nB. blue\nC. green", "Best?"),
        ("Question:Why so?\nAnswer:", "Why so?"),
        ("变压器温度最高的是\nA. 绕组\nB. 引线\n答案：", "变压器温度最高的是"),
        ("How many apples?", "How many apples?"),
        ("A. first\nB. second", "A. first\nB. second"),
    ],
)
def test_stripping_leaves_the_question(prompt: str, stem: str) -> None:
    assert stem == without_format(prompt)
