"""What of a turn the gate reads (P): its words without greeting, thanks and frame, and of a long one its two ends.

"Hi there! Question: how do I boil an egg? Thanks!" is read as "how do I boil an egg?". An embedding is a mean over
words, so each word that says nothing moves it: a greeting changed the category of one prompt in six
(docs/results.md#what-changes-a-category). The gate is trained on what `essence` leaves, too.
"""

import re

READ_CHARS = 500  # of a turn: half from its start, half from its end, where people put what they want

_NAMES = (
    r"there|all|everyone|everybody|guys|folks|friends?|team|again|chatgpt|gpt|claude|gemini|copilot|siri|alexa|assistant"
    r"|bot|ai|computer|dear|sir|madam|buddy|mate"
)
_GREETINGS = (
    r"hi+|hey+|hello+|hiya|howdy|yo|greetings|good (?:morning|afternoon|evening|day)|dear (?:\w+)|hallo|hej|moin|servus"
    r"|gr(?:ü|ue)(?:ß|ss) (?:gott|dich|euch)|guten (?:tag|morgen|abend)|bonjour|bonsoir|salut|hola"
    r"|buen[oa]s(?: d[ií]as| tardes| noches)?|ciao|salve|buon(?:giorno|asera)|ol[aá]|bom dia|boa (?:tarde|noite)|oi"
    r"|привет(?:ствую)?|здравствуй(?:те)?|добрый (?:день|вечер)|доброе утро|merhaba|selam|xin chào|halo|namaste|नमस्ते"
    r"|สวัสดี(?:ครับ|ค่ะ)?|你好|您好|大家好|嗨|こんにちは|こんばんは|おはようございます|안녕하세요|안녕"
)
_MARKS = r"[!,.;:…！，。、～~\-–—\s)(😀-🙏🌀-🗿👋]*"
_HOW_ARE_YOU = (
    r"(?:(?:i )?hope (?:you(?:'re|’re| are)?|this|all|everything|your)\b[^.!?\n]{0,60}[.!\n]+"
    r"|how(?:'s| is) it going\??|how are you(?: doing)?(?: today)?\s*\?|nice to meet you[.!]*)"
)
_ASKING = (
    r"(?:(?:(?:i(?:'ve|’ve)? (?:have|got)|here(?:'s| is)|this is) )?(?:a|another|my|one|the)? ?"
    r"(?:quick |simple |small |little |short |general |next |following )?"
    r"(?:question|query|prompt|request|task|ask)(?: for you| is)?\s*[:：.!\-–—]"
    r"|q\s*[:：]|user\s*[:：]|human\s*[:：]|frage\s*:|pregunta\s*:|domanda\s*:|pergunta\s*:|вопрос\s*:|问题?\s*[:：]"
    r"|質問\s*[:：]|질문\s*[:：])"
)
_POLITE = (
    r"(?:(?:can|could|would|will) you (?:please |kindly |maybe )*(?:help me (?:to |with |out )?)?"
    r"|(?:i(?:'d| would| want| need|’d)(?: would)?(?: like)? (?:you )?to (?:ask you (?:to )?|know )?)"
    r"|(?:please|pls|plz|kindly|bitte|por favor|s'il (?:te|vous) pla[iî]t|请问?)[,:，]? ?"
    r"|(?:i was wondering if you (?:can|could)|would you mind) )"
)
_THANKS = (
    r"(?:many |much |big )?(?:thanks?(?: you)?|thx|tysm|ty|cheers|much appreciated|(?:i )?appreciate (?:it|your help)"
    r"|danke(?: sch(?:ö|oe)n)?|vielen dank|merci(?: beaucoup| d'avance)?|(?:muchas )?gracias|grazie(?: mille)?"
    r"|obrigad[oa]|спасибо(?: большое)?|teşekkürler|谢谢(?:你|您)?|多谢|ありがとう(?:ございます)?|감사합니다)"
    r"(?:,? (?:you|so much|very much|a lot|a million|a bunch|in advance|again|for (?:your|the|any|all)[\w ]{0,30}"
    r"|buddy|mate|everyone|all))*"
)
_START = re.compile(
    rf"\s*(?:(?:{_GREETINGS})(?: (?:{_NAMES}))*"
    rf"(?:\s*(?:[!,.;:…！，。、～~\n]|[\-–—](?=\s)){_MARKS}|(?<=[^\x00-\x7f])\s*|\s+(?={_ASKING}|{_POLITE}|{_HOW_ARE_YOU}))"
    rf"|{_HOW_ARE_YOU}\s*|{_ASKING}\s*|{_THANKS}\s*[!.;\n]{_MARKS}|(?:{_POLITE})(?=\w))",
    re.IGNORECASE,
)
_BARE = re.compile(  # a greeting without a mark behind it, but not "Hello world in Python" nor "Hey Jude chords"
    rf"\s*(?:hi+|hey+|hello+)(?: (?:{_NAMES}))*\s+(?!world|kitty|fresh|fidelity|jude|neighbou?r)(?=\S+\s*\S)",
    re.IGNORECASE,
)
_STOP = re.compile(
    rf"(?:(?<=[.?!,;:\n)\]\"'…。？！，;])[\s,;]*"
    rf"(?:(?:please (?:and )?)?{_THANKS}|please|(?:best|kind|warm)? ?regards|answer\s*:|a\s*:)"
    rf"|(?<![\"'])[\s,;]+"
    rf"(?:(?:please and )?(?:many )?thanks(?: a lot| so much| in advance| again)?|please and thank you"
    rf"|thank you (?:so much|very much|in advance|again)|thx|please))"
    rf"{_MARKS}\Z",
    re.IGNORECASE,
)
# One of these stands in every end that _STOP finds, in lower case: most texts have none, and need not be searched.
_STOP_CUE = re.compile(
    "thank|thx|ty|cheers|appreciat|please|regards|:|dank|merci|gracias|grazie|obrigad|спасибо|teşekkürler"
    "|谢谢|多谢|ありがとう|감사합니다"
)
_BEFORE_CUE = len("many muchas")  # characters of such an end before its first cue, beside blanks
_BLANKS = (  # as `\s` means them
    " \t\n\r\v\f\x1c\x1d\x1e\x1f\x85\xa0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a"
    "\u2028\u2029\u202f\u205f\u3000"
)
_LONGEST = 200  # characters from either end in which a frame is looked for


