"""Tests of the application: ./manage.py test"""

# ruff: noqa: PT009, PT027 (these tests run under Django's runner, which is unittest's)

import json
import tempfile
from datetime import timedelta
from io import StringIO
from pathlib import Path
from typing import NoReturn
from unittest.mock import patch

from django import urls
from django.contrib.auth import get_user_model
from django.core.files.uploadedfile import SimpleUploadedFile
from django.core.management import CommandError, call_command
from django.db import IntegrityError, transaction
from django.http import HttpRequest
from django.test import TestCase, override_settings
from django.utils import timezone

from .models import Choice, Question, Vote
from .pictures import MAX_SIZE
from .views import exports


def broken(request: HttpRequest) -> NoReturn:
    raise RuntimeError("broken on purpose")


urlpatterns = [urls.path("broken/", broken)]

PNG = b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 40


class PollCase(TestCase):
    """One question with three choices, asked by `ada`."""

    @classmethod
    def setUpTestData(cls) -> None:
        users = get_user_model().objects
        cls.ada = users.create_user("ada")
        cls.bob = users.create_user("bob")
        cls.question = Question.objects.create(text="Which crossing?", author=cls.ada)
        cls.bridge, cls.ferry, cls.tunnel = (
            Choice.objects.create(question=cls.question, text=text, position=position)
            for position, text in enumerate(("Bridge", "Ferry", "Tunnel"))
        )
        cls.url = cls.question.get_absolute_url()

    def vote(self, voter: object, choice: Choice) -> Vote:
        return Vote.objects.create(question=choice.question, choice=choice, voter=voter)


class ModelTests(PollCase):
    def test_totals_count_every_vote_once_and_name_the_leader(self) -> None:
        self.vote(self.ada, self.ferry)
        self.vote(self.bob, self.ferry)
        counted = Question.objects.with_totals().get()
        self.assertEqual((counted.vote_count, counted.leader), (2, "Ferry"))

    def test_without_votes_nobody_leads(self) -> None:
        counted = Question.objects.with_totals().get()
        self.assertEqual((counted.vote_count, counted.leader), (0, ""))

    def test_the_database_refuses_a_second_vote(self) -> None:
        self.vote(self.ada, self.ferry)
        with self.assertRaises(IntegrityError), transaction.atomic():
            self.vote(self.ada, self.bridge)

    def test_a_poll_closes_at_its_time(self) -> None:
        self.assertTrue(self.question.is_open)
        self.question.closes_at = timezone.now() - timedelta(seconds=1)
        self.assertFalse(self.question.is_open)


class PageTests(PollCase):
    def test_the_list_shows_totals(self) -> None:
        self.vote(self.bob, self.bridge)
        response = self.client.get("/")
        self.assertContains(response, "1 vote")
        self.assertContains(response, "in front: Bridge")

    def test_the_search_looks_at_choices_too(self) -> None:
        self.assertContains(self.client.get("/", {"q": "ferr"}), "Which crossing?")
        self.assertNotContains(self.client.get("/", {"q": "balloon"}), "Which crossing?")

    def test_the_list_has_pages(self) -> None:
        for number in range(12):
            Question.objects.create(text=f"Question number {number}")
        self.assertContains(self.client.get("/"), "1 of 2")
        self.assertContains(self.client.get("/", {"page": 2}), "Which crossing?")

    def test_the_number_of_queries_does_not_grow_with_the_list(self) -> None:
        for number in range(8):
            Question.objects.create(text=f"Question number {number}", author=self.ada)
        with self.assertNumQueries(2):
            self.client.get("/")

    def test_recent_questions_are_kept_in_the_session(self) -> None:
        other = Question.objects.create(text="What else?")
        self.client.get(other.get_absolute_url())
        self.assertContains(self.client.get(self.url), "What else?")

    def test_an_unknown_question_is_404(self) -> None:
        self.assertContains(self.client.get("/questions/999/"), "nothing here", status_code=404)

    @override_settings(ROOT_URLCONF=__name__)
    def test_a_failing_view_shows_the_500_page(self) -> None:
        self.client.raise_request_exception = False
        with self.assertLogs("django.request", "ERROR"):
            response = self.client.get("/broken/")
        self.assertContains(response, "Something broke", status_code=500)

    def test_health(self) -> None:
        self.assertEqual(self.client.get("/ping/").content, b"pong\n")
        self.assertEqual(self.client.get("/aping/").content, b"pong\n")


