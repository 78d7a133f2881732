"""Takes the site's settings, leaves those of the link host: the rooms that it stands on, and nothing else.

So it starts in half the time, and holds no code that knows of cases.
"""

from citisocial.settings import *  # noqa: F403
from citisocial.settings import database, env

INSTALLED_APPS = ["django.contrib.auth", "django.contrib.contenttypes", "accounts", "links"]
# Two threads keep a connection each. A pool would only let visitors wait for a database that is away.
DATABASES = {"default": database(env("DATABASE_URL", "postgresql://localhost/citisocial"))}
