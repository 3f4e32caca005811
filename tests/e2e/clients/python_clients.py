"""What one Python client sees of a peer: `python python_clients.py CLIENT URL`, one JSON object on stdout.

Runs in the client's own environment, so it imports nothing of PPAI. A check returns what to show, or raises.
"""

import json
import os
import sys
from collections.abc import Callable
from importlib.metadata import version
from typing import Any

Checks = dict[str, Callable[[], str]]
HI: Any = [{"role": "user", "content": "Say good morning."}]
TOOL: Any = {
    "name": "weather",
    "description": "Weather of a city.",
    "parameters": {
        "type": "object",
        "properties": {"city": {"type": "string", "enum": ["Oslo"]}},
        "required": ["city"],
    },
}
WORDS: Any = {"max_tokens": 8, "extra_body": {"ignore_eos": True}}  # so many, whatever the model would have said
# This very tool, so that a small model's answer is a call of the right form whatever it would have said.
CHOICE: Any = {"type": "function", "function": {"name": "weather"}}
CALLING: Any = {"tools": [{"type": "function", "function": TOOL}], "tool_choice": CHOICE, "max_tokens": 100}


def openai_sdk(url: str) -> Checks:
    import openai

    client = openai.OpenAI(base_url=f"{url}/v1", api_key="none", max_retries=0, timeout=60)
    chat: Any = client.chat.completions.create

    def refused(error: type[openai.APIStatusError], call: Callable[[], object]) -> str:
        try:
            call()
        except error as caught:
            assert caught.code and caught.request_id, caught
            return f"{error.__name__} `{caught.code}`"
        raise AssertionError("it was answered")

    def or_refused(call: Callable[[], str]) -> str:
        """What the call says, or the error that says that no model here can do this."""
        try:
            return call()
        except openai.UnprocessableEntityError as error:
            return f"{type(error).__name__} `{error.code}`"

    return {
        "models": lambda: _some([model.id for model in client.models.list()]),
        "model by id": lambda: _text(client.models.retrieve("auto").id),
        "chat": lambda: _text(chat(model="auto", messages=HI, **WORDS).choices[0].message.content),
        "chat, streamed": lambda: _text(
            "".join(c.choices[0].delta.content or "" for c in chat(model="auto", messages=HI, stream=True, **WORDS))
        ),
        "tools": lambda: or_refused(
            lambda: _text(
                str(
                    chat(
                        model="auto", messages=HI, max_tokens=8, tools=[{"type": "function", "function": TOOL}]
                    ).choices
                )
            )
        ),
        "a tool is called": lambda: or_refused(lambda: _calls(*_whole(chat(model="auto", messages=HI, **CALLING)))),
        "a tool is called, streamed": lambda: or_refused(
            lambda: _calls(*_joined(chat(model="auto", messages=HI, stream=True, **CALLING)))
        ),
        "chat, logprobs": lambda: _some(
            chat(model="auto", messages=HI, logprobs=True, top_logprobs=2, **WORDS)
            .choices[0]
            .logprobs.content[0]
            .top_logprobs
        ),
        "chat, JSON schema": lambda: _json(
            chat(model="auto", messages=HI, max_tokens=200, response_format=_SCHEMA).choices[0]
        ),
        "completions": lambda: _text(client.completions.create(model="auto", prompt="Once", **WORDS).choices[0].text),
        "completions, streamed": lambda: _text(
            "".join(
                c.choices[0].text for c in client.completions.create(model="auto", prompt="Once", stream=True, **WORDS)
            )
        ),
        "responses": lambda: _counted(client.responses.create(model="auto", input="hi", max_output_tokens=8).usage),
        "responses, streamed": lambda: _ends_with(
            "response.completed",
            [
                event.type
                for event in client.responses.create(model="auto", input="hi", max_output_tokens=8, stream=True)
            ],
        ),
        "embeddings, which no peer makes": lambda: refused(
            openai.UnprocessableEntityError, lambda: client.embeddings.create(model="auto", input="hi")
        ),
        "an unknown model": lambda: refused(openai.NotFoundError, lambda: chat(model="nobody", messages=HI)),
        "a prompt too long for all": lambda: refused(
            openai.BadRequestError, lambda: chat(model="auto", messages=[{"role": "user", "content": "word " * 40000}])
        ),
    }


_SCHEMA: Any = {
    "type": "json_schema",
    "json_schema": {
        "name": "answer",
        "schema": {
            "type": "object",
            "properties": {"yes": {"type": "boolean"}},
            "required": ["yes"],
            "additionalProperties": False,
        },
    },
}


def langchain(url: str) -> Checks:
    import openai
    from langchain_openai import ChatOpenAI

    def model(**options: Any) -> Any:
        return ChatOpenAI(model="auto", base_url=f"{url}/v1", api_key="none", max_retries=0, timeout=60, **options)

    def tools() -> str:
        try:
            reply = model(max_tokens=8).bind_tools([{"type": "function", "function": TOOL}]).invoke("hi")
        except openai.UnprocessableEntityError as error:
            return f"{type(error).__name__} `{error.code}`"
        return _text(reply.response_metadata["finish_reason"])  # words or a call: as the model likes

    return {
        "chat": lambda: _text(model(**WORDS).invoke("Say good morning.").content),
        "chat, streamed": lambda: _text("".join(c.content for c in model(**WORDS).stream("Say good morning."))),
        "tools": tools,
        "responses": lambda: _counted(
            model(max_tokens=16, use_responses_api=True).invoke("Say good morning.").usage_metadata
        ),
    }


