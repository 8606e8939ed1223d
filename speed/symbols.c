/* Dynamic symbols that an ELF file needs of others. Twin: envdoctor/collect/native/elf.py, Elf.undefined() and unversioned(). */
#include "elf.h"

#define MAX_SYMBOLS (1 << 18)
#define MAX_NAMES (16 << 20)
#define LONGEST 4096

enum { STB_LOCAL = 0, STB_WEAK = 2, STT_REGISTER = 13 };

/* Bytes of the file, all of them, malloced; NULL where it has them not. */
static unsigned char *bytes_of(const struct elf *elf, uint64_t offset, size_t length)
{
    if (offset > elf->size || length > elf->size - offset)
        return NULL;
    unsigned char *data = malloc(length + 1);
    if (data != NULL && pread(elf->fd, data, length, (off_t)offset) != (ssize_t)length) {
        free(data);
        data = NULL;
    }
    return data;
}

/* Adds the names of those symbols before the first hashed one that are undefined and strong. 1: well; 0: not tidy. */
static int undefined(struct elf *elf, int unversioned, PyObject *found)
{
    uint64_t base, symbols, strings, versions = 0;
    unsigned char *table = NULL, *numbers = NULL, *names = NULL;
    const unsigned char *raw;
    int well = 0;
    if (!elf->gnu_hash.there || !elf->symtab.there || !elf->strtab.there || !elf->strsz.there)
        return 0;
    if (!elf_offset(elf, elf->gnu_hash.value, &base) || !elf_offset(elf, elf->symtab.value, &symbols)
        || !elf_offset(elf, elf->strtab.value, &strings))
        return 0;
    if (elf->versym.there && !elf_offset(elf, elf->versym.value, &versions))
        return 0;
    if ((raw = elf_bytes(elf, WINDOW_OTHER, base, 16)) == NULL)
        return 0;
    size_t count = le32(raw + 4), wanted = 0;
    if (count > MAX_SYMBOLS)
        return 0;
    if ((table = bytes_of(elf, symbols, count * 24)) == NULL)
        goto done;
    if (unversioned && elf->versym.there && (numbers = bytes_of(elf, versions, count * 2)) == NULL)
        goto done;
    /* the offsets of the wanted names take the place of symbols that were seen */
    uint32_t low = 0xFFFFFFFF, high = 0, *offsets = (uint32_t *)(void *)table;
    for (size_t i = 0; i < count; i++) {
        const unsigned char *symbol = table + 24 * i;
        uint32_t name = le32(symbol);
        unsigned binding = symbol[4] >> 4, type = symbol[4] & 15;
        if (le16(symbol + 6) != 0 || binding == STB_LOCAL || binding == STB_WEAK || type == STT_REGISTER)
            continue;
        if (numbers != NULL && (le16(numbers + 2 * i) & 0x7FFF) >= 2)
            continue;
        low = name < low ? name : low;
        high = name > high ? name : high;
        offsets[wanted++] = name;
    }
    if (wanted == 0) {
        well = 1;
        goto done;
    }
    uint64_t limit = elf->strsz.value;
    if (high >= limit || high - low > MAX_NAMES)
        goto done;
    if (limit > (uint64_t)high + LONGEST)
        limit = (uint64_t)high + LONGEST;
    if (limit > (uint64_t)low + MAX_NAMES)
        limit = (uint64_t)low + MAX_NAMES;
    if (strings + low > elf->size)
        goto done;
    if (limit - low > elf->size - (strings + low))
        limit = low + (elf->size - (strings + low));
    if (limit <= high || (names = bytes_of(elf, strings + low, (size_t)(limit - low))) == NULL)
        goto done;
    for (size_t i = 0; i < wanted; i++) {
        const unsigned char *name = names + (offsets[i] - low), *end = memchr(name, 0, (size_t)(limit - offsets[i]));
        if (end == NULL)
            goto done;
        if (end == name)
            continue;
        PyObject *one = PyBytes_FromStringAndSize((const char *)name, end - name);
        if (one == NULL || PySet_Add(found, one) != 0) {
            Py_XDECREF(one);
            goto done;
        }
        Py_DECREF(one);
    }
    well = 1;
done:
    free(table);
    free(numbers);
    free(names);
    return well;
}

const char speed_elf_undefined_doc[] =
    "elf_undefined(path, unversioned) -> set of bytes | None\n--\n\n"
    "Names of the strong undefined dynamic symbols of a sound ELF file of 64 bits: all of them, or those that carry no version.\n"
    "None for every other file.";

PyObject *speed_elf_undefined(PyObject *module, PyObject *const *args, Py_ssize_t count)
{
    if (count != 2 || !PyBool_Check(args[1])) {
        PyErr_SetString(PyExc_TypeError, "elf_undefined(path, unversioned)");
        return NULL;
    }
    PyObject *path = path_bytes(args[0]);
    if (path == NULL) {
        PyErr_Clear();
        Py_RETURN_NONE;
    }
    struct elf elf;
    PyObject *found = PySet_New(NULL);
    int well = 0;
    elf_init(&elf);
    if (found != NULL && elf_open(&elf, AT_FDCWD, PyBytes_AsString(path)))
        well = elf_dynamic(&elf) && undefined(&elf, args[1] == Py_True, found);
    elf_free(&elf);
    Py_DECREF(path);
    if (!well) {
        Py_XDECREF(found);
        if (PyErr_Occurred())
            return NULL;
        Py_RETURN_NONE;
    }
    return found;
}
