"""Engines: one file a family, so that a family's quirks are handled once.

`openai_http` speaks to whatever has the OpenAI API (vLLM, llama.cpp, SGLang, TGI, LM Studio); `embedded` runs llama.cpp
with a small model on this CPU and is then spoken to by `openai_http` as well.
"""
