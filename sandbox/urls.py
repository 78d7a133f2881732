"""Takes paths, leaves them with X's API, the person's doors or the control doors."""

from django.http import HttpRequest, HttpResponse
from django.urls import path, re_path

from sandbox import compliance, control, faults, meters, oauth, pages
from sandbox.api import activity, connections, direct, posts, stream, usage, users, webhooks
from sandbox.api import compliance as jobs
from sandbox.api.calls import json_answer, view
from sandbox.api.problems import plain


def no_such_endpoint(request: HttpRequest, **_: str) -> HttpResponse:
    """What X says to a path it does not know."""
    problem = plain(404, "Not Found")
    return json_answer(problem.body, status=404, kind="application/problem+json")


def healthy(request: HttpRequest) -> HttpResponse:
    """That the process answers."""
    return json_answer({"ok": True})


urlpatterns = [
    path("2/users/me", view(GET=users.me)),
    path("2/users/by/username/<str:username>", view(GET=users.by_username)),
    path("2/users/<str:id>/mentions", view(GET=posts.mentions)),
    path("2/users/<str:id>", view(GET=users.by_id)),
    path("2/users", view(GET=users.by_ids)),
    path("2/tweets/search/recent", view(GET=posts.search)),
    path("2/tweets/search/stream/rules", view(GET=stream.rules, POST=stream.change)),
    path("2/tweets/search/stream", view(GET=stream.connect)),
    path("2/tweets/<str:id>", view(GET=posts.by_id, DELETE=posts.delete)),
    path("2/tweets", view(GET=posts.by_ids, POST=posts.create)),
    path("2/dm_conversations/with/<str:participant_id>/messages", view(POST=direct.send)),
    path("2/dm_conversations/with/<str:participant_id>/dm_events", view(GET=direct.events_with)),
    path("2/dm_conversations/<str:id>/dm_events", view(GET=direct.events_of)),
    path("2/dm_events", view(GET=direct.events)),
    path("2/activity/subscriptions/<str:id>", view(PUT=activity.change, DELETE=activity.delete)),
    path(
        "2/activity/subscriptions",
        view(GET=activity.listing, POST=activity.create, DELETE=activity.delete_several),
    ),
    path("2/webhooks/replay", view(POST=webhooks.replay)),
    path("2/webhooks/<str:id>", view(PUT=webhooks.validate, DELETE=webhooks.delete)),
    path("2/webhooks", view(GET=webhooks.listing, POST=webhooks.create)),
    path("2/connections/all", view(DELETE=connections.end_all)),
    path("2/connections/<str:endpoint_id>", view(DELETE=connections.end_kind)),
    path("2/connections", view(GET=connections.listing, DELETE=connections.end_several)),
    path("2/compliance/jobs/<str:id>", view(GET=jobs.by_id)),
    path("2/compliance/jobs", view(GET=jobs.listing, POST=jobs.create)),
    path("2/usage/tweets", view(GET=usage.tweets)),
    path("2/oauth2/token", oauth.token),
    path("2/oauth2/revoke", oauth.revoke),
    re_path(r"^2/", no_such_endpoint),
    path("i/oauth2/authorize", oauth.authorize),
    path("compliance/upload/<str:token>", compliance.upload),
    path("compliance/download/<str:token>", compliance.download),
    path("_sandbox/clock", meters.time),
    path("_sandbox/bill", meters.costs),
    path("_sandbox/webhooks", meters.deliveries),
    path("_sandbox/people", control.people),
    path("_sandbox/posts", control.posts),
    path("_sandbox/tokens", control.tokens),
    path("_sandbox/dms", control.dms),
    path("_sandbox/reset", control.reset),
    path("_sandbox/faults", faults.control),
    path("healthz", healthy),
    path("", pages.home),
    path("login", pages.login),
    path("logout", pages.logout),
    path("privacy", pages.privacy),
    path("tweet", pages.tweet),
    path("example", pages.example),
    path("status/<str:id>", pages.status),
    path("dms", pages.dms),
    path("static/<str:name>", pages.static),
]
