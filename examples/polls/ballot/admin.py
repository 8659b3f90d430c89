"""The pages of the staff under /admin/."""

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest

from .models import Choice, Question, Vote


class ChoiceInline(admin.TabularInline):
    model = Choice
    extra = 2
    fields = ("text", "position")


@admin.register(Question)
class QuestionAdmin(admin.ModelAdmin):
    list_display = ("text", "author", "created_at", "is_open", "vote_count")
    list_filter = ("created_at", "closes_at")
    list_select_related = ("author",)
    search_fields = ("text", "details")
    date_hierarchy = "created_at"
    autocomplete_fields = ("author",)
    inlines = (ChoiceInline,)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Question]:
        return super().get_queryset(request).with_totals()

    @admin.display(boolean=True, description="open")
    def is_open(self, question: Question) -> bool:
        return question.is_open

    @admin.display(ordering="vote_count", description="votes")
    def vote_count(self, question: Question) -> int:
        return question.vote_count


@admin.register(Vote)
class VoteAdmin(admin.ModelAdmin):
    """Votes can be seen and deleted, for example after a fraud, but not added."""

    list_display = ("question", "choice", "voter", "cast_at")
    list_filter = ("cast_at",)
    list_select_related = ("question", "choice", "voter")
    search_fields = ("question__text", "voter__username")

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, vote: Vote | None = None) -> bool:
        return False
