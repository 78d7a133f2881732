"""Nothing private reaches a log, whatever is quoted there."""

import logging

import pytest
from django.conf import settings
from django.db import connection
from django.test import Client

from citisocial import embedded
from citisocial.logs import Line

CARD = "4111 1111 1111 1111"


def line(message: str, *args: object, error: BaseException | None = None) -> str:
    info = (type(error), error, error.__traceback__) if error else None
    return Line("%(levelname)s %(name)s %(message)s").format(
        logging.LogRecord("here", logging.WARNING, __file__, 1, message, args, info)
    )


def test_a_line_is_masked_with_its_arguments_and_its_traceback():
    assert line("Not found: /%s", CARD) == "WARNING here Not found: /[card number removed]"
    said = line("it failed", error=ValueError(f"no route for {CARD} cvv 123"))
    assert "ValueError: no route for [card number removed] cvv [security code removed]" in said


@pytest.mark.parametrize(
    "quoted",
    [
        "/ws/4111%201111%201111%201111/",
        repr("/ws/4111\u200b1111\u200b1111\u200b1111/"),
        ascii("/ws/４１１１ １１１１ １１１１ １１１１/"),
        repr("４１１１１１１１１１１１１１１１".encode()),
        "/ws/4111%0A1111%0A1111%0A1111/",
    ],
)
def test_a_number_is_masked_however_it_is_quoted(quoted: str):
    said = line("no route for %s", quoted)
    assert "[card number removed]" in said
    assert "11" not in said
    assert "\n" not in said


def test_a_line_without_private_details_stays_as_it_is_with_its_escapes():
    assert line(r"path /a%20b \u200b \x00 %0A") == r"WARNING here path /a%20b \u200b \x00 %0A"


def test_the_rows_that_the_database_quotes_are_left_out():
    said = line("it failed", error=ValueError("null value\nDETAIL:  Failing row contains (1, my secret).\nHINT:  none"))
    assert "my secret" not in said
    assert said.endswith("null value\nHINT:  none")


def test_every_handler_of_ours_and_of_the_server_writes_such_lines():
    config = settings.LOGGING
    assert {handler["formatter"] for handler in config["handlers"].values()} == {"line"}
    assert config["formatters"]["line"]["()"] == "citisocial.logs.Line"
    assert config["loggers"]["uvicorn.error"]["handlers"] == config["root"]["handlers"] == ["stderr"]


def test_the_servers_access_log_stays_switched_off():
    """Naming it, or its parent, would switch it on again: then its lines come to our handlers."""
    assert not {"uvicorn", "uvicorn.access"} & set(settings.LOGGING["loggers"])


@pytest.mark.django_db
def test_a_refused_form_tells_the_log_no_number(capsys: pytest.CaptureFixture[str]):
    handler = logging.StreamHandler()
    handler.setFormatter(Line("%(message)s"))
    logger = logging.getLogger("django.security.csrf")
    logger.addHandler(handler)
    try:
        Client(enforce_csrf_checks=True).post(f"/welcome/{CARD}/")
    finally:
        logger.removeHandler(handler)
    assert "Forbidden (CSRF cookie not set.): /welcome/[card number removed]/" in capsys.readouterr().err


@pytest.mark.django_db
def test_our_postgres_quotes_no_rows_and_no_statements_in_its_log():
    with connection.cursor() as sql:
        for setting in embedded.DISCREET:
            name, value = setting.split("=")
            sql.execute("SELECT current_setting(%s)", [name])
            assert sql.fetchone() == (value,)
