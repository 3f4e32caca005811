"""Whether tests would notice an abused relay or look: each guard is taken out of a copy, and its test must fail."""

from tests.guards import Guard, checked

HERE = "gateway/peering/reach/"
GUARDS = [
    Guard(
        "a relay for everybody",
        f"{HERE}relay.py",
        "if not self._may(peer):",
        "if False:",
        f"{HERE}test_relay.py::test_who_may_not_is_given_no_key_and_opens_no_tunnel",
    ),
    Guard(
        "a tunnel of whose right has ended",
        f"{HERE}relay.py",
        "while self._may(peer) and await self._is_alive(tunnel):",
        "while await self._is_alive(tunnel):",
        f"{HERE}test_relay.py::test_whose_right_ends_is_put_through_to_no_more",
    ),
    Guard(
        "a forged pass",
        f"{HERE}passes.py",
        "if not hmac.compare_digest(_mac(known.key, shown[4:20]), shown[20:]):",
        "if False:",
        f"{HERE}test_passes.py::test_a_pass_opens_one_tunnel_of_whose_key_it_is",
    ),
    Guard(
        "a pass shown twice",
        f"{HERE}passes.py",
        "return known.peer if _count(known, counter) else None",
        "return known.peer",
        f"{HERE}test_passes.py::test_passes_may_overtake_each_other_and_each_counts_once",
    ),
    Guard(
        "bytes without end",
        f"{HERE}relay.py",
        'raise OSError("its bytes of this hour are used up")',
        "pass",
        f"{HERE}test_relay.py::test_the_bytes_of_an_hour_end_a_stream_and_the_other_peer_keeps_its_own",
    ),
    Guard(
        "a hello that never comes",
        f"{HERE}relay.py",
        "async with asyncio.timeout(HELLO_S):\n            first",
        "async with asyncio.timeout(None):\n            first",
        f"{HERE}test_relay.py::test_who_says_nothing_is_hung_up_on",
    ),
    Guard(
        "streams without end",
        f"{HERE}relay.py",
        "behind.streams >= config.streams_each or all_streams >= config.streams:",
        "False:",
        f"{HERE}test_relay.py::test_streams_of_each_and_of_all_are_bounded",
    ),
    Guard(
        "a relay that names whom to dial",
        "gateway/peering/hop/answers.py",
        "if not question.port:  # a relay says where it comes from",
        "if False:",
        f"{HERE}test_tunnels.py::test_who_comes_through_a_relay_is_not_dialled_back",
    ),
    Guard(
        "a relay in the middle",
        "discovery/pinned.py",
        "if presented != self.digest:",
        "if False:",
        f"{HERE}test_tunnels.py::test_a_relay_that_puts_itself_between_is_noticed_before_a_word",
    ),
    Guard(
        "TLS that is broken off by what follows the handshake",
        "discovery/pinned.py",
        "except ValueError as error:  # what followed",
        "except KeyError as error:  # what followed",
        f"{HERE}test_bad_ways.py::test_what_a_relay_changes_is_noticed_and_no_word_of_it_is_taken[doubled-6]",
    ),
    Guard(
        "OpenSSL's numbers read as the system's",
        "discovery/pinned.py",
        "if isinstance(error, ConnectionBroken) and isinstance(error.__cause__, ssl.SSLError):",
        "if False:",
        f"{HERE}test_bad_ways.py::test_what_a_relay_changes_is_noticed_and_no_word_of_it_is_taken[changed-8]",
    ),
    Guard(
        "an id that is claimed without its key",
        "discovery/request_auth.py",
        "if not self._verify(peer, signature,",
        "if False and not self._verify(peer, signature,",
        f"{HERE}test_bad_ways.py::test_who_claims_an_id_at_a_relay_without_its_key_is_given_nothing",
    ),
    Guard(
        "a look at another machine",
        f"{HERE}looks.py",
        "            check_address(address)\n        except (ValueError",
        "            pass\n        except (ValueError",
        f"{HERE}test_looks.py::test_what_cannot_be_dialled_is_refused",
    ),
    Guard(
        "looks without end",
        f"{HERE}looks.py",
        "if not self._room:",
        "if False:",
        f"{HERE}test_looks.py::test_only_so_many_looks_are_made_at_once",
    ),
    Guard(
        "one peer that says where we are",
        f"{HERE}evidence.py",
        "if count >= enough]",
        "if count]",
        f"{HERE}test_evidence.py::test_others_are_told_what_was_reached",
    ),
    Guard(
        "somebody else is dialled",
        f"{HERE}punch/punching.py",
        "if at.ip != ip:",
        "if False:",
        f"{HERE}punch/test_punching.py::test_who_names_another_address_or_none_is_refused_and_nobody_is_dialled",
    ),
    Guard(
        "ends without end",
        f"{HERE}punch/punching.py",
        "if not self._answers.allow(peer, now) or len(self._expected) >= LINKS or len(self._theirs) >= LINKS:",
        "if False:",
        f"{HERE}punch/test_punching.py::test_who_asks_often_or_with_many_is_refused",
    ),
    Guard(
        "a link of anybody",
        f"{HERE}punch/punching.py",
        "if peer is None or until < self._clock() or len(self._theirs) >= LINKS:",
        "if False:",
        f"{HERE}punch/test_punching.py::test_a_link_of_an_endpoint_that_nobody_named_is_closed_unserved",
    ),
    Guard(
        "a dead way",
        f"{HERE}punch/punching.py",
        "async with asyncio.timeout(HEAR_S):\n                await link.hear()",
        "async with asyncio.timeout(None):\n                await link.hear()",
        f"{HERE}punch/test_punching.py::test_a_way_on_which_nothing_is_heard_is_given_up_and_the_relay_used",
    ),
    Guard(
        "a rendezvous for whom the right was taken from",
        f"{HERE}punch/rendezvous.py",
        "while self._holder(link.endpoint) == peer and self._may(peer):",
        "while self._holder(link.endpoint) == peer:",
        f"{HERE}punch/test_rendezvous.py::test_whose_right_ended_is_told_nothing",
    ),
]

test_without_a_guard_its_test_fails, test_with_all_guards_no_test_fails = checked(GUARDS)
