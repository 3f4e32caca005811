"""The paper's experiments on the production Node, in virtual time (docs/results/simulator.md).

The world is one heap of (time, order, action). SimPy was not taken: a Node takes `now` and answers at once, so that no
process ever has to wait; and a finish that moves, as each arrival in a batching engine moves it, would be an interrupt
there and is one number here.
"""
