"""An application that starts programs and processes, and leaves threads and children behind."""

import concurrent.futures
import functools
import json
import multiprocessing
import os
import signal
import socket
import subprocess
import sys
import threading
import time

FORK = multiprocessing.get_context("fork")

# A program that says which signals it ignores.
IGNORED = (
    "import signal; print([n.name for n in signal.valid_signals() "
    "if getattr(n, 'name', '') not in ('SIGPIPE', 'SIGXFSZ') "
    "and signal.getsignal(n) is signal.SIG_IGN])"
)
kept = []


def ignored(environ):
    """The signals that programs ignore which are started here, and at import."""
    return run_ignored() + " " + AT_IMPORT


def run_ignored():
    return subprocess.run(
        [sys.executable, "-c", IGNORED], capture_output=True, text=True, check=True
    ).stdout.strip()


def idle():
    kept.append(FORK.Event())
    kept[-1].wait()


def terminate(environ):
    """The exit code of a forked child that receives SIGTERM."""
    child = FORK.Process(target=idle)
    child.start()
    child.terminate()
    child.join()
    return str(child.exitcode)


def pool(environ):
    with FORK.Pool(2) as workers:
        result = workers.map(abs, [-1, -2])
    # Leaving the block calls terminate().
    return str(result)


def broken(environ):
    """The error of an executor, one process of which has died."""
    with concurrent.futures.ProcessPoolExecutor(2, mp_context=FORK) as executor:
        waiting = executor.submit(time.sleep, 1000)
        executor.submit(os.kill, os.getpid(), 0).result()
        executor.submit(functools.partial(os._exit, 1))
        return type(waiting.exception()).__name__


def sockets(environ):
    """How many listening sockets a forked child has."""
    receiver, sender = FORK.Pipe(duplex=False)
    child = FORK.Process(target=count_sockets, args=(sender,))
    child.start()
    found = receiver.recv()
    child.join()
    return json.dumps(found)


def count_sockets(sender):
    listening = 0
    for name in os.listdir("/proc/self/fd"):
        try:
            with socket.socket(fileno=os.dup(int(name))) as sock:
                listening += sock.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN)
        except OSError:
            continue
    sender.send(listening)


def epoll_sets(environ):
    """How many epoll sets this process has, and how many of them a forked child has."""
    receiver, sender = FORK.Pipe(duplex=False)
    child = FORK.Process(target=count_epoll_sets, args=(sender,))
    child.start()
    found = receiver.recv()
    child.join()
    count_epoll_sets(sender)
    return json.dumps([receiver.recv(), found])


def count_epoll_sets(sender):
    found = 0
    for name in os.listdir("/proc/self/fd"):
        try:
            found += "eventpoll" in os.readlink(f"/proc/self/fd/{name}")
        except OSError:
            continue
    sender.send(found)


def interrupts(environ):
    """The handlers of SIGINT and SIGTERM in a forked child."""
    receiver, sender = FORK.Pipe(duplex=False)
    child = FORK.Process(target=tell_handlers, args=(sender,))
    child.start()
    found = receiver.recv()
    child.join()
    return json.dumps(found)


def tell_handlers(sender):
    handlers = (signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM))
    sender.send([getattr(one, "__name__", "") or one.name for one in handlers])


def parent(environ):
    """Tell the parent of this process to end."""
    os.kill(os.getppid(), getattr(signal, environ["QUERY_STRING"] or "SIGTERM"))
    return "told"


def pid(environ):
    return str(os.getpid())


def thread(environ):
    """Leave a thread behind that is no daemon."""
    threading.Thread(target=time.sleep, args=(1000,), name="left-over", daemon=False).start()
    return "left"


def executor(environ):
    """Leave work in a pool of threads."""
    kept.append(concurrent.futures.ThreadPoolExecutor(1, thread_name_prefix="pooled"))
    kept[-1].submit(time.sleep, 1000)
    return "left"


def process_pool(environ):
    """Leave work in a pool of processes."""
    kept.append(concurrent.futures.ProcessPoolExecutor(1, mp_context=FORK))
    kept[-1].submit(time.sleep, 1000)
    return str(next(iter(kept[-1]._processes)))


def idle_executor(environ):
    kept.append(concurrent.futures.ThreadPoolExecutor(1, thread_name_prefix="pooled"))
    return str(kept[-1].submit(abs, -1).result())


def child(environ):
    """Leave a child behind for which multiprocessing waits at the end."""
    kept.append(FORK.Process(target=time.sleep, args=(1000,), name="left-child"))
    kept[-1].start()
    return str(kept[-1].pid)


def app(environ, start_response):
    body = globals()[environ["PATH_INFO"].lstrip("/")](environ)
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [body.encode()]


AT_IMPORT = run_ignored() if "PROCESS_CHILDREN_AT_IMPORT" in os.environ else ""
