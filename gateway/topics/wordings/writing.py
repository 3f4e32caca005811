"""What is to be written anew, or played, or only said."""

from gateway.topics.wordings.names import COPIES, Wording

WRITING: dict[str, tuple[Wording, ...]] = {
    "poems and songs": (
        (
            "poem poet haik lime sonn lyri ball lull acro vill pant shan cler tank rhym vers stan ode spok free blan",
            r"\b(?:poems?|haikus?|limericks?|sonnet|lyrics|ballad|lullaby|acrostic|villanelle|pantoum|shanty"
            r"|clerihew|tanka|rhym(?:e|es|ing)|verses?|stanzas?|ode)\b(?=[^\n]{0,40}\b(?:about|on|for|who"
            r"|please|pls)\b)|\b(?:blank|free|spoken) (?:verse|word)\b",
        ),
        (
            "poem poet haik lime sonn song lyri rap vers ball rhym caro chan ode diss coup eleg lull acro vill pant "
            "shan cler tank stan",
            r"(?:{WRITE}|{ASK}(?:tell|sing)|turn)[^\n.]{0,60}\b{POEM}\b|{OPEN}{POEM}\b(?! is| was| did| do\b)",
        ),
        (
            "line styl",
            r"\b(?:four|eight|ten|two) (?:rhyming )?lines (?:for|on|in|about)\b|\biambic\b"
            r"|\bin the style of (?:emily|robert|shake)",
        ),
        (
            "gedi reim schr haik vier lied stro",
            r"gedicht|\breim(?:e|en)?\b|\bschreib[^\n]{0,30}\b(?:lied|rap|song)|\bhaiku\b|vierzeiler",
        ),
        (
            "poèm comp paro chan quat sonn",
            r"\bpo[eè]me\b|\bcomptine\b|paroles de|\bchanson\b|\bquatre vers\b|\bun sonnet\b",
        ),
        (
            "poem poes letr canc quad fila ninn marc rap copl",
            r"\bpoe(?:ma|sia|sía)\b|letra de|\bcanci[oó]n\b|\bquadrinha\b|\bfilastrocca\b|ninna nanna"
            r"|\bmarchinha\b|\bun rap\b|\bcopla\b",
        ),
        ("诗 词 押 俳 短 川 詩 歌 阕", r"写.{0,12}(?:诗|歌词|词)|作诗|押韵|俳句|短歌|川柳|の.{0,4}詩|歌詞|填.{0,3}《"),
    ),
    "stories": (
        (
            "stor tale fabl nove scen fict fanf chap lege myth scre narr mono paro plot dial play diar back fair myst",
            r"(?:{WRITE}|{ASK}(?:tell|continue|finish|invent)|continue|finish|retell|\bmake up"
            r"|describe)[^\n.]{0,60}\b{STORY}\b|{OPEN}{STORY}\b[^\n]{0,40}\b(?:about|for|where|in|of|with|that"
            r"|between|why)\b|\bbedtime story\b|\bshort story\b",
        ),
        (
            "cont upon happ carr rete next pov",
            r"{ASK}continue (?:the story|this\b|from here|plz|please)|\bonce upon a time but|\bwhat (?:could"
            r"|should) happen next\b|{ASK}carry on from\b|\bretell\b|\bwrite what comes next\b|\bpov\b",
        ),
        (
            "gesc schr märc krim erzä kurz",
            r"geschichte(?:n)? (?:über|mit|von|für|in|schreib|weiter)|\b(?:erzähl"
            r"|schreib)[^\n]{0,40}(?:geschichte|märchen|krimi)|schreib weiter|kurzgeschichte|\bmärchen über"
            r"|{OPEN}krimi\b",
        ),
        (
            "raco inve écri hist",
            r"\b(?:raconte|invente|écris)[^\n]{0,40}(?:histoire|conte|suite|roman|légende|fable)"
            r"|histoire du soir",
        ),
        (
            "cuen cuén cont escr inve rela micr sigu scri racc",
            r"\b(?:cu[eé]nt[oa](?:me)?|conta|escrib[ae]|escreve|inventa|un relato)[^\n]{0,30}(?:cuento"
            r"|historia|relato|conto|historinha|micror|terror)|microrrelato|sigue la historia|continua essa"
            r"|\b(?:inventa|scrivi|racconta)[^\n]{0,20}(?:storia|favola|racconto)",
        ),
        ("讲 写 编 续 改", r"[讲写编].{0,10}(?:故事|小说|童话)|续写|改编"),
        ("話 物 小 短 続 昔 目", r"(?:話|物語|小説|短編|続き|昔話)を(?:書|作|考)|目線で書"),
    ),
    "business writing": (
        (
            "emai mail lett mess repl resp text note card invi remi comp refe anno",
            r"(?:{WRITE}|\bhelp[^\n.]{0,12})[^\n.?]{0,60}\b{LETTER}\b (?!of|editor)|{OPEN}{LETTER} (?:to|for"
            r"|from|of|on|about|por|per)\b|{ASK}(?:reply|respond) (?:to|nicely)\b|{ASK}email\b",
        ),
        ("writ", r"\bwrite (?:back|to (?:my|the|our|him|her|an?)|a reply|(?:me )?an? (?:text|letter|e-?mail))\b"),
        (
            COPIES,
            r"\b(?:write|draft|compose|create|generate|prepare|produce|craft"
            r"|develop)\b(?! an? (?:\w+ )?(?:shell|bash))[^\n.?]{0,50}\b{COPY}\b|\b(?:need|want|make|give me"
            r"|do) (?:me )?(?:an?|some|\d+) (?:[\w-]+ ){0,2}?{COPY}\b(?! to)",
        ),
        (
            COPIES,
            r"{OPEN}{COPY}(?:[,.:]| for| about| to| on| from| text| of)|\b(?:product|job) (?:descriptions?|ad"
            r"|posting|text)\b|\b(?:press release|op-ed|swot|show notes|operating procedure|cover letter"
            r"|about page)\b",
        ),
        (
            "cove resi link comp than out land lett cond",
            r"\bcover letter\b|\bresignation\b|\blinkedin\b|\bcomplaint (?:letter|to|about)\b"
            r"|\bthank[ -]you (?:note|card|letter|e-?mail|message)\b|\bout of office\b|\blanding page\b"
            r"|\bcondolence",
        ),
        (
            "answ repl resp",
            r"\b(?:reply|respond|answer) (?:to )?(?:him|her|this|them|customer|my|the (?:person|mail"
            r"|customer))\b",
        ),
        (
            "answ repl resp tell decl text card writ",
            r"\b(?:how|what) (?:do|can|should|would) i (?:tell|decline|ask|reply"
            r"|write)\b[^\n]{0,60}\b(?:e-?mail|message|text|writing|card|boss|landlord)\b",
        ),
        (
            "bitt schr verf form brau erst antw ansc wide mahn pres stel einl absa werb prod arbe rede kart",
            r"\b(?:schreib|verfass|formulier|brauch|erstelle?|bitte einen)[^\n]{0,50}(?:mail|brief|kündigung"
            r"|entschuldigung|anzeige|rede|text|bewerbung|aufsatz|einladung|nachricht|zeugnis|muster|artikel"
            r"|der haus|vermieter)|anschreiben|{OPEN}(?:widerspruch|mahnung|absage|einladung|rede"
            r"|arbeitszeugnis|produkttext|werbetext)\b|pressemitteilung|stellenanzeige|\bantworte auf\b"
            r"|für die karte",
        ),
        (
            "écri rédi cour lett disc répo aide anno prés sms mot il",
            r"\b(?:écri[st]?|rédige[rz]?|écrire|il me faut|aide-moi)\b[^\n]{0,50}(?:mail|lettre|annonce"
            r"|\bmot\b|texte|message|dissertation|fiche|règlement|répondre|discours)|lettre de"
            r"|{OPEN}(?:discours|courrier|sms|présentation)\b|\bréponds à",
        ),
        (
            "escr reda redá escr elab hazm faz nece prec cria scri cart mens text mail risp ayúd desc biog test corr",
            r"\b(?:escrib|red[aá]ct|escrev|elabor|hazme|faz|necesito|preciso|cria|scriv"
            r"|ayúdame a)[^\n]{0,40}(?:e-?mail|correo|carta|mensa[jg]em?|anuncio|anúncio|texto|ensayo|redação"
            r"|post|legenda|propuesta|mail|lettera|testo|comunicato|contestar|due righe)|carta (?:de|formal"
            r"|a)\b|{OPEN}(?:mensaje|texto|testo|mail|descrição|biografía|correo) (?:para|per|pra|de|corta)\b"
            r"|\brispondi\b",
        ),
        ("写 文 回 案 发", r"写.{0,14}(?:邮件|信|文案|总结|报告|微信|开场白|简介|记叙文|作文)|文案|回复|发条微信"),
        (
            "メ お 求 チ 紹 手 返",
            r"(?:メール|お礼状|求人|チラシ|紹介文|手紙|メッセージ|返信).{0,12}(?:書|作|考え|お願い)",
        ),
    ),
    "brainstorming": (
        (
            "brai idea",
            r"\bbrainstorm|\b(?:more|other|creative|fun|unique|gift|give me|need|suggest|suggestions|up with"
            r"|list|\d+)\b[^\n.?]{0,30}\bideas\b|\bideas? (?:for|on|to)\b|{OPEN}ideas?\b|\bideas\?",
        ),
        (
            "come thin sugg prop give list need gene drea",
            r"\b(?:come up with|think of|suggest|propose|give me|generate|dream up"
            r"|find me)\b[^\n.?]{0,40}\b{IDEAS}\b|\b(?:need|list|want) (?:[\w-]+ ){0,3}{IDEAS}\b",
        ),
        (
            "name titl them topi mott slog uses feat nick hobb excu cost gift thin ways angl ques",
            r"(?:^|\n)(?:[\w']+ ){0,2}(?:names?|titles?|themes|topics|mottos|slogans|uses|features|nicknames"
            r"|hobbies|excuses|costume|gift|things to (?:do|write|put)|questions|ways|angles) (?:\w+ )?(?:for"
            r"|with|when|to)\b",
        ),
        (
            "make call name ways alte else migh expe idea",
            r"\bwhat (?:can|could) (?:i|we) (?:\w+ )?(?:make|call|do with|name|write about)\b"
            r"|\bwhat are some (?:creative |other )?(?:ways|ideas)\b|\balternatives(?: to|\?)"
            r"|\bhow (?:else )?(?:might|could) we\b|\bwhat (?:experiments|else) could\b",
        ),
        (
            "idee samm name was wie frag vorsch verr",
            r"\bide(?:en|e) (?:für|zu|wie)|\bsammle\b|namen für|was kann man [^\n]{0,40}(?:machen|basteln)"
            r"|wie könnte ich [^\n]{0,30}nennen|verrückte vorschläge|^\d+ (?:fragen|ideen|namen)",
        ),
        ("idée trou prop", r"\bdes idées\b|\bidées? (?:de|pour|d')|trouve-moi|propose[rz]? (?:des|moi)"),
        (
            "idea idei idee nomb nome prop ocur form acti",
            r"\bide(?:as|ias|e) (?:para|de|per|pra)\b|nombres (?:para|originales)|nomes pra|proponi"
            r"|se te ocurren|formas de|{OPEN}actividades para",
        ),
        ("想 取 起 点 主 ア 名 案", r"想.{0,8}(?:个|些|几)|取名|起名|点子|主意|アイデア|名前を考え|案を"),
    ),
    "role play": (
        (
            "act pret role take play assu simu stay",
            r"{ASK}act (?:like|as)\b|\bpretend\b|\brole-?play|\btake (?:on )?the (?:role|part) of\b"
            r"|\bplay(?:ing)? the (?:role|part|devil)|\bassume the role\b|\bstay in character\b"
            r"|{ASK}simulate a\b|(?:^|\n)play (?:a|an) \w+",
        ),
        (
            "you ur",
            r"(?:^|[\n.] *)(?:from now on |now |in this [\w ]{3,20} )?(?:you are|you're|ur|you be) (?!given"
            r"|asked|provided|going|looking|planning|trying|right|welcome|the best|funny|so )|\byou (?:play"
            r"|will act|will play)\b|\band you(?:'re| are) (?:a|an|my|the) |, you're (?:a|an|the|smug)",
        ),
        (
            "imag adve let be",
            r"(?:^|[\n.] *)imagine (?:that )?you(?:'re| are| were)\b|\btext adventure\b|(?:^|\n)be (?:(?:my"
            r"|an?|the|socrates)\b|[\w ]{1,20}, an? )|\blet's play\b",
        ),
        (
            "spea talk answ beha as",
            r"(?:^|\n)(?:speak|talk|answer|behave)\b[^\n]{0,12} (?:like|as) (?:you|a|an|yoda|if)\b"
            r"|^as a \w+ \w+, review",
        ),
        (
            "du roll spie sei tu nimm",
            r"\bdu bist jetzt\b|(?:^|\n)du bist (?:ein|mein)|\brollenspiel\b|\bspiel (?:einen|eine|den|mal)"
            r"|\bsei mein|tu so als|nimm die rolle",
        ),
        ("tu joue fais mets", r"\btu es (?:un|le|mon)|\bjoue le rôle|fais comme si|\btu joues\b|mets-toi dans la peau"),
        (
            "actú haz eres imag fing aja age fai sei você",
            r"\bactúa como|\bhaz de\b|\beres (?:un|mi)\b|\bimagina que eres|finge que|\baja como\b"
            r"|\bage como\b|fai finta|\bsei un\b|você é um",
        ),
        (
            "扮 假 你 现 陪 な ふ と",
            r"扮演|假装|你现在是|现在你是|陪练|なりきって|のふりをし|として(?:話|接客|答え|現代)|^あなたは",
        ),
    ),
    "writing to rules": (
        (
            "exac word",
            r"\bexactly (?:\w+ )?(?:{NUMBER}|\d+|twice|once) ?(?:\w+ )?(?:words?|sentences?|lines?|paragraphs?"
            r"|bullets?|items?|times|letters|strings|rows|and)\b|\bin \d+ words, not\b"
            r"|\beach (?:\w+ )?(?:{NUMBER}|one) words? (?:long|longer)|\bonly words of one\b",
        ),
        (
            "lett word comm colo keyw forb adje text don neve",
            r"\bwithout (?:using |ever using )?(?:the )?(?:letter|words?|any comma|commas|using the)\b"
            r"|\bno (?:commas|other text|adjectives)\b|\b(?:do not|don't|never|not) (?:use|include|say"
            r"|contain) (?:any |the )?(?:commas?|words?|keywords?|letter|colou?r words|[\"'])"
            r"|\bare forbidden\b|\bavoid (?:using )?the (?:word|letter)",
        ),
        (
            "leas most less fewe more unde word",
            r"\b(?:at least|at most|less than|fewer than|more than|under) (?:{NUMBER}) ?(?:\d+ )?(?:words"
            r"|sentences|times|paragraphs|placeholders|highlighted|sections|bullet|letters|exclamation)\b"
            r"|\bword [\"'“]\w+[\"'”] (?:at least |exactly )?(?:twice|once|\w+ times)",
        ),
        (
            "lowe uppe capi caps enti whol alph",
            r"\b(?:all|only|entire\w*) (?:in )?(?:lower|upper|capital|lowercase)|\ball caps\b|\b(?:entire"
            r"|whole) (?:response|reply|answer|output)\b|\blowercase letters\b"
            r"|\balphabetical order separated\b",
        ),
        (
            "must shou has wrap word sepa doub end titl",
            r"\b(?:must|should|has to) (?:(?:start|begin|end) with|be wrapped|contain|fit into|appear (?:at|in"
            r"|exactly)|spell)\b|\bwrapped in\b|\brepeat (?:my question|the request|the following) \b"
            r"|\bword for word (?:without|,? then)|\bseparate[d]? (?:them |by |with )(?:\w+ )?(?:aster|semi"
            r"|comma|three|six|\d)|\bdouble angular brackets\b|\btitle in (?:square|caps|double)",
        ),
        (
            "star begi end ever each",
            r"(?:start|begin|end)s? (?:every|each|with the (?:word|letter|phrase|last letter))|(?:every"
            r"|each) (?:word|line|sentence)s? (?:must|starts|begins|has|of)",
        ),
        (
            "gena ohne sans sin exac exat senz esat nur emoj maiu minu sem",
            r"\bgenau \w+ (?:wörter|wörtern|sätze|zeilen)|ohne (?:den buchstaben|das wort|ein einziges)"
            r"|sans (?:utiliser|article)|sin (?:usar|adjetivos)|exat?amente|exact(?:as|amente)|sem usar a"
            r"|senza (?:la parola|usare)|esattamente|nur in großbuchstaben|solo con emojis|tutto in maiuscolo"
            r"|tout en minuscules",
        ),
        ("不 正 字 使 す", r"不许|不准出现|正好.{1,4}字|字以内で|使わずに|すべてひらがなで"),
    ),
    "small talk": (
        (
            "hi hell hey hiya yo good morn than bye lol haha ok hall moin gute dank salu couc bonj bons bonn merc "
            "hola buen grac oi olá bom boa obri ciao buon graz nigh ugh merr goodn",
            r"^(?:hi|hello|hey|hiya|yo|good ?(?:morning|evening|night|afternoon)|morning|thanks?|thank you|bye"
            r"|goodbye|lol|haha|ok|ugh|merry christmas|hallo|moin|guten (?:morgen|tag|abend)|danke|salut"
            r"|coucou|bonjour|bonsoir|bonne nuit|merci|hola|buenas|gracias|oi|olá|bom dia|boa noite"
            r"|obrigad[oa]|ciao|buongiorno|grazie)\b[^\n?]{0,45}[?!.]*$",
        ),
        (
            "how what who are tell nice do i can you wie ça qué tudo come",
            r"^[^\n]{0,30}\b(?:how are (?:you|u)|how r u|what'?s up|who (?:are you|made you|created you)"
            r"|are you (?:a robot|human|real|a bot|an ai|there|in a|smarter)|tell me a joke|nice to meet you"
            r"|what's your (?:name|favou?rite)|do (?:you|u) (?:ever |like |prefer |have a name)?(?:sleep|dream"
            r"|feel|remember|get annoyed)|i'm bored|can we (?:just )?chat|wie geht|ça va|qué tal|tudo bem"
            r"|come stai)\b[^\n]{0,40}$",
        ),
        (
            "你 您 在 早 晚 谢 哈 お こ あ",
            r"^(?:你好|您好|在吗|早安|晚安|谢谢|哈哈|おはよう|こんにちは|こんばんは|おやすみ|ありがとう)[^\n]{0,16}$",
        ),
    ),
}
