/* The RECORDs of one site folder as one table. Twins: envdoctor/collect/records.py (Recorded) and tree.py (_Walker).
 *
 * A row is a path with its size as recorded, by the metadata folder that names it. A path that several name has a row for
 * each, linked. `present` says that the file is there; paths that no RECORD names and that are there stand in a Python set.
 */
#include "speed.h"

#include <dirent.h>

enum { PYTHON = 1, NATIVE = 2, ODD = 4, OLDER = 8 }; /* kind: stays, once all RECORDs are there */
enum { PRESENT = 1, SEEN = 2 };                    /* state */
enum { MAX_PATH_BYTES = 4096, MAX_ROWS = 1 << 26, NONE = -1 };

typedef struct {
    const char *path, *size; /* in what the metadata folder keeps */
    uint32_t hash, folder, info;
    int32_t first, same, next; /* the first row of this path, the next one; next row of this folder */
    uint16_t length, name;
    uint8_t size_length, kind, state;
} Row;

typedef struct {
    const char *text;
    uint32_t length, hash;
    int32_t first, last; /* rows */
    int32_t asked;       /* the metadata folder that named it last */
    int64_t since;       /* when its first RECORD was written, NONE: not expected; 0: one does not tell */
    uint8_t known, untested, odd, compiled;
} Folder;

typedef struct {
    PyObject *name, *keeps; /* its name; bytes that its rows point into */
    uint32_t start, rows;   /* in the table */
    uint32_t *folders, folder_count, folder_room;
    uint8_t trusted, top_compiled;
} Info;

typedef struct {
    PyObject_HEAD
    PyObject *root;   /* bytes */
    PyObject *extra;  /* set of str */
    PyObject *ending; /* tuple of bytes: names of folders whose modules are not measured */
    Row *rows;
    uint32_t row_count, row_room;
    int32_t *table;
    uint32_t table_mask, table_used;
    Folder *folders;
    uint32_t folder_count, folder_room;
    int32_t *folder_table;
    uint32_t folder_mask;
    Info *infos;
    uint32_t info_count, info_room;
    uint32_t *expected, expected_count; /* folders in the order in which they were expected */
    Py_ssize_t present;
    Py_ssize_t modules_at[64]; /* rows of modules by depth, the last for all deeper ones */
    Py_ssize_t total;
    uint64_t seed;
} Index;

/* ------------------------------------------------------------------------------------------------------------ tables */
static uint64_t word_at(const char *text)
{
    uint64_t word;
    memcpy(&word, text, 8);
    return word;
}

/* Keyed, so that nobody can write paths that all fall together. */
static uint32_t hash_of(uint64_t seed, const char *text, size_t length)
{
    uint64_t code = seed ^ (length * 0x9E3779B97F4A7C15ull);
    while (length >= 8) {
        code = (code ^ word_at(text)) * 0xFF51AFD7ED558CCDull;
        code ^= code >> 32;
        text += 8;
        length -= 8;
    }
    uint64_t rest = 0;
    memcpy(&rest, text, length);
    code = (code ^ rest ^ seed) * 0xC4CEB9FE1A85EC53ull;
    code ^= code >> 29;
    code *= 0xFF51AFD7ED558CCDull;
    return (uint32_t)(code >> 32);
}

static int grow(void **array, uint32_t *room, uint32_t count, size_t width)
{
    if (count < *room)
        return 0;
    if (*room >= MAX_ROWS) {
        PyErr_NoMemory();
        return -1;
    }
    uint32_t larger = *room ? *room * 2 : 256;
    void *moved = realloc(*array, (size_t)larger * width);
    if (moved == NULL) {
        PyErr_NoMemory();
        return -1;
    }
    *array = moved;
    *room = larger;
    return 0;
}

/* Slot of a path: the one that holds it, or the empty one where it would go. */
static uint32_t row_slot(Index *self, const char *path, uint32_t length, uint32_t hash)
{
    uint32_t at = hash & self->table_mask;
    for (;;) {
        int32_t row = self->table[at];
        if (row < 0)
            return at;
        Row *held = &self->rows[row];
        if (held->hash == hash && held->length == length && memcmp(held->path, path, length) == 0)
            return at;
        at = (at + 1) & self->table_mask;
    }
}

static int32_t row_of(Index *self, const char *path, size_t length)
{
    if (self->table == NULL || length >= MAX_PATH_BYTES)
        return NONE;
    return self->table[row_slot(self, path, (uint32_t)length, hash_of(self->seed, path, length))];
}

static Row *first_of(Index *self, const Row *row)
{
    return &self->rows[row->first];
}

static uint32_t folder_slot(Index *self, const char *text, uint32_t length, uint32_t hash)
{
    uint32_t at = hash & self->folder_mask;
    for (;;) {
        int32_t number = self->folder_table[at];
        if (number < 0)
            return at;
        Folder *held = &self->folders[number];
        if (held->hash == hash && held->length == length && memcmp(held->text, text, length) == 0)
            return at;
        at = (at + 1) & self->folder_mask;
    }
}

static int larger_tables(Index *self)
{
    if (self->table == NULL || (self->table_used + 1) * 2 > self->table_mask) {
        uint32_t size = self->table == NULL ? 1 << 12 : (self->table_mask + 1) * 4;
        int32_t *table = malloc(size * sizeof *table);
        if (table == NULL)
            goto memory;
        memset(table, 0xFF, size * sizeof *table);
        int32_t *old = self->table;
        uint32_t old_size = old == NULL ? 0 : self->table_mask + 1;
        self->table = table;
        self->table_mask = size - 1;
        for (uint32_t i = 0; i < old_size; i++)
            if (old[i] >= 0) {
                uint32_t at = self->rows[old[i]].hash & self->table_mask;
                while (table[at] >= 0)
                    at = (at + 1) & self->table_mask;
                table[at] = old[i];
            }
        free(old);
    }
    if (self->folder_table == NULL || (self->folder_count + 1) * 2 > self->folder_mask) {
        uint32_t size = self->folder_table == NULL ? 1 << 10 : (self->folder_mask + 1) * 4;
        int32_t *table = malloc(size * sizeof *table);
        if (table == NULL)
            goto memory;
        memset(table, 0xFF, size * sizeof *table);
        free(self->folder_table);
        self->folder_table = table;
        self->folder_mask = size - 1;
        for (uint32_t i = 0; i < self->folder_count; i++) {
            uint32_t at = self->folders[i].hash & self->folder_mask;
            while (table[at] >= 0)
                at = (at + 1) & self->folder_mask;
            table[at] = (int32_t)i;
        }
    }
    return 0;
memory:
    PyErr_NoMemory();
    return -1;
}

static int is_ascii(const char *text, size_t length)
{
    uint64_t all = 0;
    for (; length >= 8; text += 8, length -= 8)
        all |= word_at(text);
    for (; length; text++, length--)
        all |= (uint8_t)*text;
    return (all & 0x8080808080808080ull) == 0;
}

static int ends(const char *text, size_t length, const char *with)
{
    size_t count = strlen(with);
    return length >= count && memcmp(text + length - count, with, count) == 0;
}

static int contains(const char *text, size_t length, const char *what)
{
    size_t count = strlen(what);
    while (length >= count) {
        const char *hit = memchr(text, what[0], length - count + 1);
        if (hit == NULL)
            return 0;
        if (memcmp(hit, what, count) == 0)
            return 1;
        length -= (size_t)(hit + 1 - text);
        text = hit + 1;
    }
    return 0;
}

