"""What secrets look like (P): the patterns that rules may name, each told with its checksum where it has one.

    private_key   a private key in PEM, OpenSSH, PGP, PuTTY or age form
    api_key       keys with a prefix of their maker's: of OpenAI, AWS, GitHub, Google, Slack, Stripe and 30 others
    token         JSON web tokens, bearer tokens, passwords in URLs, and random values given to a name such as `secret`
    email         an e-mail address
    card          the number of a payment card: its issuer's first digits and length, and the check digit (ISO/IEC 7812)
    iban          an account's number: its country's length, and the two check digits (ISO 13616)

They look at one spelling of a text (spellings.py), and say no more than whether one is there.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from functools import lru_cache
from itertools import accumulate
from math import log2
from string import ascii_letters, digits
from typing import AnyStr

from gateway.privacy.spellings import Spelling

_BOUND = r"(?<![A-Za-z0-9])"
_PRIVATE_KEY = re.compile(
    r"-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----"
    r"|PuTTY-User-Key-File-\d|AGE-SECRET-KEY-1[A-Z0-9]{20}|openssh-key-v1"
)
_KEY_SIGNS = ("KEY", "Key-File", "openssh-key")
_PREFIXED = {  # what the key begins with -> how it goes on
    "sk-": r"(?=[\w-]{0,200}[A-Z0-9])[\w-]{20,}",
    **dict.fromkeys(("AKIA", "ASIA", "ABIA", "ACCA"), r"[A-Z0-9]{16}(?![A-Za-z0-9])"),
    **dict.fromkeys(("ghp_", "gho_", "ghu_", "ghs_", "ghr_"), r"[A-Za-z0-9]{30,}"),
    "github_pat_": r"\w{22,}",
    **dict.fromkeys(("glpat-", "gldt-", "glrt-", "glptt-"), r"[\w-]{20,}"),
    "AIza": r"[\w-]{35}",
    "GOCSPX-": r"[\w-]{20,}",
    **dict.fromkeys(("xoxa-", "xoxb-", "xoxe-", "xoxp-", "xoxr-", "xoxs-", "xapp-"), r"[\w-]{10,}"),
    **dict.fromkeys(("sk_live_", "sk_test_", "rk_live_", "rk_test_", "pk_live_"), r"\w{16,}"),
    "whsec_": r"[\w+/]{20,}",
    "hf_": r"[A-Za-z]{30,}|hf_[A-Za-z0-9]{30,}",
    "gsk_": r"[A-Za-z0-9]{20,}",
    **dict.fromkeys(("xai-", "pplx-", "r8_", "nvapi-"), r"[\w-]{20,}"),
    "npm_": r"[A-Za-z0-9]{36}",
    "pypi-AgE": r"[\w-]{40,}",
    **dict.fromkeys(("dop_v1_", "doo_v1_", "dor_v1_"), r"[0-9a-f]{40,}"),
    **dict.fromkeys(("shpat_", "shpca_", "shppa_", "shpss_"), r"[0-9a-fA-F]{32}"),
    "dapi": r"[0-9a-f]{32}",
    "AccountKey=": r"[A-Za-z0-9+/]{40,}",
    **dict.fromkeys(("tskey-", "lin_api_", "ntn_", "sbp_", "dckr_pat_", "pscale_tkn_", "ATATT3"), r"[\w-]{16,}"),
}
_DOTTED = {"ya29.": r"[\w-]{20,}", "SG.": r"[\w-]{16,}\.[\w-]{16,}", **dict.fromkeys(("hvs.", "hvb."), r"[\w-]{24,}")}


def _either(begun: Mapping[str, str]) -> re.Pattern[str]:
    return re.compile(_BOUND + "(?:" + "|".join(f"{re.escape(begin)}(?:{rest})" for begin, rest in begun.items()) + ")")


_API_KEYS, _DOTTED_KEYS = _either(_PREFIXED), _either(_DOTTED)
_BOT = re.compile(r"(?<!\d)\d{8,10}:AA[\w-]{33}")  # Telegram's
_JWT = re.compile(_BOUND + r"eyJ[\w-]{8,}\.(?:eyJ[\w-]{8,}\.[\w-]{8,}|[\w-]*\.[\w-]{8,}\.[\w-]{8,}\.[\w-]{8,})")
_BEARER = re.compile(r"(?i:bearer)[ :=\"']{1,4}([\w.~+/-]{20,})")
_IN_URL = re.compile(r"://[^\s/:@\"'<>]{0,128}:([^\s/:@\"'<>]{3,128})@[\w.\[-]")
_NAMES = ("secret", "token", "key", "password", "passwd", "passphrase", "pwd")
_NO_SECRETS = ("prompt_cache_",)  # what stands before a name that is none's: by that key programs name conversations
_GIVEN = re.compile(r"\w+[\w-]{0,24}[\"'`\]]{0,2}\s{0,4}(?::=|=>|[:=])\s{0,4}[\"'`]{0,3}([\w+/=.~!@#$%^&*-]{16,200})")
_LOCAL = r"[^\s@<>()\[\]\\,;:\"'`=|&?/]"
_BEFORE_AT = re.compile(_LOCAL + r"\Z")
_AFTER_AT = re.compile(r"(?:[^\W_](?:[\w-]{0,61}[^\W_])?\.)+[^\W\d_]{2,24}(?![\w])")
_DIGITS = re.compile(r"\d+")
_CARD_GAP = re.compile(r"[ \t\u00a0.\-/_]{1,2}|\r?\n")
_CARD_RUN = re.compile(r"\d(?:[ \t\u00a0.\-/_\r\n]{0,2}\d){11,}")
_GROUPED = re.compile(r"\d+|\d(?: \d)+|\d{4}(?: \d{4}){2,3}(?: \d{1,3})?|\d{4} \d{6} \d{4,5}|\d{8} \d{8}")
_ISSUERS = re.compile(  # first digits, and the lengths that go with them
    r"4(?:\d{12}|\d{15}|\d{18})|5[1-5]\d{14}|2(?:22[1-9]|2[3-9]\d|[3-6]\d\d|7[01]\d|720)\d{12}|3[47]\d{13}"
    r"|3(?:0[0-5]|[689]\d)\d{11}|35(?:2[89]|[3-8]\d)\d{12}|6(?:011|4[4-9]\d|5\d\d)\d{12,15}|62\d{14,17}"
    r"|(?:5[06-9]|6[37])\d{14}|220[0-4]\d{12}|(?:508|60|65|81|82)\d{13,14}"
)
_IBAN = re.compile(r"[A-Za-z]{2}[0-9][0-9](?=[ \u00a0.-]?[A-Za-z0-9])", re.A)
_KINDS = bytes(ord("0" if chr(sign) in digits else "a" if chr(sign) in ascii_letters else ".") for sign in range(256))
_IBAN_CHARS = {  # by country, of the whole number (SWIFT's register)
    country: chars
    for chars, countries in {
        15: "NO", 16: "BE", 18: "DK FO FI GL NL SD FK", 19: "MK SI", 20: "AT BA EE KZ LT LU MN XK", 21: "CH HR LI LV",
        22: "BG BH CR DE GB GE IE ME RS VA", 23: "AE GI IL IQ OM SO TL", 24: "AD CZ ES MD PK RO SA SE SK TN VG",
        25: "LY PT ST", 26: "IS TR", 27: "BI DJ FR GR IT MC MR SM",
        28: "AL AZ BY CY DO GT HN HU LB NI PL SV", 29: "BR EG PS QA UA", 30: "JO KW MU YE",
        31: "MT SC", 32: "LC", 33: "RU",
    }.items()
    for country in countries.split()
}  # fmt: skip
_LUHN = (0, 2, 4, 6, 8, 1, 3, 5, 7, 9)
_RANDOM_BITS = 2.8  # a letter, of what nobody would write by hand


def _private_key(spelling: Spelling) -> bool:
    text = spelling.text
    return any(sign in text for sign in _KEY_SIGNS) and bool(_PRIVATE_KEY.search(text))


def _api_key(spelling: Spelling) -> bool:
    text = spelling.text
    if any(map(_API_KEYS.search, spelling.long_words)):
        return True
    if not spelling.has_value:  # as all of the rest have one
        return False
    if any(begin in text for begin in _DOTTED) and _DOTTED_KEYS.search(text):
        return True
    return ":AA" in text and bool(_BOT.search(text))


def _token(spelling: Spelling) -> bool:
    text = spelling.text
    if any((found := _IN_URL.match(text, at)) and not _is_blank(found[1]) for at in _all(text, "://")):
        return True
    if not spelling.has_value:  # as all of the rest have one
        return False
    if "eyJ" in text and _JWT.search(text):
        return True
    lower = spelling.lower
    if any((found := _BEARER.match(text, at)) and _is_random(found[1]) for at in _all(lower, "bearer")):
        return True
    return any(
        (found := _GIVEN.match(text, at)) and _is_random(found[1]) and not lower.endswith(_NO_SECRETS, 0, at)
        for name in _NAMES
        for at in _all(lower, name)
    )


def _all(text: AnyStr, part: AnyStr) -> Iterator[int]:
    """Where a part begins, everywhere."""
    at = text.find(part)
    while at >= 0:
        yield at
        at = text.find(part, at + 1)


def _is_blank(value: str) -> bool:
    """Whether a password in a URL only says where one belongs."""
    return value.strip("<>{}[]$*xX.%") == "" or value.lower() in ("password", "pass", "secret", "token", "pw")


def _is_random(value: str) -> bool:
    """Whether letters and digits are mixed as in what a machine drew."""
    digits, letters = sum(map(str.isdigit, value)), sum(map(str.isalpha, value))
    if digits < 2 or letters < 2:
        return False
    shares = [value.count(sign) / len(value) for sign in set(value)]
    return -sum(share * log2(share) for share in shares) >= _RANDOM_BITS


def _email(spelling: Spelling) -> bool:
    text = spelling.text
    return any(at and _BEFORE_AT.match(text, at - 1, at) and _AFTER_AT.match(text, at + 1) for at in _all(text, "@"))


def _card(spelling: Spelling) -> bool:
    return spelling.digits >= 13 and any(
        _ISSUERS.fullmatch(number) and _has_check_digit(number)
        for run in _CARD_RUN.finditer(spelling.text)
        for number in _numbers(run[0])
    )


def _numbers(run: str) -> Iterator[str]:
    """The numbers of 13 to 19 digits that the groups of a run make, in a row and with the same gaps."""
    groups = _DIGITS.findall(run)
    gaps = [gap if _CARD_GAP.fullmatch(gap) else "" for gap in _DIGITS.split(run)[1:-1]]
    for first in range(len(groups)):
        for last, chars in enumerate(accumulate(map(len, groups[first:])), first):
            if chars > 19 or (last > first + 1 and gaps[last - 1] != gaps[first]):
                break
            if chars >= 13 and all(gaps[first:last]) and _GROUPED.fullmatch(" ".join(groups[first : last + 1])):
                yield "".join(groups[first : last + 1])


def _has_check_digit(number: str) -> bool:
    """Luhn's, ISO/IEC 7812-1."""
    digits = [int(sign) for sign in reversed(number)]
    return (sum(digits[::2]) + sum(_LUHN[value] for value in digits[1::2])) % 10 == 0


