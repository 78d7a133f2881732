"""Takes a target path, leaves a short link (never its slug or code) and one appended row per click."""

from django.db import models
from django.utils.translation import gettext_lazy as _


class ShortLink(models.Model):
    """A link without its slug and code: they are made from `nonce` and a key elsewhere, and found by their HMACs."""

    nonce = models.BinaryField(_("nonce"), max_length=16, unique=True, editable=False)
    slug_hmac = models.BinaryField(_("slug HMAC"), max_length=32, unique=True, editable=False)
    code_hmac = models.BinaryField(_("code HMAC"), max_length=32, unique=True, editable=False)
    target = models.CharField(
        _("target"), max_length=200, help_text=_("A path of the site with {slug} where the slug goes.")
    )
    expires_at = models.DateTimeField(_("expires at"))
    revoked_at = models.DateTimeField(_("revoked at"), null=True, blank=True)
    created_at = models.DateTimeField(_("created at"))

    class Meta:
        verbose_name = _("short link")
        verbose_name_plural = _("short links")

    def __str__(self) -> str:
        # Anything that prints a link (admin, logs, errors) must not print the slug.
        return f"short link {self.pk}"


class Click(models.Model):
    """Somebody or something opened a link. Appended, never read by the walk."""

    # No index of its own: the one below begins with it. And no constraint: it would look up and lock the link for each
    # of thousands of clicks, to prove what is known; links are not deleted.
    link = models.ForeignKey(
        ShortLink,
        on_delete=models.CASCADE,
        related_name="clicks",
        db_index=False,
        db_constraint=False,
        verbose_name=_("short link"),
    )
    at = models.DateTimeField(_("at"))
    user_agent = models.CharField(_("user agent"), max_length=200, blank=True)
    method = models.CharField(_("method"), max_length=4)
    is_bot = models.BooleanField(_("by a program"), help_text=_("A scanner, a preview or a HEAD request."))

    class Meta:
        indexes = [models.Index(fields=["link", "is_bot"], name="click_by_link_and_kind")]
        verbose_name = _("click")
        verbose_name_plural = _("clicks")

    def __str__(self) -> str:
        return f"click {self.pk}"
