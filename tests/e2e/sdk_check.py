"""What an application sees through the real openai SDK (2.x or later): `python sdk_check.py BASE_URL MODEL [options]`.

Runs against a peer or against an engine itself, prints a transcript, and exits 1 when a check failed. Needs nothing but
the SDK, so that each major version can run it in an environment of its own.
"""

import argparse
import asyncio
import os
import sys
import time
import urllib.request
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from math import ceil
from typing import Any

import openai
from openai.types import CompletionUsage
from openai.types.chat import ChatCompletionMessageParam

STREAM_FREED_WITHIN_S = 1.0  # the engine must have dropped an abandoned request by then
# Before its first result, llama.cpp notices after a second without a result for anybody, /metrics included: few looks.
FREED_AFTER_S = 2.5  # on an idle machine; the batch that it works on is not interrupted
LOOKS = 3
SEEN_WITHIN_S = 30.0  # the engine counts a request as running by then, on a loaded machine too
BEFORE_FIRST_TOKEN_S = 0.15
TO_THE_END = {"ignore_eos": True}  # of max_tokens: an answer is as long as that, whatever the model would have said
QUESTION: list[ChatCompletionMessageParam] = [{"role": "user", "content": "Repeat: good morning"}]
STORY: list[ChatCompletionMessageParam] = [{"role": "user", "content": "Write a very long story about a dragon."}]


