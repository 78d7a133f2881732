"""What grace may do in the admin, and what not even she may."""

from typing import Any

import pytest
from django.contrib.auth.models import Group
from django.test import Client

from accounts import customers, permissions
from accounts.models import Agent, Customer, ProvenHandle, User
from conversations.models import AuditEvent


@pytest.fixture
def desk(client: Client, grace: User) -> Client:
    """Grace's browser."""
    client.force_login(grace)
    return client


def press(client: Client, model: str, action: str, row: Any) -> Any:
    """Choose one row of a list and run an action on it."""
    chosen = {"action": action, "_selected_action": [row.pk], "index": 0}
    return client.post(f"/admin/accounts/{model}/", chosen)


def test_the_group_exists_after_migrate_with_rights_on_people_and_links_alone(db: None) -> None:
    rights = Group.objects.get(name=permissions.SUPERVISORS).permissions
    ours = rights.filter(content_type__app_label__in=["accounts", "links"])
    assert set(ours.values_list("codename", flat=True)) == {
        *("view_user", "change_user"),
        *("view_agent", "add_agent", "change_agent", "view_customer", "add_customer", "change_customer"),
        *("view_team", "add_team", "change_team", "delete_team"),
        *("view_shift", "add_shift", "change_shift", "delete_shift"),
        *("view_provenhandle", "change_provenhandle", "view_shortlink", "change_shortlink", "view_click"),
    }
    assert not rights.exclude(content_type__app_label__in=permissions.WALK).exists()


def test_only_active_staff_supervises(grace: User, maya: Agent, maria: Customer) -> None:
    assert [permissions.is_supervisor(user) for user in (grace, maya.user, maria.user)] == [True, False, False]
    permissions.close_login(grace)
    assert not permissions.is_supervisor(grace)


def test_appointing_ends_the_sessions_of_before(maya: Agent) -> None:
    before = maya.user.epoch
    permissions.appoint_supervisor(maya.user)
    permissions.appoint_supervisor(maya.user)
    assert (maya.user.is_staff, maya.user.epoch) == (True, before + 1)


@pytest.mark.parametrize("person", ["maria", "maya", "eve"])
def test_others_do_not_come_in(person: str, client: Client, request: pytest.FixtureRequest) -> None:
    who = request.getfixturevalue(person)
    client.force_login(getattr(who, "user", who))
    assert client.get("/admin/accounts/customer/").status_code in {302, 403}


@pytest.mark.parametrize("model", ["user", "agent", "team", "customer", "provenhandle"])
def test_grace_sees_every_list_and_row(model: str, desk: Client, maria: Customer, maya: Agent) -> None:
    customers.remember_handle(maria, "x", "42", "maria_m")
    maya.teams.create(name="Care")
    row = {
        "user": maria.user,
        "agent": maya,
        "team": maya.teams.get(),
        "customer": maria,
        "provenhandle": ProvenHandle.objects.get(),
    }[model]
    assert desk.get(f"/admin/accounts/{model}/").status_code == 200
    assert desk.get(f"/admin/accounts/{model}/{row.pk}/change/").status_code == 200


def test_grace_sees_no_password_and_sets_none(desk: Client, maria: Customer) -> None:
    page = desk.get(f"/admin/accounts/user/{maria.user_id}/change/")
    assert b"md5" not in page.content
    answer = desk.post(
        f"/admin/accounts/user/{maria.user_id}/password/",
        {"password1": "stolen by the desk", "password2": "stolen by the desk", "usable_password": "true"},
    )
    assert answer.status_code == 403
    assert User.objects.get(username="maria").check_password("maria has a long password")


def test_posting_changed_values_of_a_login_changes_nothing(desk: Client, maria: Customer, grace: User) -> None:
    wanted = {"username": "other", "email": "eve@example.com", "is_superuser": "on", "is_staff": "on", "epoch": "9"}
    for user in (maria.user, grace):
        row = User.objects.filter(pk=user.pk).values()
        before = row.get()
        desk.post(f"/admin/accounts/user/{user.pk}/change/", wanted)
        assert {**row.get(), "last_login": None} == {**before, "last_login": None}


