"""What the gate's reading of one text and its wording say of it, together. How texts are read is reader.py's."""

from collections.abc import Mapping

import msgspec
import numpy as np
from msgspec.structs import replace
from numpy.typing import NDArray

from gateway.topics.domains import Drawn, Topics
from gateway.topics.forms import forms_in
from gateway.topics.mixing import leading, mixed
from profiler.ladder import Reading
from profiler.qagate import QAGate

FORM_SHARE = 0.7  # of the topic, to the form that a prompt asks for; the rest to what it is about


class Judged(msgspec.Struct, frozen=True, eq=False):
    """What the gate says of a text.

    A text that is not familiar, so unlike all that the gate knows, is equally relevant to every prototype. Agents are
    then scored by their general ability. Choosing by load alone instead would send such queries to small models as
    often as to large ones (docs/results.md#unlike-everything-known).
    """

    relevance: NDArray[np.float32]  # f̃(q), (K,) sums to 1
    category: str  # of the nearest prototype; empty for an unfamiliar text
    is_familiar: bool = True
    nearest: float = 0.0  # cosine with that prototype
    forms: tuple[str, ...] = ()  # the categories of the gate that its wording asks for (forms.py)
    drawn: Mapping[Topics, Drawn] = msgspec.field(default_factory=dict)  # to agents' topics (domains.py)


def judged_of(gate: QAGate, reading: Reading) -> Judged:
    """What this gate's reading of a text says of it, and what its wording says.

    A form that the wording asks for makes FORM_SHARE of the topic, where the gate has that category. Then even a text
    that is pasted into the prompt and unlike all that the gate knows leaves it a topic.
    """
    about = Judged(reading.relevance, reading.category, nearest=reading.nearest)
    if not reading.is_familiar:
        about = Judged(gate.evenly, "", is_familiar=False, nearest=reading.nearest)
    asked = {name: FORM_SHARE * share for name, share in forms_in(reading.essence).items() if name in gate.categories}
    if not asked:
        return about
    relevance = mixed(about.relevance, gate.categories, asked)
    category = leading(relevance, gate.categories)
    return replace(about, relevance=relevance, category=category, is_familiar=True, forms=tuple(asked))