/* records.is_native */
static int is_native(const char *name, size_t length)
{
    if (ends(name, length, ".so") || ends(name, length, ".pyd") || ends(name, length, ".dylib") || ends(name, length, ".dll"))
        return 1;
    if (!contains(name, length, ".so."))
        return 0;
    size_t at = length;
    while (at >= 4 && memcmp(name + at - 4, ".so.", 4) != 0)
        at--;
    if (at >= length)
        return 0;
    int fresh = 1;
    for (size_t i = at; i <= length; i++) {
        if (fresh && (i == length || name[i] < '0' || name[i] > '9'))
            return 0;
        fresh = i < length && name[i] == '.';
    }
    return 1;
}

/* records._odd, for what can be in the table: no folder that ends with __pycache__, none that begins with a slash */
static int is_odd(const char *text, size_t length)
{
    if (length >= 2 && text[1] == ':')
        return 1;
    size_t start = 0;
    for (size_t i = 0; i <= length; i++) {
        if (i < length && text[i] == '\\')
            return 1;
        if (i == length || text[i] == '/') {
            size_t part = i - start;
            if ((part == 0 && i < length) || (part == 1 && text[start] == '.') || (part == 2 && memcmp(text + start, "..", 2) == 0))
                return 1;
            start = i + 1;
        }
    }
    return 0;
}

/* No part of the folder is one of the names whose modules are not measured. */
static int is_untested(Index *self, const char *text, size_t length)
{
    Py_ssize_t count = PyTuple_Size(self->ending);
    size_t start = 0;
    for (size_t i = 0; i <= length; i++) {
        if (i == length || text[i] == '/') {
            for (Py_ssize_t n = 0; n < count; n++) {
                PyObject *name = PyTuple_GetItem(self->ending, n);
                if ((size_t)PyBytes_Size(name) == i - start && memcmp(PyBytes_AsString(name), text + start, i - start) == 0)
                    return 1;
            }
            start = i + 1;
        }
    }
    return 0;
}

static int64_t folder_of(Index *self, const char *text, uint32_t length)
{
    uint32_t hash = hash_of(self->seed, text, length);
    if (larger_tables(self) < 0)
        return -1;
    uint32_t slot = folder_slot(self, text, length, hash);
    if (self->folder_table[slot] >= 0)
        return self->folder_table[slot];
    if (grow((void **)&self->folders, &self->folder_room, self->folder_count, sizeof(Folder)) < 0)
        return -1;
    Folder *made = &self->folders[self->folder_count];
    memset(made, 0, sizeof *made);
    made->text = text;
    made->length = length;
    made->hash = hash;
    made->first = made->last = made->asked = NONE;
    made->since = NONE;
    made->odd = (uint8_t)is_odd(text, length);
    made->untested = (uint8_t)is_untested(self, text, length);
    self->folder_table[slot] = (int32_t)self->folder_count;
    return self->folder_count++;
}

static int32_t known_folder(Index *self, const char *text, size_t length)
{
    if (self->folder_table == NULL || length >= MAX_PATH_BYTES)
        return NONE;
    return self->folder_table[folder_slot(self, text, (uint32_t)length, hash_of(self->seed, text, length))];
}

/* ------------------------------------------------------------------------------------------------------------- rows */
enum { ADDED, UNTIDY, FAILED };

/* One row of the metadata folder that was begun last. */
static int add_row(Index *self, const char *path, size_t length, const char *size, size_t size_length, int64_t *place,
                   const char **place_text, size_t *place_length)
{
    Info *info = &self->infos[self->info_count - 1];
    if (length == 0 || length >= MAX_PATH_BYTES || size_length > 200 || path[0] == '/')
        return UNTIDY;
    if (length > 2 && path[0] == '.' && path[1] == '.' && path[2] != '/')
        return UNTIDY;
    size_t slash = length;
    while (slash > 0 && path[slash - 1] != '/')
        slash--;
    size_t folder_length = slash ? slash - 1 : 0;
    self->total++;
    int compiled = 0;
    if (contains(path, length, "__pycache__")) {
        /* a compiled module is nowhere asked for; its folder stands for itself */
        int whole = folder_length == 11 || (folder_length > 11 && path[folder_length - 12] == '/');
        if (!ends(path, folder_length, "__pycache__") || !whole || !ends(path, length, ".pyc"))
            return UNTIDY;
        folder_length = folder_length > 11 ? folder_length - 12 : 0;
        if (contains(path, folder_length, "__pycache__"))
            return UNTIDY;
        compiled = 1;
    }
    if (*place < 0 || *place_length != folder_length || memcmp(*place_text, path, folder_length) != 0) {
        *place = folder_of(self, path, (uint32_t)folder_length);
        if (*place < 0)
            return FAILED;
        *place_text = path;
        *place_length = folder_length;
    }
    uint32_t number = (uint32_t)*place;
    Folder *folder = &self->folders[number];
    int32_t mark = (int32_t)(self->info_count - 1) * 2 + 1;
    if (compiled) {
        folder->compiled = 1;
        if (folder_length == 0)
            info->top_compiled = 1;
        if (folder->asked < mark - 1) {
            /* it is no folder of a row, and yet expected, and its head counts */
            if (grow((void **)&info->folders, &info->folder_room, info->folder_count, sizeof(uint32_t)) < 0)
                return FAILED;
            info->folders[info->folder_count++] = number | 0x80000000u;
            folder->asked = mark - 1;
        }
        return ADDED;
    }
    if (folder->asked < mark) {
        if (grow((void **)&info->folders, &info->folder_room, info->folder_count, sizeof(uint32_t)) < 0)
            return FAILED;
        info->folders[info->folder_count++] = number;
        folder->asked = mark;
    }
    if (grow((void **)&self->rows, &self->row_room, self->row_count, sizeof(Row)) < 0)
        return FAILED;
    uint32_t hash = hash_of(self->seed, path, length);
    uint32_t slot = row_slot(self, path, (uint32_t)length, hash);
    int32_t at = (int32_t)self->row_count;
    Row *row = &self->rows[at];
    row->path = path;
    row->size = size;
    row->hash = hash;
    row->folder = number;
    row->info = self->info_count - 1;
    row->same = row->next = NONE;
    row->length = (uint16_t)length;
    row->name = (uint16_t)slash;
    row->size_length = (uint8_t)size_length;
    row->kind = folder->odd ? ODD : 0;
    row->state = 0;
    if (ends(path, length, ".py")) {
        row->kind |= PYTHON;
        if (path[0] != '.') {
            size_t depth = 0;
            for (size_t i = 0; i < length; i++)
                depth += path[i] == '/';
            self->modules_at[depth < 63 ? depth : 63]++;
        }
    } else if (is_native(path + slash, length - slash)) {
        row->kind |= NATIVE;
    }
    if (self->table[slot] < 0) {
        self->table[slot] = row->first = at;
        self->table_used++;
    } else {
        row->first = self->table[slot];
        Row *held = &self->rows[self->table[slot]];
        for (;; held = &self->rows[held->same]) {
            if (held->info == row->info)
                held->kind |= OLDER; /* named twice by one: its last row counts */
            if (held->same < 0)
                break;
        }
        held->same = at;
    }
    if (folder->last < 0)
        folder->first = at;
    else
        self->rows[folder->last].next = at;
    folder->last = at;
    self->row_count++;
    info->rows++;
    return ADDED;
}

static int begin(Index *self, PyObject *name, PyObject *keeps)
{
    if (larger_tables(self) < 0 || grow((void **)&self->infos, &self->info_room, self->info_count, sizeof(Info)) < 0)
        return -1;
    Info *info = &self->infos[self->info_count++];
    memset(info, 0, sizeof *info);
    Py_INCREF(name);
    Py_INCREF(keeps);
    info->name = name;
    info->keeps = keeps;
    info->start = self->row_count;
    return 0;
}

