"""What may leave this machine (P): which fields of a request travel, are left behind, or keep the request here.

Both sides judge by the same table: who sends a request, and who is asked to run it. Whom it is sent to is routing's
decision.
"""
