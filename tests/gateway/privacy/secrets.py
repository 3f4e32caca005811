"""Made-up secrets of every kind, none of which opens anything, and the ways in which a program can write one."""

import base64
import html
import json
import random
import string
from collections.abc import Callable, Iterator
from urllib.parse import quote

_ALNUM, _HEX = string.ascii_letters + string.digits, "0123456789abcdef"
_BODY = string.ascii_uppercase + string.digits


def secret_of(kind: str, lot: random.Random) -> str:
    """A secret that the detector of this name knows, drawn anew."""
    return lot.choice(_MADE[kind])(lot)


def _drawn(letters: str, chars: int) -> Callable[[random.Random], str]:
    return lambda lot: "".join(lot.choices(letters, k=chars))


def _key(begin: str, letters: str, chars: int) -> Callable[[random.Random], str]:
    return lambda lot: begin + _drawn(letters, chars)(lot)


def _jwt(lot: random.Random) -> str:
    parts = [json.dumps({"alg": "HS256", "typ": "JWT"}), json.dumps({"sub": _drawn(string.digits, 10)(lot)})]
    return ".".join([*(base64.urlsafe_b64encode(part.encode()).decode().rstrip("=") for part in parts),
                     _drawn(_ALNUM, 43)(lot)])  # fmt: skip


def _card(begin: str, chars: int, groups: tuple[int, ...]) -> Callable[[random.Random], str]:
    def made(lot: random.Random) -> str:
        number = begin + _drawn(string.digits, chars - len(begin) - 1)(lot)
        number = next(f"{number}{check}" for check in range(10) if luhn(f"{number}{check}"))
        gap, left = lot.choice(["", " ", "-"]), number
        parts = []
        for size in groups:
            parts.append(left[:size])
            left = left[size:]
        return gap.join(parts)

    return made


def luhn(number: str) -> bool:
    digits = [int(digit) * (1 + at % 2) for at, digit in enumerate(reversed(number))]
    return sum(digit - 9 * (digit > 9) for digit in digits) % 10 == 0


def _iban(country: str, chars: int) -> Callable[[random.Random], str]:
    def made(lot: random.Random) -> str:
        account = _drawn(string.digits, chars - 4)(lot)
        rest = int("".join(str(int(sign, 36)) for sign in f"{account}{country}00")) % 97
        number = f"{country}{98 - rest:02}{account}"
        return " ".join(number[at : at + 4] for at in range(0, chars, 4)) if lot.random() < 0.5 else number

    return made


def _pem(lot: random.Random) -> str:
    kind = lot.choice(["RSA ", "EC ", "OPENSSH ", "", "ENCRYPTED "])
    body = "\n".join(_drawn(_ALNUM + "+/", 64)(lot) for _ in range(3))
    return f"-----BEGIN {kind}PRIVATE KEY-----\n{body}\n-----END {kind}PRIVATE KEY-----"


_MADE: dict[str, list[Callable[[random.Random], str]]] = {
    "private_key": [_pem],
    "api_key": [
        _key("sk-proj-", _ALNUM, 48), _key("sk-ant-api03-", _ALNUM + "-_", 90), _key("AKIA", _BODY, 16),
        _key("ghp_", _ALNUM, 36), _key("github_pat_", _ALNUM, 60), _key("glpat-", _ALNUM, 20), _key("AIza", _ALNUM, 35),
        _key("xoxb-", string.digits, 24), _key("sk_live_", _ALNUM, 24), _key("hf_", string.ascii_letters, 34),
        _key("npm_", _ALNUM, 36), _key("SG.", _ALNUM, 22), _key("dop_v1_", _HEX, 64), _key("gsk_", _ALNUM, 52),
    ],
    "token": [_jwt, lambda lot: f"Bearer {_drawn(_ALNUM, 40)(lot)}7a9",
              lambda lot: f"postgres://ada:{_drawn(_ALNUM, 12)(lot)}@db.example.org/x",
              lambda lot: f"client_secret = '{_drawn(_ALNUM, 30)(lot)}4x1'"],
    "email": [lambda lot: f"{_drawn(string.ascii_lowercase, 8)(lot)}@{_drawn(string.ascii_lowercase, 6)(lot)}.org"],
    "card": [_card("4", 16, (4, 4, 4, 4)), _card("51", 16, (4, 4, 4, 4)), _card("2221", 16, (4, 4, 4, 4)),
             _card("34", 15, (4, 6, 5)), _card("6011", 16, (4, 4, 4, 4)), _card("36", 14, (4, 6, 4))],
    "iban": [_iban("DE", 22), _iban("FR", 27), _iban("NO", 15), _iban("GB", 22)],
}  # fmt: skip
_MADE["api_key"][11] = lambda lot: f"SG.{_drawn(_ALNUM, 22)(lot)}.{_drawn(_ALNUM, 43)(lot)}"
KINDS = tuple(_MADE)


