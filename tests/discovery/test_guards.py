"""Whether the tests of attacks would notice: each guard is taken out of a copy of the code, and its test must fail."""

from pathlib import Path

import pytest

from tests.guards import Guard, with_all, without

VERIFIED = "if not verify(record.id, envelope.signature, signed_bytes(envelope.kind, net, envelope.payload)):"
GUARDS = [
    Guard(
        "1, 3, 7, 8, 39: forged",
        "discovery/envelopes.py",
        VERIFIED,
        "if False:",
        "discovery/test_envelopes.py::test_a_record_signed_by_another_is_refused",
    ),
    Guard(
        "1, 3, 7: forged, in a network",
        "benchmarks/gossip/cluster.py",
        "signed = opened(envelope)",
        "signed = Signed(parse(envelope), envelope)",
        "discovery/test_gossip.py::test_a_third_party_cannot_touch_a_victim",
    ),
    Guard(
        "2: another domain",
        "discovery/envelopes.py",
        'f"ppai/1/{kind}\\0{net}\\0".encode() + payload',
        "payload",
        "discovery/test_envelopes.py::test_a_signature_belongs_to_one_kind_and_one_network",
    ),
    Guard(
        "4: replay",
        "discovery/membership.py",
        "if held is not None and not supersedes(pulse, held.record):",
        "if False:",
        "discovery/test_membership.py::test_the_dead_come_back_by_a_newer_pulse_only",
    ),
    Guard(
        "4: replay of a card",
        "discovery/membership.py",
        "if supersedes(card, entry.card.record) else []",
        "if True else []",
        "discovery/test_membership.py::test_who_left_comes_back_only_by_a_newer_card",
    ),
    Guard(
        "4, 12: said again, at the cost of a signature",
        "discovery/endpoint.py",
        "if not self._gossip.needs(record, envelope):",
        "if False:",
        "discovery/test_endpoint.py::test_what_is_known_is_not_verified_again",
    ),
    Guard(
        "5: equivocation",
        "discovery/membership.py",
        "entry.conflict = (held, other)",
        "pass",
        "discovery/test_membership.py::test_two_records_of_one_version_are_shown_and_the_first_stays",
    ),
    Guard(
        "6: out of bounds",
        "discovery/records.py",
        "if not low <= value < high:",
        "if False:",
        "discovery/test_envelopes.py::test_a_signed_record_out_of_bounds_is_refused",
    ),
    Guard(
        "6: versions out of bounds",
        "discovery/messages.py",
        "gen: Annotated[int, msgspec.Meta(ge=0, lt=COUNT_LIMIT)]",
        "gen: int",
        "discovery/test_messages.py::test_a_malformed_message_is_refused",
    ),
    Guard(
        "9: made-up ids",
        "discovery/members.py",
        'if len(self._by_state["alive"]) + len(self._by_state["suspect"]) < self._live_limit:',
        "if True:",
        "discovery/test_membership.py::test_strangers_cannot_fill_the_table",
    ),
    Guard(
        "10: long message",
        "discovery/messages.py",
        "if len(body) > MESSAGE_LIMIT_BYTES:",
        "if False:",
        "discovery/test_messages.py::test_a_message_beyond_64_kib_is_refused_unread",
    ),
    Guard(
        "11: wrong vector",
        "discovery/records.py",
        "if len(profile.evidence) != len(profile.capability):",
        "if False:",
        "discovery/test_envelopes.py::test_a_capability_vector_out_of_bounds_is_refused",
    ),
    Guard(
        "12: resurrection by a pulse",
        "discovery/membership.py",
        'if entry is None or entry.state == "left" or pulse.gen < entry.card.record.gen:\n            return []',
        "if entry is None:\n            return []",
        "discovery/test_membership.py::test_who_left_comes_back_only_by_a_newer_card",
    ),
    Guard(
        "13: lost state",
        "discovery/own.py",
        "self.gen = max(self.gen, gen) + 1",
        "self.gen = self.gen",
        "discovery/test_gossip.py::test_a_peer_that_lost_its_state_jumps_ahead_of_itself",
    ),
    Guard(
        "13: clones race",
        "discovery/own.py",
        "if len(self._jumps) >= (self._config.young_limit if is_young else self._config.limit):",
        "if False:",
        "discovery/test_gossip.py::test_two_peers_with_one_identity_are_told_and_the_original_outlives_the_copy",
    ),
    Guard(
        "14: clocks",
        "discovery/records.py",
        "return record.gen, record.seq",
        'return getattr(record, "ts", 0), record.seq',
        "discovery/test_membership.py::test_the_wall_clock_decides_nothing",
    ),
    Guard(
        "25: addresses",
        "discovery/records.py",
        "if ip.is_unspecified or ip.is_multicast or ip.is_link_local or (ip.is_reserved and not ip.is_loopback):",
        "if False:",
        "discovery/test_records.py::test_no_peer_lives_there",
    ),
    Guard(
        "25: loopback",
        "discovery/records.py",
        "if on_loopback or not ipaddress.ip_address(a.ip).is_loopback",
        "",
        "discovery/test_records.py::test_loopback_is_dialled_by_those_on_loopback_only",
    ),
    Guard(
        "25: ports",
        "discovery/records.py",
        "if not (1024 <= address.port <= 65535 or address.port == 443):",
        "if False:",
        "discovery/test_records.py::test_no_peer_listens_on_a_system_port",
    ),
    Guard(
        "27: foreign announcements",
        "discovery/mdns.py",
        "return PeerId(peer) if is_ours and peer != announcement.id else None",
        "return PeerId(peer)",
        "discovery/test_mdns.py::test_foreign_announcements_are_passed_over",
    ),
    Guard(
        "27: flood",
        "discovery/mdns.py",
        "for _ in range(LOOKUPS_AT_ONCE):",
        "for _ in range(1):",
        "discovery/test_mdns.py::test_names_that_lead_nowhere_do_not_hold_up_the_others",
    ),
    Guard(
        "27: names without end",
        "discovery/mdns.py",
        " and not names.full():",
        ":",
        "discovery/test_mdns.py::test_a_flood_of_names_is_dropped_and_a_forged_goodbye_takes_nothing_back",
    ),
    Guard(
        "27: a forged goodbye",
        "discovery/mdns.py",
        "if state_change is not ServiceStateChange.Removed and not names.full():",
        "if not names.full():",
        "discovery/test_mdns.py::test_a_flood_of_names_is_dropped_and_a_forged_goodbye_takes_nothing_back",
    ),
    Guard(
        "9, 26: made-up ids passed on",
        "discovery/reconcile.py",
        'if mine is not None and mine.state != "dead" and mine.relayed:',
        'if mine is not None and mine.state != "dead":',
        "discovery/test_gossip.py::test_a_stranger_that_moves_must_answer_again",
    ),
    Guard(
        "26: reflected dials",
        "discovery/client.py",
        "return is_good or self._dials.allow(address, self._clocks.monotonic())",
        "return True",
        "discovery/test_client.py::test_an_address_that_strangers_name_is_dialled_once_a_minute",
    ),
    Guard(
        "10: places",
        "discovery/transport.py",
        "outbox = self._to_strangers if self._gossip.is_stranger(send.to) else self._outbox",
        "outbox = self._outbox",
        "discovery/test_transport.py::test_strangers_that_let_us_wait_keep_no_approved_peer_waiting",
    ),
    Guard(
        "10: time",
        "discovery/endpoint.py",
        "return self._gossip.is_stranger(peer)",
        "return False",
        "discovery/test_endpoint.py::test_strangers_together_take_a_bounded_share_of_our_time",
    ),
    Guard(
        "45: halves that bury each other",
        "discovery/gossip.py",
        "if not dead or now < self._dead_at:",
        "if True:",
        "discovery/test_gossip.py::test_a_partition_heals_without_seeds",
    ),
    Guard(
        "46: reached by others alone",
        "discovery/gossip.py",
        "if entry.probes > self.config.detector.direct_probes:",
        "if False:",
        "discovery/test_gossip.py::test_a_suspect_is_probed_directly_then_through_others",
    ),
    Guard(
        "47: no seed is left",
        "discovery/transport.py",
        "self.hint(Address(ip, port), PeerId(cached.id))",
        "pass",
        "discovery/test_transport.py::test_a_known_peer_is_found_again_without_seeds",
    ),
    Guard(
        "join: used line",
        "discovery/inviting.py",
        'if invite.state != "open" and not (invite.by == joiner and self._has_rights(joiner)):',
        "if False:",
        "discovery/test_inviting.py::test_a_used_line_lets_nobody_else_in",
    ),
    Guard(
        "join: ended line",
        "discovery/inviting.py",
        'if invite.state != "open" and not (invite.by == joiner and self._has_rights(joiner)):',
        "if False:",
        "discovery/test_inviting.py::test_withdrawn_and_expired_ones_let_nobody_in",
    ),
    Guard(
        "join: two at once",
        "discovery/inviting.py",
        "self._invites.used(invite, joiner, name)  # before anything waits",
        "await __import__('asyncio').sleep(0); self._invites.used(invite, joiner, name)  #",
        "discovery/test_inviting.py::test_two_who_come_at_once_are_one_too_many",
    ),
    Guard(
        "join: replay after a revocation",
        "discovery/inviting.py",
        "not (invite.by == joiner and self._has_rights(joiner))",
        "not (invite.by == joiner)",
        "discovery/test_inviting.py::test_who_lost_the_answer_asks_again_until_he_is_revoked",
    ),
    Guard(
        "join: not kept",
        "discovery/inviting.py",
        "write_private(self._path, invites.encode(self._invites.kept()))",
        "pass",
        "discovery/test_inviting.py::test_it_stays_used_and_withdrawn_over_a_restart",
    ),
    Guard(
        "join: without the secret",
        "discovery/join_messages.py",
        'if not hmac.compare_digest(proof.mac, hmac.digest(key, covered, "sha256")):',
        "if False:",
        "discovery/test_inviting.py::test_who_cannot_prove_it_hears_no_more_than_a_stranger",
    ),
    Guard(
        "join: another's id",
        "discovery/join_messages.py",
        "if not verify(signer, proof.signature, covered):",
        "if False:",
        "discovery/test_join_messages.py::test_a_proof_covers_what_is_said_and_needs_key_and_identity",
    ),
    Guard(
        "join: in the middle, by line",
        "discovery/joining.py",
        "pin = bytes.fromhex(invite_id), secrets.token_bytes(16), Pin(line.cert)",
        "pin = bytes.fromhex(invite_id), secrets.token_bytes(16), Pin(None)",
        "discovery/test_joining.py::test_who_answers_in_the_inviters_place_hears_nothing",
    ),
    Guard(
        "join: in the middle, by PIN",
        "discovery/join_messages.py",
        "ends = (public_key(p.inviter), p.inviter_cert, public_key(p.joiner), p.joiner_cert)",
        "ends = (public_key(p.inviter), b'', public_key(p.joiner), b'')",
        "discovery/test_joining.py::test_who_passes_digits_on_is_refused_and_the_try_counts",
    ),
    Guard(
        "join: whoever answers",
        "discovery/joining.py",
        "check_takes(answer, parties, key, verify)",
        "pass",
        "discovery/test_joining.py::test_a_machine_that_takes_whoever_comes_is_not_believed",
    ),
    Guard(
        "join: tries",
        "discovery/inviting.py",
        "if invite is None or invite.tries >= PIN_TRIES:",
        "if invite is None:",
        "discovery/test_inviting.py::test_a_try_that_is_not_finished_counts",
    ),
    Guard(
        "join: made-up inviters",
        "discovery/joining.py",
        "if tries == PIN_TRIES:",
        "if False:",
        "discovery/test_joining.py::test_digits_are_tried_at_three_peers_and_no_more",
    ),
    Guard(
        "join: one PIN at a time",
        "discovery/invites.py",
        "if invite.pin and (before := self.open_pin(now)):",
        "if False and (before := self.open_pin(now)):",
        "discovery/test_invites.py::test_one_pin_is_open_at_a_time",
    ),
    Guard(
        "join: points",
        "discovery/pins.py",
        "key: bytes = self._side.finish(point)",
        "key: bytes = bytes(32)",
        "discovery/test_pins.py::test_a_message_is_none_where_it_is_reflected_malformed_or_of_the_same_side",
    ),
    Guard(
        "join: where a line leads",
        "discovery/join_messages.py",
        """        for address in addresses:
            check_address(address)
""",
        "",
        "discovery/test_join_messages.py::test_a_line_leads_to_no_other_service",
    ),
    Guard(
        "join: flood",
        "discovery/endpoint.py",
        """        site = site_of(peer_ip)
        self._check_room(site)
        if not self._hellos.allow(site, self._clocks.monotonic()):
            raise Refused(429, "too_many_requests", "slow down")
        with self._counted(site):
            yield
""",
        "        yield\n",
        "discovery/test_endpoint.py::test_who_has_proven_nothing_gets_the_room_of_a_hello",
    ),
    Guard(
        "secret: a revoked holder returns as another",
        "discovery/holders.py",
        "if self.is_closed and card.id not in self._holders:",
        "if False:",
        "discovery/test_holders.py::test_after_a_revocation_new_ids_wait_and_holders_stay",
    ),
    Guard(
        "secret: the same, over a restart",
        "discovery/holders.py",
        "self._holders, self.is_closed = dict.fromkeys(read_ids(known.ids)), known.closed",
        "self._holders = dict.fromkeys(read_ids(known.ids))",
        "discovery/test_holders.py::test_new_ids_wait_over_a_restart_and_whoever_was_a_holder_is_one_still",
    ),
    Guard(
        "secret: one let in by name, too",
        "discovery/admission.py",
        "            self.holders.note(card)\n",
        "",
        "discovery/test_holders.py::test_who_was_let_in_by_name_and_knows_the_secret_is_a_holder",
    ),
]


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.parametrize("guard", GUARDS, ids=[guard.attack for guard in GUARDS])
def test_without_its_guard_an_attack_succeeds_and_its_test_says_so(tmp_path: Path, guard: Guard) -> None:
    assert 1 == without(guard, tmp_path)


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_with_all_guards_in_place_every_attack_fails(tmp_path: Path) -> None:
    assert "" == with_all(GUARDS, tmp_path)
