"""What a program says of itself before its user asks: system prompt and tools. Pure.

A coding agent's request is about code, whatever its words: "show the vaccination dates of each patient" is a change to
a program. A system prompt on one subject counts like the oldest turn of the conversation; most are on none.
"""

import re
from collections.abc import Sequence

CODE_SHARE = 0.6  # of the topic of a coding agent's request
SETTING_SHARE = 0.5  # of what the turns leave of the topic, to a system prompt on a subject
SETTING_NEAREST = 0.6  # cosine with a prototype from which on a system prompt is on a subject; "Use markdown." has .57
# Categories that system prompts fall into by their form: "You are a helpful assistant. Answer in one sentence."
ON_NO_SUBJECT = frozenset({"role play", "small talk", "tool use", "writing to rules", "tech support", "classification"})

_FRAME = re.compile(
    r"\b(?:you(?:'re| are)|act as|your (?:role|task|job) is(?: to)?|du bist|an?|the|eine?"
    r"|(?:very )?(?:helpful|friendly|honest|respectful|harmless|expert|professional|experienced|highly|skilled|large)"
    r"|ai|assistant|agent|chat ?bot|bot|language model|llm|model|hilfreicher?|assistent|(?:named?|called) \w+"
    r"|(?:trained|made|created|developed|built) by \w+(?: cloud)?|chatgpt|gpt-?[\w.]*|claude|qwen|gemini|llama|mistral"
    r"|assist|help|always|answer(?:s|ing)?|respond|be|users?)\b",
    re.IGNORECASE,
)
_CODERS = re.compile(
    r"software engineer(?:ing)?|software developer|(?:coding|programming) (?:assistant|agent|expert|companion)"
    r"|(?:expert|senior|skilled|autonomous|pair) programmer|pair programming|code editor|\bcodebase\b"
    r"|\brepositor(?:y|ies)\b|write code|\bIDE\b",
    re.IGNORECASE,
)
_HEAD_CHARS = 500  # of a system prompt, in which it says what the program is
_EDITS = re.compile(
    r"(?:write|edit|create|replace|insert|patch|update|modify|apply)[-_ ]?(?:to[-_ ])?"
    r"(?:file|diff|patch|in[-_ ]?file|content|code)"
    r"|str[-_]?replace|^(?:multi)?edit$|^write$|notebook[-_ ]?edit|^patch$",
    re.IGNORECASE,
)
_LOOKS = re.compile(
    r"(?:read|view|open|list|search|find|glob)[-_ ]?(?:file|dir|code|folder|definition)s?"
    r"|grep|^glob$|^read$|^ls$|^bash$|shell|terminal|(?:execute|run)[-_ ]?(?:command|cmd|test|bash)|codebase|git[-_]",
    re.IGNORECASE,
)


def subject_of(setting: str) -> str:
    """What of a system prompt can name a subject: "You are a helpful cooking assistant." leaves "cooking"; "" if none.

    As it stands, a gate would take it for role play.
    """
    left = " ".join(_FRAME.sub(" ", setting).split())
    return left if re.search(r"\w{3}", left) else ""


def is_about_code(setting: str, tools: Sequence[str]) -> bool:
    """Whether a program with this system prompt and tools of these names works on code.

    It says so, or it can change files and look at them or run commands.
    """
    names = list(tools)
    works = any(map(_EDITS.search, names)) and any(map(_LOOKS.search, names))
    return works or bool(_CODERS.search(setting[:_HEAD_CHARS]))
