"""Environment variables by which one process tells another what it cannot see for itself.

None of them is a setting (`bascule.settings`). Each of ours is removed by the process that reads
it, so that nothing the application starts takes it as its own.

From a process of Bascule to another one:

    BASCULE_INHERITED_SOCKETS    descriptors of the listening sockets: 3,4
                                 set by a reloader, `manage.py runserver` and a supervisor that
                                 is being upgraded; read by the process that serves next
    BASCULE_INHERITED_SERVICES   descriptors of the health and of the control sockets: 5;6
                                 set by a supervisor that is being upgraded; read by its successor
    BASCULE_READY_DESCRIPTOR     the pipe on which a successor says that it serves
                                 set by a supervisor that is being upgraded; read by its successor
    BASCULE_RELOADER             the socket between a reloader and its server
                                 set by the reloader; read by the server
    BASCULE_STARTED_OVER         BASCULE_WORKERS comes from this process before its exec, and is
                                 not the operator's
                                 set and read by a command whose Django settings ask for workers

From a service manager (systemd, Podman, s6 and others):

    LISTEN_FDS, LISTEN_PID, LISTEN_FDNAMES   listening sockets, from descriptor 3 on
                                             (sd_listen_fds(3)); read by the process that listens
    NOTIFY_SOCKET                            where the service reports its state (sd_notify(3));
                                             read by the process that represents the service, and
                                             left for the application
    WATCHDOG_USEC, WATCHDOG_PID              how often that process must say that it is alive
                                             (sd_watchdog_enabled(3)); a successor gets no
                                             WATCHDOG_PID

LISTEN_PID and WATCHDOG_PID name a process. Process 1, which leaves serving to its child, puts the
child's number there.

From the shell, a build or a framework:

    PWD                        the path of the current directory as the operator wrote it
    TZ                         the time zone; Django overwrites it, the logs keep the first
    BASCULE_PURE               1: use no compiled modules; read by `speed` and setup.py
    BASCULE_REQUIRE_COMPILED   1: a build without compiled modules fails; read by setup.py
    RUN_MAIN                   true: the child of Django's autoreloader; its name is Django's
    DJANGO_SETTINGS_MODULE     the settings of a Django project; named in `bascule.django`
"""

SOCKETS_VARIABLE = "BASCULE_INHERITED_SOCKETS"
SERVICES_VARIABLE = "BASCULE_INHERITED_SERVICES"
READY_VARIABLE = "BASCULE_READY_DESCRIPTOR"
RELOADER_VARIABLE = "BASCULE_RELOADER"
STARTED_OVER_VARIABLE = "BASCULE_STARTED_OVER"

LISTEN_FDS = "LISTEN_FDS"
LISTEN_PID = "LISTEN_PID"
LISTEN_FDNAMES = "LISTEN_FDNAMES"
NOTIFY_SOCKET = "NOTIFY_SOCKET"
WATCHDOG_USEC = "WATCHDOG_USEC"
WATCHDOG_PID = "WATCHDOG_PID"

PWD = "PWD"
TZ = "TZ"

# Those that begin as the variables of settings do.
OWN_VARIABLES = frozenset(
    {
        SOCKETS_VARIABLE,
        SERVICES_VARIABLE,
        READY_VARIABLE,
        RELOADER_VARIABLE,
        STARTED_OVER_VARIABLE,
        # Literals where they are read: `speed` and setup.py import nothing of the package.
        "BASCULE_PURE",
        "BASCULE_REQUIRE_COMPILED",
    }
)
