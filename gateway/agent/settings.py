"""What an owner writes of a personal agent, in agents/NAME.yaml of the home (P). Reading the file is files.py's."""

from dataclasses import dataclass, field
from typing import Annotated, Literal

import msgspec

Text = Annotated[str, msgspec.Meta(max_length=100_000)]

DOCUMENTS = ("*.md", "*.txt", "*.rst", "*.html", "*.pdf", "*.docx", "*.json", "*.py")  # read where nothing else is said


@dataclass(frozen=True, slots=True)
class KnowledgeSettings:
    """The documents that an agent answers from."""

    folders: tuple[str, ...] = ()  # each with its sub-folders; a path is absolute, or begins with ~
    patterns: tuple[str, ...] = DOCUMENTS  # of the names of files that are read
    # model: it is shown the passages; quotation: the sentence nearest to the question is the answer, word by word
    answers: Literal["model", "quotation"] = "model"


@dataclass(frozen=True, slots=True)
class ToolSettings:
    """One server of tools (Model Context Protocol), by its command or its address."""

    name: str  # begins the names of its tools: NAME__tool
    command: str = ""  # a program with its arguments, as a shell would split them; it speaks on stdin and stdout
    url: str = ""  # or the address of one that speaks HTTP
    allow: tuple[str, ...] = ()  # the tools that the agent may call; empty: all that it has
    env: dict[str, str] = field(default_factory=dict)  # for the program, beside PATH, HOME and the language
    headers: dict[str, str] = field(default_factory=dict)  # sent to the address, such as an Authorization
    side_effects: Literal["none", "allowed"] = "none"  # allowed: it may change things, for the owner's own requests


@dataclass(frozen=True, slots=True)
class LimitSettings:
    """How long an agent may work on one answer."""

    steps: Annotated[int, msgspec.Meta(ge=1, le=64)] = 8  # times that the model is asked
    call_s: Annotated[float, msgspec.Meta(gt=0, le=3600)] = 60.0  # s for one call of a tool
    total_s: Annotated[float, msgspec.Meta(gt=0, le=3600)] = 300.0  # s for all steps


@dataclass(frozen=True, slots=True)
class AgentSettings:
    """One personal agent. Its name is the file's."""

    description: Annotated[str, msgspec.Meta(max_length=300)] = ""  # one line, shown to those who may use it
    engine: str = ""  # the name of one of our engines; empty: any that has the model
    model: str = ""  # a model of that engine; empty: the first that it serves, the one that comes with PPAI last
    prompt: Text = ""  # the owner's instructions to the model
    language: str = ""  # what it answers in, such as `German`; empty: that of the question
    knowledge: KnowledgeSettings = field(default_factory=KnowledgeSettings)
    tools: tuple[ToolSettings, ...] = ()
    builtin: tuple[Literal["calculator", "clock", "documents"], ...] = ()  # tools that need no server
    limits: LimitSettings = field(default_factory=LimitSettings)
    sources: Literal["line", "annotations", "none"] = "line"  # line: annotations, and a last line that names sources
    use: tuple[str, ...] = ("me",)  # me, mine, approved or anyone; or ids of approved peers, or their names
    questions: str = ""  # a file of questions with their answers, which stays at home (a path from agents/)
    topics: tuple[str, ...] = ()  # up to 16 sentences of 96 characters: what it is for, told to those who may use it
