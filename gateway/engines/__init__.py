"""Our engine: finds it, watches it, and sends requests to it. Who may send it requests is capacity's business.

`openai_http` speaks to every engine with the OpenAI API; `families` and `ollama` read what each family tells of itself
beyond that API, so that a family's quirks stand in one place. `litellm_bridge` speaks to engines without that API.
`embedded` runs llama.cpp with a small model on this CPU, to which `openai_http` speaks as well.
"""
