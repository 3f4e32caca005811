"""Which programs work on code, by their system prompts and the names of their tools."""

import pytest

from gateway.topics.setting import is_about_code, subject_of


@pytest.mark.parametrize(
    ("setting", "tools"),
    [
        ("Act as an expert software developer. Always use best practices when coding.", ()),
        ("You are Cline, a highly skilled software engineer with extensive knowledge in many languages.", ()),
        ("You are an AI programming assistant. Follow the user's requirements carefully.", ()),
        ("You are a coding agent running in a terminal.", ()),
        ("", ("Bash", "Glob", "Grep", "Read", "Edit", "Write")),
        ("", ("read_file", "write_to_file", "replace_in_file", "execute_command")),
        ("", ("shell", "apply_patch", "update_plan")),
        ("", ("str_replace_editor", "execute_bash", "finish")),
    ],
)
def test_a_coding_agent_is_known_by_what_it_says_or_can(setting: str, tools: tuple[str, ...]) -> None:
    assert is_about_code(setting, tools)


@pytest.mark.parametrize(
    ("setting", "tools"),
    [
        ("", ()),
        ("You are a helpful assistant.", ()),
        ("You are a chef. Answer questions on recipes.", ("search_recipes", "set_timer")),
        ("Answer in German.", ("get_weather", "send_email", "create_event")),
        ("You help customers of a bank.", ("read_balance", "update_address", "list_payments")),
        ("", ("read_file", "search_files")),  # reads documents, changes none
        ("You are a helpful assistant. " * 40 + "Do not write code.", ()),  # beyond what it says first
    ],
)
def test_others_are_not(setting: str, tools: tuple[str, ...]) -> None:
    assert not is_about_code(setting, tools)


@pytest.mark.parametrize(
    ("setting", "subject"),
    [
        ("You are a helpful cooking assistant.", "cooking ."),
        ("You are an expert in SQL. Write only queries.", "in SQL. Write only queries."),
        ("You are a helpful assistant.", ""),
        ("You are Qwen, created by Alibaba Cloud. You are a helpful assistant.", ""),
        ("Du bist ein hilfreicher Assistent.", ""),
        ("", ""),
    ],
)
def test_the_frame_of_a_system_prompt_is_no_subject(setting: str, subject: str) -> None:
    assert subject == subject_of(setting)
