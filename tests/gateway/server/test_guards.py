"""Whether tests would notice an open door: each guard of the transport is taken out of a copy, and its test must fail.

Attacks 15 to 27 of docs/results/security.md: who connects, what is signed, and what a connection may cost.
"""

from tests.guards import Guard, checked

CLIENT, AUTH = "discovery/test_client.py::", "discovery/test_request_auth.py::"
READING, BOUNDS = "gateway/server/test_reading.py::", "gateway/server/test_bounds.py::"
CONNECTION, EXCHANGE = "gateway/server/test_connection.py::", "gateway/server/test_exchange.py::"
GUARDS = [
    Guard(
        "15: another certificate",
        "discovery/pinned.py",
        "if presented != self.digest:",
        "if False:",
        f"{CLIENT}test_a_server_with_another_certificate_gets_no_byte",
    ),
    Guard(
        "16: TLS 1.2, at our door",
        "discovery/identity.py",
        "context.minimum_version = ssl.TLSVersion.TLSv1_3",
        "context.minimum_version = ssl.TLSVersion.TLSv1_2",
        "gateway/peering/test_listener.py::test_who_does_not_speak_tls_1_3_is_told_nothing",
    ),
    Guard(
        "16: TLS 1.2, at another's",
        "discovery/pinned.py",
        "context.minimum_version = ssl.TLSVersion.TLSv1_3",
        "pass",
        f"{CLIENT}test_a_server_below_tls_1_3_gets_no_byte",
    ),
    Guard(
        "17, 29: replayed at once",
        "discovery/request_auth.py",
        "if any(memory.has(peer, nonce, now) for memory in self._nonces.values()):",
        "if False:",
        f"{AUTH}test_a_replayed_request_is_refused_at_any_time",
    ),
    Guard(
        "17: replayed later",
        "discovery/request_auth.py",
        "if abs(time_ms / 1000 - unix_s) > self._config.window_s:",
        "if False:",
        f"{AUTH}test_a_replayed_request_is_refused_at_any_time",
    ),
    Guard(
        "18: sent on to another peer",
        "discovery/request_auth.py",
        "        audience.id,\n        str(audience.gen),\n        audience.cert.hex(),\n",
        "",
        f"{AUTH}test_a_request_that_is_not_for_us_now_is_refused",
    ),
    Guard(
        "19: another path",
        "discovery/request_auth.py",
        "        method,\n        raw_path,\n",
        "",
        f"{AUTH}test_a_request_that_is_not_for_us_now_is_refused",
    ),
    Guard(
        "19: another body",
        "gateway/peering/listener.py",
        "if claimed != sha256:",
        "if False:",
        "gateway/peering/test_listener.py::test_another_body_than_the_signed_one_reaches_no_engine",
    ),
    Guard(
        "20, 43: a foreign Host",
        "gateway/client/entrance/hosts.py",
        "return name in LOCAL_NAMES or name in allowed or _is_address(name)",
        "return name in LOCAL_NAMES or name in allowed or bool(name)",
        "gateway/client/entrance/test_hosts.py::test_host_table",
    ),
    Guard(
        "20: a Host that hides its end",
        "gateway/client/entrance/hosts.py",
        'return urlsplit(url).hostname or ""',
        'return url.lower().partition("#")[2] or urlsplit(url).hostname or ""',
        "gateway/client/entrance/test_hosts.py::test_host_table",
    ),
    Guard(
        "21: read in two ways",
        "gateway/server/reading.py",
        "self.refuse(*_refusal(error))",
        "pass",
        f"{READING}test_what_two_readers_could_read_in_two_ways_is_refused",
    ),
    Guard(
        "21: a known head within another request",
        "gateway/server/reading.py",
        "if self._is_between and",
        "if",
        f"{EXCHANGE}test_a_known_head_is_one_only_where_a_message_begins",
    ),
    Guard(
        "a stranger who pushes out what is known of others' heads",
        "gateway/server/reading.py",
        ' and exchange.method == "POST":',
        ":",
        f"{EXCHANGE}test_no_head_of_a_stranger_is_remembered",
    ),
    Guard(
        "a stranger who pushes out what is known of peers' heads",
        "gateway/peering/listener.py",
        "asked.learn = None",
        "pass",
        "gateway/peering/test_listener.py::test_no_head_of_a_stranger_is_remembered",
    ),
    Guard(
        "21: a line taken for the length",
        "discovery/heads.py",
        "not before.lower().endswith(_NAME)",
        "False",
        "discovery/test_heads.py::test_a_head_whose_length_is_not_plain_is_not_remembered",
    ),
    Guard(
        "21: both lengths",
        "gateway/peering/listener.py",
        'if "transfer-encoding" in headers or not',
        "if not",
        "gateway/peering/test_listener.py::test_a_body_has_a_length",
    ),
    Guard(
        "21: an upgrade",
        "gateway/peering/listener.py",
        'or "upgrade" in headers:',
        "or False:",
        "gateway/peering/test_listener.py::test_the_peer_port_serves_the_protocol_only",
    ),
    Guard(
        "10: a compressed body",
        "gateway/peering/listener.py",
        'if "content-encoding" in headers or "upgrade" in headers:',
        "if False:",
        "gateway/peering/test_listener.py::test_the_peer_port_serves_the_protocol_only",
    ),
    Guard(
        "10: a million chunks",
        "gateway/server/bounds.py",
        "if self.pieces > PIECES_FREE + self._bytes // PIECE_BYTES:",
        "if False:",
        f"{BOUNDS}test_a_body_of_many_tiny_chunks_is_refused",
    ),
    Guard(
        "22: a head byte by byte",
        "gateway/server/connection.py",
        "elif self._head_until is not None and now > self._head_until:",
        "elif False:",
        f"{CONNECTION}test_a_head_has_so_many_seconds",
    ),
    Guard(
        "22: a head without end",
        "gateway/server/reading.py",
        "if self._unparsed > self._bounds.head_bytes:",
        "if False:",
        f"{READING}test_a_head_without_end_is_refused_when_it_is_too_long",
    ),
    Guard(
        "22: a body byte by byte",
        "gateway/server/connection.py",
        "elif self._body is not None and self._body.is_slow(now, self._bounds, waits_for_us=self.flow.read_paused):",
        "elif False:",
        f"{BOUNDS}test_a_body_comes_at_a_least_rate",
    ),
    Guard(
        "22: an answer that nobody reads",
        "gateway/server/connection.py",
        "elif self.flow.is_unread(now, self._bounds.unread_s):",
        "elif False:",
        f"{CONNECTION}test_an_answer_that_nobody_reads_is_ended",
    ),
    Guard(
        "23: idle connections",
        "gateway/server/places.py",
        "if (evicted := _longest_idle(rivals)) is None:",
        "if True:",
        "gateway/server/test_listeners.py::test_connections_on_which_nothing_is_asked_keep_nobody_out",
    ),
    Guard(
        "23: connections without end",
        "gateway/server/places.py",
        "if self._at_site[site] >= self._config.for_a_site:",
        "if False:",
        "gateway/server/test_places.py::test_a_site_that_is_busy_everywhere_is_refused",
    ),
    Guard(
        "24: a redirect",
        "discovery/client.py",
        "if answer.status != 200:\n            pin.close()",
        "if False:\n            pin.close()",
        f"{CLIENT}test_a_redirect_is_not_followed",
    ),
    Guard(
        "31: an answer that claims to be packed",
        "discovery/exchanges.py",
        'if answer.headers.get("content-encoding", "identity") != "identity":',
        "if False:",
        f"{CLIENT}test_an_encoded_answer_is_not_unpacked",
    ),
    Guard(
        "31: an answer to gossip without end",
        "discovery/client.py",
        "if len(body) > limit_bytes:",
        "if False:",
        f"{CLIENT}test_an_endless_answer_is_cut_off",
    ),
    Guard(
        "43: a page of another site",
        "gateway/client/entrance/hosts.py",
        'return name == "localhost" or (_is_address(name) and ip_address(name).is_loopback)',
        "return bool(name)",
        "gateway/client/entrance/test_hosts.py::test_origin_table",
    ),
    Guard(
        "43: nobody asks",
        "gateway/client/entrance/callers.py",
        "if not call.is_ours:",
        "if False:",
        "gateway/client/test_app.py::test_a_name_that_is_not_ours_is_refused",
    ),
]

test_without_a_guard_its_test_fails, test_with_all_guards_no_test_fails = checked(GUARDS)
