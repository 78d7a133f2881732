"""The advisories of others that concern a chat, and the tests that hold each; docs/advisories.md is made from it.

python -m tests.security.advisories > docs/advisories.md
"""

import ast
import re
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
DOCUMENT = ROOT / "docs" / "advisories.md"
HERE = "tests/security/test_others_rooms.py"
DOORS = "tests/security/test_others_doors.py"
PAGES = "tests/security/test_others_pages.py"
SERVERS = "tests/security/test_others_servers.py"
HEAD = """# Advisories of others

What went wrong in comparable software, and the test that would notice it here. Made from
`tests/security/advisories.py`; `./test` fails when a test is gone or this page is not what the table says.

| Product | Advisory | What happened there | Held by |
|---|---|---|---|
"""


@dataclass(frozen=True, slots=True)
class Advisory:
    """One bug of somebody else's: node ids of our tests, without parameters."""

    product: str
    name: str
    what: str
    tests: tuple[str, ...]


def rooms(*names: str) -> tuple[str, ...]:
    return tuple(f"{HERE}::test_{name}" for name in names)


def doors(*names: str) -> tuple[str, ...]:
    return tuple(f"{DOORS}::test_{name}" for name in names)


def pages(*names: str) -> tuple[str, ...]:
    return tuple(f"{PAGES}::test_{name}" for name in names)


def servers(*names: str) -> tuple[str, ...]:
    return tuple(f"{SERVERS}::test_{name}" for name in names)


