"""Arithmetic as people and models write it (P): a parser that knows numbers, signs and a few functions, and no names.

Numbers are fractions, so that 0.1 + 0.2 is 0.3; only roots, sines and the like are rounded. Nothing that is written in
200 characters takes long: no number has more than 4,096 bits.
"""

import ast
import math
import re
from collections.abc import Callable
from fractions import Fraction

EXPRESSION_CHARS = 200
_BITS = 4096  # of a number: 10 ** 1,200
_DIGITS = 15  # that are shown after rounding

Number = Fraction | float


class NotArithmetic(Exception):
    """It is no arithmetic that can be worked out; the message says why."""


def calculated(expression: str) -> str:
    """What the expression amounts to, exact where fifteen digits are enough. Raises NotArithmetic.

    Example: `(2 + 3) * 4 ^ 2` is `80`, and `1 / 3` is `0.333333333333333`.
    """
    if len(expression) > EXPRESSION_CHARS:
        raise NotArithmetic(f"it is longer than {EXPRESSION_CHARS} characters")
    try:
        tree = ast.parse(_as_python(expression), mode="eval")
        return _shown(_value(tree.body))
    except NotArithmetic:
        raise
    except ZeroDivisionError as error:
        raise NotArithmetic("it divides by zero") from error
    except (SyntaxError, ValueError, OverflowError, TypeError, MemoryError, RecursionError) as error:
        raise NotArithmetic("it is no arithmetic: write numbers, + - * / ** and brackets") from error


_SIGNS = str.maketrans({"×": "*", "·": "*", "÷": "/", "−": "-", "–": "-", "^": "**", ":": "/", "²": "**2", "³": "**3"})
_THOUSANDS = re.compile(r"(?<![\d.,])\d{1,3}(?:,\d{3})+(?![\d,])")
_PERCENT = re.compile(r"(\d+(?:\.\d+)?)\s*%(?!\s*[\d(])(\s*of\b)?", re.IGNORECASE)


def _as_python(expression: str) -> str:
    text = expression.strip().rstrip("=?").strip().translate(_SIGNS)
    text = _THOUSANDS.sub(lambda number: number[0].replace(",", ""), text)
    return _PERCENT.sub(lambda share: f"({share[1]}/100)" + ("*" if share[2] else ""), text)


def _value(node: ast.expr) -> Number:
    if isinstance(node, ast.Constant) and type(node.value) in (int, float):
        return _bounded(Fraction(str(node.value)))
    if isinstance(node, ast.UnaryOp) and type(node.op) in (ast.UAdd, ast.USub):
        value = _value(node.operand)
        return -value if isinstance(node.op, ast.USub) else value
    if isinstance(node, ast.BinOp):
        left, right = _value(node.left), _value(node.right)
        return _bounded(_power(left, right) if isinstance(node.op, ast.Pow) else _combined(node.op, left, right))
    if isinstance(node, ast.Name) and node.id.lower() in _CONSTANTS:
        return _CONSTANTS[node.id.lower()]
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and not node.keywords:
        function = _FUNCTIONS.get(node.func.id.lower())
        if function is not None:
            return _bounded(function(*map(_value, node.args)))
    raise NotArithmetic("it holds more than numbers, + - * / ** and brackets")


def _combined(sign: ast.operator, left: Number, right: Number) -> Number:
    if isinstance(sign, ast.Add):
        return left + right
    if isinstance(sign, ast.Sub):
        return left - right
    if isinstance(sign, ast.Mult):
        return left * right
    if isinstance(sign, ast.Div):
        return left / right
    if isinstance(sign, ast.FloorDiv):
        return Fraction(left // right)
    if isinstance(sign, ast.Mod):
        return left % right
    raise NotArithmetic("it holds another sign than + - * / // % **")


def _power(base: Number, exponent: Number) -> Number:
    if isinstance(base, Fraction) and isinstance(exponent, Fraction) and exponent.denominator == 1:
        size = max(base.numerator.bit_length(), base.denominator.bit_length())
        if size * abs(exponent.numerator) > 2 * _BITS:
            raise NotArithmetic("the number is too large")
        return Fraction(base**exponent.numerator)
    return _real(float(base) ** float(exponent))


def _real(value: object) -> float:
    if isinstance(value, float | int) and math.isfinite(value):
        return float(value)
    raise NotArithmetic("the number is not real, or too large")


def _bounded(value: Number) -> Number:
    if isinstance(value, float):
        return _real(value)
    if max(value.numerator.bit_length(), value.denominator.bit_length()) > _BITS:
        raise NotArithmetic("the number is too large")
    return value


def _root(value: Number) -> Number:
    if isinstance(value, Fraction) and value >= 0:
        above, below = math.isqrt(value.numerator), math.isqrt(value.denominator)
        if above * above == value.numerator and below * below == value.denominator:
            return Fraction(above, below)
    return math.sqrt(value)


def _rounded(value: Number, digits: Number = Fraction(0)) -> Number:
    places = int(digits)
    if abs(places) > 100:
        raise NotArithmetic("it rounds to more than 100 places")
    return Fraction(round(Fraction(value), places))


def _real_of(function: Callable[[float], float]) -> Callable[[Number], Number]:
    return lambda value: _real(function(float(value)))


_FUNCTIONS: dict[str, Callable[..., Number]] = {
    "sqrt": _root,
    "abs": abs,
    "round": _rounded,
    "floor": lambda value: Fraction(math.floor(value)),
    "ceil": lambda value: Fraction(math.ceil(value)),
    "min": min,
    "max": max,
    **{name: _real_of(getattr(math, name)) for name in ("sin", "cos", "tan", "exp", "log", "log2", "log10")},
}
_CONSTANTS: dict[str, Number] = {"pi": math.pi, "e": math.e}


def _shown(value: Number) -> str:
    if isinstance(value, Fraction) and value.denominator == 1:
        return str(value.numerator)
    shown = f"{float(value):.{_DIGITS}g}"
    return shown.removesuffix(".0")