static int add_lines(Index *self, const char *data, size_t length)
{
    const char *end = data + length, *place_text = NULL;
    size_t place_length = 0;
    int64_t place = -1;
    while (data < end && *data == '\n')
        data++;
    int closed = end > data && end[-1] == '\n';
    while (end > data && end[-1] == '\n')
        end--;
    int returns = memchr(data, '\r', (size_t)(end - data)) != NULL, wide = !is_ascii(data, (size_t)(end - data));
    while (data < end) {
        const char *stop = memchr(data, '\n', (size_t)(end - data));
        if (stop == NULL)
            stop = end;
        const char *last = stop;
        if (returns && last > data && last[-1] == '\r' && (stop < end || closed))
            last--;
        const char *one = memchr(data, ',', (size_t)(last - data));
        const char *two = one ? memchr(one + 1, ',', (size_t)(last - one - 1)) : NULL;
        if (two == NULL || memchr(two + 1, ',', (size_t)(last - two - 1)))
            return UNTIDY;
        if (returns && memchr(data, '\r', (size_t)(last - data)))
            return UNTIDY;
        if (wide && !is_ascii(data, (size_t)(last - data))) {
            PyObject *text = PyUnicode_DecodeUTF8(data, last - data, NULL);
            if (text == NULL) {
                PyErr_Clear();
                return UNTIDY;
            }
            Py_DECREF(text);
        }
        for (const char *c = two + 1; c < last; c++)
            if (*c < '0' || *c > '9')
                return UNTIDY;
        if (larger_tables(self) < 0)
            return FAILED;
        int done = add_row(self, data, (size_t)(one - data), two + 1, (size_t)(last - two - 1), &place, &place_text, &place_length);
        if (done != ADDED)
            return done;
        data = stop + 1;
    }
    return ADDED;
}

static PyObject *text_of(const char *raw, size_t length)
{
    return PyUnicode_DecodeUTF8(raw, (Py_ssize_t)length, "surrogateescape");
}

static PyObject *row_path(const Row *row)
{
    return text_of(row->path, row->length);
}

/* UTF-8 of a str, surrogates as the bytes that they stand for; `owner` is to be released. */
static const char *bytes_of(PyObject *text, size_t *length, PyObject **owner)
{
    Py_ssize_t size;
    *owner = NULL;
    if (!PyUnicode_Check(text)) {
        PyErr_SetString(PyExc_TypeError, "a path is str");
        return NULL;
    }
    const char *raw = PyUnicode_AsUTF8AndSize(text, &size);
    if (raw == NULL) {
        PyErr_Clear();
        *owner = PyUnicode_AsEncodedString(text, "utf-8", "surrogateescape");
        if (*owner == NULL)
            return NULL;
        raw = PyBytes_AsString(*owner);
        size = PyBytes_Size(*owner);
    }
    *length = (size_t)size;
    return raw;
}

/* (rows, heads of their folders, paths at the top) of the metadata folder that was added last */
static PyObject *summary(Index *self, Py_ssize_t total)
{
    Info *info = &self->infos[self->info_count - 1];
    PyObject *heads = PySet_New(NULL), *tops = PyList_New(0), *both = NULL;
    if (heads == NULL || tops == NULL)
        goto done;
    const char *before = NULL;
    size_t before_length = 0;
    for (uint32_t i = 0; i < info->folder_count; i++) {
        Folder *folder = &self->folders[info->folders[i] & 0x7FFFFFFFu];
        const char *text = folder->text;
        size_t length = folder->length;
        if (length == 0)
            continue;
        const char *slash = memchr(text, '/', length);
        size_t head = slash ? (size_t)(slash - text) : length;
        if (before != NULL && before_length == head && memcmp(before, text, head) == 0)
            continue;
        before = text;
        before_length = head;
        PyObject *name = text_of(text, head);
        if (name == NULL || PySet_Add(heads, name) < 0) {
            Py_XDECREF(name);
            goto done;
        }
        Py_DECREF(name);
    }
    if (info->top_compiled) {
        PyObject *name = PyUnicode_FromString("__pycache__");
        if (name == NULL || PySet_Add(heads, name) < 0) {
            Py_XDECREF(name);
            goto done;
        }
        Py_DECREF(name);
    }
    int32_t top = known_folder(self, "", 0);
    if (top >= 0 && (self->folders[top].asked & 1) && self->folders[top].asked / 2 == (int32_t)self->info_count - 1)
        for (uint32_t i = info->start; i < info->start + info->rows; i++)
            if (self->rows[i].name == 0) {
                PyObject *path = row_path(&self->rows[i]);
                if (path == NULL || PyList_Append(tops, path) < 0) {
                    Py_XDECREF(path);
                    goto done;
                }
                Py_DECREF(path);
            }
    both = Py_BuildValue("nOO", total, heads, tops);
done:
    Py_XDECREF(heads);
    Py_XDECREF(tops);
    return both;
}

static PyObject *finished(Index *self, int done, Py_ssize_t before)
{
    if (done == UNTIDY)
        PyErr_SetString(PyExc_ValueError, "rows that are not tidy");
    return done == ADDED ? summary(self, self->total - before) : NULL;
}

static PyObject *index_add(Index *self, PyObject *const *args, Py_ssize_t count)
{
    if (count != 2 || !PyUnicode_Check(args[0]) || !PyBytes_Check(args[1])) {
        PyErr_SetString(PyExc_TypeError, "add(info, data)");
        return NULL;
    }
    Py_ssize_t before = self->total;
    const char *data = PyBytes_AsString(args[1]);
    size_t length = (size_t)PyBytes_Size(args[1]);
    if (memchr(data, '"', length) || memchr(data, 0, length))
        Py_RETURN_NONE;
    if (begin(self, args[0], args[1]) < 0)
        return NULL;
    return finished(self, add_lines(self, data, length), before);
}

/* add_columns(info, paths, sizes): both joined by NUL */
static PyObject *index_add_columns(Index *self, PyObject *const *args, Py_ssize_t count)
{
    if (count != 3 || !PyUnicode_Check(args[0]) || !PyBytes_Check(args[1]) || !PyBytes_Check(args[2])) {
        PyErr_SetString(PyExc_TypeError, "add_columns(info, paths, sizes)");
        return NULL;
    }
    Py_ssize_t before = self->total;
    PyObject *keeps = PyTuple_Pack(2, args[1], args[2]);
    if (keeps == NULL || begin(self, args[0], keeps) < 0) {
        Py_XDECREF(keeps);
        return NULL;
    }
    Py_DECREF(keeps);
    const char *path = PyBytes_AsString(args[1]), *size = PyBytes_AsString(args[2]), *place_text = NULL;
    const char *paths_end = path + PyBytes_Size(args[1]), *sizes_end = size + PyBytes_Size(args[2]);
    size_t place_length = 0;
    int64_t place = -1;
    int done = ADDED;
    while (path < paths_end && done == ADDED) {
        const char *path_stop = memchr(path, 0, (size_t)(paths_end - path));
        const char *size_stop = size <= sizes_end ? memchr(size, 0, (size_t)(sizes_end - size)) : NULL;
        if (path_stop == NULL)
            path_stop = paths_end;
        if (size_stop == NULL)
            size_stop = sizes_end;
        if (size > sizes_end) {
            done = UNTIDY;
            break;
        }
        if (larger_tables(self) < 0)
            return NULL;
        done = add_row(self, path, (size_t)(path_stop - path), size, (size_t)(size_stop - size), &place, &place_text, &place_length);
        path = path_stop + 1;
        size = size_stop + 1;
    }
    return finished(self, done, before);
}

/* ------------------------------------------------------------------------------------------------------------ walking */
static PyObject *index_trust(Index *self, PyObject *number)
{
    long at = PyLong_AsLong(number);
    if (at < 0 || at >= (long)self->info_count) {
        if (!PyErr_Occurred())
            PyErr_SetString(PyExc_IndexError, "no such metadata folder");
        return NULL;
    }
    self->infos[at].trusted = 1;
    Py_RETURN_NONE;
}

