"""Whether tests would notice a liar that is believed: each guard is taken out of a copy, and its test must fail."""

from tests.guards import Guard, checked

HONESTY, NODE = "gateway/trust/test_honesty.py::", "gateway/routing/test_node_scores.py::"
GUARDS = [
    Guard(
        "35: an inflated claim",
        "gateway/trust/honesty.py",
        'return CAUTION * min(1.0, of.ratio) if of and of.verdict == "worse" else 1.0',
        "return 1.0",
        f"{NODE}test_a_claim_of_a_convicted_peer_counts_less_where_nothing_was_seen_too",
    ),
    Guard(
        "36: good and bad by turns",
        "gateway/trust/honesty.py",
        "max(-CERTAIN, of.odds + _step(claimed, score))",
        "of.odds + _step(claimed, score)",
        f"{HONESTY}test_good_answers_of_yesterday_pay_for_few_bad_ones_of_today",
    ),
    Guard(
        "37: a new id",
        "gateway/routing/node.py",
        "(is_named or not self.honesty.is_suspicious(peer))",
        "True",
        f"{NODE}test_a_new_name_gains_nothing_once_somebody_was_convicted",
    ),
    Guard(
        "a verdict that is waited out, again and again",
        "gateway/trust/honesty.py",
        "min(FADES_S * 2.0 ** (of.verdicts - 1), FADES_LAST_S)",
        "FADES_S",
        f"{HONESTY}test_a_verdict_fades_after_a_day_and_half_of_the_evidence_brings_it_back_for_twice_as_long",
    ),
    Guard(
        "another model than the one that is named",
        "gateway/trust/audits.py",
        "self._budget.suspect(peer)",
        "pass",
        "gateway/trust/test_audits.py::test_where_two_differ_a_third_is_referee_and_the_odd_one_is_audited_more_often",
    ),
    Guard(
        "nonsense for answers",
        "gateway/routing/candidates.py",
        "if view.distrusted is not None and query.pin is None:",
        "if False:",
        f"{NODE}test_who_answers_nonsense_stands_back_for_a_while_and_answers_where_nobody_else_can",
    ),
    Guard(
        "audits without end",
        "gateway/trust/budget.py",
        "return len(of.times) < A_DAY",
        "return True",
        "gateway/trust/test_budget.py::test_no_peer_is_asked_more_than_fifty_times_a_day_however_much_it_is_used",
    ),
    Guard(
        "an answer that is run",
        "gateway/trust/audits.py",
        "tuple(one for one in found if one.grade not in RUNS_CODE)",
        "tuple(found)",
        "gateway/trust/test_audits.py::test_no_question_is_asked_whose_answer_would_have_to_be_run",
    ),
    Guard(
        "a failure as a wrong answer",
        "gateway/measuring/auditing.py",
        "self._is_complete and not self._is_broken else None",
        "True else None",
        "gateway/measuring/test_auditing.py::test_a_failure_or_a_cut_is_no_answer",
    ),
]

test_without_a_guard_its_test_fails, test_with_all_guards_no_test_fails = checked(GUARDS)
