"""Takes a text without a language, leaves a guess as X's `lang` carries it ("und": nothing to go by)."""

import re
import unicodedata
from collections import Counter

from sandbox.texts import HANDLE, URL

# The commonest small words, and words of the trade; enough for a sentence typed into the page.
WORDS = {
    "en": "the and you my i is to a of it for in on me was have this that not with please what why how can your been "
    "card account bank help are just be no at but they get do",
    "es": "el la los las que de en y mi un una por para con no se me es su tarjeta cuenta banco ayuda hola gracias "
    "está desde muy cómo pero más lo le al han",
    "pt": "o os as que de em e meu minha um uma por para com não se me é seu cartão conta banco ajuda olá obrigado "
    "está desde muito como mas mais foi no na dos ao",
    "fr": "le la les des que de et mon ma un une pour avec ne pas je est votre carte compte banque aide bonjour merci "
    "depuis très comment mais plus vous sur du ce",
    "de": "der die das und ich mein meine ein eine für mit nicht ist ihr karte konto bank hilfe hallo danke seit sehr "
    "wie aber mehr sie auf den zu wird warum",
    "it": "il lo la gli che di e mio mia un una per con non si mi è carta conto banca aiuto ciao grazie da molto come "
    "ma più sono nel della perché",
}
VOCABULARY = {language: frozenset(text.split()) for language, text in WORDS.items()}
SCRIPTS = {
    "HIRAGANA": "ja",
    "KATAKANA": "ja",
    "HANGUL": "ko",
    "CJK": "zh",
    "CYRILLIC": "ru",
    "ARABIC": "ar",
    "DEVANAGARI": "hi",
    "THAI": "th",
    "HEBREW": "he",
    "GREEK": "el",
}
MARKS = {"ñ": "es", "¿": "es", "¡": "es", "ã": "pt", "õ": "pt", "ß": "de", "ä": "de", "ü": "de", "œ": "fr", "è": "it"}


def guess(text: str) -> str:
    """A language code for a text."""
    bare = HANDLE.sub(" ", URL.sub(" ", text)).lower()
    scripts = Counter(
        SCRIPTS.get(unicodedata.name(letter, "").split(" ")[0], "") for letter in bare if letter.isalpha()
    )
    if not scripts:
        return "und"
    script, _ = scripts.most_common(1)[0]
    if script:
        return "ja" if script == "zh" and scripts["ja"] else script
    found = re.findall(r"[^\W\d_]+", bare)
    scores = {language: sum(word in known for word in found) for language, known in VOCABULARY.items()}
    for mark, language in MARKS.items():
        scores[language] += bare.count(mark)
    best = max(scores, key=lambda language: scores[language])
    return best if scores[best] else "und"
