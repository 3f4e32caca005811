"""Who may connect, and whose connection goes for it: nobody keeps others out by holding on."""

from hypothesis import given
from hypothesis import strategies as st

from gateway.server.places import Place, Places, PlacesConfig

FAST = PlacesConfig(10, 8, 4, 5, new_per_s=1e6, new_burst=1e6, site_new_per_s=1e6, site_new_burst=1e6)
OURS = PlacesConfig(10, 4, 2, 10, loopback_is_ours=True)


def idle(places: Places, site: str, since: float = 0.0) -> Place:
    place, _ = places.take(site, 0.0)
    assert place
    place.idle_since = since
    return place


def busy(places: Places, site: str) -> Place:
    place, _ = places.take(site, 0.0)
    assert place
    return place


def test_a_site_s_longest_idle_connection_goes_for_its_newcomer() -> None:
    places = Places(FAST)
    held = [idle(places, "a", since) for since in (3.0, 1.0, 2.0, 4.0)]
    other = idle(places, "b")

    place, evicted = places.take("a", 5.0)

    assert place and evicted is held[1]
    assert 5 == len(places)
    assert other.idle_since == 0.0


def test_a_site_that_is_busy_everywhere_is_refused() -> None:
    """What is under way is never ended for a newcomer."""
    places = Places(FAST)
    for _ in range(4):
        busy(places, "a")

    assert (None, None) == places.take("a", 0.0)
    assert places.take("b", 0.0)[0]


def test_strangers_take_places_from_strangers_only() -> None:
    places = Places(FAST)
    known = idle(places, "a")
    assert places.vouch(known, "ada")
    strangers = [idle(places, f"s{n}", since=n + 1.0) for n in range(8)]

    place, evicted = places.take("s9", 99.0)

    assert place and evicted is strangers[0]


def test_a_stranger_goes_before_a_peer_with_rights() -> None:
    places = Places(FAST)
    for site in "ab":
        for _ in range(4):
            assert places.vouch(idle(places, site, since=0.0), site)
    stranger = idle(places, "s", since=9.0)
    idle(places, "s", since=9.5)

    _, evicted = places.take("c", 10.0)

    assert evicted is stranger


def test_a_peer_with_rights_does_not_count_for_its_site() -> None:
    """Many peers behind one address: each that proves its rights makes room for the next."""
    places = Places(FAST)
    for n in range(8):
        assert places.vouch(busy(places, "nat"), f"peer {n}")

    assert places.take("nat", 0.0)[0]


def test_a_peer_has_so_many_connections() -> None:
    places = Places(FAST)
    assert [True] * 5 == [places.vouch(busy(places, "a"), "ada") for _ in range(5)]

    one_more = busy(places, "a")
    assert not places.vouch(one_more, "ada")
    assert places.vouch(one_more, "ben")
    assert places.vouch(one_more, "ben")
    assert not places.vouch(one_more, "cat")  # a connection is one peer's


def test_a_flood_of_connections_is_slowed_for_strangers_alone() -> None:
    places = Places(PlacesConfig(1000, 1000, 1000, 10, new_per_s=8, new_burst=16, site_new_per_s=4, site_new_burst=8))
    assert places.vouch(busy(places, "home"), "ada")

    assert 8 == sum(places.take("a", 0.0)[0] is not None for _ in range(50))  # one site
    assert 7 == sum(places.take(f"s{n}", 0.0)[0] is not None for n in range(50))  # all sites together
    assert places.take("home", 0.0)[0]
    assert 8 == sum(places.take(f"s{n}", 1.0)[0] is not None for n in range(50))  # a second later


def test_the_owner_s_programs_are_bounded_by_all_places_alone() -> None:
    """However many others come, and however fast his own come."""
    places = Places(OURS)
    for n in range(9):
        places.take(f"s{n}", 0.0)

    mine = [places.take("127.0.0.1", 0.0)[0] for _ in range(6)]
    assert None not in mine and 10 == len(places)
    assert (None, None) == places.take("::/64", 0.0)
    mine[2].idle_since = 1.0  # type: ignore[union-attr]
    assert mine[2] is places.take("127.0.0.1", 0.0)[1]


def test_leaving_twice_is_leaving_once() -> None:
    places = Places(FAST)
    place = busy(places, "a")

    places.leave(place)
    places.leave(place)

    assert 0 == len(places)
    assert not places.vouch(place, "ada")


@given(
    st.lists(
        st.tuples(st.sampled_from("abc"), st.sampled_from(["take", "vouch", "rest", "leave"])), min_size=20, max_size=80
    )
)
def test_no_bound_is_ever_passed(steps: list[tuple[str, str]]) -> None:
    places, held = Places(FAST), list[Place]()
    for number, (site, step) in enumerate(steps):
        if step == "take":
            place, evicted = places.take(site, 0.0)
            held = [one for one in held if one is not evicted] + ([place] if place else [])
        elif held:
            chosen = held[number % len(held)]
            if step == "vouch":
                places.vouch(chosen, site)
            if step == "rest":
                chosen.idle_since = float(number)
            if step == "leave":
                places.leave(chosen)
                held.remove(chosen)

        assert len(held) == len(places) <= FAST.in_all
        strangers = [place.site for place in held if place.peer is None]
        assert len(strangers) <= FAST.for_strangers
        assert all(strangers.count(site) <= FAST.for_a_site for site in "abc")
        assert all(sum(place.peer == peer for place in held) <= FAST.for_a_peer for peer in "abc")
