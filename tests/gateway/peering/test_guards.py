"""Whether tests would notice an abuse: each guard of what peers do for each other is taken out, and its test must fail.

Attacks 28 to 47 of docs/results/security.md, without those that tables of other rooms hold: what is delegated and
answered, what a load says, who gets which share, and what is done where others do not answer.
"""

from tests.guards import Guard, checked

BAD_REPLIES, DELEGATED = "gateway/peering/hop/test_bad_replies.py::", "gateway/peering/test_delegated.py::"
FIELDS, BELIEF = "gateway/privacy/test_fields.py::", "gateway/beliefs/test_belief.py::"
GUARDS = [
    Guard(
        "28: a field that nobody knows",
        "gateway/privacy/fields.py",
        "if name not in travels and not (trusted and name in TRUSTED_ONLY):",
        "if False:",
        f"{FIELDS}test_is_dropped",
    ),
    Guard(
        "28: ten thousand million tokens",
        "gateway/wire/known.py",
        "Length = Annotated[float, Meta(ge=-1, le=MAX_TOKENS_LIMIT)]",
        "Length = Annotated[float, Meta(ge=-1)]",
        f"{FIELDS}test_pins_the_request_here",
    ),
    Guard(
        "28: an address to fetch",
        "gateway/wire/rewriting.py",
        "if not all(map(_is_inline, images)):",
        "if False:",
        f"{FIELDS}test_what_an_engine_would_fetch_or_does_not_know_pins",
    ),
    Guard(
        "29: an agent that is not ours",
        "gateway/peering/given.py",
        "if self._may_use(agent, self.peer) else None",
        'or doors.of("ours", lambda one: True)',
        f"{DELEGATED}test_a_request_is_never_delegated_twice",
    ),
    Guard(
        "30: ten times the quota",
        "gateway/peering/hop/delegations.py",
        "if spending is None:",
        "if False:",
        "gateway/peering/test_settling.py::test_a_quota_refuses_before_the_engine_is_asked",
    ),
    Guard(
        "30: by a hundred names",
        "gateway/capacity/allowance.py",
        "        if together is None:\n            self._of_peers.give_back(mine)\n            return None\n",
        "        together = together or mine\n",
        "gateway/capacity/test_allowance.py::test_a_flood_of_a_hundred_names_from_one_address_has_four_times_one_quota",
    ),
    Guard(
        "31: a gigabyte",
        "gateway/peering/hop/reply.py",
        "if self._read_bytes > self._allowed.limit_bytes:",
        "if False:",
        f"{BAD_REPLIES}test_an_endless_answer_ends_for_us",
    ),
    Guard(
        "31: events without end",
        "gateway/peering/hop/reply.py",
        "if self._events > self._allowed.events:",
        "if False:",
        f"{BAD_REPLIES}test_an_endless_answer_ends_for_us",
    ),
    Guard(
        "31: an answer that never ends",
        "gateway/peering/hop/reply.py",
        "min(max(self._since, self.at) + within_s, self._until) - self._clock()",
        "max(self._since, self.at) + within_s - self._clock()",
        f"{BAD_REPLIES}test_an_endless_answer_ends_for_us",
    ),
    Guard(
        "31: an event without end",
        "gateway/wire/events.py",
        "if may_be_oversized and",
        "if False and",
        "gateway/wire/test_events.py::test_an_endless_event_is_refused",
    ),
    Guard(
        "31: no JSON",
        "gateway/peering/hop/reply.py",
        "if not event.is_done and not event.is_object:",
        "if False:",
        f"{BAD_REPLIES}test_garbage_is_an_error_and_reaches_no_client",
    ),
    Guard(
        "32: fast errors",
        "gateway/beliefs/belief.py",
        "self._observe_wait(job, max(outcome.latency_s, self.config.failure_s))",
        "self._observe_wait(job, outcome.latency_s)",
        f"{BELIEF}test_a_failure_counts_like_a_timeout",
    ),
    Guard(
        "33: always idle",
        "gateway/beliefs/belief.py",
        "self.turns_seen += max(0.0, waited_s / job.turn_s + 1.0)",
        "self.turns_seen += job.ahead_s / job.turn_s + 1.0",
        f"{BELIEF}test_a_peer_that_says_idle_while_jobs_wait_convicts_itself",
    ),
    Guard(
        "9: what made-up ids say of their load",
        "gateway/routing/node.py",
        """            if not self.admission.may(event.peer, "answer"):
                continue
""",
        "",
        "gateway/routing/test_node.py::test_pulses_of_who_may_not_answer_leave_nothing_behind",
    ),
    Guard(
        "33: idle, and it does not begin",
        "gateway/beliefs/expected.py",
        "greater(backlog, others * lesser(of.late, 1.0))",
        "backlog",
        "gateway/beliefs/test_table.py::test_while_a_job_of_ours_is_late_others_have_all_slots",
    ),
    Guard(
        "34: always busy, and asking",
        "gateway/trust/tab.py",
        "return 0.0 if got < SMALL_GIFT else FLOOR + (1 - FLOOR) * got / (got + given + SMALL)",
        "return 1.0",
        "gateway/trust/test_tab.py::test_a_new_name_gains_nothing_and_half_the_weight_is_for_who_gives_as_he_takes",
    ),
    Guard(
        "34: a share for each new name",
        "gateway/capacity/fair_share.py",
        "return peer if self._weight(peer) > 0 else NEWCOMERS",
        "return peer",
        "gateway/capacity/test_fair_share.py::test_newcomers_together_have_a_fifth_however_many_they_are",
    ),
    Guard(
        "38, 39: receipts of others",
        "gateway/trust/tab.py",
        "if (self.statement.taker, self.statement.giver) != (taker, giver):",
        "if False:",
        "gateway/trust/test_tabs.py::test_colluding_receipts_of_others_move_nothing_here",
    ),
    Guard(
        "38: a receipt of one's own making",
        "gateway/trust/tab.py",
        "return all(_signed(who, by, said, verify) for who, by in signers[: 1 + both])",
        "return True",
        "gateway/trust/test_tabs.py::test_a_forged_or_foreign_statement_changes_nothing",
    ),
    Guard(
        "40: hung up",
        "gateway/server/exchange.py",
        "            self.task.cancel()\n",
        "",
        f"{DELEGATED}test_a_client_that_hangs_up_at_the_asker_frees_the_engine_behind_the_peer",
    ),
    Guard(
        "42: lines of a log",
        "gateway/telemetry/log_lines.py",
        "return visible(super().format(record))",
        "return super().format(record)",
        "gateway/telemetry/test_log_lines.py::test_a_line_has_no_character_that_steers_a_terminal",
    ),
    Guard(
        "44: a call that nobody asked for",
        "gateway/peering/hop/reply.py",
        "if not self._allowed.may_call and calls_tool(event.data):",
        "if False:",
        f"{BAD_REPLIES}test_a_tool_call_that_nobody_asked_for_reaches_no_client",
    ),
    Guard(
        "31: events beyond what was asked for, together",
        "gateway/peering/hop/reply.py",
        "if events > allowed.events or",
        "if",
        "gateway/peering/hop/test_reply.py::test_what_would_not_pass_alone_does_not_pass_as_it_came",
    ),
    Guard(
        "44: a tool call among others",
        "gateway/peering/hop/reply.py",
        "or (not allowed.may_call and calls_tool(piece)):",
        "or False:",
        "gateway/peering/hop/test_reply.py::test_what_would_not_pass_alone_does_not_pass_as_it_came",
    ),
]

test_without_a_guard_its_test_fails, test_with_all_guards_no_test_fails = checked(GUARDS)
