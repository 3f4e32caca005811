"""What a streamed answer has said so far, and what asks another agent for the rest where it breaks off.

`said` is what every API shares, `chunks` are chat and completions, `blocks` Messages and `items` Responses; `begun`
knows which is which. Only text goes on elsewhere: another engine cannot take up a call of a tool, an answer held to a
schema, several answers at once, or what a model thinks before it speaks. The events of whoever goes on are passed on as
parts of the first answer: with its id, its model and its time, and with the usage of all parts together.
"""
