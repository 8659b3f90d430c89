"""The pages: the list, a question, its results, asking one."""

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.contrib.auth.views import redirect_to_login
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone

from .. import results as poll_results
from ..forms import QuestionForm, VoteForm
from ..models import Question, Vote

PER_PAGE = 10
REMEMBERED = 5


def index(request: HttpRequest) -> HttpResponse:
    """All questions with their totals, ten to a page, searched with ?q=."""
    words = request.GET.get("q", "").strip()
    found = Question.objects.with_totals().select_related("author")
    if words:
        found = found.search(words)
    page = Paginator(found, PER_PAGE).get_page(request.GET.get("page"))
    return render(request, "ballot/index.html", {"page": page, "words": words})


def question(request: HttpRequest, pk: int) -> HttpResponse:
    """One question. POST votes, or changes the vote."""
    asked = get_object_or_404(Question, pk=pk)
    if request.method == "POST":
        return _vote(request, asked)
    return _show(request, asked, VoteForm(asked, initial={"choice": _own_choice(request, asked)}))


def _vote(request: HttpRequest, asked: Question) -> HttpResponse:
    if not request.user.is_authenticated:
        return redirect_to_login(asked.get_absolute_url())
    form = VoteForm(asked, request.POST)
    if not asked.is_open:
        form.add_error(None, "This poll is closed.")
    if not form.is_valid():
        return _show(request, asked, form, status=400)
    chosen = form.cleaned_data["choice"]
    Vote.objects.update_or_create(
        question=asked, voter=request.user, defaults={"choice": chosen, "cast_at": timezone.now()}
    )
    messages.success(request, f"Your vote for “{chosen}” is counted.")
    return redirect("ballot:results", pk=asked.pk)


def _show(
    request: HttpRequest, asked: Question, form: VoteForm, status: int = 200
) -> HttpResponse:
    context = {"question": asked, "form": form, "recent": _remember(request, asked)}
    return render(request, "ballot/question.html", context, status=status)


def _own_choice(request: HttpRequest, asked: Question) -> int | None:
    if not request.user.is_authenticated:
        return None
    return asked.votes.filter(voter=request.user).values_list("choice", flat=True).first()


def _remember(request: HttpRequest, asked: Question) -> list[Question]:
    """Keep the last questions seen in the session. Return the others, the latest first."""
    before = [pk for pk in request.session.get("recent", []) if pk != asked.pk]
    recent = [asked.pk, *before][: REMEMBERED + 1]
    if request.session.get("recent") != recent:
        request.session["recent"] = recent
    found = Question.objects.in_bulk(recent[1:])
    return [found[pk] for pk in recent[1:] if pk in found]


def results(request: HttpRequest, pk: int) -> HttpResponse:
    asked = get_object_or_404(Question, pk=pk)
    result = poll_results.summary(asked, asked.choices.with_votes())
    return render(request, "ballot/results.html", {"question": asked, "result": result})


@login_required
def ask(request: HttpRequest) -> HttpResponse:
    form = QuestionForm(request.POST or None, request.FILES or None)
    if request.method == "POST" and form.is_valid():
        asked = form.save_for(request.user)
        messages.success(request, "Your question is asked.")
        return redirect(asked)
    status = 400 if form.is_bound else 200
    return render(request, "ballot/ask.html", {"form": form}, status=status)
