"""The result of a poll as plain data, for pages, JSON and the live stream alike."""

from collections.abc import Iterable
from typing import Any

from .models import Choice, Question


def rows(choices: Iterable[Choice]) -> list[dict[str, Any]]:
    """One entry per choice, in the order shown. `choices` come from `with_votes()`."""
    counted = list(choices)
    total = sum(choice.vote_count for choice in counted)
    return [
        {
            "id": choice.pk,
            "text": choice.text,
            "votes": choice.vote_count,
            "percent": round(100 * choice.vote_count / total) if total else 0,
        }
        for choice in counted
    ]


def summary(question: Question, choices: Iterable[Choice]) -> dict[str, Any]:
    result = rows(choices)
    return {
        "id": question.pk,
        "question": question.text,
        "open": question.is_open,
        "votes": sum(row["votes"] for row in result),
        "choices": result,
    }
