"""What an owner's questions found: which figures are told, how long they count, and that they outlive a restart."""

from pathlib import Path

import pytest

from discovery.records import Domain
from gateway.measuring.kept import KeptError
from gateway.measuring.owned.domains import FIRST_OWN, Domains, asked_as, domain_of, is_due
from gateway.measuring.stale import DAY_S
from profiler.answers import Answer, make_of

NOW, THEN = make_of(8, "Q4_K_M", "aaaaaaaa"), make_of(8, "Q4_K_M", "bbbbbbbb")
FOUND = Domain(40, 0.9, 0.1, 0.95)


def graded(*right: float) -> dict[str, Answer]:
    return {str(n): Answer(str(n), "?", "own questions", "", grade, 1.0) for n, grade in enumerate(right)}


def test_shares_are_what_is_expected_of_further_questions() -> None:
    """Two imaginary answers, one of them right: 18 of 18 is no promise of all."""
    found = domain_of(graded(*[1.0] * 18), graded(*[0.0] * 18), 1.0)

    assert Domain(18, 0.95, 0.05, 1.0) == found


def test_only_questions_that_both_were_asked_count() -> None:
    """Else a model that was asked the easy half would look as good as an agent that was asked all."""
    found = domain_of(graded(1, 1, 0, 0, 0, 0), graded(1, 1), 0.5)

    assert (2, found.right_without) == (found.questions, found.right)


def test_without_an_answer_nothing_is_told() -> None:
    assert Domain() == domain_of({}, graded(1), 0.0)


@pytest.mark.parametrize(
    ("count", "questions", "due"), [(11, 40, False), (FIRST_OWN, 40, True), (13, 40, False), (40, 40, True)]
)
def test_figures_are_due_early_and_when_all_is_asked(count: int, questions: int, due: bool) -> None:
    assert due == is_due(count, questions)


def test_they_are_there_again_after_a_restart(tmp_path: Path) -> None:
    Domains(tmp_path / "domains.json").keep("porter", FOUND, NOW, "q")

    again = Domains(tmp_path / "domains.json")

    assert (FOUND, Domain()) == (again.of("porter"), again.of("other"))
    assert again.is_known("porter", NOW, "q")
    assert not again.is_known("porter", THEN, "q") and not again.is_known("porter", NOW, "other questions")


def test_an_agent_that_is_configured_otherwise_has_them_for_days_and_with_less_weight(tmp_path: Path) -> None:
    days = iter((0.0, 0.0, 1.0, 2.0, 9.0))
    domains = Domains(tmp_path / "domains.json", lambda: DAY_S * next(days))
    domains.keep("porter", FOUND, THEN, "q")

    domains.served([("porter", NOW), ("never measured", NOW)])

    assert [8, 4, 2, 0] == [domains.of("porter").questions for _ in range(4)]
    assert domains.is_stale("porter") and Domains(tmp_path / "domains.json").is_stale("porter")
    domains.served([("porter", THEN)])
    assert not domains.is_stale("porter") and domains.of("porter") == FOUND


def test_the_same_questions_and_topics_in_any_order_are_told_alike() -> None:
    assert asked_as(["a", "b"], ("Rooms",)) == asked_as(["b", "a"], ("Rooms",))
    assert asked_as(["a"], ("Rooms",)) != asked_as(["a", "b"], ("Rooms",)) != asked_as(["a", "b"], ("Keys",))


def test_a_damaged_file_is_set_aside_and_told(tmp_path: Path) -> None:
    (tmp_path / "domains.json").write_text("{")

    domains = Domains(tmp_path / "domains.json")

    assert "does not parse" in domains.warning and "made again" in domains.warning
    assert ["domains.json.damaged"] == [path.name for path in tmp_path.iterdir()]


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    (tmp_path / "domains.json").mkdir()

    with pytest.raises(KeptError, match=r"cannot read .*domains\.json: .*check its owner"):
        Domains(tmp_path / "domains.json")
