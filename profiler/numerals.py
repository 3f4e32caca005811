"""Reads the number that a text ends on, as 1,234.5 or 1.234,5, 2 1/2 or ½, 3 × 10^8; not numbers in words. Pure.

A numeral may have two readings: 1,234 is 1234 in English and 1.234 in German. So the functions return all readings, and
the caller, who knows the right number, asks whether it is one of them.
"""

import re
import unicodedata
from fractions import Fraction

_ANSWER_WORD = r"answer|result|antwort|ergebnis|réponse|résultat|respuesta|resultado|答案|结果"
_IS = r"is|ist|lautet|est|es|是|为|等于"
_DIGITS = r"\d+ \d+/\d+|\d{1,3}(?:[,.' ’]\d{3})+(?:[.,]\d+)?(?!\d)|\d+(?:[.,]\d+)?|\.\d+"
_NUMERAL = rf"(?<![A-Za-z_0-9.)])[-+]?(?:{_DIGITS})(?:e[-+]?\d+|\^\d+|/\d+)?"
_ANSWER = re.compile(rf"(?:{_ANSWER_WORD})(?:\s*(?:{_IS}))?\s*[:：]?\s*[^\d\n-]{{0,12}}({_NUMERAL})", re.IGNORECASE)
_BOXED = re.compile(r"\\boxed\{([^{}]*)\}|####\s*(.+)")
_SUPERSCRIPTS = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹⁻", "0123456789-")


def squeezed(text: str) -> str:
    """The text with one blank for each run of blanks, and one line break where the run held one."""
    return re.sub(r"\s+", lambda run: " " if run[0].splitlines() == [run[0]] else "\n", text)


def final_number(text: str) -> frozenset[Fraction]:
    r"""Every reading of the number that a text ends on; empty where there is none.

    The number in \boxed{} or after ####, else the last one after "the answer is", goes before the last one.
    """
    text = squeezed(_spelled_out(text))
    if boxed := _BOXED.findall(text):
        text = next(part for part in boxed[-1] if part)
    elif stated := _ANSWER.findall(text):
        text = stated[-1]
    found = re.findall(_NUMERAL, text, re.IGNORECASE)
    return readings(found[-1]) if found else frozenset()


def readings(numeral: str) -> frozenset[Fraction]:
    """Every number that a numeral can mean; none where it means no number, or has more than 40 characters."""
    if len(numeral) > 40:
        return frozenset()
    sign, digits = (-1 if numeral.startswith("-") else 1), numeral.lstrip("+-")
    if mixed := re.fullmatch(r"(\d+) (\d+/\d+)", digits):
        return frozenset(sign * (a + b) for a in readings(mixed[1]) for b in readings(mixed[2]))
    body, mark, rest = re.fullmatch(r"(.*?)(?:(e|\^|/)([-+]?\d+))?", digits, re.IGNORECASE).groups()  # type: ignore[union-attr]
    if mark in ("e", "E", "^") and abs(int(rest)) > 40:  # an exact 1e999999999 would fill the memory
        return frozenset()
    try:
        values = [Fraction(plain) for plain in _plain(body)]
        if mark == "/":
            values = [value / int(rest) for value in values]
        elif mark:
            values = [value ** int(rest) if mark == "^" else value * Fraction(10) ** int(rest) for value in values]
    except (ValueError, ZeroDivisionError):
        return frozenset()
    return frozenset(sign * value for value in values)


def _plain(body: str) -> list[str]:
    """The numeral's readings, by every use that its separators allow, each with a decimal point and nothing else."""
    if re.fullmatch(r"\d{1,3}(?:[ '’]\d{3})+(?:[.,]\d+)?", body):
        joined = re.sub(r"[ '’]", "", body).replace(",", ".")
        return [joined, body.rpartition(" ")[2].replace(",", ".")] if " " in body else [joined]
    found = [body] if re.fullmatch(r"\d*\.?\d+", body) else []
    if re.fullmatch(r"\d{1,3}(?:,\d{3})+(?:\.\d+)?", body):
        found.append(body.replace(",", ""))
    if re.fullmatch(r"\d{1,3}(?:\.\d{3})+(?:,\d+)?", body):
        found.append(body.replace(".", "").replace(",", "."))
    if re.fullmatch(r"\d+,\d+", body):
        found.append(body.replace(",", "."))
    return found


def _spelled_out(text: str) -> str:
    """The text with one spelling of fractions, powers, signs and spaces, and without the exponents of units."""
    text = re.sub(r"[⁰¹²³⁴-⁹⁻]+", lambda power: "^" + power[0].translate(_SUPERSCRIPTS), text)
    text = re.sub(r"(?<=\d)(?=[¼-¾⅐-⅞])", " ", text)
    text = unicodedata.normalize("NFKC", text).replace("⁄", "/").replace("−", "-").replace("$", " ")
    text = re.sub(r"\\[dt]?frac\{(\d+)\}\{(\d+)\}", r"\1/\2", text)
    text = re.sub(r"\\text\{[^{}]*\}|\\[,;! ]|\{,\}", lambda latex: "," if latex[0] == "{,}" else "", text)
    text = re.sub(r"(?<=\d)\s*(?:×|x|\*|·|⋅|\\times|\\cdot)\s*10\^\{?([-+]?\d+)\}?", r"e\1", text)
    return re.sub(r"(?<=[A-Za-z)°])\^\{?[-+]?\d+\}?", "", text)
