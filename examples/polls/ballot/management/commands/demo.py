"""manage.py demo: create the contents of the demo, unless they exist."""

from random import Random
from typing import Any

from django.conf import settings
from django.contrib.auth import get_user_model
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError
from django.db import transaction

from ballot.models import Choice, Question, Vote

NAME = "demo"
PASSWORD = "demo-bascule"
VOTERS = 60

POLLS = (
    (
        "Where do you want to cross the river?",
        "The old bridge is closed for the winter.",
        ("The bascule bridge", "The ferry", "The tunnel", "I stay on this side"),
    ),
    (
        "Tabs or spaces?",
        "",
        ("Tabs", "Spaces", "The formatter decides"),
    ),
    (
        "What should the next release of the town library's site bring?",
        "One vote each; the two in front go into the spring plan.",
        (
            "Reservations by phone",
            "Opening hours on the first page",
            "Dark colours",
            "Less of all",
        ),
    ),
    (
        "Quel est le meilleur fromage ? 🧀",
        "",
        ("Comté", "Roquefort", "Brie de Meaux", "Époisses"),
    ),
    (
        "Which day for the monthly meeting?",
        "",
        ("Monday", "Tuesday", "Wednesday", "Thursday"),
    ),
)


class Command(BaseCommand):
    help = (
        "Prepare the demo: create the tables, a few polls with votes, and the superuser "
        f"{NAME!r} with the password {PASSWORD!r}. Existing data is kept. "
        "Only with DEBUG on."
    )

    def handle(self, *args: Any, **options: Any) -> None:
        if not settings.DEBUG:
            raise CommandError(
                "DEBUG is off, and the demo creates a superuser whose password is public. "
                "Set DJANGO_DEBUG=1 to make it, on a machine that is not in use for anything else."
            )
        call_command("migrate", interactive=False, verbosity=0)
        self.say(f"Tables are up to date in {settings.DATABASES['default']['NAME']}.")
        with transaction.atomic():
            self.ensure_superuser()
            self.ensure_polls()

    def ensure_superuser(self) -> None:
        users = get_user_model().objects
        if users.filter(username=NAME).exists():
            self.say(f"User {NAME!r} is there already.")
            return
        users.create_superuser(NAME, password=PASSWORD)
        self.say(f"Created superuser {NAME!r} with the password {PASSWORD!r}.")

    def ensure_polls(self) -> None:
        texts = [text for text, _, _ in POLLS]
        present = set(Question.objects.filter(text__in=texts).values_list("text", flat=True))
        missing = [poll for poll in POLLS if poll[0] not in present]
        voters = self.ensure_voters() if missing else []
        # The same votes each time, so that the demo looks the same on every machine.
        random = Random(1)
        for text, details, choices in missing:
            question = Question.objects.create(
                text=text, details=details, author=get_user_model().objects.get(username=NAME)
            )
            self.cast_votes(question, choices, voters, random)
            self.say(f"Created poll {text!r}.")
        if present:
            self.say(f"{len(present)} polls are there already.")

    def ensure_voters(self) -> list[Any]:
        """Create users without a password: they have voted, and cannot log in."""
        users = get_user_model().objects
        names = [f"voter-{number:02}" for number in range(1, VOTERS + 1)]
        present = set(users.filter(username__in=names).values_list("username", flat=True))
        for name in names:
            if name not in present:
                users.create_user(name)
        return list(users.filter(username__in=names).order_by("username"))

    def cast_votes(
        self, question: Question, texts: tuple[str, ...], voters: list[Any], random: Random
    ) -> None:
        choices = [
            Choice.objects.create(question=question, text=text, position=position)
            for position, text in enumerate(texts)
        ]
        weights = [random.randint(1, 8) for _ in choices]
        taking_part = random.sample(voters, random.randint(len(voters) // 2, len(voters)))
        Vote.objects.bulk_create(
            Vote(question=question, voter=voter, choice=random.choices(choices, weights)[0])
            for voter in taking_part
        )

    def say(self, line: str) -> None:
        self.stdout.write(line)
