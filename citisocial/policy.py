"""Takes a response, leaves it with its content policy: strict everywhere, with one exception for the admin's pages."""

from csp.middleware import CSPMiddleware, PolicyParts
from django.http import HttpRequest
from django.http.response import HttpResponseBase


class ContentPolicy(CSPMiddleware):
    """unfold's Alpine compiles the expressions in its attributes: the admin's pages allow that and nothing more."""

    def get_policy_parts(
        self, request: HttpRequest, response: HttpResponseBase, report_only: bool = False
    ) -> PolicyParts:
        """The site's policy; for pages of the admin site (by their route, not their path) with 'unsafe-eval'."""
        parts = super().get_policy_parts(request, response, report_only)
        match = request.resolver_match
        if match is not None and match.app_names[:1] == ["admin"]:
            parts.update = {"script-src": ["'unsafe-eval'"]}
        return parts