def _escaped(text: str) -> str:
    return "".join(f"\\u{ord(sign):04x}" for sign in text)


def _full_width(text: str) -> str:
    return "".join(chr(ord(sign) + 0xFEE0) if "!" <= sign <= "~" else sign for sign in text)


def _wrapped(text: str) -> str:
    return base64.encodebytes(f"{'padding ' * 12}{text}".encode()).decode()


WRITTEN: dict[str, Callable[[str], str]] = {
    "as it is": str,
    "JSON": lambda text: json.dumps({"a": text}),
    "JSON in JSON": lambda text: json.dumps({"a": json.dumps({"b": text})}),
    "\\u": _escaped,
    "\\x": lambda text: "".join(f"\\x{ord(sign):02x}" for sign in text),
    "per cent": lambda text: "".join(f"%{ord(sign):02X}" for sign in text),
    "a URL": lambda text: f"https://example.org/?q={quote(text, safe='')}",
    "HTML": lambda text: "".join(f"&#{ord(sign)};" for sign in text),
    "HTML by names": lambda text: html.escape(text).replace("@", "&commat;"),
    "quoted-printable": lambda text: "".join(f"={ord(sign):02X}" for sign in text),
    "Base64": lambda text: base64.b64encode(text.encode()).decode(),
    "Base64 of URLs": lambda text: base64.urlsafe_b64encode(f"? {text}".encode()).decode().rstrip("="),
    "Base64 behind a path": lambda text: f"/a/b/{base64.b64encode(f'it is {text} ok'.encode()).decode()}",
    "Base64 in lines": _wrapped,
    "Base64 twice": lambda text: base64.b64encode(base64.b64encode(f"it: {text}".encode())).decode(),
    "Base64 of UTF-16": lambda text: base64.b64encode(text.encode("utf-16")).decode(),
    "Base32": lambda text: base64.b32encode(f"{text}        ".encode()).decode(),
    "hexadecimal": lambda text: text.encode().hex(),
    "hexadecimal in pairs": lambda text: text.encode().hex(" "),
    "a data URL": lambda text: f"data:text/plain;base64,{base64.b64encode(text.encode()).decode()}",
    "full width": _full_width,
    "zero-width joints": lambda text: "\u200b".join(text),
    "soft hyphens": lambda text: "\u00ad".join(text),
    "invisible twins": lambda text: "".join(chr(0xE0000 + ord(sign)) if " " <= sign <= "~" else sign for sign in text),
}  # fmt: skip


def drawn(count: int, seed: int) -> Iterator[tuple[str, str, str, str]]:
    """(kind, secret, way, the secret written in that way), every kind and way in turn."""
    lot = random.Random(seed)
    for number in range(count):
        kind = KINDS[number % len(KINDS)]
        way = [*WRITTEN][number // len(KINDS) % len(WRITTEN)]
        secret = secret_of(kind, lot)
        yield kind, secret, way, WRITTEN[way](secret)
