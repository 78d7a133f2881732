"""Takes nothing, leaves people and the complaints they might tweet, for the page's example button."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Author:
    """Somebody who tweets; not everybody takes direct messages from strangers."""

    handle: str
    name: str
    accepts_dm: bool = True


@dataclass(frozen=True, slots=True)
class Example:
    """A tweet as a customer might write it."""

    author: str
    lang: str
    text: str


PEOPLE = (
    Author("maya_r", "Maya Rivera"),
    Author("omar_h", "Omar Haddad"),
    Author("lena_k", "Lena Krüger"),
    Author("grace_o", "Grace Okafor"),
    Author("maria_dlc", "María de la Cruz"),
    Author("jorge_p", "Jorge Paredes", accepts_dm=False),
    Author("dee_writes", "Dee"),
    Author("tomas_lx", "Tomás Leal"),
    Author("claire_b", "Claire Bonnet"),
    Author("kenji_m", "Kenji M", accepts_dm=False),
)

EXAMPLES = (
    Example(
        "maya_r",
        "en",
        "@AskCiti my card was declined three times at the pharmacy and there is money on it. What is going on?",
    ),
    Example(
        "maria_dlc", "es", "@AskCiti me cobraron dos veces el mismo pago y nadie contesta el teléfono. ¿Quién me ayuda?"
    ),
    Example(
        "omar_h", "en", "40 minutes on hold with @Citibank to unlock an account I never locked. Forty. I have a job."
    ),
    Example(
        "tomas_lx", "pt", "@AskCiti a transferência que fiz na segunda ainda não chegou e preciso pagar o aluguel hoje"
    ),
    Example(
        "grace_o",
        "en",
        "@AskCiti there is a charge from a hotel in a city I have never been to. Please stop my card",
    ),
    Example(
        "lena_k",
        "de",
        "@Citi seit gestern zeigt die App nur einen weißen Bildschirm. Neu installiert habe ich sie schon zweimal.",
    ),
    Example(
        "dee_writes",
        "en",
        "hey @AskCiti the ATM on 5th kept my card AND did not give me the cash. flying tomorrow. help",
    ),
    Example("jorge_p", "es", "@Citibank cerraron mi cuenta sin avisar y mi sueldo entra mañana. Esto es muy grave."),
    Example(
        "claire_b",
        "fr",
        "@AskCiti bonjour, mon virement est bloqué depuis jeudi et votre chat répond toujours pareil. Que faire ?",
    ),
    Example("maya_r", "en", "@AskCiti update: the new card came, and the PIN letter did not. So close."),
    Example(
        "kenji_m", "ja", "@AskCiti アプリにログインできません。昨日から何度試してもエラーになります。助けてください。"
    ),
    Example("omar_h", "en", "Is the @Citi app down for everybody or has it just decided it does not like me today?"),
    Example(
        "grace_o",
        "en",
        "@AskCiti I was promised a refund of the late fee in March. It is not March any more. It is not April either.",
    ),
    Example(
        "maria_dlc",
        "es",
        "@Citi llevo una hora tratando de activar mi tarjeta nueva, la app dice que mi número no existe",
    ),
    Example(
        "dee_writes",
        "en",
        "@Citibank you sent my late father's statement to my new address again. Third time I ask you to stop. Please.",
    ),
    Example(
        "lena_k",
        "en",
        "@AskCiti travelling in Lisbon, both cards refused, and the number to call does not work from here. Help?",
    ),
    Example(
        "tomas_lx",
        "pt",
        "@Citibank recebi um SMS pedindo minha senha com o nome de vocês. É golpe? Não cliquei em nada.",
    ),
    Example(
        "jorge_p",
        "en",
        "@AskCiti why was my credit limit cut in half the week before my wedding? No letter, no mail, nothing.",
    ),
    Example(
        "claire_b", "fr", "@Citi félicitations pour la nouvelle application : je ne retrouve plus aucun de mes relevés"
    ),
    Example(
        "grace_o",
        "en",
        "Thanks @AskCiti, the person in chat found the missing deposit in five minutes. Credit where it is due.",
    ),
    Example(
        "maya_r",
        "en",
        "@Citi my mortgage payment shows as late but I have the confirmation right here. Who can look at this?",
    ),
    Example(
        "kenji_m",
        "en",
        "@AskCiti two-step codes arrive an hour late, so I am locked out every single morning. New number, same.",
    ),
)
