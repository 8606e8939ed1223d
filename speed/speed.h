/* What the parts of envdoctor._speed share. Rules for all of them: README.md beside this file. */
#ifndef ENVDOCTOR_SPEED_H
#define ENVDOCTOR_SPEED_H

#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <unistd.h>

/* Nanoseconds of a file's time: m of its content, c of its last change. */
#ifdef __APPLE__
#define NANOSECONDS(info, kind) ((int64_t)(info).st_##kind##timespec.tv_sec * 1000000000 + (info).st_##kind##timespec.tv_nsec)
#else
#define NANOSECONDS(info, kind) ((int64_t)(info).st_##kind##tim.tv_sec * 1000000000 + (info).st_##kind##tim.tv_nsec)
#endif

#define OPEN_FLAGS (O_RDONLY | O_NONBLOCK | O_CLOEXEC | O_NOCTTY)

/* A path argument as the file system takes it: bytes owned by the caller (Py_DECREF), NULL with an exception. */
PyObject *path_bytes(PyObject *path);

/* elf.c */
extern const char speed_elf_read_doc[], speed_elf_fields_doc[];
PyObject *speed_elf_read(PyObject *module, PyObject *const *args, Py_ssize_t count);
PyObject *speed_elf_fields(PyObject *module, PyObject *const *args, Py_ssize_t count);

/* symbols.c */
extern const char speed_elf_undefined_doc[];
PyObject *speed_elf_undefined(PyObject *module, PyObject *const *args, Py_ssize_t count);
extern const char speed_elf_defined_doc[];
PyObject *speed_elf_defined(PyObject *module, PyObject *const *args, Py_ssize_t count);

/* ahead.c */
extern PyType_Spec speed_ahead_spec;

/* files.c */
extern const char speed_read_doc[];
PyObject *speed_read(PyObject *module, PyObject *const *args, Py_ssize_t count);
extern const char speed_states_doc[];
PyObject *speed_states(PyObject *module, PyObject *paths);

/* records.c */
extern PyType_Spec speed_index_spec;

/* sources.c */
extern const char speed_mentions_any_doc[], speed_statements_doc[], speed_imports_of_doc[], speed_headers_doc[];
PyObject *speed_mentions_any(PyObject *module, PyObject *const *args, Py_ssize_t count);
PyObject *speed_statements(PyObject *module, PyObject *const *args, Py_ssize_t count);
PyObject *speed_imports_of(PyObject *module, PyObject *const *args, Py_ssize_t count);
PyObject *speed_headers(PyObject *module, PyObject *const *args, Py_ssize_t count);

#endif
