"""The tools of a personal agent: its own (calculator, clock, its documents), and those of MCP servers that it starts.

`toolbox` is what the agent is given (parts.Acts); `server` keeps one MCP server alive, `stdio` and `http` reach it.
"""
