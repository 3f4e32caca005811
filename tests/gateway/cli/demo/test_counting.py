"""What the demo counts: whether a query reached its agent, and whether the answer is right, the sources apart."""

from gateway.cli.demo.agents import Asked
from gateway.cli.demo.counting import Answer, Counted, is_right, summary


def answer(text: str, agent: str, reason: str = "topic") -> Answer:
    return Answer(text, agent, "ben", reason, 0.1)


def test_a_question_that_was_drawn_by_lot_is_told_so() -> None:
    """One in fifty goes to any candidate, which is no mistake about what it asks."""
    asked = Asked("librarian", "When does it open?", "noon")
    drawn = Counted(asked, answer("At one.", "generalist", "explored"), answer("At one.", "generalist"))

    assert "      went to generalist of ben, tried out by lot: When does it open?" in summary([drawn])


def test_a_line_of_sources_answers_nothing() -> None:
    assert is_right("The documents say: \u201cOpen to 19:30.\u201d\n\nSource: a.md, Noon", "19:30")
    assert not is_right("The documents say: \u201cOpen to 19:30.\u201d\n\nSource: a.md, Noon", "noon")


def test_the_summary_counts_what_was_found_and_right_and_names_what_was_not() -> None:
    sum_ = Asked("mathematician", "What is 1 plus 1?", "2")
    book = Asked("librarian", "When does it open?", "noon")
    counted = [
        Counted(sum_, answer("1+1 = 2", "mathematician"), answer("It is 3.", "generalist")),
        Counted(book, answer("At noon.", "generalist"), answer("At noon.", "generalist")),
        Counted(book, answer("At ten.", "librarian"), answer("At one.", "generalist")),
    ]

    *lines, found, right = summary(counted)

    assert "2 of 3 reached the right agent (67%)." == found
    assert right.startswith("Right answers: 2 of 3 through the network, 1 by the local model alone.")
    assert ["      went to generalist of ben: When does it open?", "      wrong: When does it open? > At ten."] == [
        line for line in lines if line.startswith("      ")
    ]
