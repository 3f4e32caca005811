"""Short answers as real models write them."""

import pytest

from profiler.grading.short import are_lines, is_exact, is_number


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
    assert right == is_number(reply, answer)


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
    assert right == is_exact(reply, answer)


@pytest.mark.parametrize(
    ("reply", "right"),
    [
        ("billing\nshipping", True),
        ("1. Billing\n2. Shipping", True),
        ("Here are the labels:\n- **billing**\n- delivery", True),
        ("shipping\nbilling", False),
        ("billing", False),
        ("billing\nshipping\nother", False),
        ("billing, shipping", False),
        ("", False),
    ],
)
def test_lines(reply: str, right: bool) -> None:
    assert right == are_lines(reply, ["billing", "shipping|delivery"])
