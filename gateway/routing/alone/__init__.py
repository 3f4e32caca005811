"""Choices of one agent that is weighed against nobody."""
