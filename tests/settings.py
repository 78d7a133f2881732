"""Takes the test run's own servers, leaves the site's settings pointed at them, each worker at its own database."""

import os

from tests import servers

# Only while the settings are read: processes that tests start (./run, a second house) must not inherit our servers.
servers.home()  # names the run's directory in the environment, which is to stay
kept = dict(os.environ)
os.environ.update(servers.environment(servers.postgres_url(f"site_{servers.worker()}")))
from citisocial.settings import *  # noqa: E402, F403
from citisocial.settings import ALLOWED_HOSTS  # noqa: E402

os.environ.clear()
os.environ.update(kept)

ALLOWED_HOSTS += ["testserver"]
# Pub/sub knows no database numbers: without a prefix of its own a worker would hear its neighbours.
ROOMS = f"citisocial-{servers.worker()}"
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
LOOK_AGAIN_SECONDS = 0  # what one test was told must not answer the next
