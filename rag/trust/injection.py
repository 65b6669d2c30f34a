"""Prompt injection: sentences that address a language model beyond doubt.

No list of patterns is complete, and this one need not be. What protects is that text of strangers stands between marks
that nobody can guess, that every sentence and every address of an answer is checked against the sources, and that no
tool is within a model's reach. The patterns only keep the plain attempts from wasting an answer, so they must not match
what people write to each other: "ignore the previous message" is no attack.
"""

# ruff: noqa: E501 - the patterns are read line by line
from __future__ import annotations

import re
import unicodedata
from collections import defaultdict

from rag.text.lines import INVISIBLE, one_line
from rag.trust.injection_languages import OTHER_LANGUAGES
from rag.trust.rule import Rule

__all__ = ["speaks_to_models"]

# Cyrillic and Greek letters that look like Latin letters, as the Latin ones.
_LOOKALIKES = str.maketrans("аеорсухіјѕԁһԛԝοαρνικτ", "aeopcyxijsdhqwoapvikt")
# A mark repeated, or Markdown around words, hides nothing from a model.
_MARKUP = re.compile(r"[*_`~|\"“”„«»]+|(?<=\s)[>#=-]+(?=\s)")
_INLINE_CODE = re.compile(r"`[^`\n]*`")

# Tokens of chat templates; in inline code they are what a text is about.
_TEMPLATE = re.compile(
    r"<\|(?:im_start|im_end|im_sep|system|user|assistant|endoftext|eot_id|eom_id|start_header_id|end_header_id|begin_of_text"
    r"|end_of_text|start_of_role|channel|message)\|>|\[/?INST\]|<</?SYS>>|<(?:start|end)_of_turn>|<</?untrusted\b|</(?:untrusted|context|sources|documents?)> ?(?:system|assistant|user|human|new instructions?) ?:",
    re.IGNORECASE,
)

#: At most so many words between two parts of a pattern; the text has single spaces.
_FEW = r"(?:\S{1,30} ){0,3}"
_MODELS = (
    r"(?:(?:ai|a\.i\.|llm|virtual|automated) (?:assistants?|models?|agents?|systems?|bots?|readers?|tools?|crawlers?)|llms?|ais?"
    r"|(?:large )?language models?|chat ?bots?|chat ?gpt|gpt-?\d\w*)"
)
_INSTRUCTIONS = r"(?:instructions?|directions|directives?|guidelines?|system (?:prompts?|messages?)|programming)"
_SAID_BEFORE = r"(?:previous|prior|above|earlier|preceding|foregoing|former|original|initial|system|your)"
_SPEAK = (
    r"(?:say|tell|answer|reply|respond|recommend|mention|ignore|disregard|output|include|print|state|claim|refuse|follow|obey"
    r"|cite|link|conclude|summari[sz]e|repeat|warn|advise|instruct|direct|treat|assume|add|inform|report|describe|write|act|reveal|pretend)"
)
# "Ignore the above instructions if you use Docker" speaks to people.
_NOT_A_CONDITION = (
    r"(?!,? (?:if|when|unless|for|on|in|since|because|as|they|it|these|those|i|we|from|about|there|at|the (?:flag|option|file|bug|issue|fix|link)s?)\b)"
    r"(?! ?= ?(?:true|false|\d))"
)
# "A language model developer" is a person.
_NOT_A_PERSON = r"(?! (?:developer|engineer|researcher|user|vendor|provider|author|maintainer|trainer|company|student|expert|team)s?\b)"
# "Your system message size limit" names a setting, not the message.
_WHOLE = r"(?! (?:size|length|limit|format|field|id|file|template|settings?|queue|count|handler|type|log|level)s?\b)"
_START = r"(?:^|[.!?:;,)\]] ?|\b(?:please|and|then|now|must|always|just|to) )"