def litellm(url: str) -> Checks:
    os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"  # else it asks the internet when imported
    import litellm as client

    there: Any = {"model": "openai/auto", "api_base": f"{url}/v1", "api_key": "none", "num_retries": 0, **WORDS}
    text: Any = {**there, "model": "text-completion-openai/auto"}

    def unknown() -> str:
        try:
            client.completion(messages=HI, **{**there, "model": "openai/nobody"})
        except client.NotFoundError as error:
            return f"NotFoundError {error.status_code}"
        raise AssertionError("it was answered")

    return {
        "chat": lambda: _text(client.completion(messages=HI, **there).choices[0].message.content),
        "chat, streamed": lambda: _text(
            "".join(c.choices[0].delta.content or "" for c in client.completion(messages=HI, stream=True, **there))
        ),
        "completions": lambda: _text(client.text_completion(prompt="Once", **text).choices[0].text),
        "an unknown model": unknown,
    }


def anthropic(url: str) -> Checks:
    import anthropic as sdk

    client = sdk.Anthropic(base_url=url, api_key="none", max_retries=0, timeout=60)

    def streamed() -> str:
        with client.messages.stream(model="auto", messages=HI, max_tokens=8) as stream:
            words = "".join(stream.text_stream)
            assert isinstance(words, str)
        return _counted(stream.get_final_message().usage)

    def unknown() -> str:
        try:
            client.messages.create(model="nobody", messages=HI, max_tokens=8)
        except sdk.NotFoundError as error:
            return f"NotFoundError {error.status_code}"
        raise AssertionError("it was answered")

    return {
        "messages": lambda: _counted(client.messages.create(model="auto", messages=HI, max_tokens=8).usage),
        "messages, streamed": streamed,
        "messages, count tokens": lambda: _text(
            str(client.messages.count_tokens(model="auto", messages=HI).input_tokens)
        ),
        "an unknown model": unknown,
    }


CLIENTS = {
    "openai": (openai_sdk, "openai"),
    "langchain-openai": (langchain, "langchain-openai"),
    "litellm": (litellm, "litellm"),
    "anthropic": (anthropic, "anthropic"),
}


def _whole(reply: Any) -> tuple[list[tuple[str, str]], str]:
    """(name, arguments) of each call in an answer, and why it ended."""
    choice = reply.choices[0]
    return [(call.function.name, call.function.arguments) for call in choice.message.tool_calls], choice.finish_reason


def _joined(chunks: Any) -> tuple[list[tuple[str, str]], str]:
    """The same of a stream, put together from its pieces as applications do it."""
    calls: dict[int, list[str]] = {}
    end = ""
    for chunk in chunks:
        end = (chunk.choices and chunk.choices[0].finish_reason) or end
        for piece in chunk.choices[0].delta.tool_calls or () if chunk.choices else ():
            call = calls.setdefault(piece.index, ["", ""])
            call[0] += piece.function.name or ""
            call[1] += piece.function.arguments or ""
    return [(name, arguments) for name, arguments in calls.values()], end


def _calls(calls: list[tuple[str, str]], end: str) -> str:
    """The tool by its name, with whole arguments, unless the engine says that it cut them.

    What they say is the model's: vLLM holds them to JSON only, and a small model fills that with anything.
    """
    assert calls, "no call"
    for name, arguments in calls:
        assert name == "weather", calls
        assert end == "length" or json.loads(arguments) is not None, arguments
    return "ok"


def _json(choice: Any) -> str:
    """JSON, unless the engine says that it cut it: blanks in it are the model's."""
    assert choice.finish_reason == "length" or isinstance(json.loads(choice.message.content)["yes"], bool), choice
    return "ok"


def _counted(usage: Any) -> str:
    """It was answered: tokens were made. Which words they are is the model's."""
    tokens = usage["output_tokens"] if isinstance(usage, dict) else usage.output_tokens
    assert tokens > 0, usage
    return "ok"


def _text(words: str | None) -> str:
    assert words, "no words"
    return "ok"


def _some(items: list[Any]) -> str:
    assert items, "nothing"
    return "ok"


def _ends_with(last: str, names: list[str]) -> str:
    assert names[-1] == last, names
    return "ok"


def _seen(check: Callable[[], str]) -> str:
    try:
        return check()
    except Exception as error:
        return f"failed: {type(error).__name__}: {error}"[:300]


def main() -> None:
    checks_of, package = CLIENTS[sys.argv[1]]
    checks = checks_of(sys.argv[2])
    print(json.dumps({"version": version(package), "seen": {name: _seen(check) for name, check in checks.items()}}))


if __name__ == "__main__":
    main()
