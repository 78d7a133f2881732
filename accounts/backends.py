"""Takes the login that a session names, leaves it with its agent: every page and frame asks whether it has one."""

from allauth.account.auth_backends import AuthenticationBackend

from accounts.models import User


class Backend(AuthenticationBackend):
    """allauth's, with one query where it would take two."""

    def get_user(self, user_id: int) -> User | None:
        user = User.objects.select_related("agent").filter(pk=user_id).first()
        return user if user is not None and self.user_can_authenticate(user) else None
