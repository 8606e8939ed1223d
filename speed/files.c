/* Files asked many at once. Twins: envdoctor/collect/files.py, read(); envdoctor/collect/memory.py, _states(). */
#include "speed.h"

PyObject *path_bytes(PyObject *path)
{
    PyObject *raw;
    if (PyBytes_Check(path)) {
        Py_INCREF(path);
        raw = path;
    } else if (PyUnicode_Check(path)) {
        raw = PyUnicode_EncodeFSDefault(path);
    } else {
        PyErr_SetString(PyExc_TypeError, "a path is str or bytes");
        return NULL;
    }
    if (raw != NULL && (size_t)PyBytes_Size(raw) != strlen(PyBytes_AsString(raw))) {
        Py_DECREF(raw);
        PyErr_SetString(PyExc_ValueError, "embedded null byte");
        return NULL;
    }
    return raw;
}

const char speed_read_doc[] =
    "read(path, limit) -> (bytes, cut, size) | None\n--\n\n"
    "The first `limit` bytes of a regular file that is smaller than 1 MiB and not empty, whether there are more, and its size;\n"
    "None for every other path, and for a file that grows or shrinks meanwhile: Python then says what is the matter with it.";

PyObject *speed_read(PyObject *module, PyObject *const *args, Py_ssize_t count)
{
    if (count != 2) {
        PyErr_SetString(PyExc_TypeError, "read(path, limit)");
        return NULL;
    }
    Py_ssize_t limit = PyLong_AsSsize_t(args[1]);
    if (limit == -1 && PyErr_Occurred())
        return NULL;
    PyObject *path = path_bytes(args[0]);
    if (path == NULL) {
        PyErr_Clear();
        Py_RETURN_NONE;
    }
    PyObject *found = NULL, *all = NULL;
    int fd = open(PyBytes_AsString(path), OPEN_FLAGS);
    Py_DECREF(path);
    if (fd < 0)
        Py_RETURN_NONE;
    struct stat info;
    if (limit > 0 && fstat(fd, &info) == 0 && S_ISREG(info.st_mode) && info.st_size > 0 && info.st_size < 1 << 20) {
        Py_ssize_t size = (Py_ssize_t)info.st_size, wanted = size < limit ? size : limit;
        char small[1 << 14], *room = small;
        if (wanted >= (Py_ssize_t)sizeof small)
            room = malloc((size_t)wanted + 1);
        /* one byte more than there should be, where the whole file is wanted, shows one that grows */
        if (room != NULL && read(fd, room, (size_t)(wanted + (size < limit))) == wanted)
            found = PyBytes_FromStringAndSize(room, wanted);
        if (room != small)
            free(room);
        if (found != NULL)
            all = Py_BuildValue("NOn", found, size > limit ? Py_True : Py_False, size);
    }
    close(fd);
    if (all == NULL) {
        PyErr_Clear();
        Py_RETURN_NONE;
    }
    return all;
}

const char speed_states_doc[] =
    "states(paths) -> bytes | None\n--\n\n"
    "Device, inode, mode, size, time of content and time of change (six numbers of 8 bytes, times in ns) of all `paths`, links\n"
    "followed; None where one of them cannot be reached.";

PyObject *speed_states(PyObject *module, PyObject *paths)
{
    if (!PyList_Check(paths)) {
        PyErr_SetString(PyExc_TypeError, "states([path])");
        return NULL;
    }
    Py_ssize_t size = PyList_Size(paths);
    PyObject *found = PyBytes_FromStringAndSize(NULL, size * 48);
    if (found == NULL)
        return NULL;
    char *into = PyBytes_AsString(found);
    for (Py_ssize_t i = 0; i < size; i++) {
        struct stat info;
        PyObject *path = PyList_GetItem(paths, i), *owner = NULL;
        Py_ssize_t path_length;
        const char *text = PyUnicode_Check(path) ? PyUnicode_AsUTF8AndSize(path, &path_length) : NULL;
        if (text == NULL) {
            PyErr_Clear();
            owner = path_bytes(path);
            if (owner == NULL)
                goto failed;
            text = PyBytes_AsString(owner);
        } else if ((size_t)path_length != strlen(text)) {
            goto failed;
        }
        int bad = stat(text, &info);
        Py_XDECREF(owner);
        if (bad)
            goto failed;
        int64_t numbers[6] = {
            (int64_t)info.st_dev, (int64_t)info.st_ino, (int64_t)info.st_mode, (int64_t)info.st_size, NANOSECONDS(info, m), NANOSECONDS(info, c),
        };
        memcpy(into + i * 48, numbers, 48);
    }
    return found;
failed:
    PyErr_Clear();
    Py_DECREF(found);
    Py_RETURN_NONE;
}
