"""Real sockets and TLS on loopback: hello, pinning, sync, signed streams."""

from pathlib import Path

from tests.discovery.loopback import running_peer, until


async def test_a_hello_makes_both_know_each_other(tmp_path: Path) -> None:
    async with running_peer(tmp_path / "a", loops=False) as a, running_peer(tmp_path / "b", loops=False) as b:
        met = await a.transport.hello(b.address)

        assert b.identity.id == met
        assert "alive" == a.gossip.member(b.identity.id).state
        assert "alive" == b.gossip.member(a.identity.id).state


async def test_a_hundred_requests_make_one_handshake(tmp_path: Path) -> None:
    """First contact included: the connection of the hello is kept and pinned."""
    async with running_peer(tmp_path / "a", loops=False) as a, running_peer(tmp_path / "b", loops=False) as b:
        await a.transport.hello(b.address)

        for number in range(100):
            async with a.transport.open_stream(b.identity.id, "/peer/1/delegate", b"%d" % number) as response:
                assert b"served:%d" % number == await response.read()

        assert 1 == len(b.connections)


async def test_peers_of_one_seed_find_each_other(tmp_path: Path) -> None:
    async with (
        running_peer(tmp_path / "a") as a,
        running_peer(tmp_path / "b") as b,
        running_peer(tmp_path / "c") as c,
    ):
        b.transport.add_seed("127.0.0.1", a.address.port)
        c.transport.add_seed("localhost", a.address.port)

        await until(lambda: all([m.state for m in p.gossip.members()] == ["alive"] * 2 for p in (a, b, c)))

        assert {a.identity.id, b.identity.id} == {m.id for m in c.gossip.members()}
