"""The paper's experiments on the production Node, in virtual time (docs/results/simulator.md).

One heap of (time, order, action): a Node takes `now` and answers at once, so a process has nothing to suspend, and
SimPy's generators would only wrap each call in an event of their own. A finish that moves, as every arrival in a
batching engine moves it, is one number here; there it is an interrupt.
"""