class Application:
    """The checks, each a method that returns what to print, or fails an assertion."""

    def __init__(self, options: argparse.Namespace) -> None:
        self.model: str = options.model
        self.running_url: str = options.running
        self.running_key: str = os.environ.get("RUNNING_API_KEY", "")
        key = os.environ.get("OPENAI_API_KEY", "none")
        # No retries: they would hide a connection that the server dropped.
        self.client = openai.OpenAI(base_url=options.base_url, api_key=key, max_retries=0, timeout=60)

    def models(self) -> str:
        """The model is listed."""
        names = [model.id for model in self.client.models.list()]
        assert self.model in names, names
        return f"{names}"

    def model_by_id(self) -> str:
        """The model is found by its id; no engine that we know does this."""
        model = self.client.models.retrieve(self.model)
        assert model.id == self.model, model
        return f"{model.id!r} of {model.owned_by!r}"

    def chat(self) -> str:
        """Not streamed: an answer, why it ended, and a usage that adds up."""
        reply = self.client.chat.completions.create(
            model=self.model, messages=QUESTION, max_tokens=16, temperature=0, extra_body=TO_THE_END
        )
        choice, usage = reply.choices[0], reply.usage
        assert usage and usage.total_tokens == usage.prompt_tokens + usage.completion_tokens, usage
        assert 0 < usage.completion_tokens <= 16, usage
        assert choice.message.content and choice.finish_reason in ("stop", "length"), choice
        return (
            f"{choice.message.content!r} {choice.finish_reason} {usage.prompt_tokens}+{usage.completion_tokens} tokens"
        )

    def stream(self) -> str:
        """Streamed with include_usage: several deltas of one id, one finish, then one chunk with the usage alone."""
        began = time.perf_counter()
        text, first_s = "", 0.0
        finishes: list[str] = []
        usages: list[CompletionUsage] = []
        ids: set[str] = set()
        for chunk in self.client.chat.completions.create(
            model=self.model,
            messages=QUESTION,
            max_tokens=16,
            temperature=0,
            stream=True,
            stream_options={"include_usage": True},
            extra_body=TO_THE_END,
        ):
            assert not usages, "nothing comes after the usage"
            ids.add(chunk.id)
            for choice in chunk.choices:
                text += choice.delta.content or ""
                finishes += [choice.finish_reason] if choice.finish_reason else []
            first_s = first_s or (time.perf_counter() - began if text else 0.0)
            if chunk.usage:
                assert chunk.choices == [], chunk
                usages.append(chunk.usage)
        assert text and len(ids) == len(finishes) == len(usages) == 1, (text, ids, finishes, usages)
        usage = usages[0]
        assert usage.total_tokens == usage.prompt_tokens + usage.completion_tokens > 0, usage
        return f"{text!r} {finishes[0]} {usage.prompt_tokens}+{usage.completion_tokens} tokens, first {first_s:.3f} s"

    def stream_without_usage(self) -> str:
        """Streamed without include_usage: nobody's usage chunk slips through."""
        chunks = list(
            self.client.chat.completions.create(
                model=self.model, messages=QUESTION, max_tokens=4, stream=True, extra_body=TO_THE_END
            )
        )
        assert len(chunks) > 1 and not any(chunk.usage for chunk in chunks), chunks
        assert all(chunk.choices for chunk in chunks), chunks
        return f"{len(chunks)} chunks"

    def one_connection(self) -> str:
        """Streamed and not, in turn, over one pooled client: llama.cpp closes connections that it promised to keep."""
        for number in range(12):
            reply = self.client.chat.completions.create(
                model=self.model, messages=QUESTION, max_tokens=2, stream=number % 2 == 0, extra_body=TO_THE_END
            )
            if number % 2 == 0:
                assert list(reply)
        return "12 requests"

    def four_at_once(self) -> str:
        """Four streams at the same time each get their own answer."""

        def ask(_: int) -> int:
            chunks = self.client.chat.completions.create(
                model=self.model, messages=STORY, max_tokens=16, stream=True, temperature=0, extra_body=TO_THE_END
            )
            return sum(len(chunk.choices[0].delta.content or "") for chunk in chunks if chunk.choices)

        with ThreadPoolExecutor(4) as pool:
            lengths = list(pool.map(ask, range(4)))
        assert all(lengths), lengths
        return f"{lengths} characters"

    def wrong_model(self) -> str:
        """404, as OpenAI says it."""
        try:
            self.client.chat.completions.create(model="no-such-model", messages=QUESTION, max_tokens=2)
        except openai.NotFoundError as error:
            return _told(error, "no-such-model")
        raise AssertionError("accepted")

    def too_long(self) -> str:
        """400, with what the limit is."""
        long: list[ChatCompletionMessageParam] = [{"role": "user", "content": "word " * 20_000}]
        try:
            self.client.chat.completions.create(model=self.model, messages=long, max_tokens=2)
        except openai.BadRequestError as error:
            return _told(error, "context")
        raise AssertionError("accepted")

    def no_messages(self) -> str:
        """400."""
        try:
            self.client.chat.completions.create(model=self.model, messages=[], max_tokens=2)
        except openai.BadRequestError as error:
            return _told(error, "")
        raise AssertionError("accepted")

    def aborted_stream(self) -> str:
        """A stream left in the middle frees the engine."""
        chunks = self.client.chat.completions.create(
            model=self.model, messages=STORY, max_tokens=700, temperature=0, stream=True, extra_body=TO_THE_END
        )
        heard = [next(chunks) for _ in range(4)]
        busy = self.running()
        assert busy >= 1, f"{busy} running while it streams: the count shows nothing"
        chunks.close()
        began = time.perf_counter()
        while self.running() and time.perf_counter() - began < STREAM_FREED_WITHIN_S:
            time.sleep(0.02)
        took_s, left = time.perf_counter() - began, self.running()
        assert left == 0, f"{left:.0f} still running after {took_s:.2f} s"
        return f"left after {len(heard)} chunks: {busy:.0f} running, 0 after {took_s:.2f} s"

    def aborted_call(self) -> str:
        """A call that is not streamed, given up by its caller once the engine works on it, frees the engine."""
        return asyncio.run(self._leave_once_running())

    def aborted_before_first_token(self) -> str:
        """A stream given up while the engine still reads the prompt frees it; vLLM does not count it by then."""
        prompt_s = self._first_word_s(max_tokens=1)  # and then it reads such a prompt in one batch, which nothing ends
        try:
            # An engine sends headers before it has a token, a peer does not.
            self._first_word_s(max_tokens=400, timeout=BEFORE_FIRST_TOKEN_S)
        except Exception as error:
            if "Timeout" not in type(error).__name__:  # the SDK's own, or its HTTP library's of either major version
                raise
            return f"gave up after {BEFORE_FIRST_TOKEN_S} s of {prompt_s:.1f} s: {self._freed(2 * prompt_s)}"
        raise AssertionError(f"answered within {BEFORE_FIRST_TOKEN_S} s: ask for more")

    def _first_word_s(self, **fields: Any) -> float:
        """Seconds until the first word of a stream that answers a new long prompt."""
        # The time comes first: an engine that remembers a prompt's beginning shall not remember this one's.
        text, began = f"{time.time()} " + "word " * 500 + "Write a very long story about a dragon.", time.perf_counter()
        turns: list[ChatCompletionMessageParam] = [{"role": "user", "content": text}]
        reply = self.client.chat.completions.create(
            model=self.model, messages=turns, temperature=0, stream=True, **fields
        )
        next((chunk for chunk in reply if chunk.choices and chunk.choices[0].delta.content), None)
        return time.perf_counter() - began

    def running(self) -> float:
        """Requests the engine works on now, by its own count."""
        request = urllib.request.Request(self.running_url, headers={"authorization": f"Bearer {self.running_key}"})
        with urllib.request.urlopen(request, timeout=5) as reply:
            lines = reply.read().decode().splitlines()
        counts = [
            line for line in lines if line.startswith(("vllm:num_requests_running", "llamacpp:requests_processing"))
        ]
        assert counts, f"{self.running_url} counts no running requests"
        return sum(float(line.split()[-1]) for line in counts)

    async def _leave_once_running(self) -> str:
        """Leave when the engine counts the call, however long it takes to: a loaded one takes seconds."""
        key, url = self.client.api_key, str(self.client.base_url)
        async with openai.AsyncOpenAI(base_url=url, api_key=key, max_retries=0, timeout=60) as client:
            asked = client.chat.completions.create(
                model=self.model, messages=STORY, max_tokens=700, temperature=0, extra_body=TO_THE_END
            )
            call, began = asyncio.create_task(asked), time.perf_counter()
            while not (busy := await asyncio.to_thread(self.running)):
                assert not call.done(), f"ended before it was seen running: {call}"
                assert time.perf_counter() - began < SEEN_WITHIN_S, f"not seen running within {SEEN_WITHIN_S} s"
                await asyncio.sleep(0.02)
            call.cancel()
            await asyncio.wait({call})
            assert call.cancelled(), f"ended before it was given up: {call}"
        return f"{busy:.0f} seen running, {self._freed()}"

    def _freed(self, batch_s: float = 0.0) -> str:
        """When the engine was seen idle, which may work on a batch of so many seconds first."""
        looks = LOOKS + ceil(batch_s / FREED_AFTER_S)
        for look in range(1, looks + 1):
            time.sleep(FREED_AFTER_S)
            if (left := self.running()) == 0:
                return f"0 after {look * FREED_AFTER_S} s"
        raise AssertionError(f"{left:.0f} still running after {looks * FREED_AFTER_S} s")


