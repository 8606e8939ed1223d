/* Texts that are searched for a few words and lines. Twins: envdoctor/collect/source.py, mentions_any(); envdoctor/collect/imports.py,
   statements() and parse_statement(); envdoctor/collect/distributions.py, _headers(). */
#include "speed.h"

/* ------------------------------------------------------------------------------------------------------------ words */

/* The characters of Python files from the most frequent on (434 distributions); those that are not here are rarer still. */
static const char frequent[] = " etsaroni\nldc_pfumh.,\"g():y=bvwkx-'`0TNEA1#S[]ICPR2ODFL*M";

static Py_ssize_t rarest(const char *word, Py_ssize_t size)
{
    Py_ssize_t best = 0, rank = -1;
    for (Py_ssize_t i = 0; i < size; i++) {
        const char *known = word[i] ? strchr(frequent, word[i]) : NULL;
        Py_ssize_t own = known == NULL ? (Py_ssize_t)sizeof frequent : known - frequent;
        if (own > rank) {
            rank = own;
            best = i;
        }
    }
    return best;
}

static int stands_in(const char *data, Py_ssize_t size, const char *word, Py_ssize_t length)
{
    if (length == 0)
        return 1;
    if (length > size)
        return 0;
    Py_ssize_t at = rarest(word, length);
    const Py_ssize_t other = at ? 0 : length - 1;
    const char *p = data + at, *end = data + size - (length - 1 - at);
    while (p < end && (p = memchr(p, word[at], (size_t)(end - p))) != NULL) {
        if (p[other - at] == word[other] && memcmp(p - at, word, (size_t)length) == 0)
            return 1;
        p++;
    }
    return 0;
}

const char speed_mentions_any_doc[] = "mentions_any(data, words) -> bool\n--\n\nOne of the tuple `words` stands in `data`; both are bytes.";

PyObject *speed_mentions_any(PyObject *module, PyObject *const *args, Py_ssize_t count)
{
    char *data, *word;
    Py_ssize_t size, length;
    if (count != 2 || !PyTuple_Check(args[1])) {
        PyErr_SetString(PyExc_TypeError, "mentions_any(data, words)");
        return NULL;
    }
    if (PyBytes_AsStringAndSize(args[0], &data, &size) < 0)
        return NULL;
    for (Py_ssize_t i = 0; i < PyTuple_Size(args[1]); i++) {
        if (PyBytes_AsStringAndSize(PyTuple_GetItem(args[1], i), &word, &length) < 0)
            return NULL;
        if (stands_in(data, size, word, length))
            Py_RETURN_TRUE;
    }
    Py_RETURN_FALSE;
}

/* ------------------------------------------------------------------------------------------------------- statements */

typedef struct {
    const char *at;
    Py_ssize_t size;
} Piece;

#define MAX_STATEMENTS 4096

