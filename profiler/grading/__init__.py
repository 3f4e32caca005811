"""Whether a reply is right, by rules and without a judge (P). `grades.py` lists the ways; each has a file for its idea.

Rules are lenient about form, since small models add words, and strict about content. A reply is foreign text: grading
takes time in proportion to its length, and one above REPLY_LIMIT is wrong unread. Programs are not run here: they
become a `Job`, which sandbox.py runs.
"""