/* _Walker._expect: order of metadata folders, and their times */
static PyObject *index_expect(Index *self, PyObject *order)
{
    if (!PyList_Check(order)) {
        PyErr_SetString(PyExc_TypeError, "expect([(time, number), ...])");
        return NULL;
    }
    uint32_t room = 0;
    for (Py_ssize_t i = 0; i < PyList_Size(order); i++) {
        long long time;
        unsigned int number;
        PyObject *pair = PyList_GetItem(order, i);
        if (!PyArg_ParseTuple(pair, "LI", &time, &number))
            return NULL;
        if (number >= self->info_count) {
            PyErr_SetString(PyExc_IndexError, "no such metadata folder");
            return NULL;
        }
        Info *info = &self->infos[number];
        for (uint32_t n = 0; n < info->folder_count; n++) {
            uint32_t at = info->folders[n] & 0x7FFFFFFFu;
            const char *text = self->folders[at].text;
            size_t length = self->folders[at].length;
            if ((length >= 1 && text[0] == '/') || (length >= 2 && text[0] == '.' && (text[1] == '.' || text[1] == '/')))
                continue;
            while (length && self->folders[at].since < 0) {
                self->folders[at].since = time;
                if (grow((void **)&self->expected, &room, self->expected_count, sizeof(uint32_t)) < 0)
                    return NULL;
                self->expected[self->expected_count++] = at;
                while (length && text[length - 1] != '/')
                    length--;
                if (length)
                    length--;
                if (length) {
                    int64_t above = folder_of(self, text, (uint32_t)length);
                    if (above < 0)
                        return NULL;
                    at = (uint32_t)above;
                }
            }
        }
    }
    Py_RETURN_NONE;
}

static PyObject *index_expects(Index *self, PyObject *path)
{
    size_t length;
    PyObject *owner;
    const char *raw = bytes_of(path, &length, &owner);
    if (raw == NULL) {
        PyErr_Clear();
        Py_RETURN_FALSE;
    }
    int32_t at = known_folder(self, raw, length);
    int is = at >= 0 && self->folders[at].since >= 0;
    Py_XDECREF(owner);
    return PyBool_FromLong(is);
}

static int append(PyObject *list, PyObject *item)
{
    if (item == NULL)
        return -1;
    int done = PyList_Append(list, item);
    Py_DECREF(item);
    return done;
}

/* _Walker._changed: 1 for an expected folder that is known, 2 for one to be listed, 0 for one that is not there. */
static void ask_expected(Index *self, int base, uint8_t *state)
{
    char path[MAX_PATH_BYTES + 1];
    for (uint32_t i = 0; i < self->expected_count; i++) {
        Folder *folder = &self->folders[self->expected[i]];
        struct stat info;
        if (folder->since == 0)
            continue;
        memcpy(path, folder->text, folder->length);
        path[folder->length] = 0;
        if (fstatat(base, path, &info, AT_SYMLINK_NOFOLLOW) < 0)
            continue;
        int64_t changed = NANOSECONDS(info, c);
        folder->known = changed < folder->since && S_ISDIR(info.st_mode);
        state[i] = folder->known ? 1 : 2;
    }
}

static void present(Index *self, Row *row, int is)
{
    if (is && !(row->state & PRESENT))
        self->present++;
    else if (!is && row->state & PRESENT)
        self->present--;
    row->state = (uint8_t)(is ? row->state | PRESENT : row->state & ~PRESENT);
}

/* _Walker._assume: files of trusted RECORDs are present. (native paths, heads of modules) */
static PyObject *index_assume(Index *self, PyObject *unused)
{
    PyObject *natives = PySet_New(NULL), *heads = PySet_New(NULL), *both = NULL;
    const char *before = NULL;
    size_t before_length = 0;
    if (natives == NULL || heads == NULL)
        goto done;
    for (uint32_t i = 0; i < self->row_count; i++) {
        Row *row = &self->rows[i];
        if (!self->infos[row->info].trusted)
            continue;
        if (!(row->kind & ODD)) {
            Row *first = first_of(self, row);
            present(self, first, 1);
        }
        if (row->kind & NATIVE) {
            PyObject *path = row_path(row);
            if (path == NULL || PySet_Add(natives, path) < 0) {
                Py_XDECREF(path);
                goto done;
            }
            Py_DECREF(path);
        } else if (row->kind & PYTHON && row->name) {
            const char *slash = memchr(row->path, '/', row->length);
            size_t head = (size_t)(slash - row->path);
            if (before != NULL && before_length == head && memcmp(before, row->path, head) == 0)
                continue;
            before = row->path;
            before_length = head;
            PyObject *name = text_of(row->path, head);
            if (name == NULL || PySet_Add(heads, name) < 0) {
                Py_XDECREF(name);
                goto done;
            }
            Py_DECREF(name);
        }
    }
    both = PyTuple_Pack(2, natives, heads);
done:
    Py_XDECREF(natives);
    Py_XDECREF(heads);
    return both;
}

/* A size as recorded is the text of that number. */
static int same_size(const Row *row, off_t size)
{
    if (row->size_length == 0 || row->size_length > 18 || (row->size[0] == '0' && row->size_length > 1))
        return 0;
    int64_t said = 0;
    for (uint8_t i = 0; i < row->size_length; i++) {
        if (row->size[i] < '0' || row->size[i] > '9')
            return 0;
        said = said * 10 + (row->size[i] - '0');
    }
    return said == (int64_t)size;
}

static size_t depth_of(const Row *row)
{
    size_t depth = 0;
    for (uint16_t i = 0; i < row->length; i++)
        depth += row->path[i] == '/';
    return depth;
}

enum { FINE, LOST, SPECIAL, DIFFERENT };

/* tree._sizes over what _Walker._assume wants measured; sizes that differ in the order of rows. */
static int ask_sizes(Index *self, int base, size_t depth, uint8_t *state, int64_t **sizes)
{
    uint32_t count = 0, room = 0;
    char path[MAX_PATH_BYTES + 1];
    for (uint32_t i = 0; i < self->row_count; i++) {
        Row *row = &self->rows[i];
        struct stat info;
        if (!self->infos[row->info].trusted || !(row->kind & (PYTHON | NATIVE)))
            continue;
        if (row->kind & PYTHON && (self->folders[row->folder].untested || depth_of(row) > depth))
            continue;
        memcpy(path, row->path, row->length);
        path[row->length] = 0;
        if (fstatat(base, path, &info, 0) < 0) {
            state[i] = LOST;
        } else if (!same_size(row, info.st_size)) {
            if (!S_ISREG(info.st_mode)) {
                state[i] = SPECIAL;
            } else if (row->size_length) {
                if (count == room) {
                    room = room ? room * 2 : 64;
                    int64_t *moved = realloc(*sizes, room * sizeof **sizes);
                    if (moved == NULL)
                        return -1;
                    *sizes = moved;
                }
                state[i] = DIFFERENT;
                (*sizes)[count++] = info.st_size;
            }
        }
    }
    return 0;
}

