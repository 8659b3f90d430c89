"""Creates the SQLite file of the ORM view and fills it.  python -m djangosite.rows"""

import datetime
import os

QUESTIONS = 200
SHOWN = 10


def text_of(number: int) -> str:
    return f"Question number {number}?"


def top_rows() -> list[dict[str, object]]:
    """The response of the ORM view: the questions with the most votes."""
    best = range(QUESTIONS - 1, QUESTIONS - 1 - SHOWN, -1)
    return [{"text": text_of(number), "votes": number} for number in best]


def create() -> None:
    """Create every table of the installed apps, then exactly `QUESTIONS` rows."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "djangosite.settings")
    import django

    django.setup()
    from django.core.management import call_command

    from djangosite.models import Question

    call_command("migrate", run_syncdb=True, verbosity=0)
    Question.objects.all().delete()
    day = datetime.datetime(2024, 1, 1, tzinfo=datetime.UTC)
    Question.objects.bulk_create(
        Question(text=text_of(number), votes=number, published=day) for number in range(QUESTIONS)
    )


if __name__ == "__main__":
    create()
