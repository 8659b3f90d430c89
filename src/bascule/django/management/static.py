"""The static files of development, in front of both sides of a project.

Django's own WSGI application for them does the work: the finders, If-Modified-Since, the page for
a file that is not there. It takes the place of the WSGI side, and gets all paths below STATIC_URL,
also those that an async view would have taken: files are for threads.
"""

from dataclasses import replace

from bascule.interfaces.hybrid import Hybrid


def with_static_files(project: Hybrid) -> Hybrid:
    """The project with its static files. Needs django.contrib.staticfiles.

    Raises ImproperlyConfigured where its settings are wrong.
    """
    from django.contrib.staticfiles.handlers import StaticFilesHandler

    files = StaticFilesHandler(project.wsgi)
    belongs_to_loop = project.belongs_to_loop

    def of_views(path: str) -> bool:
        return not files._should_handle(path) and belongs_to_loop(path)

    return replace(project, wsgi=files, belongs_to_loop=of_views)