/* (lost, special, {path: size}) */
static PyObject *measured(Index *self, const uint8_t *state, const int64_t *sizes)
{
    PyObject *lost = PyList_New(0), *special = PyList_New(0), *different = PyDict_New(), *all = NULL;
    if (lost == NULL || special == NULL || different == NULL)
        goto done;
    uint32_t count = 0;
    for (uint32_t i = 0; i < self->row_count; i++) {
        if (state[i] == FINE)
            continue;
        Row *row = &self->rows[i];
        PyObject *path = row_path(row);
        if (path == NULL)
            goto done;
        int bad = 0;
        if (state[i] == DIFFERENT) {
            PyObject *size = PyLong_FromLongLong(sizes[count++]);
            bad = size == NULL || PyDict_SetItem(different, path, size) < 0;
            Py_XDECREF(size);
        } else {
            bad = append(lost, PyTuple_Pack(2, self->infos[row->info].name, path)) < 0;
            if (!bad && state[i] == SPECIAL)
                bad = PyList_Append(special, path) < 0;
        }
        Py_DECREF(path);
        if (bad)
            goto done;
    }
    all = PyTuple_Pack(3, lost, special, different);
done:
    Py_XDECREF(lost);
    Py_XDECREF(special);
    Py_XDECREF(different);
    return all;
}

/* Marks the rows of a folder that are among the names. */
static int mark(Index *self, Folder *folder, PyObject *names)
{
    for (int32_t n = folder->first; n >= 0; n = self->rows[n].next) {
        Row *row = &self->rows[n];
        PyObject *name = text_of(row->path + row->name, (size_t)(row->length - row->name));
        int is = name == NULL ? -1 : PySequence_Contains(names, name);
        Py_XDECREF(name);
        if (is < 0)
            return -1;
        row->state = (uint8_t)(is ? row->state | SEEN : row->state & ~SEEN);
    }
    return 0;
}

/* ------------------------------------------------------------------------------------------------------------- sweep */
enum { LISTED, ENTERED, LEFT, GONE, A_NATIVE, BROKEN, A_SPECIAL, OTHER_SIZE, MODULES };

typedef struct {
    int kind;
    uint32_t at;  /* of a row or folder */
    int64_t size;
} Event;

typedef struct {
    Index *index;
    int base, failed;
    size_t depth;
    Event *events;
    uint32_t event_count, event_room;
    uint32_t *stack, stack_count, stack_room;
} Sweep;

/* Without the GIL: growth that fails is remembered. */
static void *larger(Sweep *sweep, void *array, uint32_t *room, uint32_t count, size_t width)
{
    if (count < *room)
        return array;
    uint32_t size = *room ? *room * 2 : 256;
    void *moved = size > MAX_ROWS ? NULL : realloc(array, (size_t)size * width);
    if (moved == NULL) {
        sweep->failed = 1;
        return array;
    }
    *room = size;
    return moved;
}

static void note(Sweep *sweep, int kind, uint32_t at, int64_t size)
{
    sweep->events = larger(sweep, sweep->events, &sweep->event_room, sweep->event_count, sizeof(Event));
    if (!sweep->failed)
        sweep->events[sweep->event_count++] = (Event){kind, at, size};
}

static void push(Sweep *sweep, uint32_t folder)
{
    sweep->stack = larger(sweep, sweep->stack, &sweep->stack_room, sweep->stack_count, sizeof(uint32_t));
    if (!sweep->failed)
        sweep->stack[sweep->stack_count++] = folder;
}

/* _Walker._judge and _judge_known: the rows of a folder whose entries are marked. */
static void judge_rows(Sweep *sweep, uint32_t at, int fd)
{
    Index *self = sweep->index;
    Folder *folder = &self->folders[at];
    size_t depth = 0;
    int modules = 0;
    char name[MAX_PATH_BYTES + 1];
    for (uint32_t i = 0; i < folder->length; i++)
        depth += folder->text[i] == '/';
    int measure = !folder->untested && depth < sweep->depth;
    for (int32_t n = folder->first; n >= 0; n = self->rows[n].next) {
        Row *row = &self->rows[n], *first = first_of(self, row);
        int bad = 0;
        if (row->kind & OLDER)
            continue;
        if (!(row->state & SEEN)) {
            note(sweep, GONE, (uint32_t)n, 0);
            continue;
        }
        if (self->infos[row->info].trusted)
            continue;
        if (row->kind & (PYTHON | NATIVE))
            modules = 1;
        if (row->kind & NATIVE)
            note(sweep, A_NATIVE, (uint32_t)n, 0);
        if (row->kind & NATIVE || (row->kind & PYTHON && measure)) {
            struct stat info;
            memcpy(name, row->path + row->name, (size_t)(row->length - row->name));
            name[row->length - row->name] = 0;
            if (fstatat(fd, name, &info, 0) < 0) {
                bad = BROKEN;
            } else if (!same_size(row, info.st_size)) {
                if (!S_ISREG(info.st_mode))
                    bad = A_SPECIAL;
                else if (row->size_length)
                    note(sweep, OTHER_SIZE, (uint32_t)n, info.st_size);
            }
        }
        present(self, first, !bad);
        if (bad) {
            note(sweep, bad, (uint32_t)n, 0);
            note(sweep, GONE, (uint32_t)n, 0);
            for (int32_t other = (int32_t)(first - self->rows); other >= 0; other = self->rows[other].same)
                self->rows[other].state &= (uint8_t)~SEEN;
        }
    }
    if (modules)
        note(sweep, MODULES, at, 0);
}

static void sweep_folder(Sweep *sweep, uint32_t at)
{
    Index *self = sweep->index;
    Folder *folder = &self->folders[at];
    char path[MAX_PATH_BYTES * 2];
    size_t length = folder->length;
    memcpy(path, folder->text, length);
    path[length] = 0;
    int fd = openat(sweep->base, path, O_RDONLY | O_DIRECTORY | O_NONBLOCK | O_CLOEXEC | O_NOFOLLOW);
    DIR *dir = fd < 0 ? NULL : fdopendir(fd);
    if (dir == NULL) {
        if (fd >= 0)
            close(fd);
        note(sweep, LEFT, at, 0);
        return;
    }
    for (int32_t n = folder->first; n >= 0; n = self->rows[n].next)
        self->rows[n].state &= (uint8_t)~SEEN;
    uint32_t events = sweep->event_count;
    int tidy = 1;
    path[length++] = '/';
    struct dirent *entry;
    for (errno = 0; tidy && !sweep->failed && (entry = readdir(dir)) != NULL; errno = 0) {
        const char *name = entry->d_name;
        size_t name_length = strlen(name);
        if (name[0] == '.' && (name_length == 1 || (name_length == 2 && name[1] == '.')))
            continue;
        if (length + name_length >= MAX_PATH_BYTES) {
            tidy = 0;
            break;
        }
        memcpy(path + length, name, name_length);
        uint32_t hash = hash_of(self->seed, path, length + name_length);
        int32_t row = self->table[row_slot(self, path, (uint32_t)(length + name_length), hash)];
        if (row >= 0) {
            for (; row >= 0; row = self->rows[row].same)
                self->rows[row].state |= SEEN;
            continue;
        }
        if (name_length == 11 && memcmp(name, "__pycache__", 11) == 0) {
            folder->compiled = 1;
            continue;
        }
        int32_t below = self->folder_table[folder_slot(self, path, (uint32_t)(length + name_length), hash)];
        if (below >= 0 && self->folders[below].since >= 0) {
            note(sweep, ENTERED, (uint32_t)below, 0);
            push(sweep, (uint32_t)below);
        } else {
            tidy = 0;
        }
    }
    if (!tidy || errno) {
        /* Python's listing says what else is there, or what is the matter */
        sweep->event_count = events;
        note(sweep, LEFT, at, 0);
    } else {
        judge_rows(sweep, at, fd);
        folder->known = 1;
        note(sweep, LISTED, at, 0);
    }
    closedir(dir);
}

/* (listed, entered, left to Python, gone [(info, path)], natives, broken, special, {path: size},
 * heads of folders with modules); frees what the sweep holds. */
