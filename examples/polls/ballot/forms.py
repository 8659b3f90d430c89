"""Forms for asking and voting."""

from typing import Any

from django import forms
from django.db import transaction

from .models import Choice, Question

MIN_CHOICES = 2
MAX_CHOICES = 10


class QuestionForm(forms.ModelForm):
    """A new question, its choices one per line."""

    choices = forms.CharField(
        widget=forms.Textarea(attrs={"rows": 5}),
        help_text=f"One per line, {MIN_CHOICES} to {MAX_CHOICES}.",
    )

    class Meta:
        model = Question
        fields = ("text", "details", "choices", "picture", "closes_at")
        labels = {"text": "Question", "closes_at": "Closes at"}
        help_texts = {"closes_at": "UTC. Leave it empty to keep the poll open."}
        widgets = {
            "details": forms.Textarea(attrs={"rows": 3}),
            "closes_at": forms.DateTimeInput(attrs={"type": "datetime-local"}),
        }

    def clean_choices(self) -> list[str]:
        lines = (line.strip() for line in self.cleaned_data["choices"].splitlines())
        choices = list(dict.fromkeys(line for line in lines if line))
        if not MIN_CHOICES <= len(choices) <= MAX_CHOICES:
            raise forms.ValidationError(
                f"Give {MIN_CHOICES} to {MAX_CHOICES} different choices; here are {len(choices)}."
            )
        longest = Choice._meta.get_field("text").max_length
        for choice in choices:
            if len(choice) > longest:
                raise forms.ValidationError(f"“{choice[:20]}…” is longer than {longest} letters.")
        return choices

    @transaction.atomic
    def save_for(self, author: Any) -> Question:
        """Store the question and its choices as asked by `author`."""
        question = self.save(commit=False)
        question.author = author
        question.save()
        Choice.objects.bulk_create(
            Choice(question=question, text=text, position=position)
            for position, text in enumerate(self.cleaned_data["choices"])
        )
        return question


class VoteForm(forms.Form):
    """One of the choices of `question`."""

    choice = forms.ModelChoiceField(
        queryset=Choice.objects.none(), widget=forms.RadioSelect, empty_label=None, label=""
    )

    def __init__(self, question: Question, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["choice"].queryset = question.choices.all()