def test_grace_closes_and_opens_marias_login(desk: Client, maria: Customer) -> None:
    row = User.objects.filter(pk=maria.user_id)
    press(desk, "user", "close_logins", maria.user)
    assert row.values_list("is_active", "epoch").get() == (False, 1)
    press(desk, "user", "open_logins", maria.user)
    assert row.values_list("is_active", "epoch").get() == (True, 2)
    told = AuditEvent.objects.order_by("pk").values_list("verb", "user__username", "actor", "data__login")
    assert list(told) == [(verb, "grace", "supervisor", maria.user_id) for verb in ("login_closed", "login_opened")]


def test_a_proof_that_a_supervisor_withdraws_is_in_the_trail(desk: Client, maria: Customer) -> None:
    press(desk, "provenhandle", "revoke", customers.remember_handle(maria, "x", "42", "maria_m"))
    assert list(AuditEvent.objects.values_list("verb", "user__username", "actor")) == [
        ("unlinked", "grace", "supervisor")
    ]


def test_nobody_closes_their_own_login_or_a_superusers(desk: Client, grace: User) -> None:
    root = User.objects.create_superuser("root")
    press(desk, "user", "close_logins", grace)
    press(desk, "user", "close_logins", root)
    assert set(User.objects.values_list("is_active", flat=True)) == {True}


def test_a_superusers_change_of_rights_ends_sessions_and_touches_no_other_column(
    client: Client, maya: Agent, admin_user: User
) -> None:
    client.force_login(admin_user)
    form = {"username": "maya", "email": "maya@example.com", "is_staff": "on"}
    client.post(f"/admin/accounts/user/{maya.user_id}/change/", form)
    user = User.objects.get(username="maya")
    assert (user.is_staff, user.epoch, user.is_active) == (True, 1, True)


def test_availability_moves_by_the_action_and_not_by_a_posted_value(desk: Client, maya: Agent) -> None:
    page = f"/admin/accounts/agent/{maya.pk}/change/"
    form = {
        "name": "Maya B",
        "languages": "en,es",
        "capacity": "4",
        "time_zone": "UTC",
        "availability": "online",
        "user": str(User.objects.create_user("thief").pk),
        "shifts-TOTAL_FORMS": "0",
        "shifts-INITIAL_FORMS": "0",
    }
    assert desk.post(page, form).status_code == 302
    row = Agent.objects.get()
    assert (row.name, row.capacity, row.availability, row.user_id) == ("Maya B", 4, "offline", maya.user_id)
    press(desk, "agent", "put_online", maya)
    assert Agent.objects.get().availability == "online"


def test_a_proof_is_withdrawn_by_the_action_and_edited_by_nobody(
    desk: Client, maria: Customer, jorge: Customer
) -> None:
    proof = customers.remember_handle(maria, "x", "42", "maria_m")
    page = f"/admin/accounts/provenhandle/{proof.pk}"
    desk.post(f"{page}/change/", {"customer": jorge.pk, "external_id": "666", "handle": "eve"})
    assert ProvenHandle.objects.filter(customer=maria, external_id="42", handle="maria_m", revoked_at=None).exists()
    assert desk.post(f"{page}/delete/", {"post": "yes"}).status_code == 403
    assert desk.get("/admin/accounts/provenhandle/add/").status_code == 403
    press(desk, "provenhandle", "revoke", proof)
    assert not customers.proven(maria, "x", "42")


def test_who_may_only_look_cannot_withdraw(client: Client, maria: Customer, eve: User) -> None:
    from django.contrib.auth.models import Permission

    proof = customers.remember_handle(maria, "x", "42", "maria_m")
    eve.is_staff = True
    eve.save()
    eve.user_permissions.add(Permission.objects.get(codename="view_provenhandle"))
    client.force_login(eve)
    assert client.get("/admin/accounts/provenhandle/").status_code == 200
    press(client, "provenhandle", "revoke", proof)
    assert customers.proven(maria, "x", "42")


def test_a_customer_does_not_become_another_login(desk: Client, maria: Customer, jorge: Customer) -> None:
    form = {"name": "Maria", "user": jorge.user_id, "handles-TOTAL_FORMS": "0", "handles-INITIAL_FORMS": "0"}
    desk.post(f"/admin/accounts/customer/{maria.pk}/change/", form)
    assert Customer.objects.get(pk=maria.pk).user_id == maria.user_id


@pytest.mark.parametrize("model", ["socialaccount/socialapp", "socialaccount/socialaccount", "account/emailaddress"])
def test_allauths_own_rows_have_no_pages(model: str, client: Client, admin_user: User) -> None:
    client.force_login(admin_user)
    assert client.get(f"/admin/{model}/").status_code == 404
