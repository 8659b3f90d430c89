"""The example project, used as people use it, by WSGI, by ASGI, and by both at once."""

import json
import re
from collections.abc import Iterator

import httpx
import pytest

from support.polls import DEMO, POLLS, manage, prepared, run
from support.server import Server, running

PNG = b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 1200


@pytest.fixture(scope="module")
def site_env(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    return prepared(tmp_path_factory.mktemp("polls"))


@pytest.fixture(scope="module", params=["polls.wsgi", "polls.asgi", "polls"])
def target(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture(scope="module")
def server(target: str, site_env: dict[str, str]) -> Iterator[Server]:
    with running(target, "--app-dir", str(POLLS), env=site_env) as served:
        yield served
    assert "listening on http://127.0.0.1:" in served.output()
    assert "Traceback" not in served.output()
    assert "Warning" not in served.output()


@pytest.fixture
def browser(server: Server) -> Iterator[httpx.Client]:
    """Keeps cookies and connections, and follows redirects."""
    with httpx.Client(
        base_url=server.base_url, follow_redirects=True, trust_env=False, timeout=20
    ) as client:
        yield client


def submit(
    browser: httpx.Client, path: str, files: object = None, **fields: str
) -> httpx.Response:
    """Open the page, and send its form with the token that is in it."""
    fields["csrfmiddlewaretoken"] = token_in(browser.get(path))
    return browser.post(path, data=fields, files=files)


def token_in(page: httpx.Response) -> str:
    token = re.search(r'name="csrfmiddlewaretoken" value="(\w+)"', page.text)
    assert token, page.text
    return token[1]


def log_in(browser: httpx.Client) -> None:
    page = submit(browser, "/accounts/login/", **DEMO)
    assert "Log out demo" in page.text


def ask(browser: httpx.Client, text: str, files: object = None) -> str:
    """Ask a question with the choices Yes and No; returns its address."""
    page = submit(browser, "/ask/", files, text=text, choices="Yes\nNo")
    assert "Your question is asked." in page.text
    return page.url.path


def vote(browser: httpx.Client, question: str, choice: str) -> httpx.Response:
    page = browser.get(question).text
    value = re.search(rf'value="(\d+)"[^>]*>\s*{choice}', page)
    assert value, page
    return submit(browser, question, choice=value[1])


def test_the_list_is_there_with_style_and_logo(browser: httpx.Client) -> None:
    # By its words: what other tests have asked has moved it to another page.
    page = browser.get("/", params={"q": "cross the river"})
    assert "Where do you want to cross the river?" in page.text
    assert "<svg" in page.text
    for name, kind in (("style.css", "text/css"), ("logo.svg", "image/svg+xml")):
        file = browser.get(f"/static/ballot/{name}")
        assert file.headers["content-type"] == kind
        assert file.content == (POLLS / "ballot/static/ballot" / name).read_bytes()


def test_a_static_file_is_not_sent_twice(browser: httpx.Client) -> None:
    first = browser.get("/static/admin/css/base.css")
    since = {"If-Modified-Since": first.headers["last-modified"]}
    second = browser.get("/static/admin/css/base.css", headers=since)
    assert (first.status_code, second.status_code, second.content) == (200, 304, b"")


def test_the_search_takes_any_letters(browser: httpx.Client) -> None:
    page = browser.get("/", params={"q": "Époisses"})
    assert "Quel est le meilleur fromage ? 🧀" in page.text
    assert "Tabs or spaces?" not in page.text


def test_health(browser: httpx.Client) -> None:
    assert browser.get("/ping/").text == browser.get("/aping/").text == "pong\n"


def test_signing_up_logs_in_and_logging_out_ends_it(browser: httpx.Client, server: Server) -> None:
    name = f"cleo-{server.port}"
    secret = {"password1": "nile-48-barge", "password2": "nile-48-barge"}
    page = submit(browser, "/accounts/signup/", username=name, **secret)
    assert f"Welcome, {name}." in page.text
    page = browser.post("/accounts/logout/", data={"csrfmiddlewaretoken": token_in(page)})
    assert (page.url.path, "Log in" in page.text) == ("/", True)


def test_a_form_without_its_token_is_refused(browser: httpx.Client) -> None:
    assert browser.post("/accounts/login/", data=DEMO).status_code == 403


def test_a_vote_counts_everywhere(browser: httpx.Client) -> None:
    log_in(browser)
    question = ask(browser, "Is this counted?")
    page = vote(browser, question, "Yes")
    assert page.url.path == f"{question}results/"
    assert "Your vote for “Yes” is counted." in page.text
    result = browser.get(f"/api{question}").json()
    assert {choice["text"]: choice["votes"] for choice in result["choices"]} == {"Yes": 1, "No": 0}
    lines = browser.get(f"{question}votes.csv").text.splitlines()
    assert [line.split(",")[1] for line in lines] == ["choice", "Yes"]


def test_a_picture_is_kept_and_comes_back(browser: httpx.Client) -> None:
    log_in(browser)
    question = ask(browser, "Is it seen?", {"picture": ("bridge.png", PNG, "image/png")})
    address = re.search(r'src="(/media/pictures/\w+\.png)"', browser.get(question).text)
    assert address
    picture = browser.get(address[1])
    assert picture.headers["content-type"] == "image/png"
    assert picture.content == PNG


def test_a_file_that_is_no_picture_is_refused(browser: httpx.Client) -> None:
    log_in(browser)
    files = {"picture": ("bridge.png", b"<script>", "image/png")}
    page = submit(browser, "/ask/", files, text="Is it refused?", choices="Yes\nNo")
    assert (page.status_code, "This is no picture" in page.text) == (400, True)


def test_the_csv_of_a_demo_poll_has_every_vote(browser: httpx.Client) -> None:
    listed = browser.get("/api/questions/").json()["questions"]
    for question in listed:
        with browser.stream("GET", f"/questions/{question['id']}/votes.csv") as response:
            lines = list(response.iter_lines())
        assert len(lines) == question["votes"] + 1


def test_the_api_knows_its_own_address(browser: httpx.Client, server: Server) -> None:
    response = browser.get("/api/questions/")
    assert response.json()["questions"][0]["url"].startswith(f"{server.base_url}/questions/")


def test_the_api_answers_304_to_who_has_it(browser: httpx.Client) -> None:
    same = {"If-None-Match": browser.get("/api/questions/").headers["etag"]}
    assert browser.get("/api/questions/", headers=same).status_code == 304


def test_the_admin_opens_for_the_superuser_alone(browser: httpx.Client) -> None:
    assert browser.get("/admin/").url.path == "/admin/login/"
    log_in(browser)
    assert "Site administration" in browser.get("/admin/").text
    page = browser.get("/admin/ballot/question/", params={"q": "river"})
    assert "Where do you want to cross the river?" in page.text


def test_results_come_live(browser: httpx.Client, server: Server) -> None:
    """Under ASGI the open stream tells of a vote; under WSGI it ends, and the next one tells."""
    log_in(browser)
    question = ask(browser, "Is it live?")
    with browser.stream("GET", f"{question}live/") as response:
        assert response.headers["content-type"] == "text/event-stream"
        events = standings(response)
        assert next(events)["votes"] == 0
        vote(browser, question, "No")
        after = next(events, None)
    if after is None:
        with browser.stream("GET", f"{question}live/") as response:
            after = next(standings(response))
    assert [choice["votes"] for choice in after["choices"]] == [0, 1]


def standings(response: httpx.Response) -> Iterator[dict]:
    for line in response.iter_lines():
        if line.startswith("data: "):
            yield json.loads(line.removeprefix("data: "))


def test_the_chat_is_open_or_says_what_it_needs(browser: httpx.Client, target: str) -> None:
    page = browser.get("/chat/").text
    is_open, is_explained = 'data-socket="/chat/socket/"' in page, "serve polls<" in page
    assert (is_open, is_explained) == (target != "polls.wsgi", target == "polls.wsgi")


def test_without_debug_it_has_its_own_404_and_its_static_files(
    target: str, site_env: dict[str, str]
) -> None:
    env = {**site_env, "DJANGO_DEBUG": "0", "DJANGO_SECRET_KEY": "for this test alone" * 3}
    with running(target, cwd=POLLS, env=env) as server:
        missing = httpx.get(f"{server.base_url}/questions/987654/", trust_env=False)
        assert (missing.status_code, "There is nothing here" in missing.text) == (404, True)
        style = httpx.get(f"{server.base_url}/static/ballot/style.css", trust_env=False)
        assert style.status_code == 200


def test_only_the_chat_needs_channels(site_env: dict[str, str]) -> None:
    run(site_env, "-c", "import sys, polls.wsgi; assert 'channels' not in sys.modules")
    run(site_env, "-c", "import sys; sys.modules['channels'] = None; import polls.asgi")


def test_its_own_tests_pass(site_env: dict[str, str]) -> None:
    manage(site_env, "test")
