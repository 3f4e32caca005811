"""Replies that choose an option, as real models write them."""

import pytest

from profiler.grading.choice import choice_letter

CITIES = ("Paris", "Rome", "Lyon", "Bern")


@pytest.mark.parametrize(
    ("reply", "letter"),
    [
        ("B", "B"),
        ("b", "B"),
        ("(C)", "C"),
        ("D.", "D"),
        ("**B**", "B"),
        ("B. Rome", "B"),
        ("B) Rome", "B"),
        ("B: Rome", "B"),
        ("The answer is C.", "C"),
        ("The correct answer is: (D) Bern", "D"),
        ("the correct option is B", "B"),
        ("Answer: A", "A"),
        ("A is tempting, but the answer is **D**.", "D"),
        ("<think>A? No, B.</think>C", "C"),
        ("I think it is B because Rome is old.", "B"),
        ("Rome", "B"),
        ("It is Lyon, of course.", "C"),
        ("Paris or Rome", None),
        ("The answer is A. No, the answer is B.", None),
        ("A city", None),
        ("E", None),
        ("", None),
        ("I do not know", None),
        ("<think>never ends with B", None),
        ("B\n\nExplanation: Rome has been the capital since 1871.", "B"),
        ("Option C is correct.", "C"),
        ("A. Rome", "B"),
        ("The correct answer is A. Rome.", "B"),
        ("A. Paris\n\nThe correct answer is D. Bern", "D"),
        ("A. Paris\nB. Rome\nC. Lyon\nD. Bern", None),
        ("A. Paris\nB. Rome\nC. Lyon\nD. Bern\nAnswer: C", "C"),
        ("D because of the bears", "D"),
        ("B. Rome\n\nWhy not the others:\nA. Paris is in France.\nC. So is Lyon.", "B"),
        ("A. The capital of France", "A"),
        ("Rome.\n\nIt is older than Paris.", "B"),
        ("So it must be:\n\nA", "A"),
        ("Let me see.\nA. Paris\nB. Rome\nC. Lyon\nD. Bern", None),
        ("Die richtige Antwort ist A.", "A"),
        ("La bonne réponse est la A.", "A"),
        ("La respuesta correcta es A", "A"),
        ("La respuesta es: (D) Bern", "D"),
        ("答案是B。", "B"),
        ("正确答案：A", "A"),
        ("选A", None),
        ("选C", "C"),
    ],
)
def test_choice(reply: str, letter: str | None) -> None:
    assert letter == choice_letter(reply, CITIES)


def test_a_letter_inside_an_option_is_no_choice() -> None:
    vitamins = ("Vitamin B12", "Vitamin C", "Vitamin A", "Vitamin D")

    assert "B" == choice_letter("So it must be:\n\nVitamin C", vitamins)
    assert "C" == choice_letter("It is not scurvy without the lack of vitamin a.", vitamins)
