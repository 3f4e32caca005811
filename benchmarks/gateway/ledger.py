"""Where the CPU time of a request goes (P): the stage that each sample of a peer's stack belongs to.

A sample (watched.py) counts for the first stage of STAGES of which a function is under way, whatever that function has
called. What belongs to none is REST: the event loop, the kernel's reads, a peer's work for nobody in particular.
"""

from collections import Counter
from collections.abc import Iterable, Mapping

REST = "rest"
STAGES: Mapping[str, tuple[str, ...]] = {  # by stage: folders, files, and functions of files
    "record": (
        *(f"gateway/serving/attempts.py:{name}" for name in ("observe", "ended")),
        *("gateway/serving/recording/", "gateway/serving/forward.py:_observe"),
        *("gateway/measuring/feedback.py", "gateway/telemetry/"),
    ),
    "client write": (
        *(
            f"gateway/server/exchange.py:{name}"
            for name in ("start", "send", "put", "answer", "comment", "send_message")
        ),
        *("gateway/server/answering.py", "gateway/server/fields.py:lines_of"),
        "gateway/serving/alive.py",
    ),
    "parse": (
        *(f"gateway/serving/deciding/queries.py:{name}" for name in ("read", "travel")),
        *("gateway/serving/headers.py", "gateway/wire/codec.py:takes_long"),
    ),
    "judge": ("gateway/topics/", "gateway/serving/leaving.py", "gateway/serving/deciding/queries.py:judged"),
    "plan": (
        *("gateway/serving/deciding/decider.py:choose", "gateway/serving/deciding/queries.py:query"),
        *("gateway/serving/refusals.py", "gateway/peering/probes.py:probe"),
    ),
    "upstream write": (
        *(f"discovery/connections.py:{name}" for name in ("post", "send", "dial")),
        *(f"discovery/connection.py:{name}" for name in ("ask", "_send_on")),
        *("gateway/serving/deciding/asking.py", "gateway/peering/hop/reply.py:begin", "discovery/request_auth.py"),
    ),
    "dispatch": ("gateway/serving/attempts.py", "gateway/capacity/", "gateway/routing/course.py"),
    "relay": (
        *("gateway/serving/forward.py", "gateway/serving/relaying.py", "gateway/engines/openai_http.py"),
        *("discovery/connection.py", "discovery/connections.py", "discovery/answer.py"),
        *("gateway/peering/remote.py", "gateway/peering/hop/", "gateway/peering/delegated.py"),
        *("gateway/peering/frames.py", "gateway/wire/streams/pour.py"),
    ),
    "lead": ("gateway/serving/",),  # what leads from stage to stage, and frees what they made
    "let in": ("gateway/client/", "gateway/server/", "gateway/peering/listener.py"),
}


def stage_of(stack: str) -> str:
    """The stage of one sample: functions as `/path/to/file.py:function`, with blanks between them."""
    functions = f"{stack} "
    for stage, marks in STAGES.items():
        if any(_is_in(mark, functions) for mark in marks):
            return stage
    return REST


def spent(stacks: Iterable[str], cpu_us: float) -> dict[str, float]:
    """µs of CPU a request by stage, all of them and REST, where a request took `cpu_us` and these were its samples."""
    counts = Counter(map(stage_of, stacks))
    return {stage: cpu_us * counts[stage] / max(1, counts.total()) for stage in (*STAGES, REST)}


def _is_in(mark: str, functions: str) -> bool:
    """A mark is a folder that ends in `/`, a file, or a file and its function."""
    end = "" if mark.endswith("/") else " " if ":" in mark else ":"
    return f"/{mark}{end}" in functions
