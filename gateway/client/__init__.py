"""The applications' side: the OpenAI API for this machine's programs, and PPAI's own pages and calls.

`app` says who may call and hands generating requests to serving; `pages` puts the others together from `models`,
`status`, `explain` and `owner`. `views` makes their JSON out of values. Who answers a request is not decided here.
"""
