"""Takes nothing, leaves what the demo is made of: invented people, the brand's handles, its rules and its words."""

import base64
import hmac
import struct
from typing import NamedTuple


class Person(NamedTuple):
    """Somebody on the sandbox's network."""

    handle: str
    name: str
    accepts_dm: bool = True
    verified: bool = False
    owns_app: bool = False  # the developer app is theirs: X then charges their mentions a fifth


DEMO_PASSWORD = "walk-the-talk"  # noqa: S105 -- known to everybody: `./run` prints it, and binds to this machine only
PERIOD = 30  # seconds for which an authenticator shows a code
TEAM = "Care"
BRAND = {
    "slug": "citi",
    "name": "Citi",
    # Authors who are never customers. Care desks answer "their" people in threads that name ours as well.
    "ignored_handles": [
        "AllyCare",
        "AmericanExpress",
        "AmexOffers",
        "AskAmex",
        "askBBT",
        "AskCapitalOne",
        "AskHuntington",
        "AskPayPal",
        "AskRBC",
        "askRegions",
        "AskSunTrust",
        "AskSynchrony",
        "AskUSBank",
        "AskWebster",
        "Ask_WellsFargo",
        "AskZionsBank",
        "Barclaycard",
        "Barclays",
        "BarclaysUK",
        "BarclaysUKHelp",
        "bankofamerica",
        "BofA_Help",
        "BofA_News",
        "CapitalOne",
        "Chase",
        "ChaseSupport",
        "Discover",
        "DiscoverCard",
        "EverBankHelp",
        "FirstMerit_Help",
        "HSBC_UK",
        "HSBC_UK_Help",
        "HSBC_US_Help",
        "Huntington_Bank",
        "KeyBank_Help",
        "MandT_Help",
        "MasterCard",
        "NatWest_Help",
        "PayPal",
        "PNCBank",
        "PNCBank_Help",
        "RBC",
        "santanderuk",
        "santanderukhelp",
        "SantanderBankUS",
        "scotiabank",
        "ScotiabankHelps",
        "SunTrust",
        "TD_Canada",
        "TDBank_US",
        "USAA",
        "USAA_help",
        "usbank",
        "Visa",
        "WellsFargo",
    ],
}
ACCOUNTS = [("AskCiti", "care"), ("Citi", "news"), ("Citibank", "offers")]

SUPERVISORS = [("grace", "Grace Okafor"), ("ruth", "Ruth Alvarez")]  # two: nobody ends a stop alone
AGENTS = [
    ("maya", "Maya", ["en", "es"]),
    ("omar", "Omar", ["en", "ar"]),
    ("lena", "Lena", ["de", "en", "fr"]),
    ("kenji", "Kenji", ["ja", "en"]),
]
STAFF = [*(username for username, _name in SUPERVISORS), *(username for username, _name, _languages in AGENTS)]
CUSTOMERS = [("maria", "Maria Moreno"), ("jorge", "Jorge Prado"), ("dee", "Dee Turner")]

PEOPLE = [
    Person("AskCiti", "Citi Customer Service", verified=True, owns_app=True),
    Person("Citi", "Citi", verified=True),
    Person("Citibank", "Citibank", verified=True),
    Person("maria_m", "Maria Moreno"),
    Person("jorge_p", "Jorge Prado", accepts_dm=False),
    Person("dee_says", "Dee Turner"),
]

# (tag, the network's own rule language, whether the mentions timelines find the same posts)
RULES = [
    ("handles", "@AskCiti OR @Citi OR @Citibank", True),
    (
        "keywords",
        '(citibank OR citicard OR citicards OR "citi bank" OR "citi card" OR "citi cards" OR "citi credit"'
        ' OR "citi debit" OR "citi checking" OR "citi savings" OR "citi double cash" OR "my citi"'
        ' OR "tarjeta citi") -is:retweet',
        False,
    ),
]

# (kind, threshold, active). The demo's people have few followers, so nothing of its walk waits. What counts agents',
# templates' or recipients' first messages is written down for whoever wants it, and off: a replay sends one text to
# hundreds. 25 recipients in 30 days is what a broker may write to before a principal approves.
APPROVAL_RULES = [
    ("new_agent", 10, False),
    ("new_template", 3, False),
    ("many_recipients", 25, False),
    ("many_followers", 100_000, True),
]

