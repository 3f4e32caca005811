"""What a model is called, and what a request needs that a model may lack (P).

Works on plain values and imports nothing of gateway: who may answer is routing's, and what a client is told, serving's.
"""
