"""Jobs for SQL and for a shell: which outcomes they accept. That they run is in test_grades.py and test_builtin.py."""

import pytest

from profiler.grading.programs import MOST_PROCESSES, Shell, Sql, shell_job, sql_job
from profiler.sandbox import passes

ENDLESS = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i FROM n) SELECT COUNT(*) FROM n"
SETUP = "CREATE TABLE t (a INT, b REAL); INSERT INTO t VALUES (1, 0.1), (2, 0.2), (3, NULL);"


@pytest.mark.parametrize(
    ("reply", "wanted", "right"),
    [
        ("SELECT a FROM t ORDER BY a DESC", Sql(SETUP, [[1], [2], [3]]), True),
        ("SELECT a FROM t ORDER BY a DESC", Sql(SETUP, [[1], [2], [3]], ordered=True), False),
        ("SELECT SUM(b) FROM t", Sql(SETUP, [[0.3]]), True),
        ("SELECT a, b FROM t WHERE a = 3", Sql(SETUP, [[3, None]]), True),
        ("SELECT a, b FROM t WHERE a = 3", Sql(SETUP, [[3]]), False),
        ("SELECT a FROM t UNION ALL SELECT a FROM t", Sql(SETUP, [[1], [2], [3]]), False),
        ("DELETE FROM t WHERE a < 3;", Sql(SETUP, [[1]], after="SELECT COUNT(*) FROM t"), True),
        ("UPDATE t SET a = 0; DELETE FROM t;", Sql(SETUP, [[0]], after="SELECT COUNT(*) FROM t"), True),
        ("SELECT 1; DROP TABLE t", Sql(SETUP, [[1]]), False),
        ("ATTACH '/etc/passwd' AS x", Sql(SETUP, []), False),
        (
            "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i FROM n) SELECT COUNT(*) FROM n",
            Sql(SETUP, [[1]]),
            False,
        ),
    ],
)
@pytest.mark.usefixtures("wall")
def test_sql(reply: str, wanted: Sql, right: bool) -> None:
    job = sql_job(reply, wanted)

    assert right == passes(job.code, job.tests, timeout_s=2.0)


FILES = {"a.txt": "x y\n", "sub/b.txt": "z\n", "empty/": ""}


@pytest.mark.parametrize(
    ("reply", "wanted", "right"),
    [
        ("find . -name '*.txt'", Shell(FILES, ["sub/b.txt", "a.txt"], ordered=False), True),
        ("find . -name '*.txt' | sort", Shell(FILES, ["sub/b.txt", "a.txt"]), False),
        ("wc -l a.txt", Shell(FILES, ["1 a.txt"]), True),
        ("rm -r sub && touch new", Shell(FILES, after={"sub/b.txt": None, "new": "", "a.txt": "x y"}), True),
        ("rm -r sub", Shell(FILES, only=["a.txt", "empty/"]), True),
        ("rm -r sub; touch c", Shell(FILES, only=["a.txt", "empty/"]), False),
        ("sed -i s/x/q/ a.txt", Shell(FILES, after={"a.txt": "x y"}), False),
        ("echo ok 2>/dev/null >&2; exit 3", Shell(FILES, []), True),
        (":(){ :|:& };:; echo x", Shell(FILES, ["y"]), False),
    ],
)
@pytest.mark.usefixtures("programs_wall")
def test_shell(reply: str, wanted: Shell, right: bool) -> None:
    job = shell_job(reply, wanted)

    assert right == passes(job.code, job.tests, programs=True)


@pytest.mark.usefixtures("programs_wall")
@pytest.mark.parametrize("reply", [f"for i in $(seq {2 * MOST_PROCESSES}); do sleep 60 & done; wait", ":(){ :|:& };:"])
def test_a_shell_that_starts_processes_without_end_is_ended_before_its_time(reply: str) -> None:
    job = shell_job(reply, Shell({}, []))

    assert passes(job.code, job.tests, timeout_s=40.0, programs=True)


@pytest.mark.usefixtures("programs_wall")
def test_a_shell_may_start_many_processes_one_after_the_other() -> None:
    job = shell_job(f"for i in $(seq {2 * MOST_PROCESSES}); do /bin/true; done; echo done", Shell({}, ["done"]))

    assert passes(job.code, job.tests, timeout_s=40.0, programs=True)
