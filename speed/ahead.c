/* Headers of many ELF files, read by threads while Python does something else. Twin: envdoctor/collect/native/__init__.py,
   read_all(), which takes the answers one by one.

   Threads touch nothing of Python: paths and answers are plain memory that the object owns until they have ended. Whoever comes
   first to a file reads it, a thread or take(); so nothing waits for a thread that was never started, or that a fork left
   behind. */
#include "elf.h"

#include <pthread.h>
#include <signal.h>

#define MAX_THREADS 8
#define STACK (512 << 10)

enum { OPEN, TAKEN, READ, ODD };

struct slot {
    const char *path, *init;
    size_t init_size;
    int state;
    struct facts facts;
};

typedef struct {
    PyObject_HEAD
    int root;
    size_t count, next;
    struct slot *slots;
    PyObject *kept;
    struct elf own;
    struct facts scratch;
    pthread_t threads[MAX_THREADS];
    int started, stop, waiting;
    pid_t process;
    pthread_mutex_t lock;
    pthread_cond_t done;
} Ahead;

/* Reads the file of a slot that this thread has taken. The answer is copied, so that it takes no more memory than it needs. */
static int look(Ahead *self, struct slot *slot, struct elf *elf, struct facts *scratch)
{
    if (!elf_facts(elf, scratch, self->root, slot->path, slot->init, slot->init_size))
        return ODD;
    unsigned char *data = malloc(scratch->length);
    if (data == NULL)
        return ODD;
    memcpy(data, scratch->data, scratch->length);
    slot->facts = *scratch;
    slot->facts.data = data;
    slot->facts.room = slot->facts.length;
    return READ;
}

static int claim(struct slot *slot)
{
    int open = OPEN;
    return __atomic_compare_exchange_n(&slot->state, &open, TAKEN, 0, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);
}

/* Reads the next file that nobody has looked at; 0 where there is none. */
static int look_at_next(Ahead *self, struct elf *elf, struct facts *scratch)
{
    for (;;) {
        size_t at = __atomic_fetch_add(&self->next, 1, __ATOMIC_RELAXED);
        if (at >= self->count) {
            __atomic_store_n(&self->next, self->count, __ATOMIC_RELAXED);
            return 0;
        }
        struct slot *slot = &self->slots[at];
        if (!claim(slot))
            continue;
        __atomic_store_n(&slot->state, look(self, slot, elf, scratch), __ATOMIC_SEQ_CST);
        if (__atomic_load_n(&self->waiting, __ATOMIC_SEQ_CST)) {
            pthread_mutex_lock(&self->lock);
            pthread_cond_broadcast(&self->done);
            pthread_mutex_unlock(&self->lock);
        }
        return 1;
    }
}

static void *work(void *object)
{
    Ahead *self = object;
    struct elf *elf = malloc(sizeof *elf);
    struct facts scratch = {0};
    if (elf == NULL)
        return NULL;
    elf_init(elf);
    while (!__atomic_load_n(&self->stop, __ATOMIC_RELAXED) && look_at_next(self, elf, &scratch))
        continue;
    elf_free(elf);
    free(elf);
    free(scratch.data);
    return NULL;
}

static void start(Ahead *self, long threads)
{
    pthread_attr_t attributes;
    sigset_t all, before;
    if (threads <= 0 || pthread_attr_init(&attributes) != 0)
        return;
    if (threads > MAX_THREADS)
        threads = MAX_THREADS;
    pthread_attr_setstacksize(&attributes, STACK);
    sigfillset(&all);
    pthread_sigmask(SIG_BLOCK, &all, &before);
    while (self->started < threads && pthread_create(&self->threads[self->started], &attributes, work, self) == 0)
        self->started++;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    pthread_attr_destroy(&attributes);
}

static void ahead_dealloc(PyObject *object)
{
    Ahead *self = (Ahead *)object;
    PyTypeObject *type = Py_TYPE(object);
    freefunc release = (freefunc)PyType_GetSlot(type, Py_tp_free);
    int here = self->process == getpid();
    if (self->started > 0 && here) {
        __atomic_store_n(&self->stop, 1, __ATOMIC_RELAXED);
        Py_BEGIN_ALLOW_THREADS
        for (int i = 0; i < self->started; i++)
            pthread_join(self->threads[i], NULL);
        Py_END_ALLOW_THREADS
    }
    if (self->process != 0 && here) {
        pthread_cond_destroy(&self->done);
        pthread_mutex_destroy(&self->lock);
    }
    for (size_t i = 0; self->slots != NULL && i < self->count; i++)
        free(self->slots[i].facts.data);
    free(self->slots);
    free(self->scratch.data);
    elf_free(&self->own);
    if (self->root >= 0)
        close(self->root);
    Py_XDECREF(self->kept);
    release(object);
    Py_DECREF(type);
}

