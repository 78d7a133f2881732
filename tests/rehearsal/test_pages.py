"""What a person can do on a page: as a browser would read it."""

from rehearsal.pages import Button, Link, read

AT = "http://localhost:8000/here/"


def test_a_form_sends_what_a_browser_would_send():
    page = read("""
        <form action="/go/" method="POST">
          <input type="hidden" name="csrfmiddlewaretoken" value="t&amp;k"><input name="handle" value="maria">
          <input type="checkbox" name="on" checked><input type="checkbox" name="off" value="1">
          <input type="radio" name="csat" value="1"><input type="radio" name="csat" value="5" checked>
          <input type="radio" name="solved" value="yes"><input name="gone" value="1" disabled>
          <select name="state"><option value="online">Here</option><option value="away" selected>Away</option></select>
          <textarea name="text">
Hello &lt;you&gt;</textarea>
          <input type="file" name="file"><button name="what" value="send">Send <b>now</b></button>
          <button type="button" name="menu">More</button>
        </form>""")

    form = page.form("/go/", at=AT)

    assert form is not None
    assert form.method == "post"
    assert form.fields == {
        "csrfmiddlewaretoken": "t&k",
        "handle": "maria",
        "on": "on",
        "csat": "5",
        "state": "away",
        "text": "Hello <you>",
    }
    assert form.choices == {"csat": ["1", "5"], "solved": ["yes"], "state": ["online", "away"]}
    assert form.buttons == [Button("what", "send", "Send now", "")]


def test_what_stands_in_a_template_is_not_on_the_page():
    page = read('<template><form action="/x/"></form><a href="/y">y</a>words</template><a href="/z"> z </a>')

    assert page.forms == []
    assert page.links == [Link("/z", "z")]
    assert page.text == "z"


def test_fields_and_buttons_outside_belong_to_the_form_they_name():
    page = read("""
        <input form="f" name="before" value="1">
        <form id="f" action="/save/"></form>
        <button form="f" formaction="/delete/" name="d" value="2">Delete</button>""")

    form = page.form("/delete/", at=AT)

    assert form is not None
    assert form.fields == {"before": "1"}
    assert form.buttons == [Button("d", "2", "Delete", "/delete/")]


def test_a_form_without_an_action_leads_to_its_own_page():
    page = read("<form method=post></form>")

    assert page.form("/here/", at=AT + "?next=/there/") is not None
    assert page.form("/there/", at=AT + "?next=/there/") is None


def test_words_are_what_is_seen():
    page = read(
        "<head><title>The title</title><style>p{}</style></head><p>One</p><script>var x</script><p>two  three</p>"
    )

    assert page.title == "The title"
    assert page.text == "One two three"
