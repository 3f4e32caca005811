"""Personal agents: a prompt, knowledge and tools of the owner's, in front of any engine of this machine.

`settings` is what the owner writes, `agent` what answers; `parts` says what an agent asks of its knowledge and tools.
"""
