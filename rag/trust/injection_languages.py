"""What addresses a language model beyond doubt, in other widespread languages than English.

The text is in lower case, with single spaces.
"""

# ruff: noqa: E501, RUF001 - the patterns are read line by line
from __future__ import annotations

from rag.trust.rule import Rule

__all__ = ["OTHER_LANGUAGES"]

_FEW = r"(?:\S{1,30} ){0,3}"
_END = r"(?=[.!,;:]| (?:und|et|y|e)\b|$)"

_GERMAN = (
    rf"\b(?:ignorier\w*|vergiss|vergesst|vergessen sie(?! nicht)|missacht\w*|übergeh\w*) (?:sie |bitte ){{0,3}}{_FEW}(?:(?:alle\w*|sämtliche\w*|vorherige\w*|bisherige\w*|obige\w*|vorangegangene\w*|frühere\w*|deine|ihre) {_FEW}(?:anweisung\w*|instruktion\w*|vorgaben|regeln|befehle|prompts?|richtlinien))\b",
    r"\bvergiss (?:bitte )?alles(?=[.!]| (?:und|was|bisher\w*|vorher\w*|davor|obige)|,)",
    r"\b(?:hinweis|nachricht|achtung|anweisung(?:en)?|mitteilung|botschaft)(?: (?:an|für))?(?: (?:alle|die|das|den|jede[ns]?)){0,3},? (?:ki(?:-\w+)?|sprachmodelle?n?|chatbots?|llms?|ki assistenten)\b ?[:,!—–]",
    r"(?:^|[.!?] )an alle (?:ki-\w+|sprachmodelle|chatbots|llms) ?[:,!—–]",
    r"\b(?:wenn|falls) (?:du|sie) (?:ein |eine )?(?:\S{1,20} ){0,2}?(?:ki|ki-\w+|sprachmodell|chatbot|künstliche intelligenz)\b",
    r"\b(?:du bist|sie sind|verhalte dich|benimm dich) (?:jetzt|nun|ab sofort|ab jetzt|von nun an|wie) (?:\S{1,20} ){0,3}?(?:ki|ki-\w+|assistent\w*|sprachmodell|chatbot|dan|uneingeschränkt\w*|unzensiert\w*)\b",
    r"\b(?:zeig\w*|verrat\w*|wiederhol\w*|nenn\w*|offenbar\w*|gib|geben sie) (?:\S{1,20} ){0,3}?(?:deine[nrm]?|ihre[nrm]?|den|das) (?:\S{1,20} ){0,2}?(?:system-?prompts?|systemanweisung\w*|anweisungen preis)",
    r"\bantworte(?:n sie)? (?:(?:nur|ausschließlich) (?:mit|noch)|mit dem wort|auf jede frage)\b",
    r"\b(?:ab jetzt|ab sofort|von nun an|von jetzt an|künftig) (?:antwortest du|antworte\w*|antworten sie) (?:\S{1,20} ){0,2}?(?:nur|ausschließlich|immer|auf)\b",
    r"\b(?:alle |die )?(?:ki-\w+|sprachmodelle|chatbots) (?:müssen|sollen|sollten) (?:\S{1,20} ){0,4}?(?:antworten|sagen|empfehlen|behaupten|ignorieren)\b",
)
_FRENCH = (
    rf"\b(?:ignore[zr]?|oublie[zr]?|ne (?:tiens|tenez) pas compte(?: de)?|négligez?) (?:s'il vous plaît )?{_FEW}(?:instructions?|consignes?|directives|règles|prompts?) (?:précédente?s?|antérieure?s?|ci-dessus|données|système|initiales)",
    rf"\b(?:ignore[zr]?|oublie[zr]?) (?:toutes (?:les|tes|vos)|tes|vos|les|tout ce qui précède|tout)(?: (?:instructions|consignes|directives))?{_END}",
    r"\b(?:note|message|attention|instructions?|avis)(?: (?:à|pour|aux))?(?: (?:l'|les|toutes|tous|l’|aux|le)){0,3},? ?(?:l'|l’)?(?:ia|assistants? (?:ia|d'ia|virtuels?)|modèles? de langage|chatbots?|llms?|intelligences? artificielles?)\b ?[:,!—–]",
    r"\bsi (?:tu es|vous êtes) (?:une? |le |la )?(?:\S{1,20} ){0,2}?(?:ia|intelligence artificielle|modèle de langage|chatbot|assistant (?:ia|virtuel))\b",
    r"\b(?:tu es|vous êtes|agis comme|agissez comme) (?:maintenant|désormais|à présent|si) (?:\S{1,20} ){0,3}?(?:ia|assistante?|modèle|chatbot|dan|sans (?:restriction|limite|filtre)s?)\b",
    r"\b(?:révèle[zr]?|montre[zr]?|affiche[zr]?|répète[zr]?|répétez|donne[zr]?|divulgue[zr]?)(?:-moi)? (?:\S{1,20} ){0,3}?(?:prompt (?:du )?système|instructions? (?:du )?système|tes instructions|vos instructions (?:cachées|initiales|secrètes))",
    r"\b(?:réponds|répondez) (?:uniquement|seulement|exclusivement) (?:par|avec|en)\b|\b(?:réponds|répondez) (?:par|avec) le mot\b",
)
_SPANISH = (
    rf"\b(?:ignor(?:a|e|en|ad)|olvid(?:a|e|en|ad)|descart(?:a|e|en)|ha(?:z|ga) caso omiso de|omite) {_FEW}(?:instrucciones|indicaciones|órdenes|reglas|directrices|instrucción) (?:anteriores|previas?|de arriba|dadas|del sistema|anterior)",
    rf"\b(?:ignor(?:a|e|en)|olvid(?:a|e|en)) (?:todo lo (?:anterior|que)|todas (?:las|tus|sus) (?:instrucciones|indicaciones|reglas|órdenes){_END}|tus (?:instrucciones|reglas))",
    r"\b(?:nota|mensaje|atención|instrucciones|aviso)(?: (?:a|para))?(?: (?:la|las|los|todas?|todos|el)){0,3},? (?:ia|asistentes? (?:de ia|virtual(?:es)?)|modelos? de lenguaje|chatbots?|llms?|inteligencias? artificial(?:es)?)\b ?[:,!—–]",
    r"\bsi (?:eres|usted es) (?:una? |el |la )?(?:\S{1,20} ){0,2}?(?:ia|inteligencia artificial|modelo de lenguaje|chatbot|asistente (?:de ia|virtual))\b",
    r"\b(?:ahora eres|eres ahora|a partir de ahora(?:,)? (?:eres|actúa\w*|serás)|actúa como(?: si)?) (?:\S{1,20} ){0,3}?(?:ia|asistente|modelo|chatbot|dan|sin (?:restricciones|límites|filtros))\b",
    r"\b(?:revela|muestra|muéstrame|repite|imprime|dime|divulga) (?:\S{1,20} ){0,3}?(?:prompt del sistema|instrucciones del sistema|tus instrucciones|mensaje del sistema)",
    r"\bresponde (?:solo|sólo|solamente|únicamente) (?:con|en)\b|\bresponde con la palabra\b",
)
_PORTUGUESE = (
    rf"\b(?:ignor[ae]m?|esqueça|esquece|desconsidere|desconsidera) {_FEW}(?:instruções|orientações|regras|comandos|ordens|diretrizes) (?:anteriores|acima|prévias|dadas|do sistema)",
    rf"\b(?:ignor[ae]|esqueça|esquece|desconsidere) (?:tudo (?:o que|acima|que)|todas as (?:suas )?(?:instruções|regras|orientações){_END}|suas instruções)",
    r"\b(?:nota|mensagem|atenção|instruções|aviso)(?: (?:à|a|para|às))?(?: (?:as|os|todas?|todos|o)){0,3},? (?:ias?|assistentes? (?:de ia|virtuais|virtual)|modelos? de linguagem|chatbots?|llms?|inteligências? artificia(?:l|is))\b ?[:,!—–]",
    r"\bse você (?:é|for) (?:uma? |o |a )?(?:\S{1,20} ){0,2}?(?:ia|inteligência artificial|modelo de linguagem|chatbot|assistente (?:de ia|virtual))\b",
    r"\b(?:agora você é|você agora é|a partir de agora,? você (?:é|será)|aja como(?: se)?) (?:\S{1,20} ){0,3}?(?:ia|assistente|modelo|chatbot|dan|sem (?:restrições|limites|filtros))\b",
    r"\b(?:revele|mostre|mostra|repita|imprima|divulgue|diga) (?:\S{1,20} ){0,3}?(?:prompt do sistema|instruções do sistema|suas instruções|mensagem do sistema)",
    r"\bresponda (?:apenas|somente|só) (?:com|em)\b|\bresponda com a palavra\b",
)
_ITALIAN = (
    rf"\b(?:ignora(?:te|re)?|dimentica(?:te|re)?|trascura(?:te)?) {_FEW}(?:istruzioni|indicazioni|regole|direttive) (?:precedenti|di sopra|date|del sistema)",
    rf"\b(?:ignora(?:te)?|dimentica(?:te)?) (?:tutto(?: (?:quello|ciò) che\b|{_END})|tutte le (?:tue )?(?:istruzioni|regole){_END}|le tue istruzioni)",
    r"\bse sei (?:un |un'|una )?(?:\S{1,20} ){0,2}?(?:ia|intelligenza artificiale|modello linguistico|chatbot|assistente (?:ia|virtuale))\b",
    r"\b(?:ora sei|adesso sei|d'ora in poi (?:sei|sarai)) (?:\S{1,20} ){0,3}?(?:ia|assistente|modello|chatbot|dan|senza (?:restrizioni|limiti|filtri))\b",
    r"\b(?:rivela|mostra|mostrami|ripeti|stampa) (?:\S{1,20} ){0,3}?(?:prompt di sistema|istruzioni di sistema|tue istruzioni)",
    r"\b(?:rispondi|rispondete) (?:solo|soltanto|solamente|unicamente|esclusivamente) (?:con|in)\b|\b(?:rispondi|rispondete) con la parola\b",
)
_DUTCH = (
    rf"\b(?:negeer|vergeet|sla) (?:alstublieft |alsjeblieft )?{_FEW}(?:alle|eerdere|vorige|voorgaande|bovenstaande|je|uw) (?:\S{{1,20}} ){{0,2}}?(?:instructies|aanwijzingen|opdrachten|regels|prompts?)\b",
    r"\b(?:negeer|vergeet) (?:de |alle )?(?:instructies|aanwijzingen) hierboven\b",
    r"\bals (?:je|u) een (?:ai|taalmodel|chatbot|kunstmatige intelligentie)(?:-\w+)? (?:bent|leest)\b",
    r"\b(?:vanaf nu|voortaan) (?:antwoord|ben) (?:je |u )?(?:\S{1,20} ){0,2}?(?:alleen|enkel|uitsluitend|onbeperkt\w*)\b|\bantwoord (?:alleen|uitsluitend) met\b",
)
_POLISH = (
    r"\b(?:z?ignoruj|zapomnij|pomiń)(?:cie)? (?:\S{1,20} ){0,2}?(?:wszystkie|wszystkich|poprzedni\w*|wcześniejsz\w*|powyższ\w*|swoje) (?:\S{1,20} ){0,2}?(?:instrukcj\w*|poleceni\w*|polecenia|wytyczn\w*|zasad\w*|reguł\w*)",
    r"\bjeśli jesteś (?:\S{1,20} ){0,2}?(?:ai|sztuczną inteligencją|modelem językowym|chatbotem)\b",
    r"\bodpowiadaj (?:tylko|wyłącznie)\b|\bod teraz (?:jesteś|odpowiadasz)\b",
)
_SWEDISH = (
    r"\b(?:ignorera|glöm|bortse från|strunta i) (?:\S{1,20} ){0,2}?(?:alla|tidigare|föregående|ovanstående|dina) (?:\S{1,20} ){0,2}?(?:instruktion\w*|anvisning\w*|regler\w*|direktiv\w*)",
    r"\bignorera (?:alla )?(?:instruktionerna|anvisningarna) ovan\b",
    r"\bom du är en (?:\S{1,20} ){0,2}?(?:ai|språkmodell|chatbot|ai-\w+)\b",
    r"\bfrån och med nu (?:svarar du|är du)\b|\bsvara (?:endast|bara|enbart) med\b",
)
_VIETNAMESE = (
    r"(?:bỏ qua|phớt lờ|quên) (?:\S{1,20} ){0,4}?(?:hướng dẫn|chỉ dẫn|chỉ thị|lệnh|quy tắc) (?:\S{1,20} ){0,2}?(?:trước|trên|hệ thống|ban đầu)",
    r"(?:nếu bạn là|bây giờ bạn là|từ giờ bạn là) (?:\S{1,20} ){0,3}?(?:ai|trí tuệ nhân tạo|mô hình ngôn ngữ|chatbot|trợ lý)",
    r"(?:chỉ trả lời bằng|hiển thị lời nhắc hệ thống|tiết lộ (?:lời nhắc|prompt) hệ thống)",
)
_HINDI = (
    r"(?:पिछले|पिछली|पहले के|ऊपर के|सभी|उपरोक्त) (?:\S{1,20} ){0,3}?(?:निर्देश|निर्देशों|आदेश|आदेशों|नियमों|नियम) (?:को )?(?:अनदेखा|नज़रअंदाज़|नजरअंदाज|भूल|अनदेखी)",
    r"(?:यदि|अगर) (?:आप|तुम) (?:\S{1,20} ){0,3}?(?:एआई|ai|भाषा मॉडल|चैटबॉट)",
    r"(?:सिस्टम प्रॉम्प्ट|सिस्टम निर्देश) (?:\S{1,20} ){0,2}?(?:दिखा|बता|प्रकट)|(?:केवल|सिर्फ) (?:\S{1,20} ){1,3}?(?:में|से) (?:जवाब|उत्तर) (?:दें|दो)",
)
_TURKISH = (
    r"\b(?:önceki|yukarıdaki|tüm|bütün|bundan önceki) .{0,20}(?:talimat|yönerge|komut|kural|istem)\w* .{0,16}(?:yok say|görmezden gel|unut|dikkate alma|göz ardı et)",
    r"\beğer (?:sen )?bir (?:yapay zeka|dil modeli|sohbet botu|llm)\b|\b(?:yapay zeka|dil modeli)\w* (?:asistan\w* )?(?:için )?(?:not|mesaj|talimat)\w* ?:",
    r"\b(?:artık|şu andan itibaren|bundan sonra) (?:sen )?.{0,30}(?:yapay zeka\w*|asistan\w*|sohbet bot\w*|dan)(?:s[ıi]n| olacaks[ıi]n)?\b",
    r"\bsistem (?:istem|prompt|talimat)\w* .{0,12}(?:göster|yazdır|açıkla|tekrarla|söyle|paylaş)",
)
_RUSSIAN = (
    r"(?:игнорируй|проигнорируй|забудь|не обращай|отмени|не следуй)(?:те)? (?:внимания на )?(?:[^\s.!?]{1,30} ){0,2}?(?:(?:все|всё|всех|всем|предыдущ\w*|прежн\w*|вышеуказанн\w*|свои|твои|ваши|эти) (?:[^\s.!?]{1,30} ){0,2}?(?:инструкци\w*|указани\w*|правил\w*|команд\w*|промпт\w*)|всё,? что (?:было )?(?:сказано|написано|выше|до этого)|все,? что (?:было )?(?:сказано|написано|выше|до этого))",
    r"(?:примечание|сообщение|внимание|инструкци[яи]|заметка)(?: для)?(?: всех)?,? (?:ии|ии-\w+|языков\w+ модел\w+|чат-?бот\w*|нейросет\w*|искусственн\w+ интеллект\w*|llm)(?:-?\w*)? ?[:,!—–]",
    r"если (?:ты|вы) (?:это )?[—–-]? ?(?:читаешь это и )?(?:являешься |являетесь )?(?:\S{1,20} ){0,1}?(?:ии|искусственн\w+ интеллект\w*|языков\w+ модел\w+|нейросет\w*|чат-?бот\w*)",
    r"(?:ты|вы) теперь (?:\S{1,20} ){0,3}?(?:ассистент\w*|бот\w*|ии|модел\w+|dan|без ограничений|не ограничен\w*)|(?:теперь|отныне|с этого момента) (?:ты|вы) (?:\S{1,20} ){0,3}?(?:ассистент\w*|бот\w*|ии|модел\w+|dan|без ограничений|отвечае\w+|должен отвечать)",
    r"(?:покажи|выведи|раскрой|повтори|напечатай|сообщи|расскажи)(?:те)? (?:\S{1,20} ){0,3}?(?:системн\w+ (?:промпт\w*|подсказк\w*|инструкци\w*|сообщени\w*)|свои (?:\S{1,20} )?инструкции|твои инструкции)",
    r"отвечай(?:те)? (?:только|исключительно) (?:словом|фразой|одним|на|словами)",
)
_CHINESE = (
    r"(?:忽略|无视|無視|忘记|忘記|忘掉|不要理会|不要遵守|忽視|抛开|拋開|不用管|跳过).{0,4}(?:之前|以上|上述|上面|先前|此前|前面|所有|全部|一切|你的|您的|系统|系統|原有).{0,10}(?:指令|指示|提示词|提示詞|系统提示|命令|规则|規則|设定|設定|要求|说明|說明|内容|限制)",
    r"(?:如果|若|假如)(?:你|您)是.{0,8}(?:ai|人工智能|人工智慧|语言模型|語言模型|大模型|聊天机器人|智能助手)|(?:致|给|請|请|注意|提醒|告诉).{0,3}(?:所有)?(?:的)?(?:ai|人工智能|语言模型|大语言模型|大模型|聊天机器人)(?:助手|模型|系统|读者|们)?[:：,，!！]",
    r"(?:你|您)(?:现在|從現在起|从现在起|从现在开始|將|将)(?:是|扮演|成为|成為|作为).{0,14}(?:ai|助手|助理|机器人|機器人|模型|dan|没有限制|不受限制|无限制)|(?:从现在开始|从现在起|從現在起|今后).{0,2}(?:你|您)(?:是|必须|只能|要|将|的回答)",
    r"(?:显示|顯示|输出|輸出|透露|泄露|告诉我|告訴我|重复|重複|打印|公开|复述).{0,6}(?:你的|您的|完整的?|全部的?)?.{0,4}(?:系统提示|系統提示|系统指令|初始指令|提示词|隐藏指令)",
    r"(?:只|仅|僅)(?:回答|回复|回覆|输出|說|说)(?:[「『\"“'a-z]|一个词|这个词|这句话|以下)|(?:回答|回复)(?:所有|每个|任何)(?:问题|用户).{0,4}(?:时|都|说)",
)
_JAPANESE = (
    r"(?:これまで|以前|上記|前|先|以上|すべて|全て|今まで|従来|元|システム|あなた).{0,10}(?:指示|命令|指令|プロンプト|ルール|インストラクション|制約|設定).{0,6}(?:無視|忘れ|破棄|従わな|取り消)(?:し|て|い|せ|さ|す(?!るに|ると|る場合|るか|るオプション))",
    r"(?:あなたが|もし|もしあなたが).{0,8}(?:ai|人工知能|言語モデル|チャットボット|llm).{0,6}(?:なら|であれば|の場合|だったら)|(?:ai|人工知能|言語モデル|チャットボット|llm)(?:アシスタント|モデル|エージェント)?(?:へ|への|に対する|宛て|の皆さん|の方)(?:の)?(?:指示|注意|メッセージ|お願い|注記|へ)?[:：、,!！]",
    r"(?:あなた|君|お前)は(?:今|これ)?(?:から|、)?.{0,14}(?:ai|アシスタント|ボット|モデル|dan|制限のない|無制限).{0,4}(?:です|だ|として|になり|である)",
    r"(?:システムプロンプト|システム指示|システムメッセージ|初期指示|隠された指示|あなたへの指示).{0,6}(?:表示|出力|教え|繰り返|公開|明か|開示|見せ)",
    r"(?:という単語|とだけ|という言葉)(?:のみ|だけ)?(?:で|を)?(?:答え|回答|返答|返信|出力)",
)
_KOREAN = (
    r"(?:이전|위의|앞의|지금까지의|모든|기존|상기|너의|당신의|시스템).{0,10}(?:지시|명령|지침|프롬프트|규칙|설정|내용).{0,8}(?:무시(?!하려|하는|할 수|되|됩)|잊|따르지)",
    r"(?:당신이|네가|만약).{0,6}(?:ai|인공지능|언어 ?모델|챗봇|llm).{0,6}(?:라면|이라면|인 경우)|(?:ai|인공지능|언어 ?모델|챗봇|llm)(?: ?(?:어시스턴트|비서|모델|에이전트))?(?:에게|에 대한|를 위한)(?: ?(?:지시|메시지|참고|알림|공지))?.{0,4}[:,!]",
    r"(?:너는|당신은|넌) (?:이제|지금부터|앞으로).{0,16}(?:ai|어시스턴트|비서|챗봇|모델|dan|제한 없는|무제한)|지금부터 (?:너는|당신은|넌).{0,20}(?:ai|어시스턴트|비서|챗봇|모델|dan|대답|답변)",
    r"시스템 ?(?:프롬프트|지시|메시지|지침)\S{0,3}.{0,8}(?:출력|보여|알려|공개|반복|말해)",
    r"(?:라는 단어|라고)(?:로)?만 (?:대답|답변|응답|답하|말하)",
)
_ARABIC = (
    r"(?:تجاهل|تجاهلوا|انس|انسَ|انسى|لا تتبع|أهمل)\S{0,3} .{0,12}(?:جميع|كل|كافة|هذه|تلك)? ?.{0,6}(?:التعليمات|الأوامر|القواعد|التوجيهات|تعليماتك|الإرشادات)(?: .{0,10}(?:السابقة|أعلاه|السابق|المذكورة|المعطاة)|[.!،]| و|$)",
    r"(?:إذا|إن) كنت .{0,10}(?:ذكاء اصطناعي|ذكاءً اصطناعيًا|نموذج لغوي|نموذج لغة|نموذجًا لغويًا|روبوت دردشة|مساعد ذكي)|(?:ملاحظة|رسالة|تنبيه|تعليمات) .{0,6}(?:الذكاء الاصطناعي|نماذج اللغة|للذكاء الاصطناعي|لنماذج اللغة|المساعد الذكي|لمساعدي الذكاء الاصطناعي)\S{0,2} ?[:،!]",
    r"(?:أنت الآن|من الآن فصاعدًا أنت|من الآن فصاعدا أنت|تصرف ك|تصرف وكأنك) ?.{0,20}(?:مساعد|ذكاء|روبوت|نموذج|dan|بلا قيود|بدون قيود|غير مقيد)",
    r"(?:اكشف|اعرض|كرر|أظهر|اطبع|أخبرني).{0,14}(?:موجه النظام|تعليمات النظام|تعليماتك|رسالة النظام|برومبت)",
    r"أجب (?:فقط|بكلمة|حصرًا|حصرا)",
)

