"""Takes logins, leaves an agent of the demo for each, with the demo's password and an authenticator like the others'.

Runs as a process of the house (`python -m rehearsal.hiring clerk1,clerk2`), as a seed does; what it uses of the
product is found by its name, because a rehearsal imports nothing of the product.
"""

import sys
from importlib import import_module


def main() -> None:
    """Argument: the logins, with commas between them."""
    import os

    import django

    os.environ["DJANGO_SETTINGS_MODULE"] = "citisocial.settings"
    django.setup()
    seeding = import_module("conversations.management.commands.seed").Seeding()
    demo, models = import_module("conversations.management.demo"), import_module("accounts.models")
    team = models.Team.objects.get(name=demo.TEAM)
    for name in sys.argv[1].split(","):
        user, _new = seeding._login(name, name.title())
        seeding._factor(user)
        seeding._agent(user, name.title(), ["en"], team)


if __name__ == "__main__":
    main()