def essence(text: str, limit: int = READ_CHARS) -> str:
    """`text` without blanks, greeting, thanks and "Question:" around it, cut to the first and last `limit` / 2.

    What is nothing but greeting or thanks stays as it is.
    """
    core = ends(text.strip(), limit + 2 * _LONGEST).strip()
    while True:
        shorter = _without_end(_without_start(core)).strip()
        if not shorter or shorter == core:
            return ends(core, limit)
        core = shorter


def ends(text: str, limit: int) -> str:
    """The first and the last `limit` / 2 characters of a longer text, a line each."""
    half = limit // 2
    return text if len(text) <= 2 * half else f"{text[:half]}\n{text[-half:]}"


def _without_start(text: str) -> str:
    head = text[:_LONGEST]
    found = _START.match(head) or _BARE.match(head)
    return text[found.end() :] if found and found.end() < len(text) else text


def _without_end(text: str) -> str:
    tail = text[-_LONGEST:]
    lowered = tail.casefold()
    cue = _STOP_CUE.search(lowered)
    if cue is None:
        return text
    found = _STOP.search(tail, _begin(tail, cue.start()) if len(lowered) == len(tail) else 0)
    return text[: len(text) - len(tail) + found.start()] if found else text


def _begin(tail: str, cue: int) -> int:
    """Where in `tail` an end begins at the earliest, whose first cue stands at `cue`: a search from there is short."""
    before = tail[: max(0, len(tail[:cue].rstrip()) - _BEFORE_CUE)]
    return len(before.rstrip(_BLANKS + ",;"))
