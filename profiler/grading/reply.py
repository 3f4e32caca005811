"""A reply as grading reads it: without thoughts and emphasis, folded to what matters, and the code in it. Pure.

Patterns meet no run of blanks, because `squeezed` has made one of each: with two `\\s*` side by side, a run of n blanks
would cost n².
"""

import re
import unicodedata

from profiler.numerals import squeezed

REPLY_LIMIT = 2**18  # characters: twice what a reasoning model writes in 32,768 tokens

CJK = "\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff"

_THOUGHT = re.compile(r"<think>.*?(</think>|\Z)", re.DOTALL)
_FENCE = re.compile(r"```[\w+-]*[ \t]*\n(.*?)(?:```|\Z)", re.DOTALL)


def said(reply: str) -> str:
    """The reply without thoughts; "" where it is too long to be one."""
    return _THOUGHT.sub("", reply).strip() if len(reply) <= REPLY_LIMIT else ""


def plain(reply: str) -> str:
    """The same without markdown's emphasis, and with blanks between Chinese and Latin letters."""
    text = squeezed(re.sub(r"\*\*|__|`", "", said(reply))).strip()
    return re.sub(rf"(?<=[{CJK}])(?=[A-Za-z\d])|(?<=[A-Za-z\d])(?=[{CJK}])", " ", text)


def lines_of(text: str) -> list[str]:
    """Its lines that are not empty, each without outer blanks."""
    return [line.strip() for line in text.splitlines() if line.strip()]


def versions(reply: str) -> list[str]:
    """Where a text that was asked for may stand in a reply: all of it, its first or last line, what follows a first
    line that ends with a colon, the only passage in quotes; each without outer quotes."""
    text = plain(reply)
    lines = lines_of(text)
    found = [text, *lines[:1], *lines[-1:]]
    if lines and lines[0].endswith((":", "：")):
        found.append("\n".join(lines[1:]))
    found += [line.partition(": ")[2] for line in lines[:1] + lines[-1:] if ": " in line]
    quoted = re.findall(r'["“«]([^"”»]+)["”»]', text)
    found += quoted if len(quoted) == 1 else []
    return [one.strip("\"“”«»' \n") for one in dict.fromkeys(found)]


def code_of(reply: str) -> str:
    """The program in a reply: its first fenced block, else the whole text."""
    text = said(reply)
    fenced = _FENCE.findall(text)
    return str(fenced[0]) if fenced else text


def folded(text: str) -> str:
    """The text without differences of case, accent encoding, outer punctuation, leading article and spacing."""
    same = re.sub(r"\s+", " ", unicodedata.normalize("NFKC", text).casefold().strip())
    first = re.search(r"[^\W_]", same)
    if first:  # not `[\W_]+$`, which is tried anew at each character of every run
        outer = re.match(r"[\W_]*", same[::-1])
        same = same[first.start() : len(same) - (outer.end() if outer else 0)]
    return re.sub(r"^(the|a|an) ", "", same)


def has(text: str, words: str) -> bool:
    """Whether the words stand in the text, and not inside longer ones. Both are folded."""
    return re.search(bounded(words), text) is not None


def bounded(words: str) -> str:
    """A pattern that matches these words, and not inside longer ones."""
    return f"{left_of(words)}{re.escape(words)}{right_of(words)}"


def left_of(words: str) -> str:
    """A pattern that no letter stands before these words; empty for Chinese, which is written without spaces."""
    return "" if re.match(f"[{CJK}]", words) else r"(?<!\w)"


def right_of(words: str) -> str:
    """The same for what stands after these words."""
    return "" if re.search(f"[{CJK}]$", words) else r"(?!\w)"
