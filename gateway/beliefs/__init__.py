"""How busy and how fast each peer is believed to be, ourselves included (P), and which conversations are warm where.

Evidence comes from pulses, probes and our own requests; `Beliefs.expect` turns it into columns for one decision. Who is
good at what is not here: scores are routing's. Imports nothing of gateway, and of discovery the records only.
"""
