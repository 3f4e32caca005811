"""What a prompt looks like, as numbers: the control that reads no word of it."""

import numpy as np

from benchmarks.routing.formats import format_features


def test_the_form_is_seen_and_the_topic_is_not() -> None:
    options = "Question: {}\nA. {}\nB. {}\nAnswer:"
    law, physics, code = format_features([
        options.format("Who sues?", "one", "two"), options.format("Who runs?", "two", "one"), "def f():\n    return 1",
    ])  # fmt: skip

    assert np.allclose(law, physics)
    assert np.allclose(1, np.linalg.norm([law, code], axis=1))
    assert law @ code < 0.9
