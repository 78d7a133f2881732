"""Takes a path, leaves its view: the public's, the customers', the agents', the networks', in this order."""

from django.urls import path

from conversations.views import actions, customer, handoff, public, webhooks, workspace

urlpatterns = [
    path("", public.home, name="home"),
    path("social/", public.really_us, name="really_us"),
    path("welcome/<str:slug>/", handoff.welcome, name="welcome"),
    path("handoff/", handoff.handoff, name="handoff"),
    path("my/", customer.my, name="my"),
    path("chat/<uuid:case_id>/", customer.chat, name="chat"),
    path("survey/<uuid:survey_id>/", customer.survey, name="survey"),
    path("workspace/", workspace.inbox, name="inbox"),
    path("workspace/cases/<uuid:case_id>/", workspace.case, name="case"),
    path("workspace/cases/<uuid:case_id>/timeline/", workspace.timeline, name="timeline"),
    path("workspace/cases/<uuid:case_id>/take/", actions.take, name="take"),
    path("workspace/cases/<uuid:case_id>/invite/", actions.invite, name="invite"),
    path("workspace/cases/<uuid:case_id>/message/", actions.message, name="message"),
    path("workspace/cases/<uuid:case_id>/reply/", actions.reply, name="reply"),
    path("workspace/cases/<uuid:case_id>/resolve/", actions.resolve, name="resolve"),
    path("workspace/cases/<uuid:case_id>/reopen/", actions.reopen, name="reopen"),
    path("workspace/outgoing/<int:outgoing_id>/cancel/", actions.cancel, name="cancel"),
    path("workspace/outgoing/<int:outgoing_id>/now/", actions.now, name="now"),
    path("workspace/availability/", actions.availability, name="availability"),
    path("workspace/measure/", actions.measure, name="measure"),
    path("hooks/x/", webhooks.hook, {"network": "x"}, name="hook"),
]
