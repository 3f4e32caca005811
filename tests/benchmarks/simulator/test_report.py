"""A result as people read it."""

from benchmarks.simulator.report import table

ROW = {"policy": "default", "x": 0.5, "mean_s": 1.5, "p99_s": 9.25, "accuracy": 61.5}
ROW |= {"ci": {"mean_s": [1.4, 1.6], "accuracy": [60.5, 62.5]}}


def test_half_the_interval_stands_behind_its_mean() -> None:
    _, line = table({"rows": [ROW]}).split("\n")

    assert ["default", "0.5", "1.500", "±", "0.100", "9.25", "61.50", "±", "1.00"] == line.split()


def test_what_was_not_measured_is_left_out() -> None:
    _, line = table({"rows": [{**ROW, "x": None, "accuracy": None}]}).split("\n")

    assert ["default", "-", "1.500", "±", "0.100", "9.25"] == line.split()


def test_checks_follow_the_rows() -> None:
    told = table({"rows": [ROW], "checks": {"default/oracle": {"mean": 1.25, "ci": [1.2, 1.3]}}})

    assert "default/oracle: 1.250 [1.200, 1.300]" == told.split("\n")[-1]


def test_a_result_without_rows_is_told_key_by_key() -> None:
    assert "slots: 4\nstep_s: 0.1" == table({"slots": 4, "step_s": 0.1})