class VoteTests(PollCase):
    def test_without_login_a_vote_leads_to_the_login_page(self) -> None:
        response = self.client.post(self.url, {"choice": self.ferry.pk})
        self.assertRedirects(response, f"/accounts/login/?next={self.url}")
        self.assertFalse(Vote.objects.exists())

    def test_a_vote_counts_and_can_be_changed(self) -> None:
        self.client.force_login(self.bob)
        response = self.client.post(self.url, {"choice": self.ferry.pk}, follow=True)
        self.assertContains(response, "Your vote for “Ferry” is counted.")
        self.client.post(self.url, {"choice": self.bridge.pk})
        self.assertEqual(Vote.objects.get().choice, self.bridge)

    def test_the_choice_of_another_question_is_refused(self) -> None:
        other = Question.objects.create(text="What else?")
        stray = Choice.objects.create(question=other, text="Nothing")
        self.client.force_login(self.bob)
        response = self.client.post(self.url, {"choice": stray.pk})
        self.assertContains(response, "Select a valid choice", status_code=400)

    def test_a_closed_poll_takes_no_votes(self) -> None:
        self.question.closes_at = timezone.now()
        self.question.save()
        self.client.force_login(self.bob)
        response = self.client.post(self.url, {"choice": self.ferry.pk})
        self.assertContains(response, "This poll is closed.", status_code=400)
        self.assertFalse(Vote.objects.exists())

    def test_a_form_without_its_token_is_refused(self) -> None:
        client = self.client_class(enforce_csrf_checks=True)
        client.force_login(self.bob)
        with self.assertLogs("django.security.csrf", "WARNING"):
            response = client.post(self.url, {"choice": self.ferry.pk})
        self.assertEqual(response.status_code, 403)


class AccountTests(PollCase):
    def test_signing_up_logs_in(self) -> None:
        new = {"username": "cleo", "password1": "nile-48-barge", "password2": "nile-48-barge"}
        response = self.client.post("/accounts/signup/", new, follow=True)
        self.assertContains(response, "Welcome, cleo.")
        self.assertContains(response, "Log out cleo")

    def test_a_weak_password_is_refused(self) -> None:
        new = {"username": "cleo", "password1": "12345678", "password2": "12345678"}
        self.assertContains(self.client.post("/accounts/signup/", new), "too common")

    def test_logging_in_and_out(self) -> None:
        self.ada.set_password("lovelace-1843")
        self.ada.save()
        login = {"username": "ada", "password": "lovelace-1843"}
        self.assertRedirects(self.client.post("/accounts/login/", login), "/")
        self.assertContains(self.client.get("/"), "Log out ada")
        self.client.post("/accounts/logout/")
        self.assertContains(self.client.get("/"), "Log in")


class AskTests(PollCase):
    def setUp(self) -> None:
        super().setUp()
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.enterContext(self.settings(MEDIA_ROOT=Path(folder.name)))

    def ask(self, **fields: object) -> object:
        self.client.force_login(self.ada)
        form = {"text": "Lunch?", "choices": "Soup\n\n Bread \nSoup", **fields}
        return self.client.post("/ask/", form)

    def test_asking_needs_a_login(self) -> None:
        self.assertRedirects(self.client.get("/ask/"), "/accounts/login/?next=/ask/")

    def test_choices_come_from_lines(self) -> None:
        self.ask()
        asked = Question.objects.get(text="Lunch?")
        self.assertEqual([choice.text for choice in asked.choices.all()], ["Soup", "Bread"])
        self.assertEqual(asked.author, self.ada)

    def test_one_choice_is_too_few(self) -> None:
        self.assertContains(self.ask(choices="Soup"), "Give 2 to 10", status_code=400)

    def test_a_choice_may_not_be_too_long(self) -> None:
        response = self.ask(choices="Soup\n" + "x" * 121)
        self.assertContains(response, "longer than 120", status_code=400)

    def test_a_picture_is_kept_under_a_new_name_and_served(self) -> None:
        self.ask(picture=SimpleUploadedFile("../../evil.html", PNG, "text/html"))
        picture = Question.objects.get(text="Lunch?").picture
        self.assertRegex(picture.name, r"^pictures/[0-9a-f]{32}\.png$")
        response = self.client.get(picture.url)
        self.assertEqual(b"".join(response), PNG)
        self.assertEqual(response["Content-Type"], "image/png")
        since = {"If-Modified-Since": response["Last-Modified"]}
        self.assertEqual(self.client.get(picture.url, headers=since).status_code, 304)

    def test_a_file_that_is_no_picture_is_refused(self) -> None:
        page = SimpleUploadedFile("cat.png", b"<script>alert(1)</script>", "image/png")
        self.assertContains(self.ask(picture=page), "This is no picture", status_code=400)

    def test_a_picture_may_not_be_too_large(self) -> None:
        huge = SimpleUploadedFile("cat.png", PNG + bytes(MAX_SIZE), "image/png")
        self.assertContains(self.ask(picture=huge), "at most 2000000", status_code=400)

    def test_nothing_outside_the_folder_is_served(self) -> None:
        for prefix in ("/media", "/static"):
            for path in ("../manage.py", "%2e%2e/manage.py", "none.png", "", "ballot", "a%00b"):
                url = f"{prefix}/{path}"
                self.assertEqual(self.client.get(url).status_code, 404, url)


