"""Cards and rights in, columns out. What they mean for a decision is in test_node.py."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from discovery.members import Member, State
from discovery.names import with_id
from discovery.records import Agent, PeerId, Profile
from gateway.beliefs.expected import BeliefConfig
from gateway.beliefs.table import Beliefs
from gateway.privacy.rules import REACHES
from gateway.routing.roster import UNAPPROVED_LIMIT, ScoredRoster, build_roster
from gateway.routing.worth import Space
from tests.cluster import card_of, id_of

ME = id_of(0)
SPACE = Space("s1", ("maths", "law"))


def member(number: int, state: State = "alive", *agents: Agent, slots: int = 3) -> Member:
    card = replace(
        card_of(id_of(number), name=f"peer-{number}"), agents=agents or (Agent("a", "m", 4096),), slots=slots
    )
    return Member(card.id, card, None, state, 0.0, 0.0, "", kept=False, equivocated=False)


def named(peer: Member, name: str) -> Member:
    return replace(peer, card=replace(peer.card, name=name))


def scored_of(*members: Member, space: Space | None = SPACE, approved: frozenset[PeerId] = frozenset()) -> ScoredRoster:
    beliefs = Beliefs(BeliefConfig())
    beliefs.add(ME, 1, rtt_s=0.0)
    own = (Agent("own", "own-model", 8192, ("text", "image")),)
    return build_roster(ME, "ada", own, members, approved.__contains__, beliefs, space)


def test_every_column_has_a_row_for_every_pair() -> None:
    twins = member(1, "suspect", Agent("a", "m", 1), Agent("b", "n", 0))

    roster = scored_of(twins, member(2, "dead"), approved=frozenset({id_of(2)})).roster

    assert (ME, id_of(1), id_of(1), id_of(2)) == roster.peer_ids
    assert ("ada", "peer-1", "peer-1", "peer-2") == roster.peer_names
    assert ("own", "a", "b", "a") == roster.agents
    assert ("own-model", "m", "n", "m") == roster.models
    assert [8192, 1, 0, 4096] == roster.context_tokens.tolist()
    assert frozenset({"text", "image"}) == roster.modalities[0]
    assert [True, False, False, False] == roster.local.tolist()
    assert [False, True, True, False] == roster.suspect.tolist()
    assert [False, False, False, True] == roster.dead.tolist()
    assert [True, False, False, True] == roster.approved.tolist()


def test_a_name_that_could_be_another_s_is_shown_with_its_id() -> None:
    """A stranger called like us, and one called like an approved peer, which keeps its name."""
    peers = [member(1), named(member(2), "peer-1"), named(member(3), "ada")]

    scored = scored_of(*peers, named(member(4, "left"), "gone"), approved=frozenset({id_of(1)}))

    assert ("ada", "peer-1", with_id("peer-1", id_of(2)), with_id("ada", id_of(3))) == scored.roster.peer_names
    assert {id_of(1): "peer-1", id_of(2): "peer-1", id_of(3): "ada"} == scored.names


def test_one_peer_s_agents_share_one_belief() -> None:
    rows = scored_of(member(1, "alive", Agent("a", "m", 1), Agent("b", "n", 1))).roster.rows

    assert rows[1] == rows[2] != rows[0]


def test_agents_of_strangers_are_few_rows_however_many_there_are() -> None:
    """A thousand made-up peers with 16 agents each cost a decision next to nothing; who may answer has all rows."""
    agents = [Agent(f"a{n}", "m", 1) for n in range(16)]
    made_up = [member(n, "alive", *agents) for n in range(1, 1001)]
    friend = member(2000, "alive", *agents)

    roster = scored_of(*made_up, friend, approved=frozenset({id_of(2000)})).roster

    assert 1 + UNAPPROVED_LIMIT + 16 == len(roster)
    assert 16 == sum(peer == id_of(2000) for peer in roster.peer_ids)


def test_a_claim_of_a_stranger_changes_nobody_s_score() -> None:
    friend = member(1, "alive", Agent("plain", "m", 1))
    boaster = member(2, "alive", Agent("boaster", "m", 1, profiles={SPACE.id: Profile(b"\xff" * 2, (9,) * 2)}))
    approved = frozenset({id_of(1)})

    alone, beside = scored_of(friend, approved=approved), scored_of(friend, boaster, approved=approved)

    assert alone.capabilities is not None
    assert beside.capabilities is not None
    assert alone.capabilities[1].tolist() == beside.capabilities[1].tolist()


def test_who_left_has_no_seat() -> None:
    assert (ME,) == scored_of(member(1, "left")).roster.peer_ids


def test_a_peer_that_only_asks_has_a_belief_of_one_slot() -> None:
    beliefs = Beliefs(BeliefConfig())
    beliefs.add(ME, 1)

    build_roster(ME, "ada", (), [member(1, slots=0)], lambda peer: True, beliefs, None)

    assert 1 == beliefs[id_of(1)].doing.slots


def test_without_a_gate_nobody_is_profiled() -> None:
    scored = scored_of(
        member(1, "alive", Agent("a", "m", 1, profiles={"s1": Profile(b"\xff\x00", (1, 1))})), space=None
    )

    assert (None, [False, False]) == (scored.capabilities, scored.profiled.tolist())


def test_an_empty_network_has_an_empty_matrix() -> None:
    beliefs = Beliefs(BeliefConfig())

    scored = build_roster(ME, "ada", (), [], lambda peer: True, beliefs, SPACE)

    assert ((0, 2), 0) == (scored.capabilities.shape, len(scored.roster))


vectors = st.binary(min_size=1, max_size=4)


@settings(deadline=None)
@given(st.lists(st.tuples(st.sampled_from(["s1", "s2"]), vectors), max_size=5))
def test_every_row_is_a_vector_of_ours_or_what_its_name_lets_expect(profiles: list[tuple[str, bytes]]) -> None:
    """Whatever peers publish: (N, K), in [0, 1], and `profiled` says which is which."""
    agents = [Agent(f"a{i}", "m", 1, profiles={s: Profile(v, (9,) * len(v))}) for i, (s, v) in enumerate(profiles)]
    unmeasured = scored_of(member(1), approved=frozenset({id_of(1)})).capabilities[1]

    scored = scored_of(*([member(1, "alive", *agents)] if agents else []), approved=frozenset({id_of(1)}))

    for (space, vector), row, profiled in zip(profiles, scored.capabilities[1:], scored.profiled[1:], strict=True):
        assert profiled == (space == "s1" and len(vector) == 2)
        expected = np.frombuffer(vector, np.uint8) / 255 if profiled else unmeasured
        assert np.allclose(expected, row)


# --- a card of another gate ---


def test_a_vector_of_another_gates_length_counts_as_unmeasured() -> None:
    """A gate of 64 prototypes met by a peer with 128, under one name of a space: nothing of it is read."""
    longer = Agent("a", "m", 1, profiles={"s1": Profile(b"\xff" * 128, (9,) * 128)})
    unmeasured = Agent("a", "m", 1)

    found, plain = (
        scored_of(member(1, "alive", agent), approved=frozenset({id_of(1)})) for agent in (longer, unmeasured)
    )

    assert found.capabilities is not None
    assert plain.capabilities is not None
    assert (False, False) == (bool(found.profiled[-1]), bool(plain.profiled[-1]))
    assert found.capabilities[-1].tolist() == plain.capabilities[-1].tolist()


def test_of_a_card_with_both_spaces_ours_counts() -> None:
    both = Agent("a", "m", 1, profiles={"old": Profile(b"\x00" * 64, (9,) * 64), "s1": Profile(b"\xff\x00", (9, 9))})
    ours = Agent("a", "m", 1, profiles={"s1": Profile(b"\xff\x00", (9, 9))})

    found, alone = (scored_of(member(1, "alive", agent), approved=frozenset({id_of(1)})) for agent in (both, ours))

    assert found.capabilities is not None
    assert alone.capabilities is not None
    assert found.profiled[-1]
    assert found.capabilities[-1].tolist() == alone.capabilities[-1].tolist()


def test_a_peer_whose_card_does_not_say_so_is_not_asked_on_the_apis_of_agents() -> None:
    """One of 0.1.0 would refuse; one that says so is asked where its engine has the endpoint, or may have it."""
    old, new = member(1), member(2)
    new = replace(new, card=replace(new.card, features=("responses",)))

    roster = scored_of(old, new).roster

    assert [True, False, True] == roster.having("responses").tolist()
    assert [True, False, False] == roster.having("messages/count_tokens").tolist()


def test_an_agent_whose_tools_may_ask_others_is_within_no_rule_and_on_no_machine() -> None:
    """What PPAI has itself (documents, a calculator, a clock) asks nobody; a server of tools may."""
    given = (("documents", "clock"), ("web",))
    agents = [Agent("a", "a", 0, place="here", kind="agent", tools=tools) for tools in given]
    beliefs = Beliefs(BeliefConfig())
    beliefs.add(ME, 1, rtt_s=0.0)
    roster = build_roster(ME, "ada", agents, [], lambda peer: True, beliefs, None).roster

    assert [[True, False]] * 3 == [roster.within(reach).tolist() for reach in REACHES[:3]]


@pytest.mark.parametrize(
    ("place", "mine", "vouched"),
    [("here", True, True), ("other host", False, True), ("cloud", False, False), ("", False, False)],
)
def test_an_agent_is_within_a_rule_where_it_says_that_it_runs_there(place: str, mine: bool, vouched: bool) -> None:
    """Of peers, those that the owner tagged, or vouched for."""
    agent = Agent("a", "m", 4096, place=place)  # type: ignore[arg-type]
    beliefs = Beliefs(BeliefConfig())
    beliefs.add(ME, 1, rtt_s=0.0)
    members = [member(number, "alive", agent) for number in (1, 2, 3)]
    roster = build_roster(
        ME, "ada", [agent], members, lambda peer: True, beliefs, None,
        vouches=lambda peer: peer != id_of(3), is_mine=lambda peer: peer == id_of(1),
    ).roster  # fmt: skip

    assert [mine, mine, False, False] == roster.within("my machines").tolist()
    assert [vouched, vouched, vouched, False] == roster.within("approved").tolist()
    assert [place == "here", False, False, False] == roster.within("this machine").tolist()
    assert roster.within("anyone").all()
