/* Dynamic symbols that an ELF file needs of others, and that it defines. Twin: envdoctor/collect/native/elf.py, Elf.undefined(),
 * unversioned() and defines(). */
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

/* Opens the file at a path and reads its dynamic section; `elf` is to be freed in any case. 1: well; 0: not tidy, no exception. */
static int open_path(struct elf *elf, PyObject *path)
{
    PyObject *raw = path_bytes(path);
    elf_init(elf);
    if (raw == NULL) {
        PyErr_Clear();
        return 0;
    }
    int well = elf_open(elf, AT_FDCWD, PyBytes_AsString(raw)) && elf_dynamic(elf);
    Py_DECREF(raw);
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
    struct elf elf;
    PyObject *found = PySet_New(NULL);
    if (found == NULL)
        return NULL;
    int well = open_path(&elf, args[0]) && undefined(&elf, args[1] == Py_True, found);
    elf_free(&elf);
    if (!well) {
        Py_XDECREF(found);
        if (PyErr_Occurred())
            return NULL;
        Py_RETURN_NONE;
    }
    return found;
}

/* All of `length` bytes of the file at `offset`. */
static int exactly(const struct elf *elf, uint64_t offset, void *into, size_t length)
{
    return offset <= elf->size && length <= elf->size - offset && pread(elf->fd, into, length, (off_t)offset) == (ssize_t)length;
}

enum { FEW = 24, LONGEST_CHAIN = 1024 };

/* DT_GNU_HASH of a file. With few names its bloom filter is asked and chains are read piece by piece, as the twin does. */
struct hashed {
    uint64_t bloom_at, bucket_at, chain_at, symbols, strings, versions;
    uint32_t buckets, first, blooms, shift, chain_count;
    unsigned char *bucket_table, *chains; /* with many names, else NULL */
};

static int open_hashed(const struct elf *elf, struct hashed *hashed, int many)
{
    uint64_t base;
    unsigned char head[16];
    if (!elf->gnu_hash.there || !elf->symtab.there || !elf->strtab.there)
        return 0;
    if (!elf_offset(elf, elf->gnu_hash.value, &base) || !elf_offset(elf, elf->symtab.value, &hashed->symbols)
        || !elf_offset(elf, elf->strtab.value, &hashed->strings))
        return 0;
    if (elf->versym.there && !elf_offset(elf, elf->versym.value, &hashed->versions))
        return 0;
    if (!exactly(elf, base, head, sizeof head))
        return 0;
    hashed->buckets = le32(head);
    hashed->first = le32(head + 4);
    hashed->blooms = le32(head + 8);
    hashed->shift = le32(head + 12) & 31;
    if (hashed->buckets == 0 || hashed->blooms == 0 || hashed->buckets > MAX_SYMBOLS || hashed->blooms > MAX_SYMBOLS)
        return 0;
    hashed->bloom_at = base + 16;
    hashed->bucket_at = hashed->bloom_at + (uint64_t)hashed->blooms * 8;
    hashed->chain_at = hashed->bucket_at + (uint64_t)hashed->buckets * 4;
    if (!many)
        return 1;
    if ((hashed->bucket_table = bytes_of(elf, hashed->bucket_at, (size_t)hashed->buckets * 4)) == NULL)
        return 0;
    uint32_t last = 0;
    for (uint32_t i = 0; i < hashed->buckets; i++) {
        uint32_t symbol = le32(hashed->bucket_table + 4 * (size_t)i);
        last = symbol > last ? symbol : last;
    }
    if (last < hashed->first || last - hashed->first > MAX_SYMBOLS || last > MAX_SYMBOLS)
        return 0;
    /* the last chain ends with a set lowest bit */
    for (;;) {
        unsigned char value[4];
        if (last - hashed->first > MAX_SYMBOLS || last >= MAX_SYMBOLS - 1)
            return 0;
        if (!exactly(elf, hashed->chain_at + 4 * (uint64_t)(last - hashed->first), value, 4))
            return 0;
        last++;
        if (value[0] & 1)
            break;
    }
    hashed->chain_count = last - hashed->first;
    hashed->chains = bytes_of(elf, hashed->chain_at, (size_t)hashed->chain_count * 4);
    return hashed->chains != NULL;
}

