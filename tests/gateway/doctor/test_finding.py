"""What a check found."""

from gateway.doctor.finding import Finding, tried


def test_what_raises_is_a_failure_with_the_remedy_of_its_error() -> None:
    assert Finding("home", True, "it is fine") == tried("home", "it is fine", "no", lambda: None, ValueError)
    assert Finding("home", False, "no", "run: chmod") == tried(
        "home", "fine", "no", lambda: _raise("run: chmod"), ValueError
    )


def _raise(text: str) -> None:
    raise ValueError(text)
