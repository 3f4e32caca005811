"""The words that stand in many wordings, and the cues of their lists."""

Wording = tuple[str, str]  # cues and pattern, see gateway/topics/wordings

NAMES = {  # written in braces in the patterns
    # where a request begins: at the start, after a sentence, after a polite word
    "ASK": (
        r"(?:^|[\n.!?:;>)\"”»] *|\b(?:please|pls|plz|can (?:you|u)|could (?:you|u)|would you|you|help me"
        r"|and|then|to|now|just|kindly|i need|i want|let's)[:,]? +)"
    ),
    "START": (
        r"(?:^|[\n.!?:;>)\"”»] *|\b(?:please|pls|plz|can (?:you|u)|could (?:you|u)|would you"
        r"|i want you to)[:,]? +)"
    ),
    # a few words at the very start, before a noun that stands for the whole request: "short speech for ..."
    "OPEN": (
        r"(?:^|\n)(?!what|which|who|how|is |are |does |did |when|where|why|do |play|plot|skip|find|tell"
        r"|send|set |this|that|can |could |please |i |my |an? faq)(?:[\w'-]+ ){0,3}?"
    ),
    "WRITE": (
        r"\b(?:write|draft|compose|create|make|generate|prepare|produce|craft|need|give me|develop"
        r"|formulate|design|phrase)\b"
    ),
    "THIS": r"(?:this|these|that|it|the|my|our|his|her|their|each|every|following|below|above|all|any)",
    "TEXT": (
        r"(?:text|passage|paragraph|article|sentences?|e-?mail|message|letter|essay|report|transcript"
        r"|notes?|review|document|chapter|thread|conversation|paper|abstract|draft|reply|statement|answer"
        r"|speech|description|post|tweet|application|blurb)"
    ),
    "NUMBER": r"(?:\d+|one|two|three|four|five|six|seven|eight|nine|ten|a single)",
    "LANGUAGE": (
        r"(?:english|german|french|spanish|italian|portuguese|dutch|polish|russian|ukrainian|chinese"
        r"|mandarin|cantonese|japanese|korean|arabic|hindi|urdu|turkish|greek|swedish|norwegian|danish"
        r"|finnish|icelandic|hungarian|czech|romanian|bulgarian|croatian|serbian|hebrew|thai|vietnamese"
        r"|indonesian|tagalog|farsi|persian|swahili|latin|welsh|irish|gaelic|catalan|afrikaans|esperanto"
        r"|bengali|scots)"
    ),
    "SPRACHE": (
        r"(?:deutsche?|englische?|französische?|spanische?|italienische?|portugiesische?|polnische?"
        r"|türkische?|russische?|chinesische?|japanische?|niederländische?|schwedische?|arabische?|latein)"
    ),
    "LANGUE": (
        r"(?:anglaise?|allemand|français|espagnol|italien|portugais|néerlandais|chinois|japonais|arabe"
        r"|russe)"
    ),
    "LENGUA": (
        r"(?:ingl[eéê]se?|alem[aáã]n?o?|franc[eéê]se?|español|espanhol|italiano|portugu[eéê]se?|catalán"
        r"|chino|chinês|tedesco|spagnolo|russo|ruso|árabe|japon[eéê]s)"
    ),
    "LETTER": (
        r"(?:e-?mails?|mail|letter|message|reply|response|text(?! file)|note|(?:birthday|greeting"
        r"|condolence|christmas|thank[ -]you) card|invitation|reminder|complaint|announcement)"
    ),
    "COPY": (
        r"(?:essay|proposal|memo|press release|report|newsletter|blog ?(?:post|article)?|article|speech"
        r"|eulogy|agenda|bio|resume|cv|listing|slogan|tagline|caption|flyer|pitch|advertisement|ad"
        r"|(?:sales|video|play|radio|call) script|policy|toast|outline|handbook|(?:business|marketing"
        r"|project|lesson) plan|case study|entry|disclaimer|mission statement|faq|user guide|assessment"
        r"|application|blurb|post|copy|book review|bylaws|terms)"
    ),
    "POEM": (
        r"(?:poems?|poetry|haikus?|limericks?|sonnets?|lyrics|ballad|lullaby|acrostic|villanelle|pantoum"
        r"|shanty|clerihew|tanka|rhymes?|verses?|stanzas?|ode|song|rap|carol|chant|couplets?|elegy"
        r"|diss track)"
    ),
    "STORY": (
        r"(?:story|stories|tale|fable|novel|scene|fiction|fanfic|chapter|legend|myth|screenplay|narrative"
        r"|monologue|parody|plot|dialogue|(?:school|radio) play|diary|backstory|mystery|fairy ?tale)"
    ),
    "IDEAS": (
        r"(?:ideas?|names?|titles?|suggestions|slogans|topics|themes|ways|uses|concepts|reasons|headlines"
        r"|mottos|excuses|prompts|icebreakers|nicknames|pranks|questions|obstacles|experiments|hobbies"
        r"|activities|alternatives|mascot|talents)"
    ),
}

# The cues of {LANGUAGE}, and of {COPY} with the names of such texts.
LANGUAGES = (
    "engl germ fren span ital port dutc poli russ ukra chin mand cant japa kore arab hind urdu turk gree swed "
    "norw dani finn icel hung czec roma bulg croa serb hebr thai viet indo taga fars pers swah lati wels iris "
    "gael cata afri espe beng scot"
)
COPIES = (
    "essa prop memo pres repo news blog arti spee eulo agen bio resu cv list slog tagl capt flye pitc adve ad "
    "scri poli toas outl hand plan case entr disc miss faq guid asse appl blur post copy revi byla term job "
    "prod op swot show proc cove abou"
)

# The same verbs ask for programs: "write a script that extracts ...".
CODE: Wording = (
    "pyth java type c sql rege html css bash shel php ruby rust gola kotl swif pand nump data djan reac jque "
    "linu unix algo fold dire code prog func meth arra comp api serv linq mysq scri comm regu quer",
    r"\b(?:python|javascript|java|typescript|c#|sql|regex|html|css|bash|php|ruby|golang|kotlin|pandas"
    r"|numpy|dataframe|django|jquery|linux|unix|linq|mysql|compiler|algorithm)\b|\bc\+\+|[{};]\n"
    r"|\w\((?:\)|\w+, ?\w)|\b\w+\.(?:txt|py|js|log|sh)\b|\b(?:a|an|the|this|my|some|following|shell"
    r"|sql) (?:\w+ ){0,2}(?:function|program|method|code|array|api|command|query|regular expression)\b"
    r"|\b(?:current|home|this|a) (?:folder|directory)\b",
)
NEVER_CODE = frozenset(("poems and songs", "stories", "role play", "small talk", "writing to rules"))