/* Symbol `index` is defined, bears the name, and is not hidden behind a version other than the file's first. 1, 0; -1: not tidy. */
static int is_definition(const struct elf *elf, const struct hashed *hashed, uint32_t index, const char *name, size_t length)
{
    unsigned char symbol[24], said[LONGEST + 1], version[2];
    if (!exactly(elf, hashed->symbols + 24 * (uint64_t)index, symbol, sizeof symbol))
        return -1;
    if (le16(symbol + 6) == 0)
        return 0;
    if (!exactly(elf, hashed->strings + le32(symbol), said, length + 1))
        return -1;
    if (said[length] != 0 || memcmp(said, name, length) != 0)
        return 0;
    if (elf->versym.there) {
        if (!exactly(elf, hashed->versions + 2 * (uint64_t)index, version, 2))
            return -1;
        uint16_t number = le16(version);
        if (number & 0x8000 && (number & 0x7FFF) >= 3)
            return 0;
    }
    return 1;
}

/* 1: the file defines the name, 0: it does not, -1: not tidy. */
static int defines(const struct elf *elf, const struct hashed *hashed, const char *name, size_t length)
{
    uint32_t code = 5381, index;
    unsigned char raw[8];
    if (length == 0 || length > LONGEST)
        return -1;
    for (size_t i = 0; i < length; i++)
        code = code * 33 + (unsigned char)name[i];
    if (hashed->chains == NULL) {
        if (!exactly(elf, hashed->bloom_at + 8 * (uint64_t)(code / 64 % hashed->blooms), raw, 8))
            return -1;
        uint64_t word = le64(raw);
        if (!((word >> (code % 64)) & (word >> ((code >> hashed->shift) % 64)) & 1))
            return 0;
        if (!exactly(elf, hashed->bucket_at + 4 * (uint64_t)(code % hashed->buckets), raw, 4))
            return -1;
        index = le32(raw);
    } else {
        index = le32(hashed->bucket_table + 4 * (size_t)(code % hashed->buckets));
    }
    if (index < hashed->first)
        return 0;
    for (uint32_t steps = 0; hashed->chains != NULL || steps < LONGEST_CHAIN; steps++, index++) {
        uint32_t value;
        if (hashed->chains != NULL) {
            if (index - hashed->first >= hashed->chain_count)
                return 0;
            value = le32(hashed->chains + 4 * (size_t)(index - hashed->first));
        } else {
            if (!exactly(elf, hashed->chain_at + 4 * (uint64_t)(index - hashed->first), raw, 4))
                return -1;
            value = le32(raw);
        }
        if ((value | 1) == (code | 1)) {
            int is = is_definition(elf, hashed, index, name, length);
            if (is)
                return is;
        }
        if (value & 1)
            return 0;
    }
    return -1;
}

const char speed_elf_defined_doc[] =
    "elf_defined(path, names) -> set of bytes | None\n--\n\n"
    "Those of a set of names that the dynamic symbols of a sound ELF file of 64 bits define, by DT_GNU_HASH. None for every other\n"
    "file.";

PyObject *speed_elf_defined(PyObject *module, PyObject *const *args, Py_ssize_t count)
{
    if (count != 2 || !PyAnySet_Check(args[1])) {
        PyErr_SetString(PyExc_TypeError, "elf_defined(path, set)");
        return NULL;
    }
    struct elf elf;
    struct hashed hashed = {0};
    PyObject *found = PySet_New(NULL), *iterator = PyObject_GetIter(args[1]), *name;
    if (found == NULL || iterator == NULL) {
        Py_XDECREF(found);
        Py_XDECREF(iterator);
        return NULL;
    }
    int well = open_path(&elf, args[0]) && open_hashed(&elf, &hashed, PySet_Size(args[1]) > FEW);
    while (well && (name = PyIter_Next(iterator)) != NULL) {
        int is = -1;
        if (!PyBytes_Check(name))
            PyErr_SetString(PyExc_TypeError, "names are bytes");
        else if ((is = defines(&elf, &hashed, PyBytes_AsString(name), (size_t)PyBytes_Size(name))) > 0 && PySet_Add(found, name) < 0)
            is = -1;
        Py_DECREF(name);
        well = is >= 0;
    }
    free(hashed.bucket_table);
    free(hashed.chains);
    elf_free(&elf);
    Py_DECREF(iterator);
    if (!well || PyErr_Occurred()) {
        Py_XDECREF(found);
        if (PyErr_Occurred())
            return NULL;
        Py_RETURN_NONE;
    }
    return found;
}
