"""What nobody can do, or nobody is called, is told by name; and only then."""

from dataclasses import replace

import numpy as np
import pytest

from discovery.records import WHOLE, PeerId
from gateway.models.names import Chain, NamesConfig
from gateway.routing.choice import Candidate
from gateway.routing.query import Query
from gateway.routing.roster import Roster
from gateway.serving.refusals import check_needs, missing, models_meant, nobody, peer_meant
from gateway.wire.errors import InvalidRequest
from tests.gateway.routing.ada import Ada

TEXT, IMAGE, AUDIO = frozenset({"text"}), frozenset({"text", "image"}), frozenset({"text", "audio"})


def roster(*modalities: frozenset[str], contexts: tuple[int, ...] = (), dead: tuple[int, ...] = ()) -> Roster:
    """Ours first; every peer serves a model of its own."""
    count = len(modalities)
    names = tuple(f"p{index}" for index in range(count))
    return Roster(
        peer_ids=tuple(PeerId(name) for name in names),
        peer_names=names,
        agents=tuple(f"agent{index}" for index in range(count)),
        models=tuple(f"model{index}" for index in range(count)),
        modalities=modalities,
        context_tokens=np.array(contexts or (0,) * count, dtype=np.int64),
        local=np.arange(count) == 0,
        here=np.arange(count) == 0,
        embedded=np.zeros(count, dtype=np.bool_),
        last_resort=np.zeros(count, dtype=np.bool_),
        dead=np.isin(np.arange(count), dead),
        suspect=np.zeros(count, dtype=np.bool_),
        approved=np.ones(count, dtype=np.bool_),
        queues=tuple(PeerId(name) for name in names),
        engines=(WHOLE,) * count,
        rows=np.arange(count),
    )


def refusal(query: Query, seen: Roster) -> tuple[int, str | None, str]:
    with pytest.raises(InvalidRequest) as caught:
        check_needs(query, seen)
    return caught.value.status, caught.value.code, caught.value.message


@pytest.mark.parametrize("need", ["image", "audio", "embeddings"])
def test_a_need_that_no_peer_meets_is_a_422_that_names_it(need: str) -> None:
    status, code, message = refusal(Query(needs=frozenset({need})), roster(TEXT, TEXT))

    assert (422, "capability_missing") == (status, code)
    assert f"nobody here takes {need};" in message


def test_needs_that_no_peer_meets_together_are_named_together() -> None:
    _, _, message = refusal(Query(needs=frozenset({"image", "audio"})), roster(TEXT, IMAGE, AUDIO))

    assert "nobody here takes audio and image" in message


def test_nobody_asks_a_model_of_embeddings_for_words_nor_one_without_tools_to_use_them() -> None:
    """Where an engine tells what its models can."""
    embeds, talks = frozenset({"embeddings"}), frozenset({"text"})

    assert "nobody here takes text" in refusal(Query(needs=frozenset({"text"})), roster(embeds))[2]
    assert "nobody here takes tools" in refusal(Query(needs=frozenset({"text", "tools"})), roster(embeds, talks))[2]


def test_one_peer_that_meets_the_needs_is_enough() -> None:
    check_needs(Query(needs=frozenset({"image"})), roster(TEXT, IMAGE))


@pytest.mark.parametrize(
    ("query", "seen"),
    [
        (Query(needs=frozenset({"image"})), roster(TEXT, IMAGE, dead=(1,))),
        (Query(needs=frozenset({"image"}), models=frozenset({"model0"})), roster(TEXT, IMAGE)),
        (Query(needs=frozenset({"image"}), pinned_local="field:n"), roster(TEXT, IMAGE)),
        (Query(needs=frozenset({"image"}), pin="p0"), roster(TEXT, IMAGE)),
    ],
)
def test_only_those_who_may_answer_count(query: Query, seen: Roster) -> None:
    assert 422 == refusal(query, seen)[0]


def test_a_prompt_longer_than_every_context_is_openais_context_length_exceeded() -> None:
    status, code, message = refusal(Query(prompt_tokens=9000), roster(TEXT, TEXT, contexts=(2048, 4096)))

    assert (400, "context_length_exceeded") == (status, code)
    assert "the largest context served here is 4096" in message


@pytest.mark.parametrize("contexts", [(2048, 8192), (2048, 0)])
def test_a_prompt_that_may_fit_somewhere_passes(contexts: tuple[int, int]) -> None:
    """The estimate errs by a factor of two at most; an unknown context may be large."""
    check_needs(Query(prompt_tokens=9000), roster(TEXT, TEXT, contexts=contexts))


