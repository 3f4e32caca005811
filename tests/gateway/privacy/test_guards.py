"""Whether tests would notice a leak: each guard is taken out of a copy of the gateway, and its test must fail."""

from tests.guards import Guard, checked

RULES = "gateway/privacy/test_rules.py::"
DECIDER = "gateway/serving/deciding/test_decider.py::"
GUARDS = [
    Guard(
        "41: a secret leaves",
        "gateway/routing/candidates.py",
        "excluded[~roster.within(query.reach)] = Excluded.PRIVACY",
        "pass",
        "e2e/test_taint.py::test_a_thousand_secrets_stay_where_they_are",
    ),
    Guard(
        "to whom is only approved",
        "gateway/routing/roster.py",
        'mine=_placed(pairs, ("here",), is_mine)',
        'mine=_placed(pairs, ("here",), vouches)',
        "gateway/routing/test_roster.py::test_an_agent_is_within_a_rule_where_it_says_that_it_runs_there",
    ),
    Guard(
        "to an agent's servers of tools",
        "gateway/routing/roster.py",
        "agent.place in places and agent.is_contained and",
        "agent.place in places and",
        "gateway/routing/test_roster.py::test_an_agent_whose_tools_may_ask_others_is_within_no_rule_and_on_no_machine",
    ),
    Guard(
        "to our own engine elsewhere",
        "gateway/serving/deciding/queries.py",
        "here_only=is_kept,",
        "here_only=False,",
        f"{DECIDER}test_an_engine_of_ours_elsewhere_is_no_machine_of_mine",
    ),
    Guard(
        "to who came while it waited",
        "gateway/serving/leaving.py",
        "if not always and self._node.roster.is_all_here:\n            return UNASKED",
        "if not always and self._node.roster.is_all_here:\n            return ANYWHERE",
        "gateway/serving/test_leaving.py::test_while_all_runs_on_this_machine_nothing_is_looked_at_and_it_stays_here",
    ),
    Guard(
        "of which nobody looked what may leave",
        "gateway/serving/deciding/queries.py",
        'reach="this machine",',
        'reach="anyone",',
        f"{DECIDER}test_what_of_a_body_may_leave_is_looked_at_while_somebody_else_is_there",
    ),
    Guard(
        "by a rule that fails",
        "gateway/serving/leaving.py",
        'return Verdict("this machine", "not_judged", is_told=False)',
        "return ANYWHERE",
        "gateway/serving/test_leaving.py::test_a_bug_keeps_the_request_here_and_says_nothing_of_it",
    ),
    Guard(
        "by a topic that nobody judged",
        "gateway/privacy/rules.py",
        "yield None if asked.topics is None else not asked.topics.isdisjoint(rule.topics)",
        "yield bool(asked.topics) and not asked.topics.isdisjoint(rule.topics)",
        f"{RULES}test_what_cannot_be_told_stays_here",
    ),
    Guard(
        "as token ids",
        "gateway/privacy/texts.py",
        "if _has_token_ids(body):",
        "if False:",
        f"{RULES}test_what_cannot_be_told_stays_here",
    ),
    Guard(
        "escaped without end",
        "gateway/privacy/spellings.py",
        "        seen.add(text)\n    raise Unreadable",
        "        seen.add(text)",
        f"{RULES}test_what_cannot_be_told_stays_here",
    ),
    Guard(
        "in two parts",
        "gateway/privacy/texts.py",
        "for parts in _split(body):",
        "for parts in ():",
        f"{RULES}test_a_secret_that_is_split_over_two_parts_is_found",
    ),
    Guard(
        "in an encoding",
        "gateway/privacy/spellings.py",
        "yield from spellings(inside, depth - 1)",
        "pass",
        f"{RULES}test_a_thousand_secrets_are_found_in_every_field_and_encoding",
    ),
    Guard(
        "by a laxer rule",
        "gateway/privacy/rules.py",
        "if found.rule and REACHES.index(found.reach) <= REACHES.index(rule.to):",
        "if False:",
        f"{RULES}test_the_strictest_of_those_that_hold_counts_whatever_their_order",
    ),
]

test_without_a_guard_its_test_fails, test_with_all_guards_no_test_fails = checked(GUARDS)
