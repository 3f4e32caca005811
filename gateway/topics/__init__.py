"""What a query is about: its relevance to each prototype, read off the event loop and blended over a conversation.

Who answers it is decided in routing; how text is embedded is the profiler's.
"""
