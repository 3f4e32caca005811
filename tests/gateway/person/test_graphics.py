"""How busy graphics cards are, by a library and files made up."""

from pathlib import Path
from typing import Any

import pytest

from gateway.person import graphics
from gateway.person.graphics import busy_percent


class Library:
    """NVIDIA's, with two cards, of which the second is away."""

    def nvmlDeviceGetCount_v2(self, count: Any) -> int:  # noqa: N802
        count._obj.value = 2
        return 0

    def nvmlDeviceGetHandleByIndex_v2(self, number: Any, card: Any) -> int:  # noqa: N802
        return 15 if number.value else 0

    def nvmlDeviceGetUtilizationRates(self, card: Any, use: Any) -> int:  # noqa: N802
        use._obj.gpu = 42
        return 0


@pytest.mark.parametrize("library", [None, Library()])
def test_the_busiest_card_counts_and_without_one_it_is_not_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, library: Library | None
) -> None:
    monkeypatch.setattr(graphics, "_CARDS", tmp_path)
    monkeypatch.setattr(graphics, "_nvml", lambda: library)
    assert (42 if library else None) == busy_percent()

    for number, text in enumerate(("7\n", "90\n", "", "no")):
        card = tmp_path / f"card{number}" / "device"
        card.mkdir(parents=True)
        (card / "gpu_busy_percent").write_text(text)

    assert 90 == busy_percent()


def test_a_machine_without_nvidia_has_no_library(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(graphics, "_LIBRARY", "ppai-no-such-library.so")
    assert graphics._nvml.__wrapped__() is None
