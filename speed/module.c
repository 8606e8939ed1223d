/* envdoctor._speed: readers that Python code twins (see speed/README.md). */
#include "speed.h"

static PyMethodDef methods[] = {
    {"elf_undefined", (PyCFunction)(void (*)(void))speed_elf_undefined, METH_FASTCALL, speed_elf_undefined_doc},
    {"elf_defined", (PyCFunction)(void (*)(void))speed_elf_defined, METH_FASTCALL, speed_elf_defined_doc},
    {"elf_fields", (PyCFunction)(void (*)(void))speed_elf_fields, METH_FASTCALL, speed_elf_fields_doc},
    {"elf_read", (PyCFunction)(void (*)(void))speed_elf_read, METH_FASTCALL, speed_elf_read_doc},
    {"states", (PyCFunction)speed_states, METH_O, speed_states_doc},
    {"read", (PyCFunction)(void (*)(void))speed_read, METH_FASTCALL, speed_read_doc},
    {"mentions_any", (PyCFunction)(void (*)(void))speed_mentions_any, METH_FASTCALL, speed_mentions_any_doc},
    {"statements", (PyCFunction)(void (*)(void))speed_statements, METH_FASTCALL, speed_statements_doc},
    {"imports_of", (PyCFunction)(void (*)(void))speed_imports_of, METH_FASTCALL, speed_imports_of_doc},
    {"headers", (PyCFunction)(void (*)(void))speed_headers, METH_FASTCALL, speed_headers_doc},
    {NULL, NULL, 0, NULL},
};

/* Changes with every function and every answer here that changes; envdoctor/speed.py has it, too. */
#define INTERFACE 3

static int execute(PyObject *module)
{
    if (PyModule_AddIntConstant(module, "INTERFACE", INTERFACE) < 0)
        return -1;
    PyObject *type = PyType_FromSpec(&speed_index_spec);
    if (type == NULL)
        return -1;
    if (PyModule_AddObject(module, "Index", type) < 0) {
        Py_DECREF(type);
        return -1;
    }
    PyObject *ahead = PyType_FromSpec(&speed_ahead_spec);
    if (ahead == NULL)
        return -1;
    if (PyModule_AddObject(module, "Ahead", ahead) < 0) {
        Py_DECREF(ahead);
        return -1;
    }
    return 0;
}

static PyModuleDef_Slot slots[] = {
    {Py_mod_exec, (void *)execute},
    {0, NULL},
};

static struct PyModuleDef definition = {
    PyModuleDef_HEAD_INIT, "_speed", "Compiled readers; envdoctor.speed says whether they are here.", 0, methods, slots, NULL, NULL, NULL,
};

__attribute__((visibility("default"))) PyMODINIT_FUNC PyInit__speed(void)
{
    return PyModuleDef_Init(&definition);
}