static PyObject *outcome(Sweep *sweep)
{
    Index *self = sweep->index;
    PyObject *result = NULL, *lists[9] = {NULL};
    for (int i = 0; i < 9; i++) {
        lists[i] = i == 7 ? PyDict_New() : i == 8 ? PySet_New(NULL) : PyList_New(0);
        if (lists[i] == NULL)
            goto done;
    }
    if (sweep->failed) {
        PyErr_NoMemory();
        goto done;
    }
    for (uint32_t i = 0; i < sweep->event_count; i++) {
        Event event = sweep->events[i];
        Folder *folder = &self->folders[event.at];
        Row *row = &self->rows[event.at];
        PyObject *said = event.kind <= LEFT || event.kind == MODULES ? NULL : row_path(row), *value = NULL;
        int bad = 0;
        if (said == NULL) {
            size_t length = folder->length;
            if (event.kind == MODULES) {
                const char *slash = memchr(folder->text, '/', length);
                length = slash ? (size_t)(slash - folder->text) : length;
            }
            said = text_of(folder->text, length);
        }
        if (said == NULL)
            goto done;
        switch (event.kind) {
        case OTHER_SIZE:
            value = PyLong_FromLongLong(event.size);
            bad = value == NULL || PyDict_SetItem(lists[7], said, value) < 0;
            break;
        case GONE:
            bad = append(lists[3], Py_BuildValue("OO", self->infos[row->info].name, said)) < 0;
            break;
        case MODULES:
            bad = PySet_Add(lists[8], said) < 0;
            break;
        default:
            bad = PyList_Append(lists[event.kind < GONE ? event.kind : event.kind - A_NATIVE + 4], said) < 0;
        }
        Py_XDECREF(value);
        Py_DECREF(said);
        if (bad)
            goto done;
    }
    result = PyTuple_New(9);
    for (int i = 0; result != NULL && i < 9; i++) {
        PyTuple_SetItem(result, i, lists[i]);
        lists[i] = NULL;
    }
done:
    for (int i = 0; i < 9; i++)
        Py_XDECREF(lists[i]);
    free(sweep->events);
    free(sweep->stack);
    return result;
}

/* _Walker._walk: lists the folders, of which RECORDs speak, and expected ones below them. */
static void sweep_all(Sweep *sweep)
{
    Index *self = sweep->index;
    while (sweep->stack_count && !sweep->failed) {
        uint32_t at = sweep->stack[--sweep->stack_count];
        if (self->folders[at].known)
            continue;
        if (self->folders[at].first < 0 || self->folders[at].length == 0)
            note(sweep, LEFT, at, 0);
        else
            sweep_folder(sweep, at);
    }
}

static PyObject *index_sweep(Index *self, PyObject *const *args, Py_ssize_t count)
{
    if (count != 3 || !PyList_Check(args[2])) {
        PyErr_SetString(PyExc_TypeError, "sweep(base, depth, [folder])");
        return NULL;
    }
    Sweep sweep = {.index = self};
    sweep.base = (int)PyLong_AsLong(args[0]);
    sweep.depth = PyLong_AsSize_t(args[1]);
    if (PyErr_Occurred())
        return NULL;
    for (Py_ssize_t i = 0; i < PyList_Size(args[2]); i++) {
        size_t length;
        PyObject *owner, *said = PyList_GetItem(args[2], i);
        const char *raw = bytes_of(said, &length, &owner);
        if (raw == NULL)
            goto failed;
        int32_t at = known_folder(self, raw, length);
        Py_XDECREF(owner);
        if (at >= 0)
            push(&sweep, (uint32_t)at);
    }
    Py_BEGIN_ALLOW_THREADS
    sweep_all(&sweep);
    Py_END_ALLOW_THREADS
    return outcome(&sweep);
failed:
    free(sweep.stack);
    return NULL;
}

/* _Walker._changed, and as much of _walk as needs no listing of the root, without the GIL: (known, changed, what sweep
 * answers). Nothing but `measure` may be asked of this table meanwhile.
 *
 * Folders at the top are listed here, too, though only the root's listing says that they are there; what is left of them is of
 * no account. */
static PyObject *index_survey(Index *self, PyObject *const *args, Py_ssize_t count)
{
    if (count != 2) {
        PyErr_SetString(PyExc_TypeError, "survey(base, depth)");
        return NULL;
    }
    Sweep sweep = {.index = self};
    sweep.base = (int)PyLong_AsLong(args[0]);
    sweep.depth = PyLong_AsSize_t(args[1]);
    if (PyErr_Occurred())
        return NULL;
    uint8_t *states = calloc(self->expected_count + 1, 1);
    PyObject *known = NULL, *changed = NULL, *swept = NULL, *all = NULL;
    if (states == NULL)
        return PyErr_NoMemory();
    Py_BEGIN_ALLOW_THREADS
    ask_expected(self, sweep.base, states);
    for (uint32_t i = 0; i < self->expected_count; i++) {
        Folder *folder = &self->folders[self->expected[i]];
        size_t length = folder->length;
        while (length && folder->text[length - 1] != '/')
            length--;
        int32_t above = length > 1 ? known_folder(self, folder->text, length - 1) : NONE;
        if (states[i] == 2 && (length == 0 || (above >= 0 && self->folders[above].known)))
            push(&sweep, self->expected[i]);
    }
    sweep_all(&sweep);
    Py_END_ALLOW_THREADS
    swept = outcome(&sweep);
    known = PyList_New(0);
    changed = PyList_New(0);
    if (swept == NULL || known == NULL || changed == NULL)
        goto done;
    for (uint32_t i = 0; i < self->expected_count; i++) {
        Folder *folder = &self->folders[self->expected[i]];
        if (states[i] && append(states[i] == 1 ? known : changed, text_of(folder->text, folder->length)) < 0)
            goto done;
    }
    all = PyTuple_Pack(3, known, changed, swept);
done:
    Py_XDECREF(known);
    Py_XDECREF(changed);
    Py_XDECREF(swept);
    free(states);
    return all;
}

/* tree._sizes, without the GIL; goes with `survey`. */
static PyObject *index_measure(Index *self, PyObject *const *args, Py_ssize_t count)
{
    if (count != 2) {
        PyErr_SetString(PyExc_TypeError, "measure(base, depth)");
        return NULL;
    }
    int base = (int)PyLong_AsLong(args[0]), failed;
    size_t depth = PyLong_AsSize_t(args[1]);
    if (PyErr_Occurred())
        return NULL;
    uint8_t *rows = calloc(self->row_count + 1, 1);
    int64_t *sizes = NULL;
    if (rows == NULL)
        return PyErr_NoMemory();
    Py_BEGIN_ALLOW_THREADS
    failed = ask_sizes(self, base, depth, rows, &sizes) < 0;
    Py_END_ALLOW_THREADS
    PyObject *all = failed ? PyErr_NoMemory() : measured(self, rows, sizes);
    free(rows);
    free(sizes);
    return all;
}

/* _Walker._judge of one folder whose entries are `names` */
static PyObject *index_judge(Index *self, PyObject *const *args, Py_ssize_t count)
{
    if (count != 4) {
        PyErr_SetString(PyExc_TypeError, "judge(folder, descriptor, depth, names)");
        return NULL;
    }
    Sweep sweep = {.index = self};
    int fd = (int)PyLong_AsLong(args[1]);
    sweep.depth = PyLong_AsSize_t(args[2]);
    if (PyErr_Occurred())
        return NULL;
    size_t length;
    PyObject *owner;
    const char *text = bytes_of(args[0], &length, &owner);
    if (text == NULL)
        return NULL;
    int32_t at = known_folder(self, text, length);
    Py_XDECREF(owner);
    if (at >= 0) {
        if (mark(self, &self->folders[at], args[3]) < 0)
            return NULL;
        judge_rows(&sweep, (uint32_t)at, fd);
    }
    return outcome(&sweep);
}