def _told(error: openai.APIStatusError, word: str) -> str:
    """What the error said; its body must be OpenAI's (the SDK unwraps {"error": ...}), its message name the trouble."""
    assert isinstance(error.body, dict), error.body
    assert {"message", "type", "code"} <= error.body.keys(), error.body
    assert word in error.body["message"], error.body
    return f"{error.status_code} {error.body['type']}: {error.body['message'][:110]}"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("base_url", help="with /v1; the key is taken from OPENAI_API_KEY")
    parser.add_argument("model")
    parser.add_argument("--running", help="the engine's /metrics, for the aborts; its key from RUNNING_API_KEY")
    parser.add_argument("--skip", default="", help="checks that an engine is known to fail, by comma")
    options = parser.parse_args()
    application = Application(options)
    checks: list[Callable[[], str]] = [
        *(application.models, application.model_by_id, application.chat),
        *(application.stream, application.stream_without_usage, application.one_connection, application.four_at_once),
        *(application.wrong_model, application.too_long, application.no_messages),
    ]
    if options.running:
        checks += [application.aborted_stream, application.aborted_call, application.aborted_before_first_token]
    print(f"openai {openai.__version__}, {options.base_url}, model {options.model}", flush=True)
    failed = [check for check in checks if check.__name__ not in options.skip.split(",") and not _passes(check)]
    print("failed: " + ", ".join(check.__name__ for check in failed) if failed else "all passed")
    return 1 if failed else 0


def _passes(check: Callable[[], str]) -> bool:
    began = time.perf_counter()
    try:
        said, passed = check(), True
    except (AssertionError, openai.OpenAIError, OSError) as error:
        said, passed = f"{type(error).__name__}: {error}", False
    print(
        f"{'ok  ' if passed else 'FAIL'} {check.__name__:<26} {time.perf_counter() - began:6.2f} s  {said}", flush=True
    )
    return passed


if __name__ == "__main__":
    sys.exit(main())
