"""Other peers, whom we ask and who ask us, over discovery's transport.

`network` is our place among them and the card that we publish (`card`). `listener` is what they reach of us; `hop`
answers them, by `delegated` where an engine is asked. `probes` and `remote` are how we reach them. An answer rides in
`frames` either way. Whom to ask is routing's decision, and what may be sent is privacy's.
"""
