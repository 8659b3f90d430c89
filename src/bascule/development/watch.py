"""Watch the files of an application, and those that its settings come from."""

import logging
import threading
from collections.abc import Callable, Sequence
from queue import Empty, SimpleQueue

from bascule.directory import absolute
from bascule.errors import UsageError
from bascule.settings import Settings

logger = logging.getLogger("bascule")

# Besides Python's own, files that are read once at start. Not .json or .txt, which applications
# write themselves.
WATCHED_SUFFIXES = (".env", ".html", ".ini", ".jinja", ".j2", ".toml", ".yaml", ".yml")
CHECK_INTERVAL_MS = 200  # how soon `end` takes effect


def directories(settings: Settings) -> list[str]:
    """Return the directories to watch: --reload-dir, else the application's."""
    return list(settings.reload_dir) or [absolute(settings.app_dir)]


def named_files(settings: Settings) -> set[str]:
    """Return the files that settings come from, which may be anywhere."""
    named = (settings.config, settings.env_file, settings.log_config)
    return {absolute(path) for path in named if path is not None}


class FileWatch:
    """A thread that watches files. wake: called in it when `changes` has something new."""

    def __init__(
        self, directories: Sequence[str], files: set[str], wake: Callable[[], None]
    ) -> None:
        self._directories = directories
        self._files = files
        self._wake = wake
        self._found: SimpleQueue[list[str] | UsageError] = SimpleQueue()
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._run, name="bascule watch", daemon=True)
        self._thread.start()

    def changes(self) -> list[str]:
        """Return the paths that have changed since the last call. Never blocks.

        Raises UsageError when the files cannot be watched.
        """
        paths: list[str] = []
        try:
            while True:
                found = self._found.get_nowait()
                if isinstance(found, UsageError):
                    raise found
                paths += found
        except Empty:
            return sorted(set(paths))

    def end(self) -> None:
        """End the thread, and wait for it."""
        self._ending.set()
        self._thread.join()

    def _run(self) -> None:
        try:
            self._watch()
        except (OSError, RuntimeError) as error:
            self._found.put(
                UsageError(
                    f"cannot watch {', '.join(self._directories)}: {error}.\n"
                    "Give fewer directories with --reload-dir, or raise "
                    "fs.inotify.max_user_watches."
                )
            )
            self._wake()

    def _watch(self) -> None:
        from watchfiles import Change, PythonFilter, watch

        python = PythonFilter(extra_extensions=WATCHED_SUFFIXES)

        def wanted(change: Change, path: str) -> bool:
            return path in self._files or python(change, path)

        is_logged = False
        for change in watch(
            *self._directories,
            *self._files,
            watch_filter=wanted,
            stop_event=self._ending,
            rust_timeout=CHECK_INTERVAL_MS,
            yield_on_timeout=True,
        ):
            if not is_logged:  # from here on no change is missed
                is_logged = True
                logger.info("watching %s", ", ".join(map(absolute, self._directories)))
            if change:
                self._found.put([path for _, path in change])
                self._wake()
