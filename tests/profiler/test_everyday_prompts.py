"""Our own prompts on all subjects, that gates are trained with: whole, distinct, one category a task."""

import json
from collections import Counter

from profiler.qagate import shipped_gate

PROMPTS = [json.loads(line) for line in (shipped_gate() / "everyday.jsonl").read_text("utf-8").splitlines()]


def test_each_line_is_a_prompt_with_two_names() -> None:
    assert {("query", "task", "category")} == {tuple(prompt) for prompt in PROMPTS}
    assert all(prompt["query"] == prompt["query"].strip() != "" for prompt in PROMPTS)
    assert len(PROMPTS) == len({prompt["query"].lower() for prompt in PROMPTS})
    tasks = {prompt["task"]: prompt["category"] for prompt in PROMPTS}
    assert all(tasks[prompt["task"]] == prompt["category"] for prompt in PROMPTS), "a task is of one category"


def test_every_task_has_its_prompts() -> None:
    tasks = Counter(prompt["task"] for prompt in PROMPTS)

    assert 62 == len(tasks)
    assert 44 == len({prompt["category"] for prompt in PROMPTS})
    assert min(tasks.values()) >= 5
