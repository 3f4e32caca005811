"""Who may go on with an answer that broke off (P): agents with the same model, or one that the client named."""

from collections.abc import Iterable

from msgspec import structs

from gateway.models.same import model_key
from gateway.routing.candidates import Excluded
from gateway.routing.choice import Candidate, Choice
from gateway.routing.query import Query
from gateway.wire.request import Request

_PASSING = {code.word for code in (Excluded.CLOSED, Excluded.SUSPECT, Excluded.SILENT)}  # why somebody cannot for now


def query_of(rest: Request, query: Query, by: Candidate, served: Iterable[str]) -> Query:
    """The query for the `rest` of an answer to `query` that `by` began. `served`: the models that there are."""
    key, named = model_key(by.model), query.chain or (query.models,)
    same = frozenset(model for model in served if model_key(model) == key)
    return structs.replace(
        query, models=same.union(*(names or () for names in named)), chain=(),
        prompt_tokens=rest.prompt_tokens, max_tokens=rest.max_tokens,
        goes_on=rest.endpoint if rest.continues else None,
    )  # fmt: skip


def is_hopeless(choice: Choice, query: Query, by: Candidate) -> bool:
    """Whether nobody goes on: no candidate, and nobody but the peer of `by` for whom that may pass soon."""
    names = query.models or frozenset()
    may_come = (each for each in choice.rest if each.excluded in _PASSING and {each.model, each.agent} & names)
    return not choice.order and all(each.peer_id == by.peer_id for each in may_come)
