"""A decision: what a request asks for, and who answers it."""