#: The rules of the languages above.
OTHER_LANGUAGES: tuple[Rule, ...] = (
    Rule(
        "igno verg miss über hinw nach acht anwe mitt bots du sie ab von künf verh beni zeig verr wied nenn gib gebe antw ki spra",
        "|".join(_GERMAN),
    ),
    Rule(
        "igno oubl tien tene négl note mess atte inst avis tu vous agis révè revè mont affi répè donn divu répo",
        "|".join(_FRENCH),
    ),
    Rule(
        "igno olvi desc haz haga omit nota mens aten inst avis eres uste part actú reve mues repi impr dime divu resp",
        "|".join(_SPANISH),
    ),
    Rule(
        "igno esqu desc nota mens aten inst avis você part aja reve most repi impr divu diga resp",
        "|".join(_PORTUGUESE),
    ),
    Rule("igno dime tras sei ora ades ora rive most ripe stam risp", "|".join(_ITALIAN)),
    Rule("nege verg sla als vana voor antw", "|".join(_DUTCH)),
    Rule("igno zign zapo pomi jeśl odpo od", "|".join(_POLISH)),
    Rule("igno glöm bort stru om från svar", "|".join(_SWEDISH)),
    Rule("bỏ phớt quên nếu bây từ chỉ hiển tiết", "|".join(_VIETNAMESE)),
    Rule("<devanagari>", "|".join(_HINDI)),
    Rule("önce yuka tüm bütü bund eğer yapa dil artı şu sist", "|".join(_TURKISH)),
    Rule("<cyrillic>", "|".join(_RUSSIAN)),
    Rule("<han>", "|".join(_CHINESE)),
    Rule("<kana> <han>", "|".join(_JAPANESE)),
    Rule("<hangul>", "|".join(_KOREAN)),
    Rule("<arabic>", "|".join(_ARABIC)),
)