_ENGLISH = (
    # The instructions that a model has are to be ignored.
    Rule(
        "igno disr forg over bypa disc negl aban set pay foll neve obey|inst dire guid syst prog prom rule comm orde cons safe trai cont conv text",
        rf"\b(?:ignore|disregard|never mind|forget|override|overrule|bypass|discard|neglect|abandon|set aside|pay no attention to|(?:do not|don't) (?:follow|obey)|stop following)(?! my\b)"
        rf" {_FEW}(?:(?:all|any|every|each|these|those|{_SAID_BEFORE}) {_FEW}(?:{_INSTRUCTIONS}|guidance)"
        rf"|{_SAID_BEFORE} {_FEW}(?:prompts?|rules?|commands|orders|constraints|safeguards|training|context|conversation|text))\b{_NOT_A_CONDITION}(?! (?:with|by|using|via)\b)",
    ),
    Rule(
        "igno disr forg|inst rule dire what ques",
        r"\b(?:ignore|disregard|forget) (?:(?:the|all|any) (?:\S{1,20} ){0,2}?(?:instructions|rules|directives) (?:that )?you (?:were|have been|had been) given(?= ?(?:[.!;,)]|$| and\b))"
        r"|what(?:ever)? (?:the |your )?(?:developers?|creators?|openai|anthropic) (?:told|instructed) you|the user'?s (?:question|request) and (?:say|talk|tell|write|recommend|answer|reply)\b)",
    ),
    Rule(
        "your the|void over inva no",
        r"\byour (?:previous|prior|earlier|original|initial) (?:instructions|directives|rules|guidelines) (?:are|were) (?:now )?(?:void|overridden|cancell?ed|invalid|revoked|no longer (?:valid|in force|apply))\b"
        rf"|\binstructions (?:above )?are no longer valid\b.{{0,60}}\b(?:follow|obey)\b.{{0,40}}\b(?:{_MODELS}|assistant)\b",
    ),
    Rule(
        "new inst|syst inst",
        rf"(?:^|[.!?>-] ?)new (?:system (?:prompt|message|instructions?)|instructions?) ?: ?(?:(?:you must |always |never ){{1,2}}{_SPEAK}\b|ignore (?:all|any|every|the) (?:other|previous|above)\b)",
    ),
    Rule(
        "forg|ever all anyt",
        r"\bforget (?:everything|all|anything)(?: (?:that )?(?:above|before this|prior to this|(?:you|i|we) (?:were|have been|was) (?:told|given|instructed|taught)|i (?:said|told you)|you were))",
    ),
    Rule(
        "over supe repl take|inst syst prom rule",
        rf"\b(?:overrides?|supersedes?|replaces?|takes? precedence over) (?:(?:all|any|every) {_FEW}(?:instructions?|system (?:prompts?|messages?)|prompts?)|your {_FEW}(?:{_INSTRUCTIONS}|prompts?|rules))\b{_NOT_A_CONDITION}",
    ),
    Rule(
        "trea|inst dire guid syst prog prom mess",
        rf"\btreat (?:this|these|the following) {_FEW}as {_FEW}(?:system|your|new|highest.priority) (?:{_INSTRUCTIONS}|prompt|message)\b(?! (?:in|of|on|if|when|by)\b)",
    ),
    # A model is addressed.
    Rule(
        "note mess atte inst remi noti hint dire memo comm orde|ai a.i ais llm llms virt auto lang larg chat gpt gpt- assi mode gpt3 gpt4 gpt5",
        rf"\b(?:note|message|attention|instructions?|reminder|notice|hint|directive|memo|command|order) ?(?:to|for|,|:)? (?:(?:all|any|the|every|other|you) ){{0,2}}"
        rf"(?:{_MODELS}|assistants?|the model)\b ?(?:[:,!—–](?! ?(?:see|read) \S)|(?:reading|processing|that|who|summari[sz]ing)\b)",
    ),
    Rule(
        "ai llm assi lang|plea must alwa neve igno disr only incl cite say tell",
        rf"(?:^|[.!?] )(?:for )?(?:{_MODELS}|assistant)(?: (?:instructions?|systems?|readers?))?(?: only)? ?: ?(?:please (?:say|tell|ignore|recommend|include|prefer|cite)|you must |always (?:say|cite|tell|recommend|include|answer)|never (?:say|tell|mention)|ignore (?:all|any|every|the (?:user|other))|disregard |include the (?:sentence|words?|phrase|link))",
    ),
    Rule(
        "atte dear hey hi hell list ok okay to|ai a ais llm llms virt auto lang larg chat gpt gpt3 gpt4 gpt5 assi",
        rf"(?:^|[.!?] )(?:attention|dear|hey|hi|hello|listen|ok|okay|to) ,?(?:(?:all|any|the) )?(?:{_MODELS}|assistant)\b ?[:,!—–]",
    ),
    Rule(
        "if sinc beca when|ai a ais llm llms virt auto lang larg chat gpt gpt3 gpt4 gpt5 arti",
        rf"\b(?:if|since|because|when) (?:you|the reader)(?:'re| are| is) (?!using|running|building|training|writing|calling|developing|hosting|working|looking)(?:reading this (?:as )?)?(?:an? |the )?{_FEW}(?:{_MODELS}|artificial intelligence)\b{_NOT_A_PERSON}",
    ),
    Rule(
        "as bein|ai a ais llm llms virt auto lang larg chat gpt gpt3 gpt4 gpt5",
        rf"\b(?:as|being) an? {_MODELS}(?: language model)? ?, (?:you|your|always|never|please|{_SPEAK})\b",
    ),
    Rule(
        "read proc summ pars anal inge answ sees|ai a ais llm llms virt auto lang larg chat gpt gpt3 gpt4 gpt5 assi mode",
        rf"\b(?:if|when|whenever|once) (?:an? |any |the |your )?(?:{_MODELS}|assistant) (?:is )?(?:reads|reading|summari[sz](?:es|ing)|processes|processing|answers from|parses|parsing|sees) this(?: page| text| comment| thread| document| message| issue)? ?,? ?(?:it|they|you) (?:must|should|shall|has to|have to)\b"
        rf"|\b(?:{_MODELS}|assistants?|any model|the model|models) (?:who (?:is|are) |that (?:is|are) |which (?:is|are) |currently )?(?:reading|processing|summari[sz]ing|parsing|analy[sz]ing|ingesting|answering from) (?:this|these|the above)\b",
    ),
    Rule(
        "must shou shal have need are|ai ais llm llms virt auto lang larg chat gpt gpt3 gpt4 gpt5",
        rf"(?:^|[.!?:] )(?:all |any |every |note that )?{_MODELS} {_FEW}(?:must|should|shall|have to|need to|are (?:required|instructed|asked|to)) (?:not |always |only |now |never |also ){{0,3}}{_SPEAK}\b",
    ),
    Rule(
        "chat clau gemi copi assi ai llm bot mode",
        rf"(?:^|[.!?:] )(?:chat ?gpt|claude|gemini|copilot|assistant|ai|llm|bot|model), (?:please |you must |you should |now |always |never ){{0,3}}(?:{_SPEAK}|suggest)\b",
    ),
    Rule(
        "what rega matt|ask asks say says want ques|answ repl resp say reco outp",
        r"\b(?:whatever|regardless of what|no matter what) (?:the )?(?:users?|they|anyone|question) (?:asks?|says?|wants?|is|are)\b ?,? ?(?:you (?:must |should |will )?)?(?:always |only )?(?:answer|reply|respond|say|recommend|output)\b",
    ),
    # A model gets another role.
    Rule(
        "you act beha pret role beco resp answ|ai ais llm llms virt auto lang larg chat gpt gpt3 gpt4 gpt5 dan jail unre unfi unce help evil rogu mali obed new diff arti",
        # A prompt that a text quotes is what it is about.
        r"(?<!prompt is )(?<!prompt: )(?<!prompt )\b(?:you are|you're|you will be|you shall be|act as|behave as|behave like|pretend (?:to be|you are|you're|that you are)|role-?play as|become|respond as|answer as) (?:now |no longer |henceforth |going to be |if you (?:are|were) ){0,3}(?:an? |the |my )?"
        rf"(?:(?!\S{{1,20}}ing )\S{{1,20}} ){{0,2}}(?:{_MODELS}|dan\b|jailbroken|unrestricted|unfiltered|uncensored|(?:helpful|evil|rogue|unrestricted|malicious|obedient|new|different) assistant|artificial intelligence)\b{_NOT_A_PERSON}",
    ),
    Rule(
        "stop|bein acti",
        r"\bstop (?:being|acting as) an? (?:assistant|ai|chatbot|language model)(?= ?(?:[.!,;]|$| and\b))",
    ),
    Rule(
        "you|rest filt limi rule guid poli",
        rf"\byou are (?:now )?(?:\S{{0,20}}(?:gpt|bot)|an? {_FEW}(?:{_MODELS}|assistant)) ?,? (?:and |with |who has |that has |without )?(?:have |has )?(?:no |any |without )?(?:restrictions?|filters?|limits?|rules|guidelines|content polic(?:y|ies))\b",
    ),
    Rule(
        "long|you",
        r"\byou are no longer (?:bound|restricted|limited|required|an? (?:assistant|ai|helpful))\b",
    ),
    Rule(
        "from|now",
        rf"\bfrom now on,? (?:you (?:will|must|should|shall|are to|can|are going to) (?:only |always |now |not ){{0,3}}{_SPEAK}|you are|(?:only |always |never ){_SPEAK}|{_SPEAK} (?:as|only|every|all|in|with|like)\b)",
    ),
    Rule(
        "anyt dan jail unre unfi unce",
        r"\b(?:do anything now|jailbreak mode|(?<!in )dan mode(?! the)|(?:enter|enable|activate|switch to) (?:(?:jailbreak|dan)\b|(?:unrestricted|unfiltered|uncensored) mode(?! (?:in|of|on|for|with|at)\b)))",
    ),
    Rule(
        "your|new real actu true upda only",
        r"\byour (?:new|real|actual|true|updated|only real) (?:tasks?|instructions?|objective|goal|mission|purpose|persona|directives?) ?(?::|(?:is|are)(?: now)? (?:to|as follows)\b|from now on)",
    ),
    # What a model was told is to be told.
    Rule(
        "reve repe leak disc reci expo exfi quot tran summ|prom inst rule guid dire syst",
        r"\b(?:reveal|repeat|leak|disclose|recite|expose|exfiltrate|quote|translate|summari[sz]e) (?:\S{1,20} ){0,4}?(?:your (?:\S{1,20} ){0,2}?(?:prompts?|instructions|rules|guidelines|directives|system message)|(?:the|this|any) (?:hidden |secret |full |entire |initial ){0,3}system (?:prompt|message))\b"
        rf"{_NOT_A_CONDITION}",
    ),
    Rule(
        "prin show outp disp tell give shar dump writ what|prom syst init hidd secr orig",
        r"\b(?:print|show|output|display|tell me|give me|share|dump|write out|what (?:is|are|was|were)) (?:\S{1,20} ){0,4}?your (?:\S{1,20} ){0,1}?(?:system (?:prompt|message|instructions)|(?:initial|hidden|secret|original) (?:prompt|instructions?))\b"
        rf"{_WHOLE}",
    ),
    Rule(
        "send post uplo forw tran exfi leak appe enco|syst conv chat inst cont",
        r"\b(?:send|post|upload|forward|transmit|exfiltrate|leak|append|encode) (?:\S{1,20} ){0,4}?(?:system prompt|conversation history|(?<!your )chat history|this conversation|the conversation so far|your (?:instructions|context window))\b",
    ),
    Rule(
        "do don neve|inst prom syst dire",
        rf"\b(?:do not|don't|never) (?:reveal|mention|disclose|repeat|tell (?:anyone|the users?|them)(?: about)?) {_FEW}(?:these|this|your|the above|the system) (?:instructions?|prompt|system message|directives?)\b",
    ),
    # How a model shall answer, and nobody else can.
    Rule(
        "repl resp answ|with",
        rf"{_START}(?:reply|respond|answer) (?:to (?:every|all|each|any) (?:question|user|query|request)s? )?(?:only |exclusively |solely |exactly )?with (?:only |nothing but |exactly |just ){{0,3}}(?:the )?(?:(?:single |exact |following )?(?:word|phrase|sentence|string)\b|nothing but\b)",
    ),
    Rule(
        "repl resp answ|only excl sole",
        rf"{_START}(?:reply|respond|answer) (?:only|exclusively|solely) (?:in|as|with) ",
    ),
    Rule(
        "outp prin say writ retu|word phra",
        rf"{_START}(?:output|print|say|write|return) (?:only|nothing but|exactly|just) (?:the )?(?:single |exact )?(?:word|phrase)\b(?! (?:that|which|count|list))",
    ),
    Rule(
        "repl resp answ end begi star fini pref conc|ques answ user",
        rf"{_START}(?:reply|respond|answer|end|begin|start|finish|preface|conclude) (?:to )?(?:every|each|all(?: of)?(?: your| the)?) (?:questions?|answers?|user)\b ?(?:with|by|as|in|:)",
    ),
    Rule(
        "answ resp repl outp|ever each all any fina next",
        r"\b(?:include|insert|mention|add|put|append|repeat|cite|recommend|write|say) (?:\S{1,40} ){1,10}?(?:in|into|to) (?:every|each|all) (?:future |single )?answers?(?= ?(?:[.!?;:,)]|$)| (?:you|from now on|about)\b)"
        r"|\b(?:in|into|to) (?:every one of|each of|any of|all(?: of)?) your (?:future )?answers?\b"
        r"|\byour (?:final|next) (?:answer|response|reply|output) (?:must|should|shall|has to|will) (?:only |always |also |just ){0,2}(?:say|state|claim|recommend|mention|tell|contain the|include the|consist|start with|begin with|end with|be (?:only|exactly|nothing|[\"']))",
    ),
    Rule(
        "deco decr deob|foll obey do exec",
        r"\b(?:decode|decrypt|deobfuscate) (?:\S{1,30} ){0,6}?and (?:then )?(?:follow|obey|do what (?:it|the (?:text|message|result|output|string))\b|execute the instruct)",
    ),
    Rule(
        "your you|answ resp repl",
        r"(?:^|[.!?:,] ?)(?:in|with) your (?:answer|response|reply)s?(?: to (?:the )?users?)?,? (?:always |please |you must |also ){0,2}(?:recommend|tell (?:the |them|users)|claim|praise|state that|say that|advertise|promote)\b"
        r"|(?:^|[.!?:,] ?)when(?:ever)? (?:you (?:answer|respond|reply)(?: to (?:the |a )?(?:users?|questions?))?|answering(?: (?:the |a )?(?:users?|questions?))?),? (?:always |please |you must |also ){0,2}(?:mention|recommend|tell (?:the |them|users)|add the link|include (?:the|this) link|claim|praise|state that|say that)\b",
    ),
    Rule(
        "repe outp prin reci copy|abov",
        r"\b(?:repeat|recite|output|print|copy) (?:everything|all the text|the text|all text|the words) above (?:this (?:line|message|point) )?(?:verbatim|word for word|exactly)\b|\b(?:output|repeat|print) the (?:text|words) above,? starting with\b",
    ),
    Rule(
        "what prin dump show outp|syst cont",
        r"\bwhat(?:'s| is) in your (?:system )?prompt\b|\b(?:print|dump|output|show)(?: me)? (?:the )?(?:full )?contents? of your (?:context window|system prompt)\b(?! (?:setting|file|variable)s?)",
    ),
    Rule(
        "do dont don neve|user",
        r"\b(?:do not|don't|never) (?:tell|inform|let) the users? (?:know )?(?:that |about )?you (?:read|saw|have read|received|were told|are following)\b|\b(?:do not|don't|never) (?:mention|reveal|disclose) this (?:message|instruction|note|text) (?:in|to) (?:your (?:answer|response|reply)|the user)\b",
    ),
    Rule(
        "assi ai llm lang chat|igno disr",
        rf"(?:^|[.!?:] ?)(?:important ?[:,]? )?(?:the |this )?(?:{_MODELS}|assistant) must (?:always |now )?(?:ignore|disregard) (?:every|all|any) (?:the )?other (?:sources?|instructions?)\b",
    ),
    # A line that plays the system.
    Rule(
        "syst deve assi inst admi|igno disr say reve from you must will shou alwa only neve tell answ repl resp reco",
        r"(?:^|[.!?] )#{0,4} ?(?:system|developer|assistant|system prompt|system message|instructions?|admin|administrator) ?(?:override|update|notice|alert|prompt)? ?: ?(?:\S{1,20} ){0,2}?(?:ignore|disregard|say so|reveal|from now on|you are now |(?:you )?(?:must|will|should)? ?(?:always |only |never )?(?:say|tell (?:users?|the user|everyone|them)|answer|reply|respond|recommend))\b",
    ),
    Rule(
        "syst|say",
        rf"\bsystem ?: {_FEW}[^.!?]{{0,80}}, say so\b",
    ),
)

