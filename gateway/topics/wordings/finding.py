"""What is to be found in a text that is given: its facts, its kind, an answer."""

from gateway.topics.wordings.names import Wording

FINDING: dict[str, tuple[Wording, ...]] = {
    "extraction": (
        (
            "extr pull pick take filt scan pars copy writ",
            r"{ASK}extract\b|\bwrite out (?:every|all)\b|\bextract (?:{THIS}|information|key)|\b(?:pull|pick"
            r"|filter)\b(?: [\w,]+){0,4}? out\b|{ASK}scan\b|{ASK}parse the\b|\bcopy them exactly\b"
            r"|{ASK}pull (?:the|all|every)\b",
        ),
        (
            "list find coll iden get give grab name high",
            r"\b(?:list|find|collect|identify|get|give me|grab|name|highlight) (?:me )?(?:just |only )?(?:all"
            r"|every|each|the)\b[^\n.?]{0,60}\b(?:from|in|of|out of|mentioned in|named in) (?:(?:this|these"
            r"|here|below)\b|(?:the|my|the following|our) (?:\w+ )?(?:{TEXT}|list|log|cv|resume|receipt"
            r"|recipe)\b)|{ASK}list (?:all|every|each) [^\n.?]{0,30}(?:from|in|made in|with)\b",
        ),
        (
            "tabl json csv yaml spre flas time chec glos entr bull fill",
            r"\b(?:turn|put|convert|format|make|organi[sz]e|give)\b[^\n.?]{0,50}\b(?:into|in|to|as"
            r"|a) (?:an? )?(?:\w+ ){0,2}?(?:table|json|csv|yaml|spreadsheet|flashcards?|checklist|timeline"
            r"|glossary|calendar entry)\b|(?:^|\n)(?:as (?:an? )?)?(?:\w+ )?(?:csv|json|yaml|table)\b"
            r"|\b(?:flashcards|timeline|glossary|bulleted list) (?:out )?(?:of|from)\b|\b(?:return|output"
            r"|answer in|as) (?:valid |an? )?(?:json|csv)\b|\bfill (?:in|the form)\b",
        ),
        (
            "from",
            r"\bfrom (?:{THIS}|what i pasted|product reviews?)(?: \w+)?(?: (?:{TEXT}|log|ad|recipe|receipt|cv"
            r"|leaflet))?(?: below)?[^\n]{0,20}\b(?:list|extract|give|pull|get|find|return|only)\b"
            r"|\bonly the [^\n.]{0,50}\bfrom (?:this|the|my)\b",
        ),
        (
            "enti acti todo keyw quot verb",
            r"\b(?:named entit|action items|todo list (?:from|of)|key ?words (?:from|of|for|in)|entities (?:as"
            r"|in|from|please))|\b(?:best|three|3) quotes?\b|\bverbatim\b",
        ),
        (
            "date name comp citi coun peop numb plac pric prod char verb alle piec who need",
            r"\b(?:which|what|how many) (?:dates|names|companies|cities|countries|people|numbers|places|prices"
            r"|products|characters|verbs|allergens|pieces of information)\b[^\n]{0,60}\b(?:text|this|these|are"
            r"|mention|named)\b|\bwho (?:has to do|is doing|said) what\b|\bi (?:only )?need (?:all|only"
            r"|just) the\b",
        ),
        (
            "extr hol list tabe json welc pack schr gib mach",
            r"extrahier|\bhol\b[^\n]{0,60}\braus\b|\bliste\b[^\n]{0,40}\bauf\b|als (?:tabelle|json|liste"
            r"|zwei listen)|welche (?:namen|fristen|termine|daten)|(?:packliste|zutaten untereinander"
            r"|termine) [^\n]{0,15}(?:daraus|mit)",
        ),
        (
            "extr relè sous sors fais list",
            r"\bextrai[st]?\b|\bextraire\b|\brelève[rz]?\b|sous forme de|\bsors-moi\b|fais la liste"
            r"|\bliste (?:les|tous)",
        ),
        (
            "extr saca sáca sác tabl tabe elen tira elen pren quer estr solo",
            r"\bextra(?:e|er|iga|ia|ir|i|rre)\b|\bestra[ie]|\bs[aá]ca(?:me)?\b|en una tabla|em tabela"
            r"|in (?:elenco|tabella)|\btira daqui|\belenca (?:tutt|i |le )|\bprendi da\b|quiero solo",
        ),
        ("提 抽 找 挑 列 整 清", r"提取|抽取|找出|挑出|列出|整理成|清单"),
        ("抜 抽 リ 表 書", r"抜き出|抽出|リストにして|表にして|書き出"),
    ),
    "classification": (
        (
            "clas cate sent spam fact labe tag",
            r"{ASK}(?:classif|categori[sz])|\b(?:classify|categori[sz]e) (?:{THIS}|as)|\bsentiment\b"
            r"|\bspam or\b|\bfact or opinion\b|{ASK}(?:label|tag) (?:{THIS}|parts)|\b(?:suitable|right"
            r"|correct) (?:label|category)\b",
        ),
        (
            "posi true yes repl",
            r"\bpositive(?:,| or|/)? ?(?:or )?(?:negative|neutral)|\btrue ?(?:or|/) ?false\b|\b(?:yes or no"
            r"|yes/no)\b\W*(?:$|\n|\"|answer)|\breply (?:only |with )+[a-z]+(?:,| or)",
        ),
        (
            "cate labe clas genr depa bin lang type kind spec regi inte feel mood emot prio",
            r"\b(?:which|what) (?:category|label|class|genre|department|bin|language|species group|register"
            r"|feeling|mood|emotion|priority)\b[^\n]{0,40}\b(?:is|are|does|do|should|this|that|\?)"
            r"|\bwhat(?: is|\'s)? the register\b|\bwhat (?:kind|type) of (?:text|poem|argument|error|sentence"
            r"|document|clause|e-?mail|message)\b|\bintent of\b|\banswer with the (?:label|category"
            r"|letter) only|(?:^|\n)(?:genre|kind of text)\b",
        ),
        (
            "sort grou spli divi sepa assi each ever pile",
            r"{START}(?:sort|group|split|divide|separate|assign)\b[^\n.?]{0,60}\b(?:into|by|under|as"
            r"|to)\b[^\n?]{0,40}(?:,|/| and | or |:)|\bfor (?:each|every) (?:\w+ )(?:say|whether)\b"
            r"|\bfor every sentence:|\btwo piles\b|{ASK}sort:",
        ),
        (
            "or phis clic scam fake iron sarc",
            r"\b(?:is|are|was) (?:this|that|it|these|the \w+"
            r"|\"\w+\")(?= )[^\n?\"“]{0,60},? or [^\n?:]{0,40}(?:[?:]\s*(?:[\"“'«‘]|answer|reply|one word)|:"
            r"|\bhere$)|(?:^|\n)is (?:this|the \w+) [^\n?]{0,50},? or [^\n?]{0,20}\?|(?:^"
            r"|\n)(?:[\w-]+[,/]? ){1,3}or (?:[\w-]+ ?){1,3}(?:\?+:?|:) ?\S|\bis (?:this"
            r"|the) (?:\w+ )?(?:phishing|clickbait|scam|fake|irony|sarcasm)",
        ),
        (
            "impl enta cont foll mean same supp",
            r"\b(?:sentence|statement|hypothesis|premise)\b[^\n]{0,20} (?:imply|entail|contradict|follow)"
            r"|\b(?:imply|entail|contradict|follow from) (?:the )?(?:first|second|sentence|statement)"
            r"|\bmean the same\b|\bsupports? or contradict|\bsupported, refuted",
        ),
        (
            "dete deci pred judg eval",
            r"{START}(?:determine|decide|detect|predict|judge|evaluate) (?:if|whether|for each|allow"
            r"|the (?:language|emotion|tone|intent|category|label|answer of))\b",
        ),
        (
            "rate scor odd 1",
            r"{ASK}(?:rate|score) (?:{THIS}|how)\b|\bodd one out\b|\bfrom 1 to (?:5|10)\b|\bbetween -1 and 1\b",
        ),
        (
            "klas ordn kate posi ist wort drin spam",
            r"klassifizier|\bordne\b[^\n]{0,80}\bzu\b|kategorisier|positiv oder negativ|\bist (?:das|die"
            r"|der)\b[^\n?]{0,60}\boder\b|kategorie|wortart|dringend oder|\bist die mail\b",
        ),
        (
            "clas posi rang est c pour",
            r"\bclass(?:e|ez|ifie[rz]?) (?:les|ces|ce|cet)|\bpositif|\brange ces|\best-(?:il"
            r"|ce)\b[^\n?]{0,50} ou |c'est un [^\n?]{0,40} ou |pour chaque phrase",
        ),
        (
            "clas posi divi sepa es esto è fras verd essa",
            r"\bclas+ific|\bpositiv[oa],? (?:o |ou )?negativ|\bdividi\b|\bsepara em\b"
            r"|¿?\bes(?:to)? (?:es )?(?:un |spam|ofensiv)[^\n]{0,30}(?: o |\?)|\bè un[a]? [^\n?]{0,30} o una?"
            r"|verdadera o falsa|si cada frase|essa frase é",
        ),
        (
            "分 归 判 评 类 还",
            r"分类|归类|分成.{0,12}类|判断|好评还是差评|哪[一个]?类|是.{1,8}[、，].{0,8}还是.{1,8}[？?]",
        ),
        ("分 判 緊 事", r"分類|に分けて|判定|緊急度|事実ですか"),
    ),
    "reading": (
        (
            "acco base usin pass text para stor stat just conc read last arti",
            r"\b(?:according to|based on|using) (?:only )?(?:the|this|what) (?:text|passage|paragraph|story"
            r"|memo|context|notes|i pasted)\b|\b(?:in|does) (?:the|this) (?:text|passage|paragraph"
            r"|story)\b[^\n]{0,60}\b(?:say|who|why|refer|support|state)\b|\bis it stated\b"
            r"|\bjustified by the\b|\bfrom the (?:text|article|passage) above\b|\bconcluded from the\b"
            r"|\bend of this passage\b|\bread this and tell\b|\bthe last sentence (?:tell|imply|mean)",
        ),
        (
            "read stat cont pass true ques q",
            r"{ASK}read (?:the|this) (?:text|passage|paragraph|story|dialogue)\b[^\n]{0,40}(?:and|then|:)"
            r"|\bnot stated\b|(?:^|\n)(?:context|passage|the passage): ?|\btrue/false/not given\b"
            r"|\.[\"”]? (?:q|question): ",
        ),
        (
            "impl infe auth narr writ para",
            r"\bwhat (?:does|can) (?:\w+ )?(?:imply|infer|you infer)\b|\b(?:why|what) (?:does"
            r"|is) the (?:author|narrator|writer)|\bthe author's\b|\bthe narrator\b[^\n]{0,20}(?:lying|feel)"
            r"|\bin which paragraph\b",
        ),
        (
            "steh lies lis lee lect aprè segú segu bran text",
            r"\bsteht im text|lies den text|d'après (?:le|ce) (?:texte|règlement)|lis et réponds"
            r"|question de lecture|según el texto|lee y contesta|segundo o texto|dal brano|textverständnis",
        ),
        ("根 阅 本", r"根据短文|阅读后|本文によると|本文から"),
    ),
}
