"""The documents of a personal agent: read, kept in an index, and found again.

`formats` and `pieces` turn a file into pieces, in a process of its own (`reader`, `reading`); `store` keeps them;
`folders` sees what changed on the disk, `indexing` follows it; `search` finds, `knowledge` is all of it for one agent.
"""