ADVISORIES = (
    Advisory(
        "Chatwoot", "CVE-2021-3740", "Sessions lived on after the password was changed",
        (
            *doors("chatwoot_cve_2021_3740_a_new_password_ends_every_other_socket"),
            "tests/accounts/test_signing_in.py::test_a_new_password_signs_other_sessions_out",
        ),
    ),
    Advisory(
        "Chatwoot", "CVE-2021-3741, CVE-2021-3742", "An SVG as a picture: stored XSS and SSRF",
        (
            "tests/conversations/attaching/test_refusing.py::test_svg_is_refused_everywhere",
            "tests/conversations/attaching/test_bombs.py::test_other_kinds_are_not_looked_at",
        ),
    ),
    Advisory(
        "Chatwoot", "CVE-2026-115725", "A foreign id in the body reached another account's conversation",
        rooms("chatwoot_cve_2026_115725_ids_in_the_body_widen_nothing"),
    ),
    Advisory(
        "Chatwoot", "issue 14887, GHSA-wxhm-4rjw-9m7v",
        "The client secret went to a host out of a parameter; state without end",
        (
            "tests/accounts/test_x.py::test_nothing_in_our_own_address_reaches_the_address_at_x",
            "tests/accounts/test_x.py::test_a_state_serves_once",
            "tests/accounts/test_x.py::test_a_state_is_too_old_after_ten_minutes",
        ),
    ),
    Advisory(
        "Zammad", "CVE-2022-40816", "Who sees what was checked over HTTP and not over the WebSocket",
        rooms("zammad_cve_2022_40816_sockets_refuse_whom_pages_refuse"),
    ),
    Advisory(
        "Zammad", "CVE-2022-40817", "Agents who could only read still wrote",
        rooms("zammad_cve_2022_40817_who_only_reads_writes_nothing"),
    ),
    Advisory(
        "Zammad", "CVE-2024-33668", "Ids of uploads could be guessed",
        (
            *pages("zammad_cve_2024_33668_ids_of_files_are_not_guessed"),
            "tests/conversations/attaching/test_opening.py::test_nobody_guesses_a_file",
        ),
    ),
    Advisory(
        "Zammad", "GHSA-2wm3-m74f-6p2x", "A crafted request computed without end",
        doors("zammad_ghsa_2wm3_m74f_6p2x_crafted_frames_end"),
    ),
    Advisory(
        "Zammad", "CVE-2026-102489", "A page showed sessions", pages("zammad_cve_2026_102489_no_page_shows_sessions")
    ),
    Advisory(
        "Rocket.Chat", "livechat, 2021 (3.11)", "A visitor's token and any room's id read that room",
        rooms("rocketchat_livechat_2021_ones_own_ticket_opens_no_other_room"),
    ),
    Advisory(
        "Rocket.Chat", "CVE-2026-48616", "A file was given to whoever had any room and a token",
        (
            "tests/conversations/attaching/test_opening.py::test_a_file_belongs_to_its_case_in_the_one_query_that_finds_it",
            "tests/conversations/attaching/test_opening.py::test_only_those_who_may_read_the_case_get_its_files",
        ),
    ),
    Advisory(
        "Rocket.Chat", "CVE-2026-28514", "The streaming service had a login of its own",
        doors("rocketchat_cve_2026_28514_sockets_have_no_login_of_their_own"),
    ),
    Advisory(
        "Rocket.Chat", "CVE-2026-30831", "It let in closed logins, and logins without the second factor",
        (
            *doors("rocketchat_cve_2026_30831_a_closed_login_has_no_socket_and_keeps_none"),
            "tests/accounts/test_password_alone.py::test_no_socket_opens",
        ),
    ),
    Advisory(
        "Rocket.Chat", "CVE-2026-30833", "An operator of the database in place of a value",
        doors("rocketchat_cve_2026_30833_json_types_are_strict"),
    ),
    Advisory(
        "Live Helper Chat", "CVE-2022-1176", "A hash was compared loosely",
        doors("livehelperchat_cve_2022_1176_secrets_are_compared_as_they_are"),
    ),
    Advisory(
        "Live Helper Chat", "CVE-2026-27954", "Acts on a chat did not ask for its department",
        rooms("livehelperchat_cve_2026_27954_no_verb_works_on_another_banks_case"),
    ),
    Advisory(
        "Live Helper Chat", "CVE-2026-0483", "A PDF ran as a script of the site",
        (
            "tests/conversations/attaching/test_opening.py::test_a_pdf_is_only_ever_downloaded",
            "tests/conversations/attaching/test_opening.py::test_a_picture_is_shown_and_may_do_nothing",
        ),
    ),
    Advisory(
        "Live Helper Chat", "GHSA-8wcc-f2vq-h4gx", "A visitor's words were compiled as a template",
        pages("livehelperchat_ghsa_8wcc_f2vq_h4gx_no_template_runs_on_a_customers_words"),
    ),
    Advisory(
        "django-helpdesk", "CVE-2021-3945, -3950, -3994", "A ticket's words ran as a script",
        pages("django_helpdesk_cve_2021_3945_what_a_customer_says_is_text"),
    ),
    Advisory(
        "django-helpdesk", "CVE-2018-25111", "Everybody on the machine could read the files",
        ("tests/conversations/attaching/test_sending.py::test_what_is_on_disk_has_a_random_name_and_is_ours_alone",),
    ),
    Advisory(
        "Zulip", "CVE-2026-100404", "Live events went to guests who could not read the channel",
        rooms("zulip_cve_2026_100404_live_events_go_to_readers_only"),
    ),
    Advisory(
        "Zulip", "CVE-2022-31017", "Edits were told to those who had lost access",
        rooms("zulip_cve_2022_31017_an_edit_is_not_told_to_who_may_read_no_more"),
    ),
    Advisory(
        "Zulip", "GHSA-478x-rfqr-w4jf", "Events about what one may not read",
        rooms("zulip_ghsa_478x_a_colleagues_note_never_reaches_the_customer"),
    ),
    Advisory(
        "Zulip", "CVE-2016-4427", "Somebody deactivated read on by another way in",
        doors("zulip_cve_2016_4427_a_closed_login_reads_by_no_way"),
    ),
    Advisory(
        "Zulip", "GHSA-vg5m-mf9x-j452", "A foreign picture told its owner who reads",
        pages("zulip_ghsa_vg5m_mf9x_j452_pages_load_no_foreign_picture"),
    ),
    Advisory(
        "Discourse Chat", "GHSA-r979-jhp2-3f6h", "A message was found without its channel",
        (
            *rooms("discourse_ghsa_r979_a_message_is_found_within_its_case_alone"),
            "tests/conversations/test_changes.py::test_a_line_of_another_case_is_not_reached_by_its_number",
        ),
    ),
    Advisory(
        "WhaTicket", "CVE-2026-111709", "Tickets were found by a number that counts up",
        rooms("whaticket_cve_2026_111709_numbers_of_cases_open_nothing"),
    ),
    Advisory(
        "Drupal Chat", "CVE-2015-8601", "The WebSocket asked nobody who they are",
        rooms("drupal_cve_2015_8601_a_socket_without_a_session_hears_nothing"),
    ),
    Advisory(
        "OpenStack Zaqar", "CVE-2026-107363", "A socket named another project after it was let in",
        rooms(
            "openstack_zaqar_cve_2026_107363_a_socket_stays_in_its_case",
            "openstack_zaqar_cve_2026_107363_a_session_that_became_anothers_ends_the_socket",
        ),
    ),
    Advisory(
        "osTicket, vulnerability-lookup", "CVE-2026-18363, CVE-2026-73431",
        "A signed link that served again, or past its end",
        (
            "tests/realtime/test_tickets.py::test_it_opens_once",
            "tests/realtime/test_tickets.py::test_it_is_good_for_half_a_minute",
            "tests/conversations/calling/test_codes.py::test_code_is_shown_once_and_opens_the_case_for_whoever_answers",
            "tests/conversations/calling/test_codes.py::test_a_code_opens_nothing_when_it_is_over_taken_back_or_another_banks",
            "tests/conversations/handing_off/test_pages.py::test_link_that_expires_on_the_way_opens_nothing",
        ),
    ),
    Advisory(
        "Channels", "CVE-2020-35681", "Requests at the same time got each other's scope",
        doors(
            "channels_cve_2020_35681_five_hundred_at_once_each_get_their_own",
            "channels_cve_2020_35681_sockets_at_once_speak_for_themselves",
        ),
    ),
    Advisory(
        "Daphne", "CVE-2026-44545", "Frames without a limit filled the memory",
        (
            *servers("daphne_cve_2026_44545_a_frame_too_big_ends_the_socket", "what_is_installed_has_the_corrections"),
            "tests/realtime/test_limits.py::test_a_frame_too_big_ends_the_socket",
        ),
    ),
    Advisory(
        "Daphne", "CVE-2026-44546", "VT, FF, FS, GS, RS and NEL in a header made another header",
        servers("daphne_cve_2026_44546_no_byte_makes_another_header"),
    ),
    Advisory(
        "Autobahn", "CVE-2026-116579", "A brotli bomb in a compressed frame",
        servers("autobahn_cve_2026_116579_nothing_compressed_is_taken"),
    ),
    Advisory(
        "allauth", "CVE-2025-65430", "Tokens of a closed login lived on",
        doors("allauth_cve_2025_65430_a_closed_login_has_no_token_that_lives_on"),
    ),
    Advisory(
        "allauth", "CVE-2025-65431", "Somebody was known by a name that changes hands",
        (
            "tests/accounts/test_customers.py::test_a_second_proof_renews_the_first_also_under_a_new_name",
            "tests/accounts/test_customers.py::test_a_revoked_handle_counts_no_more_and_may_be_proven_by_its_next_owner",
        ),
    ),
    Advisory(
        "allauth", "CVE-2026-27982", "An open redirect",
        (
            "tests/citisocial/test_redirects.py::test_no_view_follows_a_stranger",
            "tests/citisocial/test_redirects.py::test_sign_in_goes_where_it_should",
        ),
    ),
    Advisory(
        "allauth", "CVE-2026-97764", "Accents multiplied the tries of a sign-in",
        doors("allauth_cve_2026_97764_accents_do_not_multiply_the_tries"),
    ),
    Advisory(
        "Celery", "CVE-2021-23727", "What the result back end held was executed",
        servers("celery_cve_2021_23727_there_is_no_result_back_end"),
    ),
    Advisory(
        "Django", "CVE-2025-48432", "A line break in an address wrote lines into the log",
        ("tests/citisocial/test_logs.py::test_a_line_without_private_details_stays_as_it_is_with_its_escapes",),
    ),
    Advisory(
        "Gitpod", "GHSA-f53g-frr2-jhpf", "A foreign page opened the WebSocket with the visitor's cookie",
        (
            *doors("gitpod_ghsa_f53g_frr2_jhpf_a_foreign_page_opens_no_socket_with_our_cookie"),
            "tests/citisocial/test_origins.py::test_every_other_is_kept_out",
            "tests/realtime/test_tickets.py::test_it_is_nobody_elses",
        ),
    ),
)  # fmt: skip


def missing(node: str) -> bool:
    """Whether there is no such test: a file, and a function of it."""
    path, _colons, name = node.partition("::")
    if not (ROOT / path).is_file():
        return True
    tree = ast.parse((ROOT / path).read_text(encoding="utf-8"))
    functions = {each.name for each in tree.body if isinstance(each, ast.FunctionDef | ast.AsyncFunctionDef)}
    return name not in functions


def unlisted(path: str) -> list[str]:
    """The tests of that file that are called after an advisory and that the table does not have."""
    source = (ROOT / path).read_text(encoding="utf-8")
    named = re.findall(r"^(?:async )?def (test_\w+_(?:cve|ghsa|livechat)_\w+)", source, re.MULTILINE)
    listed = {node for one in ADVISORIES for node in one.tests}
    return [name for name in named or [f"none in {path}"] if f"{path}::{name}" not in listed]


def document() -> str:
    """docs/advisories.md as the table has it."""
    lines = [
        f"| {one.product} | {one.name} | {one.what} | {'<br>'.join(f'`{node}`' for node in one.tests)} |\n"
        for one in ADVISORIES
    ]
    return HEAD + "".join(lines)


if __name__ == "__main__":
    print(document(), end="")
