"""Tables of replies as real models write them, and as no model would: long ones of one piece."""

import time

import pytest

from profiler.grading import REPLY_LIMIT, choice_letter, code_of, is_right

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
        ("The acceleration is 4 m/s^2.", "4", True),
        ("4 m/s²", "4", True),
        ("The area is 147 cm^2", "147", True),
        ("It weighs 44 g of CO2", "44", True),
        ("Die Antwort ist 1.102,50 Euro.", "1102.50", True),
        ("1 102,5 €", "1102.50", True),
        ("1\u202f102,50", "1102.50", True),
        ("1'805 Liter", "1805", True),
        ("1.805", "1805", True),
        ("1,5", "15", False),
        ("1,5", "1.5", True),
        ("1,500", "1500", True),
        ("10, 20, 30", "30", True),
        ("½", "0.5", True),
        ("2½ hours", "2.5", True),
        ("2 1/2 hours", "2.5", True),
        (r"\(\frac{3}{8}\)", "0.375", True),
        (r"\boxed{\frac{1}{8}}", "0.125", True),
        ("3 × 10^8 m/s", "300000000", True),
        (r"6.4 \times 10^{2}", "640", True),
        ("2^8", "256", True),
        ("La respuesta es 155 minutos (de 7:45 a 10:20).", "155", True),
        ("Le résultat est 144.", "144", True),
        ("答案是105分钟。", "105", True),
        ("一共60", "60", True),
        ("他还剩８元", "8", True),
        ("四十二", "42", False),
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
        ("Iceland is the country whose capital is Reykjavík", "Iceland", True),
        ("Iceland is not the country", "Iceland", False),
        ("Icelandic is a language", "Iceland", False),
        ("Die Hauptstadt von Österreich ist Wien.", "Wien|Vienna", True),
        ("Wien ist die Hauptstadt von Österreich.", "Wien|Vienna", True),
        ("Die Hauptstadt ist nicht Wien.", "Wien|Vienna", False),
        ("Bonn oder Wien", "Wien|Vienna", False),
        ("Le participe passé est « pris ».", "pris", True),
        ("中国的首都是北京。", "北京|北京市", True),
        ("北京是中国的首都。", "北京|北京市", True),
        ("不是北京", "北京|北京市", False),
        ("H₂O", "H2O", True),
        ("The symbol of gold is Au.\n\nThe symbol of gold is Au.", "Au", True),
        ("The symbol of gold is Au.\n\nThe symbol of gold is Au.\n\nThe symbol of", "Au", True),
        ("The symbol of gold is Au.\n\nThe symbol of gold is Ag.", "Au", False),
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


def test_code_cannot_be_graded_by_reading() -> None:
    with pytest.raises(ValueError, match="code"):
        is_right("code", "x", "assert x")


BEGINNINGS = ("x", "the answer is", "Answer: la", "1", "####", "\\boxed{")
PIECES = (
    " ",
    "\n",
    "\u00a0 \n",
    "_",
    "-",
    "$ ",
    "1",
    "1,",
    "a ",
    "A. x\n",
    "answer ",
    "the ",
    "{",
    "`",
    "<think>",
    "答案是",
)


@pytest.mark.parametrize("piece", PIECES)
@pytest.mark.parametrize("grade", ["choice", "number", "exact", "code"])
def test_grading_takes_time_in_proportion_to_the_reply(grade: str, piece: str) -> None:
    """A pattern that tries each place of a run anew takes seconds for one of these, and minutes for a whole reply."""
    for beginning in BEGINNINGS:
        reply = beginning + piece * (16_000 // len(piece)) + "x"
        began = time.process_time()

        if grade == "code":
            code_of(reply)
        else:
            is_right(grade, reply, {"choice": "A", "number": "42", "exact": "Lyon"}[grade], CITIES)

        assert time.process_time() - began < 0.5, repr(beginning)


@pytest.mark.parametrize(("grade", "answer"), [("choice", "A"), ("number", "42"), ("exact", "Lyon")])
def test_a_reply_above_the_limit_is_wrong_unread(grade: str, answer: str) -> None:
    longest = answer + " " * (REPLY_LIMIT - len(answer))

    assert is_right(grade, longest, answer, CITIES)
    assert not is_right(grade, longest + " ", answer, CITIES)


def test_a_program_above_the_limit_is_none() -> None:
    assert "" == code_of("x = 1\n" + "#" * REPLY_LIMIT)
