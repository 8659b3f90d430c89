"""Questions, choices, votes."""

from typing import Self

from django.conf import settings
from django.db import models
from django.db.models import Count, OuterRef, Q, Subquery
from django.db.models.functions import Coalesce
from django.urls import reverse
from django.utils import timezone

from . import pictures


class QuestionQuerySet(models.QuerySet["Question"]):
    def with_totals(self) -> Self:
        """Add `vote_count` and `leader`, the text of the choice with the most votes."""
        ranked = (
            Choice.objects.filter(question=OuterRef("pk"))
            .annotate(count=Count("votes"))
            .filter(count__gt=0)
            .order_by("-count", "position")
        )
        counted = self.annotate(
            vote_count=Count("votes"),
            leader=Coalesce(Subquery(ranked.values("text")[:1]), models.Value("")),
        )
        # Django leaves Meta.ordering out of a query that groups.
        return counted.order_by(*Question._meta.ordering)

    def search(self, words: str) -> Self:
        """Those whose text, details or choices contain `words`."""
        return self.filter(
            Q(text__icontains=words)
            | Q(details__icontains=words)
            | Q(pk__in=Choice.objects.filter(text__icontains=words).values("question"))
        )


class Question(models.Model):
    """Something to vote on. It is open until `closes_at`, or forever if that is empty."""

    text = models.CharField(max_length=200)
    details = models.TextField(blank=True, max_length=2000)
    picture = models.FileField(
        blank=True,
        upload_to=pictures.upload_path,
        validators=[pictures.validate_picture],
        help_text=pictures.HELP,
    )
    author = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL
    )
    created_at = models.DateTimeField(default=timezone.now)
    closes_at = models.DateTimeField(null=True, blank=True)

    objects = QuestionQuerySet.as_manager()

    class Meta:
        ordering = ("-created_at", "-pk")

    def __str__(self) -> str:
        return self.text

    def get_absolute_url(self) -> str:
        return reverse("ballot:question", args=[self.pk])

    @property
    def is_open(self) -> bool:
        return self.closes_at is None or self.closes_at > timezone.now()


class ChoiceQuerySet(models.QuerySet["Choice"]):
    def with_votes(self) -> Self:
        """Add `vote_count`."""
        return self.annotate(vote_count=Count("votes"))


class Choice(models.Model):
    """One of the answers to a question."""

    question = models.ForeignKey(Question, on_delete=models.CASCADE, related_name="choices")
    text = models.CharField(max_length=120)
    position = models.PositiveSmallIntegerField(default=0)

    objects = ChoiceQuerySet.as_manager()

    class Meta:
        ordering = ("position", "pk")
        constraints = (
            models.UniqueConstraint(fields=("question", "text"), name="choice_once_per_question"),
        )

    def __str__(self) -> str:
        return self.text


class Vote(models.Model):
    """One person's vote. `question` is that of the choice, for a constraint: one vote on each."""

    question = models.ForeignKey(Question, on_delete=models.CASCADE, related_name="votes")
    choice = models.ForeignKey(Choice, on_delete=models.CASCADE, related_name="votes")
    voter = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="votes"
    )
    cast_at = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering = ("cast_at", "pk")
        constraints = (
            models.UniqueConstraint(fields=("question", "voter"), name="one_vote_per_question"),
        )

    def __str__(self) -> str:
        return f"{self.voter}: {self.choice}"
