"""Engines: one file a family, so that a family's quirks are handled once.

`openai_http` speaks to whatever has the OpenAI API; `families` and `ollama` know what each says of itself beyond it.
`litellm_bridge` is for those that do not have it. `embedded` runs llama.cpp with a small model on this CPU, which is
then spoken to by `openai_http` as well.
"""