/* What bytes.split() takes for space; str.split() and str.strip() take four separators for it, too. */
static int is_space(char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

static int is_text_space(char c)
{
    return is_space(c) || (c >= 0x1c && c <= 0x1f);
}

static int is_word(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
}

static int is_identifier(const char *text, Py_ssize_t size)
{
    if (size == 0 || (text[0] >= '0' && text[0] <= '9'))
        return 0;
    for (Py_ssize_t i = 0; i < size; i++)
        if (!is_word(text[i]))
            return 0;
    return 1;
}

static int is_dotted(const char *text, Py_ssize_t size)
{
    for (;;) {
        const char *dot = size > 0 ? memchr(text, '.', (size_t)size) : NULL;
        if (dot == NULL)
            return is_identifier(text, size);
        if (!is_identifier(text, dot - text))
            return 0;
        size -= dot + 1 - text;
        text = dot + 1;
    }
}

/* The end of the statement whose keyword and blank end at `p`: after a bracket, or at the end of its last line. */
static const char *statement_end(const char *p, const char *end, int from)
{
    if (from) {
        const char *u = p;
        while (u < end && *u != '\n' && *u != '(' && *u != '#')
            u++;
        if (u < end && *u == '(') {
            u++;
            while (u < end && *u != ')') {
                if (*u == '#') {
                    u = memchr(u, '\n', (size_t)(end - u));
                    if (u == NULL)
                        return end;
                } else
                    u++;
            }
            return u;
        }
    }
    for (;;) {
        while (p < end && *p != '\n' && *p != '\\')
            p++;
        if (p >= end || *p == '\n')
            return p;
        const char *next = p + 1;
        if (next < end && *next == '\r')
            next++;
        if (next >= end || *next != '\n')
            return p;
        p = next + 1;
    }
}

/* The import statements at the left margin, in the order of the file; -1 where there are more than `room`. */
static Py_ssize_t cut_statements(const char *data, Py_ssize_t size, Piece *found, Py_ssize_t room)
{
    const char *p = data, *end = data + size;
    Py_ssize_t count = 0;
    while (p < end && (p = memchr(p, '\n', (size_t)(end - p))) != NULL) {
        p++;
        int from = end - p >= 5 && memcmp(p, "from", 4) == 0 && (p[4] == ' ' || p[4] == '\t');
        if (!from && !(end - p >= 7 && memcmp(p, "import", 6) == 0 && (p[6] == ' ' || p[6] == '\t')))
            continue;
        if (count == room)
            return -1;
        found[count].at = p;
        p = statement_end(p + (from ? 5 : 7), end, from);
        found[count].size = p - found[count].at;
        count++;
    }
    return count;
}

static int compare(const void *one, const void *other)
{
    const Piece *a = one, *b = other;
    int order = memcmp(a->at, b->at, (size_t)(a->size < b->size ? a->size : b->size));
    return order ? order : (a->size > b->size) - (a->size < b->size);
}

/* `statement` without comments and continued lines into `room`, which is as large; its length, -1 where it is not ASCII. */
static Py_ssize_t plain_text(Piece statement, char *room)
{
    Py_ssize_t size = 0;
    for (Py_ssize_t i = 0; i < statement.size; i++) {
        char c = statement.at[i];
        if (c == '#') {
            const char *line = memchr(statement.at + i, '\n', (size_t)(statement.size - i));
            if (line == NULL)
                break;
            i = line - statement.at;
            c = '\n';
        }
        if (c & 0x80)
            return -1;
        if (c == '\n' && size && room[size - 1] == '\\')
            room[size - 1] = ' ';
        else
            room[size++] = c;
    }
    return size;
}

/* The first word of text[0:size]. */
static Piece first_word(const char *text, Py_ssize_t size)
{
    Piece word = {text, 0};
    const char *end = text + size;
    while (word.at < end && is_text_space(*word.at))
        word.at++;
    while (word.at + word.size < end && !is_text_space(word.at[word.size]))
        word.size++;
    return word;
}

static Py_ssize_t up_to(const char *text, Py_ssize_t size, char c)
{
    const char *found = size > 0 ? memchr(text, c, (size_t)size) : NULL;
    return found == NULL ? size : found - text;
}

/* Adds (module, names) to `found`; takes the reference to `names`. */
static int add(PyObject *found, const char *module, Py_ssize_t size, PyObject *names)
{
    PyObject *pair = names == NULL ? NULL : PyTuple_New(2);
    PyObject *name = pair == NULL ? NULL : PyUnicode_FromStringAndSize(module, size);
    if (name == NULL) {
        Py_XDECREF(pair);
        Py_XDECREF(names);
        return -1;
    }
    PyTuple_SetItem(pair, 0, name);
    PyTuple_SetItem(pair, 1, names);
    int done = PyList_Append(found, pair);
    Py_DECREF(pair);
    return done;
}

static PyObject *taken_names(const char *text, Py_ssize_t size)
{
    PyObject *names = PyList_New(0);
    size = up_to(text, size, ';');
    while (size > 0 && memchr(" \t()\r\n", *text, 6) != NULL)
        text++, size--;
    while (size > 0 && memchr(" \t()\r\n", text[size - 1], 6) != NULL)
        size--;
    while (names != NULL && size >= 0) {
        Py_ssize_t part = up_to(text, size, ',');
        Piece word = first_word(text, part);
        if (is_identifier(word.at, word.size) || (word.size == 1 && *word.at == '*')) {
            PyObject *name = PyUnicode_FromStringAndSize(word.at, word.size);
            if (name == NULL || PyList_Append(names, name) < 0)
                Py_CLEAR(names);
            Py_XDECREF(name);
        }
        text += part + 1;
        size -= part + 1;
    }
    PyObject *result = names == NULL ? NULL : PyList_AsTuple(names);
    Py_XDECREF(names);
    return result;
}

/* from HEAD import NAMES: `room` has space for the package's name behind the text. */
static int parse_from(PyObject *found, char *text, Py_ssize_t size, const char *package, Py_ssize_t package_size, char *room)
{
    static const char word[] = " import";
    const Py_ssize_t length = sizeof word - 1;
    Py_ssize_t at = 0;
    while (at + length <= size && memcmp(text + at, word, (size_t)length) != 0)
        at++;
    if (at + length > size)
        return 0;
    const char *tail = text + at + length;
    Py_ssize_t rest = size - at - length;
    if (rest && memchr(" \t(*", *tail, 4) == NULL)
        return 0;
    const char *module = text;
    while (at > 0 && is_text_space(*module))
        module++, at--;
    while (at > 0 && is_text_space(module[at - 1]))
        at--;
    if (at > 0 && *module == '.') {
        Py_ssize_t level = 0;
        while (at > 0 && (*module == '.' || *module == ' '))
            module++, at--, level++;
        Py_ssize_t base = package_size;
        for (; level > 1; level--) {
            while (base > 0 && package[base - 1] != '.')
                base--;
            if (base == 0)
                return 0; /* above the top */
            base--;
        }
        memcpy(room, package, (size_t)base);
        if (at > 0) {
            room[base] = '.';
            memcpy(room + base + 1, module, (size_t)at);
            base += 1 + at;
        }
        module = room;
        at = base;
    }
    if (at == 0 || !is_dotted(module, at))
        return 0;
    return add(found, module, at, taken_names(tail, rest));
}

static int parse_import(PyObject *found, const char *text, Py_ssize_t size)
{
    size = up_to(text, size, ';');
    while (size >= 0) {
        Py_ssize_t part = up_to(text, size, ',');
        Piece word = first_word(text, part);
        if (word.size && is_dotted(word.at, word.size) && add(found, word.at, word.size, PyTuple_New(0)) < 0)
            return -1;
        text += part + 1;
        size -= part + 1;
    }
    return 0;
}

/* A tuple of what one statement imports; NULL with an exception, or without one for a statement that Python is to look at. */
static PyObject *parse(Piece statement, const char *package, Py_ssize_t package_size)
{
    char small[2048], *room = small;
    if (statement.size > 600 || package_size > 600) {
        room = malloc(2 * (size_t)statement.size + (size_t)package_size + 2);
        if (room == NULL)
            return PyErr_NoMemory();
    }
    PyObject *result = NULL, *found = NULL;
    Py_ssize_t size = plain_text(statement, room);
    if (size >= 0 && (found = PyList_New(0)) != NULL) {
        int done;
        if (room[0] == 'f')
            done = size < 4 ? 0 : parse_from(found, room + 4, size - 4, package, package_size, room + statement.size);
        else
            done = size < 6 ? 0 : parse_import(found, room + 6, size - 6);
        if (done == 0)
            result = PyList_AsTuple(found);
        Py_DECREF(found);
    }
    if (room != small)
        free(room);
    return result;
}

static int is_ascii(const char *text, Py_ssize_t size)
{
    Py_ssize_t i = 0;
    for (uint64_t word; i + 8 <= size; i += 8) {
        memcpy(&word, text + i, 8);
        if (word & 0x8080808080808080u)
            return 0;
    }
    for (; i < size; i++)
        if (text[i] & 0x80)
            return 0;
    return 1;
}

enum { LEFT_OUT, WANTED, FAILED };

static int found_in(PyObject *set, PyObject *text)
{
    int found = PySet_Contains(set, text);
    return found < 0 ? FAILED : found ? LEFT_OUT : WANTED;
}

/* Whether one statement is to be followed; sets `relative`. */
static int judge(Piece statement, PyObject *plain, const char *own, Py_ssize_t own_size, int *relative)
{
    int from = statement.at[0] == 'f';
    Piece word = {statement.at + (from ? 4 : 6), 0};
    const char *end = statement.at + statement.size;
    while (word.at < end && is_space(*word.at))
        word.at++;
    while (word.at + word.size < end && !is_space(word.at[word.size]))
        word.size++;
    if (word.size == 0)
        return LEFT_OUT;
    *relative = from && word.at[0] == '.';
    if (*relative)
        return own_size ? LEFT_OUT : WANTED;
    Py_ssize_t head = up_to(word.at, word.size, '.');
    if (own_size && head == own_size && memcmp(word.at, own, (size_t)head) == 0)
        return LEFT_OUT;
    if (!from && memchr(statement.at, ',', (size_t)statement.size) != NULL)
        return WANTED;
    PyObject *name = PyBytes_FromStringAndSize(word.at, head);
    int state = name == NULL ? FAILED : found_in(plain, name);
    Py_XDECREF(name);
    return state;
}

static int package_of(PyObject *package, const char **text, Py_ssize_t *size)
{
    *text = PyUnicode_AsUTF8AndSize(package, size);
    if (*text == NULL)
        PyErr_Clear();
    return *text != NULL && is_ascii(*text, *size);
}

const char speed_statements_doc[] =
    "statements(data, package, plain, known, own) -> tuple[bool, list[tuple[bytes, bool, tuple]]] | None\n--\n\n"
    "As envdoctor.collect.imports.statements; None where a statement is not ASCII or there are very many.";

PyObject *speed_statements(PyObject *module, PyObject *const *args, Py_ssize_t count)
{
    char *data, *own;
    const char *package;
    Py_ssize_t size, own_size, package_size;
    if (count != 5 || !PyUnicode_Check(args[1]) || !PyFrozenSet_Check(args[2]) || !PyAnySet_Check(args[3])) {
        PyErr_SetString(PyExc_TypeError, "statements(data, package, plain, known, own)");
        return NULL;
    }
    if (PyBytes_AsStringAndSize(args[0], &data, &size) < 0 || PyBytes_AsStringAndSize(args[4], &own, &own_size) < 0)
        return NULL;
    if (!package_of(args[1], &package, &package_size))
        Py_RETURN_NONE;
    Piece small[256], *pieces = small;
    Py_ssize_t found = cut_statements(data, size, small, 256);
    if (found < 0) {
        pieces = malloc(MAX_STATEMENTS * sizeof(Piece));
        if (pieces == NULL)
            return PyErr_NoMemory();
        found = cut_statements(data, size, pieces, MAX_STATEMENTS);
    }
    PyObject *result = NULL, *list = PyList_New(0);
    int cut = 0, failed = list == NULL, odd = found < 0;
    if (found > 1)
        qsort(pieces, (size_t)found, sizeof(Piece), compare);
    for (Py_ssize_t i = 0; i < found && !failed && !odd; i++) {
        Piece statement = pieces[i];
        if (i && compare(&pieces[i - 1], &statement) == 0)
            continue;
        PyObject *text = PyBytes_FromStringAndSize(statement.at, statement.size);
        int state = text == NULL ? FAILED : found_in(args[3], text), relative = 0;
        if (state == WANTED)
            state = judge(statement, args[2], own, own_size, &relative);
        PyObject *imports = state == WANTED ? parse(statement, package, package_size) : NULL;
        PyObject *item = imports == NULL ? NULL : PyTuple_New(3);
        if (item != NULL) {
            PyTuple_SetItem(item, 0, text);
            PyTuple_SetItem(item, 1, PyBool_FromLong(relative));
            PyTuple_SetItem(item, 2, imports);
            failed = PyList_Append(list, item) < 0;
            Py_DECREF(item);
            continue;
        }
        cut |= state == LEFT_OUT && relative;
        failed = state == FAILED || PyErr_Occurred() != NULL;
        odd = state == WANTED;
        Py_XDECREF(imports);
        Py_XDECREF(text);
    }
    if (pieces != small)
        free(pieces);
    if (!failed && !odd)
        result = Py_BuildValue("(OO)", cut ? Py_True : Py_False, list);
    Py_XDECREF(list);
    if (odd && !failed)
        Py_RETURN_NONE;
    return result;
}

const char speed_imports_of_doc[] =
    "imports_of(data, package) -> list[tuple[str, tuple[str, ...]]] | None\n--\n\n"
    "As envdoctor.collect.imports.imports_of; None as for statements().";

PyObject *speed_imports_of(PyObject *module, PyObject *const *args, Py_ssize_t count)
{
    char *data;
    const char *package;
    Py_ssize_t size, package_size;
    if (count != 2 || !PyUnicode_Check(args[1])) {
        PyErr_SetString(PyExc_TypeError, "imports_of(data, package)");
        return NULL;
    }
    if (PyBytes_AsStringAndSize(args[0], &data, &size) < 0)
        return NULL;
    if (!package_of(args[1], &package, &package_size))
        Py_RETURN_NONE;
    Piece *pieces = malloc(MAX_STATEMENTS * sizeof(Piece));
    if (pieces == NULL)
        return PyErr_NoMemory();
    Py_ssize_t found = cut_statements(data, size, pieces, MAX_STATEMENTS);
    PyObject *list = found < 0 ? NULL : PyList_New(0), *seen = list == NULL ? NULL : PySet_New(NULL);
    int good = seen != NULL;
    for (Py_ssize_t i = 0; i < found && good; i++) {
        PyObject *text = PyBytes_FromStringAndSize(pieces[i].at, pieces[i].size);
        int state = text == NULL ? FAILED : found_in(seen, text);
        good = state == LEFT_OUT;
        if (state == WANTED && PySet_Add(seen, text) == 0) {
            PyObject *imports = parse(pieces[i], package, package_size);
            good = imports != NULL;
            for (Py_ssize_t at = 0; good && at < PyTuple_Size(imports); at++)
                good = PyList_Append(list, PyTuple_GetItem(imports, at)) == 0;
            Py_XDECREF(imports);
        }
        Py_XDECREF(text);
    }
    free(pieces);
    Py_XDECREF(seen);
    if (good)
        return list;
    Py_XDECREF(list);
    if (PyErr_Occurred() != NULL)
        return NULL;
    Py_RETURN_NONE;
}

/* ---------------------------------------------------------------------------------------------------------- headers */

#define MAX_FIELDS 16
#define MAX_VALUE 8000
#define MAX_CONTINUED 4000

const char speed_headers_doc[] =
    "headers(data, fields) -> dict[str, list[str]] | None\n--\n\n"
    "The values of some header fields (a tuple of names in lower case) of METADATA; None where a line ends in CR or is not ASCII\n"
    "in a wanted field, where a name has space around it, where the file is not UTF-8, and where no field is found.";

/* Strict UTF-8, as Python's: no longer forms than needed, no surrogates, nothing above U+10FFFF. */
static int is_utf8(const char *text, Py_ssize_t size)
{
    const unsigned char *p = (const unsigned char *)text, *end = p + size;
    while (p < end) {
        uint64_t word;
        while (end - p >= 8 && (memcpy(&word, p, 8), (word & 0x8080808080808080u) == 0))
            p += 8;
        if (p == end)
            break;
        unsigned char c = *p++;
        if (c < 0x80)
            continue;
        int more = c >= 0xc2 && c < 0xe0 ? 1 : c >= 0xe0 && c < 0xf0 ? 2 : c >= 0xf0 && c < 0xf5 ? 3 : 0;
        if (more == 0 || end - p < more)
            return 0;
        if ((c == 0xe0 && p[0] < 0xa0) || (c == 0xed && p[0] > 0x9f) || (c == 0xf0 && p[0] < 0x90) || (c == 0xf4 && p[0] > 0x8f))
            return 0;
        for (; more; more--, p++)
            if ((*p & 0xc0) != 0x80)
                return 0;
    }
    return 1;
}

/* A line of the head that begins with space goes on with the one before it. */
static int has_continued(const char *data, const char *end)
{
    const char *p = data;
    while (p < end && (p = memchr(p, '\n', (size_t)(end - p))) != NULL && ++p < end && *p != '\n')
        if (*p == ' ' || *p == '\t')
            return 1;
    return 0;
}

/* The name before the colon of a line, if it has one, is no more than the name: then no line needs to be stripped. */
static int is_bare(const char *line, Py_ssize_t size)
{
    Py_ssize_t name = up_to(line, size, ':');
    return name == size || name == 0 ||
           !(is_text_space(line[0]) || is_text_space(line[name - 1]) || ((line[0] | line[name - 1]) & 0x80));
}

/* Puts a line that goes on behind the last value of a list. */
static int extend(PyObject *values, const char *text, Py_ssize_t size)
{
    Py_ssize_t last = PyList_Size(values) - 1;
    PyObject *value = PyList_GetItem(values, last);
    if (value == NULL || PyUnicode_GetLength(value) >= MAX_CONTINUED)
        return value == NULL ? -1 : 0;
    PyObject *more = PyUnicode_FromStringAndSize(text, size), *whole = NULL;
    if (more != NULL)
        whole = PyUnicode_FromFormat("%U %U", value, more);
    Py_XDECREF(more);
    return whole == NULL ? -1 : PyList_SetItem(values, last, whole);
}

static Piece stripped(const char *start, const char *end)
{
    while (start < end && is_text_space(*start))
        start++;
    while (end > start && is_text_space(end[-1]))
        end--;
    Piece piece = {start, end - start};
    return piece;
}

/* Index of the wanted field that the line begins with, -1 for none. */
static int field_of(const char *line, Py_ssize_t size, const char *const *names, const Py_ssize_t *sizes, int count)
{
    for (int i = 0; i < count; i++) {
        Py_ssize_t length = sizes[i], at = 0;
        if (length >= size || line[length] != ':')
            continue;
        while (at < length && (line[at] >= 'A' && line[at] <= 'Z' ? line[at] + 32 : line[at]) == names[i][at])
            at++;
        if (at == length)
            return i;
    }
    return -1;
}

PyObject *speed_headers(PyObject *module, PyObject *const *args, Py_ssize_t count)
{
    char *data;
    const char *names[MAX_FIELDS];
    Py_ssize_t size, sizes[MAX_FIELDS];
    if (count != 2 || !PyTuple_Check(args[1]) || PyTuple_Size(args[1]) > MAX_FIELDS) {
        PyErr_SetString(PyExc_TypeError, "headers(data, fields)");
        return NULL;
    }
    if (PyBytes_AsStringAndSize(args[0], &data, &size) < 0)
        return NULL;
    int fields = (int)PyTuple_Size(args[1]);
    for (int i = 0; i < fields; i++) {
        names[i] = PyUnicode_AsUTF8AndSize(PyTuple_GetItem(args[1], i), &sizes[i]);
        if (names[i] == NULL)
            return NULL;
    }
    if (!is_utf8(data, size))
        Py_RETURN_NONE;
    PyObject *found = PyDict_New(), *lists[MAX_FIELDS] = {NULL};
    const char *line = data, *end = data + size;
    int tidy = 1, failed = found == NULL, field = -1;
    const int continued = has_continued(data, end);
    while (tidy && !failed) {
        const char *next = line < end ? memchr(line, '\n', (size_t)(end - line)) : NULL;
        const char *stop = next == NULL ? end : next;
        Py_ssize_t length = stop - line;
        if (length && memchr(line, '\r', (size_t)length) != NULL) {
            tidy = 0;
            break;
        }
        if (continued && length && (*line == ' ' || *line == '\t')) {
            Piece piece = stripped(line, stop);
            if (field >= 0) {
                tidy = is_ascii(piece.at, piece.size);
                failed = tidy && extend(lists[field], piece.at, piece.size) < 0;
            }
        } else if (continued && !is_bare(line, length)) {
            tidy = 0;
        } else if ((field = field_of(line, length, names, sizes, fields)) >= 0) {
            Piece value = stripped(line + sizes[field] + 1, stop);
            if (!is_ascii(value.at, value.size)) {
                tidy = 0;
                break;
            }
            if (lists[field] == NULL) {
                lists[field] = PyList_New(0);
                failed = lists[field] == NULL || PyDict_SetItem(found, PyTuple_GetItem(args[1], field), lists[field]) < 0;
            }
            PyObject *text = failed ? NULL : PyUnicode_FromStringAndSize(value.at, value.size > MAX_VALUE ? MAX_VALUE : value.size);
            failed = text == NULL || PyList_Append(lists[field], text) < 0;
            Py_XDECREF(text);
        }
        if (next == NULL || (next + 1 < end && next[1] == '\n'))
            break;
        line = next + 1;
    }
    for (int i = 0; i < fields; i++)
        Py_XDECREF(lists[i]);
    if (!failed && tidy && PyDict_Size(found))
        return found;
    Py_XDECREF(found);
    if (failed)
        return NULL;
    Py_RETURN_NONE;
}