static int prepare(Ahead *self, PyObject *files, const char *root)
{
    size_t base = strlen(root);
    for (Py_ssize_t i = 0; i < (Py_ssize_t)self->count; i++) {
        struct slot *slot = &self->slots[i];
        PyObject *pair = PyList_GetItem(files, i), *init, *path;
        if (pair == NULL || !PyTuple_Check(pair) || PyTuple_Size(pair) != 2) {
            PyErr_SetString(PyExc_TypeError, "files are pairs of a path and a symbol or None");
            return 0;
        }
        init = PyTuple_GetItem(pair, 1);
        if (init != Py_None) {
            if (!PyBytes_Check(init)) {
                PyErr_SetString(PyExc_TypeError, "a symbol is bytes");
                return 0;
            }
            slot->init = PyBytes_AsString(init);
            slot->init_size = (size_t)PyBytes_Size(init);
            if (PyList_Append(self->kept, init) != 0)
                return 0;
        }
        path = path_bytes(PyTuple_GetItem(pair, 0));
        if (path == NULL) {
            PyErr_Clear();
            slot->state = ODD;
            continue;
        }
        int failed = PyList_Append(self->kept, path) != 0;
        slot->path = PyBytes_AsString(path);
        if (slot->path[0] == '/' || base + 1 + (size_t)PyBytes_Size(path) >= 4096)
            slot->state = ODD;
        Py_DECREF(path);
        if (failed)
            return 0;
    }
    return 1;
}

static PyObject *ahead_new(PyTypeObject *type, PyObject *args, PyObject *keywords)
{
    PyObject *folder, *files, *root = NULL;
    long threads;
    if (keywords != NULL && PyDict_Size(keywords) > 0) {
        PyErr_SetString(PyExc_TypeError, "Ahead takes no keywords");
        return NULL;
    }
    if (!PyArg_ParseTuple(args, "OOl", &folder, &files, &threads))
        return NULL;
    if (!PyList_Check(files)) {
        PyErr_SetString(PyExc_TypeError, "files are a list");
        return NULL;
    }
    allocfunc make = (allocfunc)PyType_GetSlot(type, Py_tp_alloc);
    Ahead *self = (Ahead *)make(type, 0);
    if (self == NULL)
        return NULL;
    self->root = -1;
    elf_init(&self->own);
    if ((root = path_bytes(folder)) == NULL || (self->kept = PyList_New(0)) == NULL)
        goto failed;
    self->count = (size_t)PyList_Size(files);
    self->slots = calloc(self->count + 1, sizeof *self->slots);
    if (self->slots == NULL) {
        PyErr_NoMemory();
        goto failed;
    }
    if (!prepare(self, files, PyBytes_AsString(root)))
        goto failed;
    self->root = open(PyBytes_AsString(root), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    Py_DECREF(root);
    if (pthread_mutex_init(&self->lock, NULL) == 0) {
        if (pthread_cond_init(&self->done, NULL) == 0) {
            self->process = getpid();
            if (self->root >= 0)
                start(self, threads);
        } else {
            pthread_mutex_destroy(&self->lock);
        }
    }
    return (PyObject *)self;
failed:
    Py_XDECREF(root);
    Py_DECREF((PyObject *)self);
    return NULL;
}

static PyObject *ahead_take(PyObject *object, PyObject *number)
{
    Ahead *self = (Ahead *)object;
    Py_ssize_t at = PyLong_AsSsize_t(number);
    if (at == -1 && PyErr_Occurred())
        return NULL;
    if (at < 0 || (size_t)at >= self->count) {
        PyErr_SetString(PyExc_IndexError, "no such file");
        return NULL;
    }
    struct slot *slot = &self->slots[at];
    if (self->root < 0)
        Py_RETURN_NONE;
    int state = __atomic_load_n(&slot->state, __ATOMIC_SEQ_CST);
    if (state == OPEN && claim(slot)) {
        state = look(self, slot, &self->own, &self->scratch);
        __atomic_store_n(&slot->state, state, __ATOMIC_SEQ_CST);
    } else if (state == OPEN || state == TAKEN) {
        if (self->process != getpid())
            Py_RETURN_NONE;
        /* a thread is at it: other files are read meanwhile, which is cheaper than to sleep for some microseconds */
        while ((state = __atomic_load_n(&slot->state, __ATOMIC_SEQ_CST)) == TAKEN && look_at_next(self, &self->own, &self->scratch))
            continue;
        if (state == TAKEN) {
            Py_BEGIN_ALLOW_THREADS
            pthread_mutex_lock(&self->lock);
            __atomic_fetch_add(&self->waiting, 1, __ATOMIC_SEQ_CST);
            while ((state = __atomic_load_n(&slot->state, __ATOMIC_SEQ_CST)) == TAKEN)
                pthread_cond_wait(&self->done, &self->lock);
            __atomic_fetch_sub(&self->waiting, 1, __ATOMIC_SEQ_CST);
            pthread_mutex_unlock(&self->lock);
            Py_END_ALLOW_THREADS
        }
    }
    if (state != READ)
        Py_RETURN_NONE;
    return facts_answer(&slot->facts);
}

PyDoc_STRVAR(take_doc, "take(i) -> (size, sections cut, exported, facts) | None\n--\n\nWhat elf_read answers about file number i.");

static PyMethodDef ahead_methods[] = {
    {"take", ahead_take, METH_O, take_doc},
    {NULL, NULL, 0, NULL},
};

static const char ahead_doc[] =
    "Ahead(folder, files, threads)\n--\n\n"
    "The ELF files at the paths of `files`, below `folder`: a list of pairs of a path and the symbol that is looked for, or None.\n"
    "At once that many threads begin to read them, without Python's lock; where none can be started, take() does their work.";

static PyType_Slot ahead_slots[] = {
    {Py_tp_doc, (void *)ahead_doc},       {Py_tp_new, (void *)ahead_new}, {Py_tp_dealloc, (void *)ahead_dealloc},
    {Py_tp_methods, (void *)ahead_methods}, {0, NULL},
};

PyType_Spec speed_ahead_spec = {"envdoctor._speed.Ahead", sizeof(Ahead), 0, Py_TPFLAGS_DEFAULT, ahead_slots};
