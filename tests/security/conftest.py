"""Maria's conversation, which others try to get at."""

import pytest
from django.core.cache import cache

from conversations import chat
from conversations.models import Brand, Case
from conversations.realtime.limits import doors
from tests.factories.invited import invited, proven


@pytest.fixture
def world():
    w = invited()
    w.case = proven(w)
    chat.join(w.case, w.maria)
    Brand.objects.update(phone="+1 212 555 0100")
    w.case = Case.objects.select_related("brand").get(pk=w.case.pk)
    cache.clear()
    doors.said.clear()
    return w