static PyObject *index_know(Index *self, PyObject *path)
{
    size_t length;
    PyObject *owner;
    const char *raw = bytes_of(path, &length, &owner);
    if (raw == NULL)
        return NULL;
    int32_t at = known_folder(self, raw, length);
    if (at >= 0)
        self->folders[at].known = 1;
    Py_XDECREF(owner);
    Py_RETURN_NONE;
}

/* Some RECORD has a row in the folder. */
static PyObject *index_speaks(Index *self, PyObject *path)
{
    size_t length;
    PyObject *owner;
    const char *raw = bytes_of(path, &length, &owner);
    if (raw == NULL)
        return NULL;
    int32_t at = known_folder(self, raw, length);
    int does = at >= 0 && self->folders[at].first >= 0;
    Py_XDECREF(owner);
    return PyBool_FromLong(does);
}

/* The last part of _Walker._correct: nobody knows the files of expected folders that were not listed. */
static PyObject *index_forget(Index *self, PyObject *unused)
{
    for (uint32_t i = 0; i < self->row_count; i++) {
        Row *row = &self->rows[i];
        Folder *folder = &self->folders[row->folder];
        if (folder->known || folder->since < 0 || !self->infos[row->info].trusted)
            continue;
        Row *first = first_of(self, row);
        present(self, first, 0);
    }
    Py_RETURN_NONE;
}

/* Folders of a metadata folder's rows that are not known. */
static PyObject *index_unknown(Index *self, PyObject *number)
{
    long at = PyLong_AsLong(number);
    if (at < 0 || at >= (long)self->info_count) {
        if (!PyErr_Occurred())
            PyErr_SetString(PyExc_IndexError, "no such metadata folder");
        return NULL;
    }
    PyObject *found = PyList_New(0);
    if (found == NULL)
        return NULL;
    Info *info = &self->infos[at];
    for (uint32_t i = 0; i < info->folder_count; i++) {
        if (info->folders[i] & 0x80000000u)
            continue;
        Folder *folder = &self->folders[info->folders[i]];
        if (!folder->known && append(found, text_of(folder->text, folder->length)) < 0) {
            Py_DECREF(found);
            return NULL;
        }
    }
    return found;
}

/* Recorded.groups */
static PyObject *index_groups(Index *self, PyObject *path)
{
    size_t length;
    PyObject *owner, *found = PyDict_New();
    if (found == NULL)
        return NULL;
    const char *raw = bytes_of(path, &length, &owner);
    if (raw == NULL)
        goto failed;
    int32_t at = known_folder(self, raw, length);
    Py_XDECREF(owner);
    PyObject *names = NULL; /* borrowed */
    uint32_t info = 0;
    for (int32_t n = at < 0 ? NONE : self->folders[at].first; n >= 0; n = self->rows[n].next) {
        Row *row = &self->rows[n];
        if (names == NULL || row->info != info) {
            info = row->info;
            PyObject *made = PyDict_New();
            if (made == NULL || PyDict_SetItem(found, self->infos[info].name, made) < 0) {
                Py_XDECREF(made);
                goto failed;
            }
            Py_DECREF(made);
            names = made;
        }
        PyObject *name = text_of(row->path + row->name, (size_t)(row->length - row->name));
        PyObject *size = text_of(row->size, row->size_length);
        int bad = name == NULL || size == NULL || PyDict_SetItem(names, name, size) < 0;
        Py_XDECREF(name);
        Py_XDECREF(size);
        if (bad)
            goto failed;
    }
    return found;
failed:
    Py_DECREF(found);
    return NULL;
}

/* The first row of a path, NONE for one that no RECORD has; -2 with an exception. */
static int32_t row_of_text(Index *self, PyObject *path)
{
    size_t length;
    PyObject *owner;
    const char *raw = bytes_of(path, &length, &owner);
    if (raw == NULL) {
        if (PyErr_ExceptionMatches(PyExc_TypeError))
            return -2;
        PyErr_Clear();
        return NONE; /* a lone surrogate: no file has that name */
    }
    int32_t row = row_of(self, raw, length);
    Py_XDECREF(owner);
    return row;
}

/* Recorded.owner */
static PyObject *index_owner(Index *self, PyObject *path)
{
    int32_t row = row_of_text(self, path);
    if (row == -2)
        return NULL;
    if (row < 0 || self->rows[row].kind & ODD)
        Py_RETURN_NONE;
    while (self->rows[row].same >= 0)
        row = self->rows[row].same;
    PyObject *name = self->infos[self->rows[row].info].name;
    Py_INCREF(name);
    return name;
}

static PyObject *index_has(Index *self, PyObject *path)
{
    int32_t row = row_of_text(self, path);
    if (row == -2)
        return NULL;
    return PyBool_FromLong(row >= 0 && !(self->rows[row].kind & ODD));
}

/* Recorded.twice */
static PyObject *index_twice(Index *self, PyObject *unused)
{
    PyObject *found = PyDict_New();
    if (found == NULL)
        return NULL;
    for (uint32_t i = 0; i < self->row_count; i++) {
        Row *row = &self->rows[i];
        if (row->same < 0 || first_of(self, row) != row)
            continue;
        if (ends(row->path, row->length, ".pyc") || ends(row->path, row->length, ".pyo"))
            continue;
        int32_t last = row->same;
        while (self->rows[last].same >= 0)
            last = self->rows[last].same;
        if (self->rows[last].info == row->info)
            continue; /* by one, twice */
        PyObject *path = row_path(row), *infos = PyList_New(0);
        int bad = path == NULL || infos == NULL || PyDict_SetItem(found, path, infos) < 0;
        uint32_t before = UINT32_MAX;
        for (int32_t n = (int32_t)i; n >= 0 && !bad; n = self->rows[n].same) {
            if (self->rows[n].info != before)
                bad = PyList_Append(infos, self->infos[self->rows[n].info].name) < 0;
            before = self->rows[n].info;
        }
        Py_XDECREF(path);
        Py_XDECREF(infos);
        if (bad) {
            Py_DECREF(found);
            return NULL;
        }
    }
    return found;
}

/* Paths of modules that protoc made. */
static PyObject *index_generated(Index *self, PyObject *unused)
{
    PyObject *found = PyList_New(0);
    for (uint32_t i = 0; found != NULL && i < self->row_count; i++) {
        Row *row = &self->rows[i];
        if (row->kind & PYTHON && (ends(row->path, row->length, "_pb2.py") || ends(row->path, row->length, "_pb2_grpc.py")))
            if (append(found, row_path(row)) < 0)
                Py_CLEAR(found);
    }
    return found;
}

/* Folders that should have a __pycache__. */
static PyObject *index_compiled(Index *self, PyObject *unused)
{
    PyObject *found = PyList_New(0);
    for (uint32_t i = 0; found != NULL && i < self->folder_count; i++) {
        Folder *folder = &self->folders[i];
        const char *text = folder->text;
        if (!folder->compiled || (folder->length >= 2 && text[0] == '.' && (text[1] == '.' || text[1] == '/')))
            continue;
        if (append(found, text_of(text, folder->length)) < 0)
            Py_CLEAR(found);
    }
    return found;
}

/* (rows of all RECORDs, modules by the number of folders that they are in) */
static PyObject *index_depths(Index *self, PyObject *unused)
{
    PyObject *depths = PyList_New(0);
    for (int i = 0; depths != NULL && i < 64; i++)
        if (append(depths, PyLong_FromSsize_t(self->modules_at[i])) < 0)
            Py_CLEAR(depths);
    return depths == NULL ? NULL : Py_BuildValue("nN", self->total, depths);
}

/* ------------------------------------------------------------------------------------------------- the set of files */
static int index_contains(Index *self, PyObject *path)
{
    int32_t row = row_of_text(self, path);
    if (row == -2)
        return -1;
    if (row >= 0)
        return (self->rows[row].state & PRESENT) != 0;
    return PySet_Contains(self->extra, path);
}