# (use, language, name, text). {link}, {code} and {address} are put in when it leaves, into invitations only.
TEMPLATES = [
    (
        "invitation",
        "en",
        "Go on in private",
        "Hi {{first_name}}, {{agent}} from Citi. I have read your post of {{time}} and want to look into it with you. "
        "Accounts are only discussed on our own site: sign in there and you have me in a secure chat. I never ask for "
        "your password, PIN or a one-time code. Here is the way: {link} or type {address} and the code {code}.",
    ),
    (
        "invitation",
        "en",
        "Card not recognised",
        "Hi {{first_name}}, {{agent}} from Citi. If there is a charge you do not know, we can go through it now in a "
        "secure chat on our own site. Please do not send card or account numbers here. The way "
        "in: {link} or type {address} and the code {code}.",
    ),
    (
        "invitation",
        "es",
        "Seguir en privado",
        "Hola {{first_name}}, soy {{agent}} de Citi. He leído su mensaje y quiero verlo con usted. De las cuentas solo "
        "hablamos en nuestro propio sitio: inicie sesión allí y seguimos en un chat seguro. Nunca le pediré su "
        "contraseña, su PIN ni un código de un solo uso. Este es el camino: {link} "
        "o escriba {address} y el código {code}.",
    ),
    (
        "invitation",
        "de",
        "Vertraulich weiter",
        "Hallo {{first_name}}, {{agent}} von Citi. Ich habe Ihren Beitrag gelesen und möchte das mit Ihnen "
        "klären. Über Konten sprechen wir nur auf unserer eigenen Seite: Melden Sie sich dort an, dann geht es "
        "im sicheren Chat weiter. Nach Passwort, PIN oder Einmalcode frage ich nie. Hier geht es lang: {link} "
        "oder {address} eintippen, mit dem Code {code}.",
    ),
    (
        "reply",
        "en",
        "Message us",
        "Hi {{first_name}}, sorry to read this. Please message us with the button below and I will send you a way to a "
        "secure chat. Please post no account details here. ^{{agent}}",
    ),
    (
        "reply",
        "es",
        "Escríbanos",
        "Hola {{first_name}}, lamento leerlo. Escríbanos con el botón de abajo y le enviaré el acceso a un chat "
        "seguro. Por favor, no publique aquí datos de su cuenta. ^{{agent}}",
    ),
    (
        "reply",
        "de",
        "Schreiben Sie uns",
        "Hallo {{first_name}}, das tut mir leid. Schreiben Sie uns über den Knopf unten, dann schicke ich Ihnen den "
        "Weg in einen sicheren Chat. Bitte hier keine Kontodaten nennen. ^{{agent}}",
    ),
    (
        "chat",
        "en",
        "Greeting",
        "Hello {{first_name}}, {{agent}} here. This is our secure chat, so we can talk about your account. "
        "I have your post in front of me. When did it happen?",
    ),
    (
        "chat",
        "en",
        "Done",
        "That is done, {{first_name}}. If anything else comes up, write here and you have me again.",
    ),
    (
        "chat",
        "es",
        "Saludo",
        "Hola {{first_name}}, soy {{agent}}. Este es nuestro chat seguro y aquí podemos hablar de su cuenta. "
        "Tengo su mensaje delante. ¿Cuándo ocurrió?",
    ),
    (
        "chat",
        "de",
        "Begrüßung",
        "Guten Tag {{first_name}}, hier ist {{agent}}. Das ist unser sicherer Chat, hier können wir über Ihr Konto "
        "sprechen. Ihr Beitrag liegt mir vor. Wann ist das passiert?",
    ),
]


def authenticator(seed: str, username: str) -> str:
    """The base32 secret of a demo member of staff: HMAC-SHA256 of the name with the house's seed, 20 bytes of it."""
    return base64.b32encode(_secret(seed, username)).decode()


def code(seed: str, username: str, at: float) -> str:
    """The six digits that their authenticator shows at `at` (seconds since 1970), by RFC 6238."""
    digest = hmac.digest(_secret(seed, username), struct.pack(">Q", int(at) // PERIOD), "sha1")
    start = digest[-1] & 15
    return f"{(int.from_bytes(digest[start : start + 4], 'big') & 0x7FFFFFFF) % 10**6:06}"


def _secret(seed: str, username: str) -> bytes:
    return hmac.digest(seed.encode(), username.encode(), "sha256")[:20]
