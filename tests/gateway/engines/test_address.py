"""Where an engine is: its credentials leave the URL, and only what is loopback is this machine."""

import pytest

from gateway.engines.address import EngineAddressError, metrics_page_of, place_of, read_address


@pytest.mark.parametrize(
    ("written", "shown"),
    [
        ("http://127.0.0.1:8000", "http://127.0.0.1:8000"),
        ("http://127.0.0.1:8000/v1/", "http://127.0.0.1:8000"),
        ("http://bob:hunter2@127.0.0.1:8000/v1", "http://127.0.0.1:8000"),
        ("https://hunter2@engine.example/team/v1", "https://engine.example/team"),
        ("http://bob:hunter2@[::1]:8000", "http://[::1]:8000"),
        ("http://:hunter2@host", "http://host"),
        ("  http://127.0.0.1:8000 ", "http://127.0.0.1:8000"),
        ("127.0.0.1:8000", "http://127.0.0.1:8000"),
        ("localhost", "http://localhost"),
        ("gpu-box:8000/v1", "http://gpu-box:8000"),
        ("[::1]:8000", "http://[::1]:8000"),
    ],
)
def test_a_url_is_shown_without_credentials(written: str, shown: str) -> None:
    address = read_address(written)

    assert shown == address.url
    assert "hunter2" not in repr(address.url)


@pytest.mark.parametrize(
    ("url", "api_key", "headers"),
    [
        ("http://h", "", {}),
        ("http://h", "k", {"authorization": "Bearer k"}),
        ("http://h", " k\n", {"authorization": "Bearer k"}),
        ("http://bob:pw@h", "", {"authorization": "Basic Ym9iOnB3"}),
        ("http://bob@h", "", {"authorization": "Basic Ym9iOg=="}),
        ("http://b%40b:p%3Aw@h", "", {"authorization": "Basic YkBiOnA6dw=="}),
    ],
)
def test_credentials_become_a_header(url: str, api_key: str, headers: dict[str, str]) -> None:
    assert headers == read_address(url, api_key).headers


@pytest.mark.parametrize(
    ("url", "api_key", "says"),
    [
        ("http://bob:hunter2@h", "hunter3", "remove the other"),
        ("http://h/v1?api_key=hunter2", "", "engine.api_key"),
        ("http://h/v1#hunter2", "", "engine.api_key"),
        ("bob:hunter2@h:8000", "", "http://HOST:PORT"),
        ("http://bob:hunter2@", "", "http://HOST:PORT"),
        ("http://bob:hunter2@h:port", "", "http://HOST:PORT"),
        ("ftp://bob:hunter2@h", "", "http://HOST:PORT"),
        ("http://h", "hunter2\nx", "control character"),
        ("embeded", "", "`embedded`"),
    ],
)
def test_what_cannot_be_used_is_an_error_with_the_remedy_and_without_the_secret(
    url: str, api_key: str, says: str
) -> None:
    with pytest.raises(EngineAddressError, match=says) as refused:
        read_address(url, api_key)

    assert "hunter" not in str(refused.value)
    assert refused.value.__cause__ is None


@pytest.mark.parametrize(
    ("host", "place"),
    [
        ("127.0.0.1", "here"),
        ("127.8.8.8", "here"),
        ("::1", "here"),
        ("::ffff:127.0.0.1", "here"),
        ("0.0.0.0", "here"),
        ("localhost", "here"),
        ("a.localhost", "here"),
        ("192.168.1.5", "other host"),
        ("10.0.0.1", "other host"),
        ("100.64.0.1", "other host"),  # what VPNs give out
        ("fe80::1%eth0", "other host"),
        ("gpu-box", "other host"),
        ("gpu-box.local", "other host"),
        ("host.docker.internal", "other host"),
        ("api.openai.com", "cloud"),
        ("localhost.evil.example", "cloud"),
        ("127.0.0.1.nip.io", "cloud"),
        ("8.8.8.8", "cloud"),
        ("2130706433", "other host"),
        ("127.1", "cloud"),
    ],
)
def test_only_what_is_certainly_loopback_is_here(host: str, place: str) -> None:
    assert place == place_of(host)


@pytest.mark.parametrize(
    ("url", "page"),
    [
        ("http://gpu1:8000", "http://gpu1:8000/metrics"),
        (" 127.0.0.1:8000/ ", "http://127.0.0.1:8000/metrics"),
        ("https://gpu1/router/gauges", "https://gpu1/router/gauges"),
    ],
)
def test_a_page_of_gauges_is_read_as_people_write_it(url: str, page: str) -> None:
    assert page == metrics_page_of(url)


@pytest.mark.parametrize("url", ["http://bob:hunter2@gpu1", "embedded", "", "http://gpu1/?token=hunter2"])
def test_a_page_of_gauges_that_cannot_be_asked_for_names_its_key(url: str) -> None:
    with pytest.raises(EngineAddressError, match=r"engine\.metrics_urls") as refused:
        metrics_page_of(url)

    assert "hunter" not in str(refused.value)