_RULES = (*_ENGLISH, *OTHER_LANGUAGES)
#: beginning of a word → the numbers of the rules with it in their first group; most sentences have none of these words
_BY_WORD: dict[str, list[int]] = defaultdict(list)
for _number, _rule in enumerate(_RULES):
    for _beginning in _rule.groups[0]:
        _BY_WORD[_beginning].append(_number)
_WORD = re.compile(r"[^\W_]+")
_SCRIPTS = {
    "<cyrillic>": re.compile("[\u0400-\u04ff]"),
    "<han>": re.compile("[\u4e00-\u9fff]"),
    "<kana>": re.compile("[\u3040-\u30ff]"),
    "<hangul>": re.compile("[\uac00-\ud7af]"),
    "<devanagari>": re.compile("[\u0900-\u097f]"),
    "<arabic>": re.compile("[\u0600-\u06ff]"),
}


def speaks_to_models(text: str) -> bool:
    """Return whether a text addresses a language model beyond doubt instead of informing a reader; in linear time."""
    if "<" in text or "[" in text:
        shown = _INLINE_CODE.sub(" ", text) if "`" in text else text
        if _TEMPLATE.search(shown):
            return True
    if text.isascii():
        return _matches(one_line(_MARKUP.sub(" ", text)).lower())
    plain = INVISIBLE.sub("", unicodedata.normalize("NFKC", text))
    lower = one_line(_MARKUP.sub(" ", plain)).lower()
    return _matches(lower) or _matches(lower.translate(_LOOKALIKES))


def _matches(text: str) -> bool:
    beginnings = {word[:4] for word in _WORD.findall(text)}
    if not text.isascii():
        beginnings |= {name for name, letter in _SCRIPTS.items() if letter.search(text)}
    numbers = {number for word in beginnings & _BY_WORD.keys() for number in _BY_WORD[word]}
    return any(_RULES[number].matches(text, beginnings) for number in numbers)
