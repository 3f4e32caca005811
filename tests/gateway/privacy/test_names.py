"""Which names of body fields may be said."""

import pytest

from gateway.privacy.fields import DROPPED, TRAVELS, TRUSTED_ONLY
from gateway.privacy.names import KNOWN, said


@pytest.mark.parametrize(
    ("path", "shown"),
    [
        ("n", "n"),
        ("guided_json", "guided_json"),
        ("messages.image_url", "messages.image_url"),
        ("my secret text", "unknown"),
        ("messages.my secret text", "messages.unknown"),
        ("my.hidden.words", "unknown.unknown.unknown"),
        ("", "unknown"),
        ("a." * 10000, "unknown.unknown.unknown.unknown"),
    ],
)
def test_an_invented_name_is_not_said(path: str, shown: str) -> None:
    assert shown == said(path)


def test_every_field_of_the_travel_table_has_a_name() -> None:
    assert TRAVELS | DROPPED | TRUSTED_ONLY | {"n"} <= KNOWN
