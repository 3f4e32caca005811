"""How people ask for a form of answer: the patterns of forms.py, under the category of the gate that each asks for.

A line is (cues, pattern). The pattern is tried only where a word of the prompt begins as one of the cues does: a cue
is the first four letters of a word, the whole of a shorter one, or a Chinese or Japanese character. This is what makes
forms.py fast, so the cues of a line cover each of its branches (tests/gateway/topics/test_forms.py).
A name in braces stands for what names.py says.
"""
