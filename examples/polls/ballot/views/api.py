"""Results as JSON: the list by a sync view, one question by an async one."""

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import aget_object_or_404
from django.views.decorators.http import conditional_page, require_safe

from .. import results
from ..models import Question

MOST = 100


@require_safe
@conditional_page
def questions(request: HttpRequest) -> HttpResponse:
    """The newest questions with their totals. The ETag is taken from the content."""
    found = Question.objects.with_totals()[:MOST]
    listed = [
        {
            "id": question.pk,
            "question": question.text,
            "open": question.is_open,
            "votes": question.vote_count,
            "leader": question.leader or None,
            "url": request.build_absolute_uri(question.get_absolute_url()),
        }
        for question in found
    ]
    return JsonResponse({"questions": listed})


@require_safe
async def question(request: HttpRequest, pk: int) -> HttpResponse:
    found = await aget_object_or_404(Question, pk=pk)
    choices = [choice async for choice in found.choices.with_votes()]
    return JsonResponse(results.summary(found, choices))
