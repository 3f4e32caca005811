"""Tables of replies as real models write them."""

import pytest

from profiler.grading import choice_letter, code_of, final_number, is_right

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
    ],
)
def test_choice(reply: str, letter: str | None) -> None:
    assert letter == choice_letter(reply, CITIES)


@pytest.mark.parametrize(
    ("reply", "answer", "right"),
    [
        ("42", "42", True),
        ("The answer is 42.", "42", True),
        ("3 + 4 = 7, so the result is 42", "42", True),
        ("The answer is 42, because 6 times 7 is 42 and not 43.", "42", True),
        ("#### 1,234", "1234", True),
        (r"so we get \boxed{17} in 3 steps", "17", True),
        ("$1,102.50", "1102.50", True),
        ("1102.5 euros", "1102.50", True),
        ("about 3.14159", "3.14", True),
        ("3.2", "3.14", False),
        ("41", "42", False),
        ("42.4", "42", False),
        ("-7", "7", False),
        ("−7", "-7", True),
        ("1/8", "0.125", True),
        ("6e3", "6000", True),
        ("1/0", "0", False),
        ("forty-two", "42", False),
        ("", "42", False),
        ("<think>42</think>", "42", False),
        ("10-3", "3", True),
        ("42%", "42", True),
    ],
)
def test_number(reply: str, answer: str, right: bool) -> None:
    assert right == is_right("number", reply, answer)


@pytest.mark.parametrize(
    ("reply", "answer", "right"),
    [
        ("Iceland", "Iceland", True),
        ("iceland.", "Iceland", True),
        ('"Iceland"', "Iceland", True),
        ("The answer is Iceland.", "Iceland", True),
        ("**Iceland**\n\nIts capital is Reykjavík.", "Iceland", True),
        ("Ulan  Bator", "Ulaanbaatar|Ulan Bator", True),
        ("Greenland or Iceland", "Iceland", False),
        ("Not Iceland", "Iceland", False),
        ("", "Iceland", False),
        ("apple, fig, pear", "apple,fig,pear", False),
        ("the key", "key", True),
        ("Reykjavík is the capital of Iceland.", "Iceland", True),
        ('The opposite of "noisy" is "silent".', "silent", True),
        ("It is not in Iceland", "Iceland", False),
        ("It isn't Iceland", "Iceland", False),
        ("The symbol of tungsten is Tungsten.", "W", False),
        ("Niceland", "Iceland", False),
    ],
)
def test_exact(reply: str, answer: str, right: bool) -> None:
    assert right == is_right("exact", reply, answer)


@pytest.mark.parametrize(
    ("reply", "code"),
    [
        ("Here:\n```python\nx = 1\n```\nDone.", "x = 1\n"),
        ("```\nx = 1\n```", "x = 1\n"),
        ("```py\nx = 1", "x = 1"),
        ("x = 1", "x = 1"),
        ("<think>```\nx = 0\n```</think>```python\nx = 1\n```", "x = 1\n"),
    ],
)
def test_code_is_the_first_block(reply: str, code: str) -> None:
    assert code == code_of(reply)


def test_a_number_too_long_to_be_one_is_no_crash() -> None:
    assert final_number("1e999999999") is None
    assert final_number("9" * 100_000) is None


def test_code_cannot_be_graded_by_reading() -> None:
    with pytest.raises(ValueError, match="code"):
        is_right("code", "x", "assert x")
