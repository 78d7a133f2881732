"""Takes nothing, leaves what the demo is made of: invented people, the brand's handles, its rules and its words."""

from typing import NamedTuple


class Person(NamedTuple):
    """Somebody on the sandbox's network."""

    handle: str
    name: str
    accepts_dm: bool = True
    verified: bool = False
    owns_app: bool = False  # the developer app is theirs: X then charges their mentions a fifth


DEMO_PASSWORD = "walk-the-talk"  # noqa: S105 -- known to everybody: `./run` prints it, and binds to this machine only
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

SUPERVISORS = [("grace", "Grace Okafor")]
AGENTS = [
    ("maya", "Maya", ["en", "es"]),
    ("omar", "Omar", ["en", "ar"]),
    ("lena", "Lena", ["de", "en", "fr"]),
    ("kenji", "Kenji", ["ja", "en"]),
]
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

# (use, language, name, text). The short link is added after the text of an invitation.
TEMPLATES = [
    (
        "invitation",
        "en",
        "Go on in private",
        "Hi {{first_name}}, {{agent}} from Citi. I have read your post of {{time}} and want to look into it with you. "
        "Accounts are only discussed on our own site: sign in there and you have me in a secure chat. I never ask for "
        "your password, PIN or a one-time code. Here is the way:",
    ),
    (
        "invitation",
        "en",
        "Card not recognised",
        "Hi {{first_name}}, {{agent}} from Citi. If there is a charge you do not know, we can go through it now in a "
        "secure chat on our own site. Please do not send card or account numbers here. The way in:",
    ),
    (
        "invitation",
        "es",
        "Seguir en privado",
        "Hola {{first_name}}, soy {{agent}} de Citi. He leído su mensaje y quiero verlo con usted. De las cuentas solo "
        "hablamos en nuestro propio sitio: inicie sesión allí y seguimos en un chat seguro. Nunca le pediré su "
        "contraseña, su PIN ni un código de un solo uso. Este es el camino:",
    ),
    (
        "invitation",
        "de",
        "Vertraulich weiter",
        "Hallo {{first_name}}, {{agent}} von Citi. Ich habe Ihren Beitrag gelesen und möchte das mit Ihnen "
        "klären. Über Konten sprechen wir nur auf unserer eigenen Seite: Melden Sie sich dort an, dann geht es "
        "im sicheren Chat weiter. Nach Passwort, PIN oder Einmalcode frage ich nie. Hier geht es lang:",
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