def _iban(spelling: Spelling) -> bool:
    text = spelling.text
    kinds = text.encode("latin-1", "replace").translate(_KINDS) if spelling.digits >= 8 else b""
    for begin in filter(None, (_IBAN.match(text, at) for at in _all(kinds, b"aa00"))):
        chars = _IBAN_CHARS.get(begin[0][:2].upper(), 0) if not text[begin.start() - 1 : begin.start()].isalnum() else 0
        rest = _rest_of_iban(chars).match(text, begin.end()) if chars else None
        if rest and _is_account((begin[0] + "".join(filter(str.isalnum, rest[0]))).upper()):
            return True
    return False


@lru_cache
def _rest_of_iban(chars: int) -> re.Pattern[str]:
    return re.compile(rf"(?:[ \u00a0.-]?[A-Za-z0-9]){{{chars - 4}}}(?![A-Za-z0-9])", re.A)


def _is_account(number: str) -> bool:
    """Whether the check digits are right, ISO 7064 MOD 97-10."""
    turned = number[4:] + number[:4]
    return int("".join(str(int(sign, 36)) for sign in turned)) % 97 == 1


DETECTORS: Mapping[str, Callable[[Spelling], bool]] = {
    "private_key": _private_key,
    "api_key": _api_key,
    "token": _token,
    "email": _email,
    "card": _card,
    "iban": _iban,
}
