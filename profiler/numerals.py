"""The number that a text ends on, however it is written: 1,234.5 and 1.234,5, 2 1/2 and ½, 3 × 10^8, 四十二 not.

Pure. A numeral may have two readings (is 1,234 a thousand or a bit more than one?); whoever knows the right number asks
whether one of them is it.
"""

import re
import unicodedata
from fractions import Fraction

_SAID = r"answer|result|antwort|ergebnis|réponse|résultat|respuesta|resultado|答案|结果"
_IS = r"is|ist|lautet|est|es|是|为|等于"
_DIGITS = r"\d+ \d+/\d+|\d{1,3}(?:[,.' ’]\d{3})+(?:[.,]\d+)?(?!\d)|\d+(?:[.,]\d+)?|\.\d+"
_NUMERAL = rf"(?<![A-Za-z_0-9.)])[-+]?(?:{_DIGITS})(?:e[-+]?\d+|\^\d+|/\d+)?"
_ANSWER = re.compile(rf"(?:{_SAID})(?:\s*(?:{_IS}))?\s*[:：]?\s*[^\d\n-]{{0,12}}({_NUMERAL})", re.IGNORECASE)
_BOXED = re.compile(r"\\boxed\{([^{}]*)\}|####\s*(.+)")
_SUPERSCRIPTS = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹⁻", "0123456789-")


def final_number(text: str) -> frozenset[Fraction]:
    """Every reading of the number that a text ends on; the boxed one or the one after "the answer is" goes before."""
    text = _spelled_out(text)
    if boxed := _BOXED.findall(text):
        text = next(part for part in boxed[-1] if part)
    elif said := _ANSWER.findall(text):
        text = said[-1]
    found = re.findall(_NUMERAL, text, re.IGNORECASE)
    return readings(found[-1]) if found else frozenset()


def readings(numeral: str) -> frozenset[Fraction]:
    """What a numeral can mean; nothing where it means no number, or one too long to be meant."""
    if len(numeral) > 40:
        return frozenset()
    sign, digits = (-1 if numeral.startswith("-") else 1), numeral.lstrip("+-")
    if mixed := re.fullmatch(r"(\d+) (\d+/\d+)", digits):
        return frozenset(sign * (a + b) for a in readings(mixed[1]) for b in readings(mixed[2]))
    body, mark, rest = re.fullmatch(r"(.*?)(?:(e|\^|/)([-+]?\d+))?", digits, re.IGNORECASE).groups()  # type: ignore[union-attr]
    if mark in ("e", "E", "^") and abs(int(rest)) > 40:  # an exact 1e999999999 would take this process with it
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
    """A numeral with a decimal point and nothing else, in every way that its separators allow."""
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
    """One way to write fractions, powers, signs and spaces; the exponents of units are dropped."""
    text = re.sub(r"[⁰¹²³⁴-⁹⁻]+", lambda power: "^" + power[0].translate(_SUPERSCRIPTS), text)
    text = re.sub(r"(?<=\d)(?=[¼-¾⅐-⅞])", " ", text)
    text = unicodedata.normalize("NFKC", text).replace("⁄", "/").replace("−", "-").replace("$", " ")
    text = re.sub(r"\\[dt]?frac\{(\d+)\}\{(\d+)\}", r"\1/\2", text)
    text = re.sub(r"\\text\{[^{}]*\}|\\[,;! ]|\{,\}", lambda latex: "," if latex[0] == "{,}" else "", text)
    text = re.sub(r"(?<=\d)\s*(?:×|x|\*|·|⋅|\\times|\\cdot)\s*10\^\{?([-+]?\d+)\}?", r"e\1", text)
    return re.sub(r"(?<=[A-Za-z)°])\^\{?[-+]?\d+\}?", "", text)
