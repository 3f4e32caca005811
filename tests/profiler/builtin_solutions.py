"""One program that every code question of the built-in set accepts: test_builtin.py runs it in the sandbox."""

import calendar
from itertools import groupby


def count_vowels(text):
    return sum(c in "aeiou" for c in text.lower())


def second_largest(numbers):
    s = sorted(set(numbers))
    return s[-2] if s[1:] else None


def run_length(text):
    return [(c, len(list(g))) for c, g in groupby(text)]


def is_balanced(text):
    open_ = []
    for c in text:
        if c in "([{":
            open_.append(c)
        elif c in ")]}" and (not open_ or open_.pop() + c not in ("()", "[]", "{}")):
            return False
    return not open_


def roman(number):
    out = ""
    for v, s in (
        (1000, "M"),
        (900, "CM"),
        (500, "D"),
        (400, "CD"),
        (100, "C"),
        (90, "XC"),
        (50, "L"),
        (40, "XL"),
        (10, "X"),
        (9, "IX"),
        (5, "V"),
        (4, "IV"),
        (1, "I"),
    ):
        out += s * (number // v)
        number %= v
    return out


def merge(a, b):
    return sorted(a + b)


def transpose(matrix):
    return [list(row) for row in zip(*matrix, strict=True)]


def word_counts(text):
    words = text.lower().split()
    return {word: words.count(word) for word in words}


def double_all(numbers):
    return [2 * n for n in numbers]


def last_word(text):
    words = text.split()
    return words[-1] if words else ""


def is_leap_year(year):
    return calendar.isleap(year)


def is_palindrome(text):
    kept = [c for c in text.lower() if c.isalnum()]
    return kept == kept[::-1]


def primes_up_to(n):
    return [p for p in range(2, n + 1) if all(p % d for d in range(2, p))]


def rotate(items, k):
    if not items:
        return []
    k %= len(items)
    return items[len(items) - k :] + items[: len(items) - k]


def flatten(nested):
    out = []
    for item in nested:
        out += flatten(item) if isinstance(item, list) else [item]
    return out


def caesar(text, shift):
    out = ""
    for c in text:
        for first in "aA":
            if 0 <= ord(c) - ord(first) < 26:
                c = chr((ord(c) - ord(first) + shift) % 26 + ord(first))
                break
        out += c
    return out


def edit_distance(a, b):
    row = list(range(len(b) + 1))
    for i, x in enumerate(a, 1):
        before, row[0] = row[0], i
        for j, y in enumerate(b, 1):
            before, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, before + (x != y))
    return row[-1]