def test_nobody_to_answer_is_another_error() -> None:
    everybody = roster(TEXT, TEXT)

    check_needs(Query(needs=frozenset({"image"})), replace(everybody, approved=np.zeros(2, dtype=np.bool_)))


def test_an_unknown_name_is_a_404_with_near_matches() -> None:
    with pytest.raises(InvalidRequest) as caught:
        models_meant(["lama-3-8b"], {"llama-3-8b", "qwen-7b"}, {"qwen-7b"}, NamesConfig())

    assert (404, "model", "model_not_found") == (caught.value.status, caught.value.param, caught.value.code)
    assert caught.value.message == (
        "The model `lama-3-8b` does not exist on this network. Did you mean `llama-3-8b`? Ask for `auto` to let PPAI "
        "choose, see GET /v1/models for what is served, or start the peer with --transparent."
    )


def test_a_name_that_is_served_means_itself_and_auto_means_anybody() -> None:
    names: list[Chain] = [models_meant([name], {"qwen-7b"}, set(), NamesConfig()) for name in ("qwen-7b", "auto")]

    assert [(frozenset({"qwen-7b"}),), (None,)] == names


@pytest.mark.parametrize(
    ("mode", "state", "is_missing"),
    [("open", "alive", False), ("open", "suspect", True), ("tofu", "alive", True)],
)
def test_a_peer_is_ready_while_somebody_may_answer(mode: str, state: str, is_missing: bool) -> None:
    """Its own engine is not needed for that."""
    problem = "the engine does not answer"
    ada = Ada(mode=mode)
    assert [] == missing(ada.node.roster, problem)

    ada.node.serve([])
    ben = ada.meet(1)
    if state == "suspect":
        ada.node.gossip.suspect(ben, 0.0)

    assert ([problem] if is_missing else []) == missing(ada.node.roster, problem)


ME, BEN, CLEO, EVIL = (PeerId(f"{letter}2{letter}2{letter * 48}") for letter in "mbce")


def seen(*peers: PeerId, approved: tuple[PeerId, ...] = (), dead: tuple[PeerId, ...] = ()) -> Roster:
    """We, and these peers; each with one agent."""
    ids = (ME, *peers)
    return replace(
        roster(*(TEXT,) * len(ids), dead=tuple(map(ids.index, dead))),
        peer_ids=ids, approved=np.array([peer in (ME, *approved) for peer in ids]),
    )  # fmt: skip


@pytest.mark.parametrize(
    ("pin", "means"),
    [(None, None), ("local", "local"), ("ada", "local"), (ME, "local"), ("ben", BEN), (BEN, BEN), (BEN[:10], BEN)],
)
def test_a_pin_means_us_or_one_peer(pin: str | None, means: str | None) -> None:
    assert means == peer_meant(pin, ME, "ada", {BEN: "ben", CLEO: "cleo"}, seen(BEN, CLEO))


@pytest.mark.parametrize("name", ["local", "ada", BEN, BEN[:10]])
def test_a_stranger_s_name_never_takes_a_pin(name: str) -> None:
    """Neither ours nor another peer's."""
    names = {BEN: "ben", EVIL: name}

    meant = {peer_meant(pin, ME, "ada", names, seen(BEN, EVIL)) for pin in (name, "local", "ada", ME, BEN, "ben")}

    assert {"local", BEN} == meant


def test_a_pin_by_a_name_that_two_peers_have_is_a_409_with_both_ids() -> None:
    with pytest.raises(InvalidRequest, match=f"{BEN}, {CLEO}") as caught:
        peer_meant("ben", ME, "ada", {BEN: "ben", CLEO: "ben"}, seen(BEN, CLEO, approved=(BEN, CLEO)))

    assert (409, "x-ppai-route", "peer_ambiguous") == (caught.value.status, caught.value.param, caught.value.code)


def test_strangers_and_the_dead_of_its_name_take_no_pin_from_a_peer_that_may_answer() -> None:
    names = {BEN: "ben", CLEO: "ben", EVIL: "ben"}
    everybody = seen(BEN, CLEO, EVIL, approved=(BEN, CLEO), dead=(CLEO,))

    assert BEN == peer_meant("ben", ME, "ada", names, everybody)


