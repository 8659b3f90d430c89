"""A video in a page, played from the middle: a browser asks for ranges."""

import random
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from support.inprocess import Served
from support.needs import missing

if TYPE_CHECKING:
    from playwright.sync_api import Page

pytestmark = pytest.mark.browser

PAGE = """<!doctype html>
<title>Video</title>
<link rel="icon" href="data:,">
<video id="video" src="video.webm" muted preload="auto"></video>
"""
SECONDS = 60
FROM_THE_MIDDLE = """async () => {
  const video = document.getElementById("video");
  const until = (name) =>
    new Promise((resolve) => video.addEventListener(name, resolve, {once: true}));
  if (!(video.readyState >= 1)) await until("loadedmetadata");
  const sought = until("seeked");
  video.currentTime = video.duration / 2;
  await sought;
  await video.play();
  await until("timeupdate");
  return [video.duration, video.currentTime, video.error && video.error.message];
}"""


def make_video(path: Path) -> None:
    """A minute of noise, which is large for its length."""
    try:
        import av
    except ImportError:
        missing("PyAV (pip install --group browser)")
    noise = random.Random(1)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libvpx", rate=1)
        stream.width, stream.height, stream.bit_rate = 160, 128, 4_000_000
        stream.options = {"deadline": "realtime", "cpu-used": "8"}
        for number in range(SECONDS):
            frame = av.VideoFrame(160, 128, "yuv420p")
            for plane in frame.planes:
                plane.update(noise.randbytes(plane.buffer_size))
            frame.pts = number
            container.mux(stream.encode(frame))
        container.mux(stream.encode())


def test_a_video_is_played_from_the_middle(new_page: "Callable[[], Page]", tmp_path: Path) -> None:
    make_video(tmp_path / "video.webm")
    (tmp_path / "index.html").write_text(PAGE)
    with Served(None, static={"/": str(tmp_path)}) as served:
        page = new_page()
        statuses: list[int] = []
        page.on(
            "response",
            lambda answer: statuses.append(answer.status) if "webm" in answer.url else None,
        )
        page.goto(f"http://127.0.0.1:{served.port}/")
        duration, position, error = page.evaluate(FROM_THE_MIDDLE)
        page.context.close()
    assert error is None
    assert duration == pytest.approx(SECONDS, abs=1)
    assert position >= SECONDS / 2 - 1
    # Chromium begins with a range of everything.
    assert statuses
    assert set(statuses) == {206}
