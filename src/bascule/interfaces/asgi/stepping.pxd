# The compiled twin of stepping.py, inlined into the module that cimports it.

from cpython.contextvars cimport PyContext_Copy, PyContext_Enter, PyContext_Exit
from cpython.object cimport PyObject
from cpython.ref cimport Py_DECREF, Py_REFCNT

from bascule.interfaces.asgi.first_step cimport CallCoroutine

cdef extern from "Python.h":
    # -1, 0 and 1: PYGEN_ERROR, PYGEN_RETURN and PYGEN_NEXT.
    int PyIter_Send(object iterator, object value, PyObject **result) except -1

cdef inline object advance(object coroutine, object finished):
    cdef PyObject *result = NULL
    cdef int status = PyIter_Send(coroutine, None, &result)
    cdef object awaited = <object>result
    Py_DECREF(awaited)
    return awaited if status == 1 else finished

cdef inline object step_in(object context, CallCoroutine coroutine):
    PyContext_Enter(context)
    try:
        return coroutine.step()
    finally:
        PyContext_Exit(context)

cdef inline object copy_of(object context):
    return PyContext_Copy(context)

cdef inline Py_ssize_t count_references(object held):
    return Py_REFCNT(held)
