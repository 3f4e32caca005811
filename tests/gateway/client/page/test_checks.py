"""The doctor's checks on the page: the same functions, handed what the running peer knows."""

from tests.gateway.client.site import OWNER, Site


async def test_the_checks_are_made_of_what_the_peer_says_of_itself(site: Site) -> None:
    status, found = await site.post("/ppai/v1/doctor", {}, OWNER)

    assert (200, ["peer", "engine-answers"]) == (status, [one["id"] for one in found])
    assert ("ada with 0 peers, 0 looks", True, "") == (found[0]["said"], found[0]["ok"], found[0]["remedy"])
    assert "no-such-model" in found[1]["said"], "what our own engine was asked, and why it did not answer"


async def test_only_the_owner_has_them_made(site: Site) -> None:
    assert 401 == (await site.post("/ppai/v1/doctor", {}))[0]