class StaticTests(TestCase):
    def test_files_of_the_applications_are_served(self) -> None:
        for path, kind in (("ballot/style.css", "text/css"), ("admin/css/base.css", "text/css")):
            response = self.client.get(f"/static/{path}")
            self.assertEqual((response.status_code, response["Content-Type"]), (200, kind))
            response.close()

    def test_others_are_not(self) -> None:
        self.assertEqual(self.client.get("/static/ballot/none.css").status_code, 404)

    async def test_under_asgi_a_file_comes_in_pieces(self) -> None:
        response = await self.async_client.get("/static/ballot/style.css")
        parts = [part async for part in response]
        response.close()
        expected = (Path(__file__).parent / "static/ballot/style.css").read_bytes()
        self.assertEqual(b"".join(parts), expected)


class ResultTests(PollCase):
    def setUp(self) -> None:
        super().setUp()
        self.vote(self.ada, self.ferry)
        self.vote(self.bob, self.tunnel)
        self.prefix = f"/questions/{self.question.pk}"

    def test_the_page_shows_shares(self) -> None:
        response = self.client.get(f"{self.prefix}/results/")
        self.assertContains(response, 'value="50"', count=2)

    def test_the_csv_has_a_line_for_each_vote(self) -> None:
        response = self.client.get(f"{self.prefix}/votes.csv")
        lines = b"".join(response).decode().splitlines()
        self.assertEqual([line.split(",")[1] for line in lines], ["choice", "Ferry", "Tunnel"])

    async def test_the_csv_streams_under_asgi(self) -> None:
        response = await self.async_client.get(f"{self.prefix}/votes.csv")
        parts = [part async for part in response]
        self.assertEqual(len(parts), 3)

    def test_a_formula_in_the_csv_is_made_a_text(self) -> None:
        self.assertEqual(exports._cell("=1+1"), "'=1+1")
        self.assertEqual(exports._cell("1+1"), "1+1")

    def test_the_api_lists_questions_with_an_etag(self) -> None:
        response = self.client.get("/api/questions/")
        (listed,) = response.json()["questions"]
        self.assertEqual((listed["votes"], listed["open"]), (2, True))
        self.assertEqual(listed["url"], f"http://testserver{self.url}")
        same = {"If-None-Match": response["ETag"]}
        self.assertEqual(self.client.get("/api/questions/", headers=same).status_code, 304)

    async def test_the_api_gives_one_question(self) -> None:
        response = await self.async_client.get(f"/api/questions/{self.question.pk}/")
        votes = {choice["text"]: choice["votes"] for choice in response.json()["choices"]}
        self.assertEqual(votes, {"Bridge": 0, "Ferry": 1, "Tunnel": 1})

    def test_live_under_wsgi_is_one_event(self) -> None:
        response = self.client.get(f"{self.prefix}/live/")
        retry, event, rest = response.content.decode().split("\n\n")
        self.assertEqual((retry, rest), ("retry: 2000", ""))
        name, data = event.splitlines()
        self.assertEqual(name, "event: results")
        self.assertEqual(json.loads(data.removeprefix("data: "))["votes"], 2)

    async def test_live_under_asgi_sends_a_change_and_ends(self) -> None:
        with self._short_live():
            response = await self.async_client.get(f"{self.prefix}/live/")
            parts = aiter(response)
            self.assertEqual(await anext(parts), b"retry: 2000\n\n")
            self.assertIn(b'"votes": 2,', await anext(parts))
            await Vote.objects.filter(voter=self.bob).adelete()
            self.assertIn(b'"votes": 1,', await anext(parts))
            self.assertEqual([part async for part in parts], [])

    def _short_live(self) -> object:
        return patch.multiple(exports, LIVE_SECONDS=0.01, LIVE_INTERVAL=0.001)


class AdminTests(PollCase):
    def setUp(self) -> None:
        super().setUp()
        self.vote(self.bob, self.ferry)
        self.client.force_login(get_user_model().objects.create_superuser("root"))

    def test_every_page_opens(self) -> None:
        vote = Vote.objects.get()
        for path in (
            "/admin/",
            "/admin/ballot/question/?q=crossing",
            f"/admin/ballot/question/{self.question.pk}/change/",
            "/admin/ballot/question/add/",
            "/admin/ballot/vote/?q=bob",
            f"/admin/ballot/vote/{vote.pk}/change/",
        ):
            self.assertEqual(self.client.get(path).status_code, 200, path)

    def test_nobody_votes_through_the_admin(self) -> None:
        self.assertEqual(self.client.get("/admin/ballot/vote/add/").status_code, 403)


class DemoTests(TestCase):
    def run_demo(self) -> str:
        output = StringIO()
        call_command("demo", stdout=output)
        return output.getvalue()

    @override_settings(DEBUG=True)
    def test_it_makes_polls_and_a_superuser_once(self) -> None:
        self.assertIn("Created superuser 'demo'", self.run_demo())
        before = (Question.objects.count(), Vote.objects.count())
        self.assertGreater(before[1], 100)
        self.assertTrue(self.client.login(username="demo", password="demo-bascule"))
        self.assertIn("already", self.run_demo())
        self.assertEqual((Question.objects.count(), Vote.objects.count()), before)

    @override_settings(DEBUG=False)
    def test_it_refuses_without_debug(self) -> None:
        with self.assertRaisesMessage(CommandError, "DEBUG is off"):
            self.run_demo()
        self.assertFalse(get_user_model().objects.exists())
