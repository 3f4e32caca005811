"""What is to be done to a text that is given: another language, shorter, better."""

from gateway.topics.wordings.names import LANGUAGES, Wording

CHANGING: dict[str, tuple[Wording, ...]] = {
    "translation": (
        (
            "tran loca rend",
            r"\btranslat(?:e|es|ion|ions|ing)\b|\btransliterate\b|{ASK}locali[sz]e\b"
            r"|{ASK}render (?:{THIS} )?[^\n]{0,30}\bin(?:to)?\b",
        ),
        (
            "say pron",
            r"\bhow (?:do|would|can|should|to) (?:(?:you|i|we|they|u|one|people|germans"
            r"|a native)(?: speaker)? )?(?:say|pronounce)\b",
        ),
        (
            LANGUAGES,
            r"\b(?:say|put|turn|render|write|convert|need|want|do|this|give|that|how)\b[^\n.?]{0,60} (?:in"
            r"|into|to) (?:\w+ )?{LANGUAGE}\b(?= *(?:[^\w ]|$|(?:please|pls|for|so|but|and|like|with|that"
            r"|because)\b))",
        ),
        (
            LANGUAGES,
            r"\bwhat(?:'?s| is| does)\b[^\n]{0,90}\b(?:in|mean in|say in) {LANGUAGE}\b(?= *(?:[^\w ]|$"
            r"|(?:please|pls|for|so|but|and|like|with)\b))|\bthe {LANGUAGE} (?:\w+ )?[\"'“«][^\n]{2,80} mean\b",
        ),
        (
            LANGUAGES,
            r"\b(?:from )?{LANGUAGE} (?:to|into|->|→) {LANGUAGE}\b|\b{LANGUAGE} (?:word for\b|for [\"'“])"
            r"|\bwhat(?:'?s| is) (?:the )?{LANGUAGE} (?:word )?for\b"
            r"|[\n.,;:!?] *(?:in(?:to)? )?{LANGUAGE}[.!]*$|(?:^|[\n.,;:!?] *)(?:in(?:to)? )?(?:(?:proper|good"
            r"|simple) )?{LANGUAGE}(?: version| text)?(?:,? ?(?:please|pls|plz|of)\b|\?\?|: )"
            r"|\bin(?:to)? {LANGUAGE},? ?(?:please|pls|plz)|\b(?:mail|subject|text) in {LANGUAGE}:",
        ),
        (
            "mean sayi writ",
            r"\bwhat does [\"'“«][^\n\"]{0,80}[^\x00-\x7f’“”'\"][^\n\"]{0,80}[\"'”»] mean|\bwhat(?:'s"
            r"| is) (?:he|she|this sign|written) (?:saying|here)\b",
        ),
        (
            "über deut engl fran span ital port poln türk russ chin japa nied schw arab late",
            r"übersetz|\b(?:ins|auf|in) (?:\w+e )?{SPRACHE}\b(?: bitte|,|:|\?|$| [^\n]{0,20}bring)"
            r"|\bwie (?:sagt|heißt|nennt)[^\n]{0,60}auf {SPRACHE}",
        ),
        (
            "trad angl alle fran espa ital port néer chin japo arab russ",
            r"\btradu(?:is|it|ire|isez|ction|irais)\b|\bcomment (?:on |dire |dit)[^\n]{0,50}en {LANGUE}"
            r"|\ben {LANGUE}\b|version {LANGUE}\b",
        ),
        (
            "trad cómo como come sign",
            r"\btradu(?:ce|cir|cirlo|ceme|ces|cción|ci|cimi|z|za|zir|ção)\b|\b(?:c[oó]mo|come) (?:se|si|eu"
            r"|lo) (?:dice|diz|digo|dir)|\bqué significa [\"“«]",
        ),
        (
            "ingl alem fran espa port cata chin tede spag ital russ ruso árab japo",
            r"\b(?:al|en|pro|pra|em|in|para o?|a) {LENGUA}\b(?: por ?f|,? per favore|[,:?]|$| para| do)",
        ),
        ("翻 译 怎 文", r"翻译|翻成|译成|译为|译文|用.{0,6}[语文]怎么|[英日法德韩俄]文怎么|怎么翻"),
        (
            "翻 訳 語",
            r"翻訳|[にを]訳し|(?:英|ドイツ|フランス|スペイン|韓国|中国|イタリア|日本)語(?:で|に)(?:は|する|したら|直|どう|なん|何)|って.{1,3}語で",
        ),
    ),
    "summarising": (
        (
            "summ sum reca gist syno tl tldr nuts",
            r"\bsumm?ari[sz]e|\bsummari[sz](?:ing|ation)\b|\bsummary\b|\btl;? ?dr\b|\bin a nutshell\b"
            r"|\bsynopsis\b|\brecap\b|\bgist\b|\bsum (?:{THIS} )?(?:\w+ ){0,4}?up\b",
        ),
        (
            "poin take idea mess argu them deci",
            r"\b(?:key|main|most important) (?:points?|takeaways?|ideas?|messages?|arguments?|themes)\b"
            r"|\btakeaways?\b|what were the decisions",
        ),
        (
            "cond dist boil redu comp abri wrap mora shor",
            r"{ASK}(?:condense|distil|compress|abridge)\b|\bboil (?:\w+ ){1,4}down\b"
            r"|\breduce (?:{THIS} )to (?:what|key|the)|\bwrap up our\b|\bmoral of\b|\bshorten to\b",
        ),
        (
            "shor quic brie exec long abst outl",
            r"\b(?:short|quick|brief|shorter) (?:version|overview|summary|outline|recap|answer from)\b"
            r"|\b(?:way )?too long\b[^\n]{0,20}(?:didn|read|what)|\bexecutive summary\b|\babstract (?:of|for"
            r"|from) (?:this|the|my)\b",
        ),
        (
            "spar minu high bull",
            r"\bspark ?notes\b|\bminutes from\b|{ASK}highlights\b|(?:^|\n|: )bullet points? (?:of|pls"
            r"|please)\b",
        ),
        (
            "tell want argu miss",
            r"\b(?:what'?s|what is|what did) [^\n?]{0,30}(?:telling me|he want|she want|arguing|i miss)\b",
        ),
        (
            "zusa fass kurz stic kern woru eind sätz",
            r"zusammenfass|\bfass\b[^\n]{0,60}zusammen|kurzfassung|stichpunkte|kernaussage|worum geht|eindampf"
            r"|\bin (?:zwei|drei|einem|\d) sätzen\b",
        ),
        ("résu gros poin idée", r"\brésum|\ben gros\b|points? (?:clés?|essentiels?|principaux)|idées? principales?"),
        (
            "resu punt poca idei idea pala",
            r"\bresum(?:en|ir|o|ido|a|e (?:est[eao]|el|la|en|aí|o))\b|puntos (?:clave|principales"
            r"|más importantes)|en pocas palabras|ideia principal|idea principal",
        ),
        ("rias sint brev", r"\briassu|\bsintesi\b|\bsintetizza"),
        ("总 概 摘 归 点 缩 句 简", r"总结|概括|摘要|归纳|要点|缩[短成写减]|三句话|两句话|简述"),
        ("要 め 短 行 あ", r"要約|まとめて|要点|短くして|[一二三]行で|あらすじ"),
    ),
    "editing": (
        (
            "proo spel copy reph para rewo rewr re",
            r"\bproof ?-?read|\bspell ?-?check|\bcopy-?edit|\brephras|\bparaphras|\breword|{ASK}re-?write\b"
            r"|\brewrite (?:{THIS}|so|as|it|without)\b",
        ),
        (
            "fix corr chec impr poli clea tidy edit mark spot enha refi feed go",
            r"\b(?:fix|correct|check|improve|polish|clean up|tidy|edit|mark|spot|enhance"
            r"|refine)\b[^\n.:?]{0,40}\b(?:grammar|spelling|punctuation|mistakes?|errors?|typos?|style|wording"
            r"|flow|english|commas?|faults|tone|recipe|{TEXT})\b|\bimproved version\b|{ASK}(?:edit|polish|tidy"
            r"|fix) (?:{THIS}|for|up)\b|\bfeedback on my (?:{TEXT}|writing|story|poem)\b|\bgo over my\b",
        ),
        (
            "make soun",
            r"\bmake (?:this|it|these|them|{THIS} (?:\w+ )?(?:{TEXT}|recipe|profile|slides?"
            r"|wording))\b(?: [\w',-]+){0,4}? (?:sound|more|less|shorter|better|longer|clearer|simpler|nicer"
            r"|friendlier|formal|stronger|funnier|professional|concise|punchier|polite|inclusive|neutral"
            r"|consistent)\b|\bsounds? (?:more |less |too |a bit )?(?:professional|formal|polite|friendl"
            r"|natural|angry|aggressive|better|rude|ok\b|like a|like i)",
        ),
        (
            "shor simp trim tigh expa elab smoo rest soft huma cut spli remo repl adap rear merg take swap get",
            r"\b(?:shorten|simplify|trim|tighten|expand(?: on)?|elaborate on|smooth|restructure|soften"
            r"|humani[sz]e|adapt|rearrange|split|merge|cut) {THIS}\b|{ASK}(?:simplify(?! [$\\\\]"
            r"| the (?:following )?(?:expression|equation))|restructure|trim|tighten|shorten|soften)\b"
            r"|\b(?:cut|trim) (?:\w+ ){0,3}to \d+|\b(?:remove|replace|take out|swap"
            r"|get rid of) (?:\w+ ){0,3}(?:filler|jargon|passive|clich|adverbs|adjectives|slang|words?"
            r"|everything that|sounds like)\b",
        ),
        (
            "bett nice diff poli eleg dipl word more",
            r"\b(?:word|phrase|say|put|write) (?:this|it) (?:\w+ )?(?:better|nicer|more|differently"
            r"|politely)\b|\b(?:better|elegant|nicer|polite|diplomatic) (?:way to (?:say|word|phrase|write)"
            r"|alternative)|\bhow can i word\b",
        ),
        (
            "gram wron read corr comm apos tone soun",
            r"\bgrammatical(?:ly)? (?:correct|right)|\b(?:wrong with|correct) (?:this|my) (?:sentence|grammar"
            r"|plural|text)|\bdoes (?:this|it|my \w+) (?:read|sound) (?:ok|right|well|like)\b"
            r"|\bgrammar (?:question|check|and)|\bwhere do the commas\b|\bput the (?:apostrophes|commas)\b"
            r"|\bcheck tone\b|\btone check\b",
        ),
        (
            "past pres futu acti pass plai pers spee read brit flow runn full prop numb head emoj tone vary gend",
            r"\b(?:change|turn|put|convert|make|rewrite)\b[^\n.:]{0,30}(?:past|present|future) tense|(?:^"
            r"|\n)(?:past|present) tense\b|\b(?:active|passive) voice\b|\bplain (?:english|language)\b|\b(?:in"
            r"|to|into) (?:the )?(?:first|third|1st|3rd) person\b|\breported speech\b|\breading level\b"
            r"|\bbritish (?:spelling|english)\b|\b(?:flowing|running) text\b|\b(?:turn|write|put"
            r"|bring)\b[^\n.:]{0,25}\b(?:full|proper|numbered|readable) (?:sentences|minutes|steps|paragraphs?"
            r"|bug report)\b|\b(?:add|put) (?:\w+ )?(?:headings|emojis)\b|\bchange the tone\b|\bvary the\b"
            r"|\bgender[- ]neutral\b",
        ),
        (
            "korr umfo form umsc rech höfl lock sach freu verb bitt schr prüf kürz umzu wiss",
            r"korrigier|umformulier|\bformulier[^\n]{0,50}(?:\bum\b|\w+er:)|umschreib|umzuschreiben"
            r"|rechtschreib|höflicher|lockerer|sachlicher|freundlicher|verbesser[en]* (?:bitte|den|das|die"
            r"|mein|diesen)|bitte (?:verbessern|richtig)|schreib das [^\n]{0,20}(?:um|er)\b"
            r"|\bprüf\b[^\n]{0,20}(?:komma|text|mal)|\bkürze? (?:das|den|die|auf|mir)\b|einfache[r]? sprache",
        ),
        (
            "corr refo racc amél rééc orth plus simp véri mets reme",
            r"\bcorrige|\breformul|\braccourci|améliore[rz]?\b|réécri|l'orthographe|plus (?:soutenu|simple"
            r"|formel|court|poli)|vérifie[rz]? (?:les|l'|la|mes|ce)|\b(?:mets|remets) (?:ce|ça"
            r"|le)[^\n]{0,12} (?:au|en) ",
        ),
        (
            "corr corrí rees reda mejo más form mais melh camb acen tild",
            r"\bcorr[ií]ge|\breescr[ei][bv]|\bmejora (?:el|la|este|mi|esta)|m[aá]i?s (?:formal|educado|corto"
            r"|cercano|simpático)|\bmelhor[ae] |\bcambia de \w+ a |\btildes\b|la redacción",
        ),
        (
            "corr risc migl scri rend erro",
            r"\bcorregg|\briscriv|\bmigliora |\bscrivilo meglio|\brendi (?:questa|questo|il|la)"
            r"|se ci sono errori",
        ),
        ("润 修 病 改 精 校", r"润色|修改|病句|语病|改[得成写为]|精简|校对|改一下|改正"),
        ("添 直 書 言 敬 校", r"添削|直して|書き直|書き換え|言い換え|言い方に|敬語に|校正"),
    ),
}
