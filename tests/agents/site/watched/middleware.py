from django.utils.deprecation import MiddlewareMixin


class OfAProject(MiddlewareMixin):
    """Agents make a span of each hook."""

    def process_request(self, request):
        request.seen = True

    def process_response(self, request, response):
        response["X-Seen"] = str(request.seen)
        return response