static Py_ssize_t index_length(Index *self)
{
    return self->present + PySet_Size(self->extra);
}

/* Paths are there, or are not. */
static PyObject *mark_files(Index *self, PyObject *paths, int are)
{
    PyObject *iterator = PyObject_GetIter(paths), *path;
    if (iterator == NULL)
        return NULL;
    while ((path = PyIter_Next(iterator)) != NULL) {
        int32_t row = row_of_text(self, path);
        int bad = row == -2;
        if (row >= 0)
            present(self, &self->rows[row], are);
        else if (!bad)
            bad = (are ? PySet_Add(self->extra, path) : PySet_Discard(self->extra, path)) < 0;
        Py_DECREF(path);
        if (bad)
            break;
    }
    Py_DECREF(iterator);
    if (PyErr_Occurred())
        return NULL;
    Py_RETURN_NONE;
}

static PyObject *index_update(Index *self, PyObject *paths)
{
    return mark_files(self, paths, 1);
}

static PyObject *index_difference_update(Index *self, PyObject *paths)
{
    return mark_files(self, paths, 0);
}

/* Recorded files below a folder that are there, '' for all. */
static PyObject *index_below(Index *self, PyObject *folder)
{
    size_t length;
    PyObject *owner;
    const char *raw = bytes_of(folder, &length, &owner);
    if (raw == NULL) {
        if (PyErr_ExceptionMatches(PyExc_TypeError))
            return NULL;
        PyErr_Clear();
        return PyList_New(0);
    }
    PyObject *found = PyList_New(0);
    for (uint32_t i = 0; found != NULL && i < self->row_count; i++) {
        Row *row = &self->rows[i];
        if (length && (row->length <= length || row->path[length] != '/' || memcmp(row->path, raw, length) != 0))
            continue;
        if (row->state & PRESENT && append(found, row_path(row)) < 0)
            Py_CLEAR(found);
    }
    Py_XDECREF(owner);
    return found;
}

static PyObject *index_iterator(Index *self)
{
    PyObject *all = PyUnicode_FromString(""), *found = all ? index_below(self, all) : NULL, *iterator = NULL;
    PyObject *rest = PyObject_GetIter(self->extra), *path;
    Py_XDECREF(all);
    while (found && rest && (path = PyIter_Next(rest)) != NULL)
        if (append(found, path) < 0)
            Py_CLEAR(found);
    if (found && rest && !PyErr_Occurred())
        iterator = PyObject_GetIter(found);
    Py_XDECREF(found);
    Py_XDECREF(rest);
    return iterator;
}

/* --------------------------------------------------------------------------------------------------------- the type */
static PyObject *index_new(PyTypeObject *type, PyObject *args, PyObject *keywords)
{
    PyObject *ending;
    unsigned long long seed;
    if (!PyArg_ParseTuple(args, "O!K", &PyTuple_Type, &ending, &seed))
        return NULL;
    for (Py_ssize_t i = 0; i < PyTuple_Size(ending); i++)
        if (!PyBytes_Check(PyTuple_GetItem(ending, i))) {
            PyErr_SetString(PyExc_TypeError, "names of folders are bytes");
            return NULL;
        }
    allocfunc allocate = (allocfunc)PyType_GetSlot(type, Py_tp_alloc);
    Index *self = (Index *)allocate(type, 0);
    if (self == NULL)
        return NULL;
    self->extra = PySet_New(NULL);
    Py_INCREF(ending);
    self->ending = ending;
    self->seed = seed;
    if (self->extra == NULL || larger_tables(self) < 0) {
        Py_DECREF(self);
        return NULL;
    }
    return (PyObject *)self;
}

static void index_dealloc(Index *self)
{
    PyTypeObject *type = Py_TYPE(self);
    for (uint32_t i = 0; i < self->info_count; i++) {
        Py_XDECREF(self->infos[i].name);
        Py_XDECREF(self->infos[i].keeps);
        free(self->infos[i].folders);
    }
    free(self->infos);
    free(self->rows);
    free(self->table);
    free(self->folders);
    free(self->folder_table);
    free(self->expected);
    Py_XDECREF(self->extra);
    Py_XDECREF(self->ending);
    freefunc release = (freefunc)PyType_GetSlot(type, Py_tp_free);
    release(self);
    Py_DECREF(type);
}

static PyObject *index_extra(Index *self, void *unused)
{
    Py_INCREF(self->extra);
    return self->extra;
}

#define FAST(name, doc) {#name, (PyCFunction)(void (*)(void))index_##name, METH_FASTCALL, doc}
#define ONE(name, doc) {#name, (PyCFunction)index_##name, METH_O, doc}
#define NO(name, doc) {#name, (PyCFunction)index_##name, METH_NOARGS, doc}

static PyMethodDef index_methods[] = {
    FAST(add, "add(info, data) -> (rows, heads, tops) | None: a RECORD; None for one with quotes. ValueError: not tidy, the table is spoilt."),
    FAST(add_columns, "add_columns(info, paths, sizes) -> (rows, heads, tops): columns, each joined by NUL. ValueError as add."),
    ONE(trust, "trust(number): nobody has touched that metadata folder's files since they were installed."),
    ONE(expect, "expect([(time, number)]): orders the recorded folders by when their first RECORD was written."),
    ONE(expects, "expects(folder) -> bool"),
    FAST(survey, "survey(base, depth) -> (known, changed, swept): what expected folders are like; without the GIL."),
    FAST(measure, "measure(base, depth) -> (lost, special, different): asks trusted modules and native files for their size, without the GIL."),
    NO(assume, "assume() -> (natives, heads): takes the files of trusted RECORDs for present."),
    FAST(sweep, "sweep(base, depth, folders) -> what of them and of those below is not as recorded."),
    FAST(judge, "judge(folder, descriptor, depth, names) -> what of a folder is not as recorded."),
    ONE(know, "know(folder): it was listed."),
    ONE(speaks, "speaks(folder) -> bool: some RECORD has a row in it."),
    NO(forget, "forget(): files of trusted RECORDs in expected folders that nobody knows are not present."),
    ONE(unknown, "unknown(number) -> folders of that metadata folder's rows that nobody knows."),
    ONE(groups, "groups(folder) -> {info: {name: size}}"),
    ONE(owner, "owner(path) -> the last metadata folder that records it, None for none."),
    ONE(has, "has(path) -> bool: a RECORD has it, spelled as a walk spells it."),
    NO(twice, "twice() -> {path: infos} of paths that several record."),
    NO(generated, "generated() -> recorded modules that protoc made."),
    NO(compiled, "compiled() -> folders that should have a __pycache__."),
    NO(depths, "depths() -> (rows, modules by depth)"),
    ONE(update, "update(paths): they are there."),
    ONE(difference_update, "difference_update(paths): they are not there."),
    ONE(below, "below(folder) -> recorded files below it that are there; '' for all."),
    {NULL, NULL, 0, NULL},
};

static PyGetSetDef index_attributes[] = {
    {"extra", (getter)index_extra, NULL, "Files that are there and that no RECORD names.", NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

static PyType_Slot index_slots[] = {
    {Py_tp_doc, "Index(untested, seed): the RECORDs of one site folder, and which of their files are there."},
    {Py_tp_new, index_new},
    {Py_tp_dealloc, index_dealloc},
    {Py_tp_methods, index_methods},
    {Py_tp_getset, index_attributes},
    {Py_tp_iter, index_iterator},
    {Py_sq_contains, index_contains},
    {Py_sq_length, index_length},
    {0, NULL},
};

PyType_Spec speed_index_spec = {"envdoctor._speed.Index", sizeof(Index), 0, Py_TPFLAGS_DEFAULT, index_slots};
