# The compiled twin of am_send.py, inlined into the module that cimports it.

from bascule.interfaces.asgi.awaitables cimport CallAwaitable

cdef extern from *:
    """
    static PyObject *(*bascule_step)(PyObject *, int *);

    static PySendResult bascule_am_send(PyObject *awaitable, PyObject *value, PyObject **result) {
        int finished = 0;
        (void)value;
        *result = bascule_step(awaitable, &finished);
        if (*result == NULL)
            return PYGEN_ERROR;
        return finished ? PYGEN_RETURN : PYGEN_NEXT;
    }

    static int bascule_install(PyObject *kind, PyObject *(*step)(PyObject *, int *)) {
        PyTypeObject *type = (PyTypeObject *)kind;
        bascule_step = step;
        if (type->tp_as_async == NULL)
            return 0;
        type->tp_as_async->am_send = bascule_am_send;
        PyType_Modified(type);
        return 1;
    }
    """
    int bascule_install(object kind, object (*step)(object, int*))

cdef inline object step(object awaitable, int* finished):
    cdef CallAwaitable waiting = <CallAwaitable>awaitable
    cdef object outcome = waiting.step()
    finished[0] = waiting.finished
    return outcome

cdef inline int install(kind):
    return bascule_install(kind, step)
