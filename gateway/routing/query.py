"""Query: what is asked, as far as routing needs to know it. Says nothing of who could answer."""

from dataclasses import dataclass

from discovery.records import PeerId
from gateway.beliefs.queueing import FloatArray


@dataclass(frozen=True, slots=True, eq=False)
class Query:
    """What is asked, as far as routing cares."""

    model: str | None = None  # an agent's or model's name; None: any
    prompt_tokens: int = 0  # an estimate
    max_tokens: int | None = None  # the client's bound on the answer
    category: str = ""  # of the gate's prototypes; answers of one category are about equally long
    needs: frozenset[str] = frozenset()  # modalities and abilities that a model must have
    body_bytes: int = 0  # what delegation would send
    session: str | None = None
    pin: str | None = None  # x-ppai-route: "local", or a peer's id or name; None: auto
    pinned_local: str | None = None  # why the body may not travel ("field:n", "privacy:..."); None: it may
    avoid: PeerId | None = None  # who has just failed this conversation: the client tries again, somebody else should
    beta_per_s: float | None = None  # x-ppai-beta
    is_held: bool = False  # it waits at our own door and is decided again
    relevance: FloatArray | None = None  # f̃(q), (K,), sums to 1; None without a gate
    is_familiar: bool = True  # False: unlike all that the gate knows; `relevance` is the same for every prototype
