"""Models as OpenAI's clients ask for them."""

from tests.gateway.client.site import Site


async def test_models_are_listed_and_found_by_name(site: Site) -> None:
    """Names have slashes in them."""
    _, listing = await site.get("/v1/models")
    status, entry = await site.get("/v1/models/org/small")
    assert (status, entry) == await site.get("/v1/models/org%2Fsmall")  # as SDKs send it

    assert ["auto", "org/small"] == [model["id"] for model in listing["data"]]
    assert (200, listing["data"][1]) == (status, entry)
