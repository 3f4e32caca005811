"""How seldom far peers are spoken to."""

import pytest

from discovery.sites import SitesConfig

SITES = SitesConfig()


@pytest.mark.parametrize(("near", "far"), [(0, 1), (4, 80), (19, 980)])
def test_a_site_begins_a_few_exchanges_a_minute_however_many_it_has(near: int, far: int) -> None:
    per_minute = (near + 1) * SITES.chance(near, far, 1 / 3) * 3 * 60

    assert 3 <= per_minute <= 6


def test_the_signs_that_come_to_a_site_are_equally_many_in_each_large_network() -> None:
    per_s = [far / SITES.news_s(far) for far in (200, 500, 1000)]

    assert pytest.approx(per_s[0]) == per_s[1] == pytest.approx(per_s[2])


def test_a_peer_is_silent_no_sooner_than_news_of_it_may_come() -> None:
    assert all(SITES.refresh_s(far) >= SITES.news_s(far) for far in (1, 50, 1000))


def test_who_could_not_be_reached_is_tried_again_after_a_fifth_of_the_time() -> None:
    """So an outage is over soon after it ended, and one that stays costs little."""
    passed_s = 0.0
    for probes in range(40):
        pause_s = SITES.pause_s(0.6, probes)
        assert 0.6 <= pause_s <= 0.6 + 0.2 * passed_s
        passed_s += pause_s
    assert SITES.pause_limit_s == SITES.pause_s(0.6, 10_000)
