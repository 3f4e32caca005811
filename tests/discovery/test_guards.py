"""Whether the tests of attacks would notice: each guard is taken out of a copy of the code, and its test must fail."""

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).parents[2]


class Guard(NamedTuple):
    """One line of defence: `guard` of `file` becomes `without`, and the test `held_by` has to fail then."""

    attack: str
    file: str
    guard: str
    without: str
    held_by: str


VERIFIED = "if not verify(record.id, envelope.signature, signed_bytes(envelope.kind, net, envelope.payload)):"
GUARDS = [
    Guard(
        "1, 3, 7, 8: forged",
        "envelopes",
        VERIFIED,
        "if False:",
        "envelopes::test_a_record_signed_by_another_is_refused",
    ),
    Guard(
        "1, 3, 7: forged, in a network",
        "../benchmarks/gossip/cluster",
        "signed = opened(envelope)",
        "signed = Signed(parse(envelope), envelope)",
        "gossip::test_a_third_party_cannot_touch_a_victim",
    ),
    Guard(
        "2: another domain",
        "envelopes",
        'f"ppai/1/{kind}\\0{net}\\0".encode() + payload',
        "payload",
        "envelopes::test_a_signature_belongs_to_one_kind_and_one_network",
    ),
    Guard(
        "4: replay",
        "membership",
        "if held is not None and not supersedes(pulse, held.record):",
        "if False:",
        "membership::test_the_dead_come_back_by_a_newer_pulse_only",
    ),
    Guard(
        "4: replay of a card",
        "membership",
        "if supersedes(card, entry.card.record) else []",
        "if True else []",
        "membership::test_who_left_comes_back_only_by_a_newer_card",
    ),
    Guard(
        "5: equivocation",
        "membership",
        "entry.conflict = (held, other)",
        "pass",
        "membership::test_two_records_of_one_version_are_shown_and_the_first_stays",
    ),
    Guard(
        "6: out of bounds",
        "records",
        "if not low <= value < high:",
        "if False:",
        "envelopes::test_a_signed_record_out_of_bounds_is_refused",
    ),
    Guard(
        "6: versions out of bounds",
        "messages",
        "gen: Annotated[int, msgspec.Meta(ge=0, lt=COUNT_LIMIT)]",
        "gen: int",
        "messages::test_a_malformed_message_is_refused",
    ),
    Guard(
        "9: made-up ids",
        "members",
        'if len(self._by_state["alive"]) + len(self._by_state["suspect"]) < self._live_limit:',
        "if True:",
        "membership::test_strangers_cannot_fill_the_table",
    ),
    Guard(
        "10: long message",
        "messages",
        "if len(body) > MESSAGE_LIMIT_BYTES:",
        "if False:",
        "messages::test_a_message_beyond_64_kib_is_refused_unread",
    ),
    Guard(
        "11: wrong vector",
        "records",
        "if len(profile.evidence) != len(profile.capability):",
        "if False:",
        "envelopes::test_a_capability_vector_out_of_bounds_is_refused",
    ),
    Guard(
        "12: resurrection by a pulse",
        "membership",
        'if entry is None or entry.state == "left" or pulse.gen < entry.card.record.gen:\n            return []',
        "if entry is None:\n            return []",
        "membership::test_who_left_comes_back_only_by_a_newer_card",
    ),
    Guard(
        "13: lost state",
        "own",
        "self.gen = max(self.gen, gen) + 1",
        "self.gen = self.gen",
        "gossip::test_a_peer_that_lost_its_state_jumps_ahead_of_itself",
    ),
    Guard(
        "13: clones race",
        "own",
        "if len(self._jumps) >= (self._config.young_limit if is_young else self._config.limit):",
        "if False:",
        "gossip::test_two_peers_with_one_identity_are_told_and_the_original_outlives_the_copy",
    ),
    Guard(
        "14: clocks",
        "records",
        "return record.gen, record.seq",
        'return getattr(record, "ts", 0), record.seq',
        "membership::test_the_wall_clock_decides_nothing",
    ),
    Guard(
        "25: addresses",
        "records",
        "if ip.is_unspecified or ip.is_multicast or ip.is_link_local or (ip.is_reserved and not ip.is_loopback):",
        "if False:",
        "records::test_no_peer_lives_there",
    ),
    Guard(
        "25: loopback",
        "records",
        "if on_loopback or not ipaddress.ip_address(a.ip).is_loopback",
        "",
        "records::test_loopback_is_dialled_by_those_on_loopback_only",
    ),
    Guard(
        "25: ports",
        "records",
        "if not (1024 <= address.port <= 65535 or address.port == 443):",
        "if False:",
        "records::test_no_peer_listens_on_a_system_port",
    ),
    Guard(
        "27: foreign announcements",
        "mdns",
        "return PeerId(peer) if is_ours and peer != announcement.id else None",
        "return PeerId(peer)",
        "mdns::test_foreign_announcements_are_passed_over",
    ),
    Guard(
        "27: flood",
        "mdns",
        "for _ in range(LOOKUPS_AT_ONCE):",
        "for _ in range(1):",
        "mdns::test_names_that_lead_nowhere_do_not_hold_up_the_others",
    ),
    Guard(
        "9: made-up ids passed on",
        "reconcile",
        'if mine is not None and mine.state != "dead" and mine.relayed:',
        'if mine is not None and mine.state != "dead":',
        "gossip::test_a_stranger_that_moves_must_answer_again",
    ),
    Guard(
        "25: reflected dials",
        "client",
        "return is_good or self._dials.allow(address, self._clocks.monotonic())",
        "return True",
        "client::test_an_address_that_strangers_name_is_dialled_once_a_minute",
    ),
    Guard(
        "10: places",
        "transport",
        "outbox = self._to_strangers if self._gossip.is_stranger(send.to) else self._outbox",
        "outbox = self._outbox",
        "transport::test_strangers_that_let_us_wait_keep_no_approved_peer_waiting",
    ),
    Guard(
        "10: time",
        "endpoint",
        "return self._gossip.is_stranger(peer)",
        "return False",
        "endpoint::test_strangers_together_take_a_bounded_share_of_our_time",
    ),
    Guard(
        "join: used line",
        "inviting",
        'if invite.state != "open" and not (invite.by == joiner and self._has_rights(joiner)):',
        "if False:",
        "inviting::test_a_used_line_lets_nobody_else_in",
    ),
    Guard(
        "join: ended line",
        "inviting",
        'if invite.state != "open" and not (invite.by == joiner and self._has_rights(joiner)):',
        "if False:",
        "inviting::test_withdrawn_and_expired_ones_let_nobody_in",
    ),
    Guard(
        "join: two at once",
        "inviting",
        "self._invites.used(invite, joiner, name)  # before anything waits",
        "await __import__('asyncio').sleep(0); self._invites.used(invite, joiner, name)  #",
        "inviting::test_two_who_come_at_once_are_one_too_many",
    ),
    Guard(
        "join: replay after a revocation",
        "inviting",
        "not (invite.by == joiner and self._has_rights(joiner))",
        "not (invite.by == joiner)",
        "inviting::test_who_lost_the_answer_asks_again_until_he_is_revoked",
    ),
    Guard(
        "join: not kept",
        "inviting",
        "write_private(self._path, invites.encode(self._invites.kept()))",
        "pass",
        "inviting::test_it_stays_used_and_withdrawn_over_a_restart",
    ),
    Guard(
        "join: without the secret",
        "join_messages",
        'if not hmac.compare_digest(proof.mac, hmac.digest(key, covered, "sha256")):',
        "if False:",
        "inviting::test_who_cannot_prove_it_hears_no_more_than_a_stranger",
    ),
    Guard(
        "join: another's id",
        "join_messages",
        "if not verify(signer, proof.signature, covered):",
        "if False:",
        "join_messages::test_a_proof_covers_what_is_said_and_needs_key_and_identity",
    ),
    Guard(
        "join: in the middle, by line",
        "joining",
        "pin = bytes.fromhex(invite_id), secrets.token_bytes(16), Pin(line.cert)",
        "pin = bytes.fromhex(invite_id), secrets.token_bytes(16), Pin(None)",
        "joining::test_who_answers_in_the_inviters_place_hears_nothing",
    ),
    Guard(
        "join: in the middle, by PIN",
        "join_messages",
        "ends = (public_key(p.inviter), p.inviter_cert, public_key(p.joiner), p.joiner_cert)",
        "ends = (public_key(p.inviter), b'', public_key(p.joiner), b'')",
        "joining::test_who_passes_digits_on_is_refused_and_the_try_counts",
    ),
    Guard(
        "join: whoever answers",
        "joining",
        "check_takes(answer, parties, key, verify)",
        "pass",
        "joining::test_a_machine_that_takes_whoever_comes_is_not_believed",
    ),
    Guard(
        "join: tries",
        "inviting",
        "if invite is None or invite.tries >= PIN_TRIES:",
        "if invite is None:",
        "inviting::test_a_try_that_is_not_finished_counts",
    ),
    Guard(
        "join: made-up inviters",
        "joining",
        "if tries == PIN_TRIES:",
        "if False:",
        "joining::test_digits_are_tried_at_three_peers_and_no_more",
    ),
    Guard(
        "join: one PIN at a time",
        "invites",
        "if invite.pin and (before := self.open_pin(now)):",
        "if False and (before := self.open_pin(now)):",
        "invites::test_one_pin_is_open_at_a_time",
    ),
    Guard(
        "join: points",
        "pins",
        "key: bytes = self._side.finish(point)",
        "key: bytes = bytes(32)",
        "pins::test_a_message_is_none_where_it_is_reflected_malformed_or_of_the_same_side",
    ),
    Guard(
        "join: where a line leads",
        "join_messages",
        """        for address in addresses:
            check_address(address)
""",
        "",
        "join_messages::test_a_line_leads_to_no_other_service",
    ),
    Guard(
        "join: flood",
        "endpoint",
        """        site = site_of(peer_ip)
        self._check_room(site)
        if not self._hellos.allow(site, self._clocks.monotonic()):
            raise Refused(429, "too_many_requests", "slow down")
        with self._counted(site):
            yield
""",
        "        yield\n",
        "endpoint::test_who_has_proven_nothing_gets_the_room_of_a_hello",
    ),
    Guard(
        "secret: a revoked holder returns as another",
        "holders",
        "if self.is_closed and card.id not in self._holders:",
        "if False:",
        "holders::test_after_a_revocation_new_ids_wait_and_holders_stay",
    ),
    Guard(
        "secret: the same, over a restart",
        "holders",
        "self._holders, self.is_closed = dict.fromkeys(read_ids(known.ids)), known.closed",
        "self._holders = dict.fromkeys(read_ids(known.ids))",
        "holders::test_new_ids_wait_over_a_restart_and_whoever_was_a_holder_is_one_still",
    ),
    Guard(
        "secret: one let in by name, too",
        "admission",
        "            self.holders.note(card)\n",
        "",
        "holders::test_who_was_let_in_by_name_and_knows_the_secret_is_a_holder",
    ),
]


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.parametrize("guard", GUARDS, ids=[guard.attack for guard in GUARDS])
def test_without_its_guard_an_attack_succeeds_and_its_test_says_so(tmp_path: Path, guard: Guard) -> None:
    for room in ("discovery", "benchmarks/gossip", "tests/discovery"):
        shutil.copytree(ROOT / room, tmp_path / room, ignore=shutil.ignore_patterns("__pycache__"))
    for file in ("pyproject.toml", "benchmarks/__init__.py", "tests/__init__.py", "tests/cluster.py"):
        shutil.copy(ROOT / file, tmp_path / file)
    attacked = (tmp_path / "discovery" / f"{guard.file}.py").resolve()
    source = attacked.read_text(encoding="utf-8")
    assert 1 == source.count(guard.guard), "the guard has moved: name it anew"

    assert 0 == held(tmp_path, guard)
    attacked.write_text(source.replace(guard.guard, guard.without), encoding="utf-8")

    assert 1 == held(tmp_path, guard)


def held(copy: Path, guard: Guard) -> int:
    """pytest's verdict on the guard's test in a copy of the code: 0 passed, 1 failed, else it could not be run."""
    file, _, name = guard.held_by.partition("::")
    test = f"tests/discovery/test_{file}.py::{name}"
    command = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", "--timeout", "60", "--", test]
    environment = {**os.environ, "PYTHONPATH": str(copy), "PYTHONDONTWRITEBYTECODE": "1"}
    return subprocess.run(command, cwd=copy, env=environment, check=False, capture_output=True).returncode
