"""Gossip is counted."""

from discovery.traffic import Traffic


def test_messages_and_their_bytes_are_counted_by_direction() -> None:
    traffic = Traffic()
    traffic.out(b"1234")
    traffic.out(b"56", is_relayed=True)
    traffic.came(b"789", is_relayed=True)

    assert 5 == traffic.relayed_bytes
    assert (2, 6, 1, 3) == (traffic.sent, traffic.sent_bytes, traffic.received, traffic.received_bytes)


def test_no_answer_is_no_message() -> None:
    traffic = Traffic()
    traffic.came(b"")
    traffic.out(b"")

    assert Traffic() == traffic