@pytest.mark.parametrize("pin", ["zoe", "auto", "", EVIL, EVIL[:10]])
def test_a_pin_to_nobody_is_a_404(pin: str) -> None:
    with pytest.raises(InvalidRequest, match="see `ppai peers`") as caught:
        peer_meant(pin, ME, "ada", {BEN: "ben"}, seen(BEN))

    assert (404, "peer_not_found") == (caught.value.status, caught.value.code)


def row(excluded: str, name: str = "ben") -> Candidate:
    """A pair that is no candidate."""
    times, expected = (0.0,) * 7, ("", 0, 0.0, 0.0, 0.0, 0.0, None, 0, "a")
    return Candidate(
        *expected, PeerId(name), PeerId(name), WHOLE, name, "m", False, False, *times, excluded, False, 0.0
    )


@pytest.mark.parametrize(
    ("excluded", "status", "said"),
    [
        ("field:top_k", 422, "not `open`"),
        ("field:messages.image_url", 422, "alone"),
        ("client", 422, "may not be sent there"),
        ("context", 422, "may not be sent there"),
        ("model", 404, "ppai models"),
        ("not_approved", 403, "ppai approve ben"),
        ("suspect", 503, "try again"),
        ("dead", 503, "start it again"),
    ],
)
def test_a_pin_that_waiting_cannot_help_is_no_503(excluded: str, status: int, said: str) -> None:
    """Programs try a 503 again by themselves."""
    told = nobody("chat/completions", Query(pin="ben"), [row(excluded)], None, [], {})

    assert (status, f"peer_{excluded}", status == 503) == (told.status, told.code, told.retry_after_s is not None)
    assert said in told.message


@pytest.mark.parametrize(("reasons", "status"), [(("context", "score"), 422), (("context", "suspect"), 503)])
def test_what_waiting_cannot_help_is_no_503(reasons: tuple[str, ...], status: int) -> None:
    told = nobody("chat/completions", Query(), [row(reason) for reason in reasons], None, [], {})

    assert (status, "no_candidate") == (told.status, told.code)
    assert ", ".join(reasons) in told.message


def test_a_model_that_its_owner_does_not_have_loaded_for_others_is_told_with_what_to_do() -> None:
    told = nobody("chat/completions", Query(), [row("cold"), row("model", "cleo")], None, [], {})

    assert (503, "not_loaded") == (told.status, told.code)
    assert "at peer `ben`" in told.message and "engine.load_for_others: true" in told.message


def test_a_busy_peer_that_takes_a_field_outranks_one_that_does_not() -> None:
    """Waiting helps."""
    told = nobody("chat/completions", Query(), [row("field:top_k"), row("closed", "cleo")], None, [], {})

    assert (503, "saturated") == (told.status, told.code)


def test_where_only_an_approval_is_missing_that_is_the_remedy() -> None:
    told = [
        nobody("chat/completions", Query(pin=pin), [row("not_approved")], "no engine", ["no engine"], {})
        for pin in (None, "local")
    ]

    assert ["no engine; a peer that could answer is not approved: see `ppai peers`", "no engine"] == [
        each.message for each in told
    ]


def test_what_keeps_a_request_here_is_named_where_nobody_here_can_answer() -> None:
    """With the remedy, and as a 4xx: trying again does not help."""
    told = nobody("chat/completions", Query(), [row("field:tools.mcp")], None, [], {})

    assert (422, "field_stays_here") == (told.status, told.code)
    assert "field:tools.mcp" in told.message


@pytest.mark.parametrize("needs", [frozenset[str](), frozenset({"image"})])
@pytest.mark.parametrize("tokens", [10, 9000])
@pytest.mark.parametrize("contexts", [(0, 0), (0, 4096), (4096, 4096), (4096, 32768)])
@pytest.mark.parametrize("takes", [(TEXT, TEXT), (TEXT, IMAGE), (IMAGE, IMAGE)])
def test_a_request_is_refused_exactly_where_nobody_can_take_it(
    takes: tuple[frozenset[str], ...], contexts: tuple[int, ...], tokens: int, needs: frozenset[str]
) -> None:
    """Also where all take it, and nobody looks at them one by one."""
    pairs = zip(takes, contexts, strict=True)
    may = any(needs <= able and (context == 0 or tokens / 2 <= context) for able, context in pairs)

    def check() -> None:
        check_needs(Query(needs=needs, prompt_tokens=tokens), roster(*takes, contexts=contexts))

    if may:
        check()
    else:
        with pytest.raises(InvalidRequest):
            check()
