/* Header facts of one ELF file. Twin: envdoctor/collect/native/elf.py, Elf; what is put together there from what is answered
   here: elf.py, tidy(). 64 bits, least byte first, alone: others are the twin's. */
#include "elf.h"

enum { PT_LOAD = 1, PT_DYNAMIC = 2, PT_INTERP = 3, PT_NOTE = 4 };
#define PT_GNU_STACK 0x6474E551u
#define PT_GNU_PROPERTY 0x6474E553u
#define ISA_1_NEEDED 0xC0008002u

#define MAX_STRING 4096
#define MAX_NOTE 1024
#define MAX_NOTES 8
#define MAX_VERSION_FILES 256
#define MAX_VERSION_NAMES 1024
#define BEFORE_VERSIONS 512
#define VERSIONS 1024
#define NEAR 4096

void elf_init(struct elf *elf)
{
    memset(elf, 0, sizeof *elf);
    elf->fd = -1;
}

void elf_free(struct elf *elf)
{
    elf_close(elf);
    for (int i = 0; i < WINDOWS; i++) {
        free(elf->windows[i].data);
        elf->windows[i].data = NULL;
        elf->windows[i].room = elf->windows[i].length = 0;
    }
}

void elf_close(struct elf *elf)
{
    if (elf->fd >= 0)
        close(elf->fd);
    elf->fd = -1;
}

static const unsigned char *within(const struct window *window, uint64_t offset, size_t length)
{
    if (offset < window->from || offset - window->from > window->length || length > window->length - (offset - window->from))
        return NULL;
    return window->data + (offset - window->from);
}

const unsigned char *elf_bytes(struct elf *elf, int number, uint64_t offset, size_t length)
{
    struct window *window = &elf->windows[number];
    const unsigned char *found;
    if (offset > elf->size || length > elf->size - offset)
        return NULL;
    if ((found = within(&elf->windows[WINDOW_HEAD], offset, length)) != NULL || (found = within(window, offset, length)) != NULL)
        return found;
    window->length = 0;
    if (window->room < length) {
        size_t room = length < 2048 ? 2048 : length;
        free(window->data);
        window->room = 0;
        window->data = malloc(room);
        if (window->data == NULL)
            return NULL;
        window->room = room;
    }
    if (pread(elf->fd, window->data, length, (off_t)offset) != (ssize_t)length)
        return NULL;
    window->from = offset;
    window->length = length;
    return window->data;
}

int elf_offset(const struct elf *elf, uint64_t address, uint64_t *offset)
{
    for (unsigned i = 0; i < elf->load_count; i++)
        if (address >= elf->loads[i].address && address - elf->loads[i].address < elf->loads[i].length) {
            *offset = elf->loads[i].offset + (address - elf->loads[i].address);
            return 1;
        }
    return 0;
}

/* A part of the file that lies in it as a whole. */
static int fits(const struct elf *elf, uint64_t offset, uint64_t length)
{
    return offset <= elf->size && length <= elf->size - offset;
}

static int program_headers(struct elf *elf, const unsigned char *at, unsigned count)
{
    for (; count > 0; count--, at += 56) {
        uint64_t offset = le64(at + 8), address = le64(at + 16), length = le64(at + 32);
        unsigned i;
        switch (le32(at)) {
        case PT_LOAD:
            if (!fits(elf, offset, length))
                return 0;
            elf->loads[elf->load_count].address = address;
            elf->loads[elf->load_count].offset = offset;
            elf->loads[elf->load_count++].length = length;
            break;
        case PT_GNU_PROPERTY:
            for (i = 0; i < elf->note_count; i++)
                if (elf->notes[i].at == offset && elf->notes[i].length == length)
                    break;
            if (i < elf->note_count)
                break;
            /* fall through */
        case PT_NOTE:
            elf->notes[elf->note_count].at = offset;
            elf->notes[elf->note_count++].length = length;
            break;
        case PT_DYNAMIC:
            elf->has_dynamic = 1;
            elf->dynamic_at = offset;
            elf->dynamic_length = length;
            break;
        case PT_GNU_STACK:
            elf->has_stack = 1;
            elf->stack = le32(at + 4);
            break;
        case PT_INTERP:
            elf->has_interpreter = 1;
            elf->interpreter_at = offset;
            elf->interpreter_length = length;
            break;
        }
    }
    return 1;
}

static int headers(struct elf *elf)
{
    size_t length = elf->size < HEAD_SIZE ? (size_t)elf->size : HEAD_SIZE;
    const unsigned char *at = elf_bytes(elf, WINDOW_HEAD, 0, length);
    if (at == NULL || length < 64 || memcmp(at, "\177ELF\2\1", 6) != 0)
        return 0;
    elf->osabi = at[7];
    elf->kind = le16(at + 16);
    elf->machine = le16(at + 18);
    elf->machine_flags = le32(at + 48);
    uint64_t sections = le64(at + 40), programs = le64(at + 32);
    unsigned count = le16(at + 56);
    elf->sections_cut = sections > elf->size || (uint64_t)le16(at + 58) * le16(at + 60) > elf->size - sections;
    /* objects, core files, and device code are the twin's */
    if ((elf->kind != 2 && elf->kind != 3) || elf->machine == 190 || elf->machine == 224)
        return 0;
    if (count == 0 || count > MAX_PROGRAM_HEADERS || le16(at + 54) != 56)
        return 0;
    at = elf_bytes(elf, WINDOW_OTHER, programs, (size_t)count * 56);
    return at != NULL && program_headers(elf, at, count);
}

int elf_open(struct elf *elf, int folder, const char *path)
{
    struct stat info;
    for (int i = 0; i < WINDOWS; i++)
        elf->windows[i].length = 0;
    elf->load_count = elf->note_count = elf->needed_count = 0;
    elf->has_dynamic = elf->has_interpreter = elf->has_stack = 0;
    elf->fd = openat(folder, path, OPEN_FLAGS);
    if (elf->fd < 0)
        return 0;
    if (fstat(elf->fd, &info) == 0 && S_ISREG(info.st_mode) && info.st_size > 0) {
        elf->size = (uint64_t)info.st_size;
        if (headers(elf))
            return 1;
    }
    elf_close(elf);
    return 0;
}

int elf_dynamic(struct elf *elf)
{
    elf->needed_count = 0;
    elf->strtab.there = elf->symtab.there = elf->strsz.there = elf->soname.there = elf->rpath.there = elf->runpath.there = 0;
    elf->hash.there = elf->gnu_hash.there = elf->versym.there = elf->flags_1.there = 0;
    elf->verdef.there = elf->verdefnum.there = elf->verneed.there = elf->verneednum.there = 0;
    elf->flags_1.value = elf->verdefnum.value = elf->verneednum.value = 0;
    if (!elf->has_dynamic)
        return 1;
    size_t length = elf->dynamic_length < MAX_TABLE ? (size_t)elf->dynamic_length : MAX_TABLE;
    const unsigned char *at = elf_bytes(elf, WINDOW_DYNAMIC, elf->dynamic_at, length);
    if (at == NULL)
        return 0;
    unsigned leading = 0;
    for (size_t i = 0; i < length / 16; i++, at += 16) {
        uint64_t key = le64(at), value = le64(at + 8);
        struct tag *tag = NULL;
        switch (key) {
        case 0:
            return 1;
        case DT_NEEDED:
            /* some at the head and some further down: the twin has its own way with that */
            if (elf->needed_count == MAX_NEEDED || (leading > 0 && leading != i))
                return 0;
            elf->needed[elf->needed_count++] = value;
            leading += i == leading;
            break;
        case DT_HASH: tag = &elf->hash; break;
        case DT_STRTAB: tag = &elf->strtab; break;
        case DT_SYMTAB: tag = &elf->symtab; break;
        case DT_STRSZ: tag = &elf->strsz; break;
        case DT_SONAME: tag = &elf->soname; break;
        case DT_RPATH: tag = &elf->rpath; break;
        case DT_RUNPATH: tag = &elf->runpath; break;
        case DT_GNU_HASH: tag = &elf->gnu_hash; break;
        case DT_VERSYM: tag = &elf->versym; break;
        case DT_FLAGS_1: tag = &elf->flags_1; break;
        case DT_VERDEF: tag = &elf->verdef; break;
        case DT_VERDEFNUM: tag = &elf->verdefnum; break;
        case DT_VERNEED: tag = &elf->verneed; break;
        case DT_VERNEEDNUM: tag = &elf->verneednum; break;
        }
        if (tag != NULL) {
            tag->there = 1;
            tag->value = value;
        }
    }
    return 1;
}

/* ------------------------------------------------------------------------------------------------------------- notes */

static const unsigned char *find(const unsigned char *at, size_t length, const char *word, size_t size)
{
    for (; length >= size; at++, length--) {
        const unsigned char *next = memchr(at, word[0], length - size + 1);
        if (next == NULL)
            return NULL;
        length -= (size_t)(next - at);
        at = next;
        if (memcmp(at, word, size) == 0)
            return at;
    }
    return NULL;
}

static int isa_of(const unsigned char *raw, size_t length, size_t at)
{
    uint64_t end = (uint64_t)at + 16 + le32(raw + at + 4), here = (uint64_t)at + 16;
    if (end > length)
        end = length;
    for (int i = 0; i < 64 && here + 12 <= end; i++) {
        const unsigned char *one = raw + here;
        uint32_t size = le32(one + 4), value = le32(one + 8);
        if (le32(one) == ISA_1_NEEDED && size == 4)
            return value & 8 ? 4 : value & 4 ? 3 : value & 2 ? 2 : 0;
        here += 8 + ((uint64_t)size + 7) / 8 * 8;
    }
    return 0;
}

struct notes {
    int has_minimum, isa;
    uint32_t minimum[3];
};

static int read_notes(struct elf *elf, struct notes *found)
{
    found->has_minimum = found->isa = 0;
    for (unsigned i = 0; i < elf->note_count && i < MAX_NOTES; i++) {
        size_t length = elf->notes[i].length < MAX_NOTE ? (size_t)elf->notes[i].length : MAX_NOTE;
        if (length == 0)
            continue;
        const unsigned char *raw = elf_bytes(elf, WINDOW_OTHER, elf->notes[i].at, length);
        if (raw == NULL)
            return 0;
        const unsigned char *at = find(raw, length, "\4\0\0\0\20\0\0\0\1\0\0\0GNU", 16);
        if (at != NULL && (at - raw) % 4 == 0 && (size_t)(at - raw) + 32 <= length && !found->has_minimum && le32(at + 16) == 0
            && le32(at + 20) < 100 && le32(at + 24) < 1000) {
            found->has_minimum = 1;
            for (int j = 0; j < 3; j++)
                found->minimum[j] = le32(at + 20 + 4 * j);
        }
        at = find(raw, length, "\5\0\0\0GNU", 8);
        if (at != NULL && at - raw >= 8 && (at - raw) % 4 == 0 && found->isa == 0)
            found->isa = isa_of(raw, length, (size_t)(at - raw) - 8);
    }
    return 1;
}

/* ----------------------------------------------------------------------------------------------------------- strings */

struct wanted {
    uint64_t offsets[MAX_WANTED];
    unsigned count;
    uint64_t low, high;
};

static int want(struct wanted *wanted, uint64_t offset)
{
    if (wanted->count == MAX_WANTED || offset == 0)
        return 0;
    if (wanted->count == 0 || offset < wanted->low)
        wanted->low = offset;
    if (wanted->count == 0 || offset > wanted->high)
        wanted->high = offset;
    wanted->offsets[wanted->count++] = offset;
    return 1;
}

/* Printable ASCII that ends in a zero byte within `room` bytes: its length; 0 for everything else. */
static size_t plain(const unsigned char *at, size_t room)
{
    size_t length = 0;
    while (length < room && at[length] >= 0x20 && at[length] < 0x7F)
        length++;
    return length < room && at[length] == 0 ? length : 0;
}

/* The string at `offset` of the table that begins at `base` and has `limit` bytes, its zero byte in `size`. */
static const unsigned char *string_at(struct elf *elf, uint64_t base, uint64_t limit, uint64_t offset, size_t *size)
{
    static const int places[] = {WINDOW_HEAD, WINDOW_VERSIONS, WINDOW_DEFINITIONS, WINDOW_STRINGS, WINDOW_OTHER};
    if (offset >= limit || limit > elf->size || base > elf->size - limit)
        return NULL;
    uint64_t at = base + offset;
    size_t room = limit - offset < MAX_STRING ? (size_t)(limit - offset) : MAX_STRING, length;
    const unsigned char *found;
    for (unsigned i = 0; i < sizeof places / sizeof places[0]; i++) {
        const struct window *window = &elf->windows[places[i]];
        if ((found = within(window, at, 1)) == NULL)
            continue;
        size_t here = window->length - (size_t)(at - window->from);
        length = plain(found, here < room ? here : room);
        if (length > 0) {
            *size = length + 1;
            return found;
        }
    }
    /* with what stands around it: names that are asked for together were put there together */
    uint64_t before = offset < 1024 ? offset : 1024;
    size_t after = room < 1024 ? room : 1024;
    found = elf_bytes(elf, WINDOW_OTHER, at - before, (size_t)before + after);
    if (found == NULL)
        return NULL;
    length = plain(found + before, after);
    if (length == 0 && after < room) {
        before = 0;
        found = elf_bytes(elf, WINDOW_OTHER, at, room);
        if (found == NULL)
            return NULL;
        length = plain(found, room);
    }
    *size = length + 1;
    return length > 0 ? found + before : NULL;
}

/* ---------------------------------------------------------------------------------------------------------- versions */

struct needs {
    uint64_t library[MAX_VERSION_FILES];
    unsigned first[MAX_VERSION_FILES], count[MAX_VERSION_FILES];
    unsigned total, names;
    uint32_t name[MAX_VERSION_NAMES];
};

static int version_needs(struct elf *elf, struct needs *needs)
{
    uint64_t base, count = elf->verneednum.value;
    needs->total = needs->names = 0;
    if (!elf->verneed.there)
        return 1;
    if (count > MAX_VERSION_FILES || !elf_offset(elf, elf->verneed.value, &base))
        return 0;
    /* linkers put the names right before the version needs, so that one read brings both */
    uint64_t start = base < BEFORE_VERSIONS ? 0 : base - BEFORE_VERSIONS;
    uint64_t end = elf->size - base < VERSIONS ? elf->size : base + VERSIONS;
    for (;;) {
        const unsigned char *raw = elf_bytes(elf, WINDOW_VERSIONS, start, (size_t)(end - start));
        if (raw == NULL)
            return 0;
        raw += base - start;
        uint64_t length = end - base, at = 0, seen = 0;
        int cut = 0;
        needs->total = needs->names = 0;
        for (uint64_t i = 0; i < count && !cut; i++) {
            if (at + 16 > length) {
                cut = 1;
                break;
            }
            const unsigned char *one = raw + at;
            uint64_t place = at + le32(one + 8);
            unsigned first = needs->names;
            for (unsigned left = le16(one + 2); left > 0; left--) {
                if (place + 16 > length) {
                    cut = 1;
                    break;
                }
                if (seen++ == MAX_VERSION_NAMES)
                    return 0;
                const unsigned char *aux = raw + place;
                if (!(le16(aux + 4) & 2))
                    needs->name[needs->names++] = le32(aux + 8);
                if (le32(aux + 12) == 0)
                    break;
                place += le32(aux + 12);
            }
            if (needs->names > first) {
                needs->library[needs->total] = le32(one + 4);
                needs->first[needs->total] = first;
                needs->count[needs->total++] = needs->names - first;
            }
            if (le32(one + 12) == 0)
                break;
            at += le32(one + 12);
        }
        if (!cut)
            return 1;
        uint64_t most = elf->size - base < MAX_TABLE ? elf->size : base + MAX_TABLE;
        if (end == most)
            return 0;
        end = most;
    }
}

static int version_definitions(struct elf *elf, uint32_t *names, unsigned *total)
{
    uint64_t base, count = elf->verdefnum.value, at = 0;
    *total = 0;
    if (!elf->verdef.there || count == 0)
        return 1;
    if (count > MAX_VERSION_NAMES || !elf_offset(elf, elf->verdef.value, &base))
        return 0;
    uint64_t length = 48 * count;
    if (length > elf->size - base)
        length = elf->size - base;
    const unsigned char *raw = within(&elf->windows[WINDOW_VERSIONS], base, (size_t)length);
    if (raw == NULL)
        raw = elf_bytes(elf, WINDOW_DEFINITIONS, base, (size_t)length);
    if (raw == NULL)
        return 0;
    for (uint64_t i = 0; i < count; i++) {
        if (at + 20 > length)
            return 0;
        const unsigned char *one = raw + at;
        uint64_t first = at + le32(one + 12);
        if (!(le16(one + 2) & 1)) {
            if (first + 4 > length)
                return 0;
            names[(*total)++] = le32(raw + first);
        }
        if (le32(one + 16) == 0)
            break;
        at += le32(one + 16);
    }
    return 1;
}

/* ----------------------------------------------------------------------------------------------------------- exports */

/* The file defines the symbol, for an asker without versions (DT_GNU_HASH): 1, 0; -1: not tidy. */
static int defines(struct elf *elf, const char *name, size_t size)
{
    uint64_t base, symbols, strings, versions = 0;
    const unsigned char *raw;
    if (!elf->symtab.there || !elf->strtab.there || (!elf->gnu_hash.there && !elf->hash.there))
        return 0;
    if (!elf->gnu_hash.there)
        return -1;
    if (!elf_offset(elf, elf->gnu_hash.value, &base) || !elf_offset(elf, elf->symtab.value, &symbols)
        || !elf_offset(elf, elf->strtab.value, &strings)
        || (elf->versym.there && !elf_offset(elf, elf->versym.value, &versions)))
        return -1;
    if ((raw = elf_bytes(elf, WINDOW_OTHER, base, 16)) == NULL)
        return -1;
    uint64_t count = le32(raw), first = le32(raw + 4), blooms = le32(raw + 8);
    unsigned shift = le32(raw + 12) & 31;
    if (count == 0 || blooms == 0)
        return 0;
    uint32_t code = 5381;
    for (size_t i = 0; i < size; i++)
        code = code * 33 + (unsigned char)name[i];
    if ((raw = elf_bytes(elf, WINDOW_OTHER, base + 16 + code / 64 % blooms * 8, 8)) == NULL)
        return -1;
    uint64_t word = le64(raw), bucket_at = base + 16 + blooms * 8, chain_at = bucket_at + 4 * count;
    if (!((word >> code % 64) & (word >> (code >> shift) % 64) & 1))
        return 0;
    if ((raw = elf_bytes(elf, WINDOW_OTHER, bucket_at + code % count * 4, 4)) == NULL)
        return -1;
    uint64_t index = le32(raw);
    if (index < first)
        return 0;
    for (int steps = 0; steps < 128; steps++) {
        uint64_t at = chain_at + (index - first) * 4;
        if (at >= elf->size)
            return -1;
        size_t here = elf->size - at < 32 ? (size_t)((elf->size - at) / 4) : 8;
        unsigned char chain[32];
        if ((raw = elf_bytes(elf, WINDOW_OTHER, at, 4 * here)) == NULL)
            return -1;
        memcpy(chain, raw, 4 * here);
        for (size_t i = 0; i < here; i++, index++) {
            uint32_t value = le32(chain + 4 * i);
            if ((value | 1) == (code | 1)) {
                unsigned char symbol[24];
                if ((raw = elf_bytes(elf, WINDOW_OTHER, symbols + index * 24, 24)) == NULL)
                    return -1;
                memcpy(symbol, raw, 24);
                if (le16(symbol + 6) != 0) {
                    if ((raw = elf_bytes(elf, WINDOW_OTHER, strings + le32(symbol), size + 1)) == NULL)
                        return -1;
                    if (memcmp(raw, name, size) == 0 && raw[size] == 0) {
                        if (!elf->versym.there)
                            return 1;
                        if ((raw = elf_bytes(elf, WINDOW_OTHER, versions + 2 * index, 2)) == NULL)
                            return -1;
                        uint16_t version = le16(raw);
                        if (!(version & 0x8000 && (version & 0x7FFF) >= 3))
                            return 1;
                    }
                }
            }
            if (value & 1)
                return 0;
        }
        if (here < 8)
            return -1;
    }
    return -1;
}

/* ------------------------------------------------------------------------------------------------------------- facts */

/* What `fields` takes apart again. Numbers with their least byte first:
   0 machine (2), 2 OS ABI, 3 bits, 4 flags of the machine (4), 8 x86 level, 10 number of needed names (2), 12 of libraries
   with versions (2), 14 of versions defined (2), 16 kernel (3 x 4), 28 numbers of versions (2 each), then strings, each with
   its zero byte: interpreter, soname, RPATH, RUNPATH (empty where there is none), needed names, for each library its name and
   its versions, versions defined. */
enum { IS_PROGRAM = 1, HAS_DYNAMIC = 2, IS_PIE = 4, NO_DEFAULTS = 8, HAS_STACK = 16, STACK_RUNS = 32, HAS_KERNEL = 64 };
#define FIXED 28

static void put16(unsigned char *at, unsigned value)
{
    at[0] = (unsigned char)value;
    at[1] = (unsigned char)(value >> 8);
}

static void put32(unsigned char *at, uint32_t value)
{
    put16(at, value & 0xFFFF);
    put16(at + 2, value >> 16);
}

static int room_for(struct facts *facts, size_t size)
{
    if (facts->length + size > facts->room) {
        size_t room = 2 * (facts->length + size);
        unsigned char *data = realloc(facts->data, room);
        if (data == NULL)
            return 0;
        facts->data = data;
        facts->room = room;
    }
    return 1;
}

static int put(struct facts *facts, const unsigned char *from, size_t size)
{
    if (!room_for(facts, size))
        return 0;
    memcpy(facts->data + facts->length, from, size);
    facts->length += size;
    return 1;
}

static int put_string(struct elf *elf, struct facts *facts, uint64_t base, uint64_t offset)
{
    size_t size;
    const unsigned char *word = string_at(elf, base, elf->strsz.value, offset, &size);
    return word != NULL && put(facts, word, size);
}

static int put_optional(struct elf *elf, struct facts *facts, uint64_t base, const struct tag *tag)
{
    return tag->there && tag->value != 0 ? put_string(elf, facts, base, tag->value) : put(facts, (const unsigned char *)"", 1);
}

static int gather(struct elf *elf, struct facts *facts, const char *init, size_t init_size)
{
    struct notes notes;
    struct wanted wanted;
    struct needs needs;
    uint32_t definitions[MAX_VERSION_NAMES];
    unsigned defined = 0;
    uint64_t base = 0;
    if (!read_notes(elf, &notes) || !elf_dynamic(elf) || !version_needs(elf, &needs)
        || !version_definitions(elf, definitions, &defined))
        return 0;
    wanted.count = 0;
    wanted.low = wanted.high = 0;
    if (elf->soname.there && elf->soname.value != 0 && !want(&wanted, elf->soname.value))
        return 0;
    if (elf->rpath.there && elf->rpath.value != 0 && !want(&wanted, elf->rpath.value))
        return 0;
    if (elf->runpath.there && elf->runpath.value != 0 && !want(&wanted, elf->runpath.value))
        return 0;
    for (unsigned i = 0; i < elf->needed_count; i++)
        if (!want(&wanted, elf->needed[i]))
            return 0;
    for (unsigned i = 0; i < needs.total; i++)
        if (!want(&wanted, needs.library[i]))
            return 0;
    for (unsigned i = 0; i < needs.names; i++)
        if (!want(&wanted, needs.name[i]))
            return 0;
    for (unsigned i = 0; i < defined; i++)
        if (!want(&wanted, definitions[i]))
            return 0;
    if (wanted.count > 0) {
        if (!elf->strtab.there || !elf->strsz.there || !elf_offset(elf, elf->strtab.value, &base))
            return 0;
        if (wanted.high >= elf->strsz.value || !fits(elf, base, elf->strsz.value))
            return 0;
        uint64_t from = base + wanted.low, left = elf->strsz.value - wanted.low, span = wanted.high - wanted.low + 160;
        if (span > left)
            span = left;
        if (span <= NEAR && within(&elf->windows[WINDOW_VERSIONS], from, (size_t)span) == NULL
            && elf_bytes(elf, WINDOW_STRINGS, from, (size_t)span) == NULL)
            return 0;
    }
    facts->length = 0;
    size_t fixed = FIXED + 2 * (size_t)needs.total;
    if (!room_for(facts, fixed + 1024))
        return 0;
    unsigned char *head = facts->data;
    memset(head, 0, fixed);
    put16(head, elf->machine);
    head[2] = elf->osabi;
    head[3] = (unsigned char)((elf->kind == 2 ? IS_PROGRAM : 0) | (elf->has_dynamic ? HAS_DYNAMIC : 0)
                              | (elf->flags_1.value & 0x08000000 ? IS_PIE : 0) | (elf->flags_1.value & 0x800 ? NO_DEFAULTS : 0)
                              | (elf->has_stack ? HAS_STACK : 0) | (elf->has_stack && elf->stack & 1 ? STACK_RUNS : 0)
                              | (notes.has_minimum ? HAS_KERNEL : 0));
    put32(head + 4, elf->machine_flags);
    head[8] = (unsigned char)notes.isa;
    put16(head + 10, elf->needed_count);
    put16(head + 12, needs.total);
    put16(head + 14, defined);
    for (int i = 0; i < 3 && notes.has_minimum; i++)
        put32(head + 16 + 4 * i, notes.minimum[i]);
    for (unsigned i = 0; i < needs.total; i++)
        put16(head + FIXED + 2 * i, needs.count[i]);
    facts->length = fixed;
    if (elf->has_interpreter) {
        size_t length = elf->interpreter_length < MAX_STRING ? (size_t)elf->interpreter_length : MAX_STRING;
        const unsigned char *raw = length > 0 ? elf_bytes(elf, WINDOW_OTHER, elf->interpreter_at, length) : NULL;
        size_t said = raw != NULL ? plain(raw, length) : 0;
        if (said == 0 || !put(facts, raw, said + 1))
            return 0;
    } else if (!put(facts, (const unsigned char *)"", 1)) {
        return 0;
    }
    if (!put_optional(elf, facts, base, &elf->soname) || !put_optional(elf, facts, base, &elf->rpath)
        || !put_optional(elf, facts, base, &elf->runpath))
        return 0;
    for (unsigned i = 0; i < elf->needed_count; i++)
        if (!put_string(elf, facts, base, elf->needed[i]))
            return 0;
    for (unsigned i = 0; i < needs.total; i++) {
        if (!put_string(elf, facts, base, needs.library[i]))
            return 0;
        for (unsigned j = 0; j < needs.count[i]; j++)
            if (!put_string(elf, facts, base, needs.name[needs.first[i] + j]))
                return 0;
    }
    for (unsigned i = 0; i < defined; i++)
        if (!put_string(elf, facts, base, definitions[i]))
            return 0;
    facts->size = elf->size;
    facts->sections_cut = elf->sections_cut;
    facts->init = -1;
    if (init != NULL) {
        facts->init = defines(elf, init, init_size);
        if (facts->init < 0)
            return 0;
    }
    return 1;
}

int elf_facts(struct elf *elf, struct facts *facts, int folder, const char *path, const char *init, size_t init_size)
{
    if (!elf_open(elf, folder, path))
        return 0;
    int well = gather(elf, facts, init, init_size);
    elf_close(elf);
    return well;
}

PyObject *facts_answer(const struct facts *facts)
{
    PyObject *init = facts->init < 0 ? Py_None : facts->init ? Py_True : Py_False;
    return Py_BuildValue("KOOy#", (unsigned long long)facts->size, facts->sections_cut ? Py_True : Py_False, init,
                         (const char *)facts->data, (Py_ssize_t)facts->length);
}

const char speed_elf_read_doc[] =
    "elf_read(path, init) -> (size, sections cut, exported, facts) | None\n--\n\n"
    "What stands in the headers of a sound ELF file of 64 bits: its size; its table of sections lies behind its end; it defines\n"
    "the symbol `init` (bytes; None where that is None); and what `elf_fields` takes apart, the same bytes for the same facts.\n"
    "None for every other file.";

PyObject *speed_elf_read(PyObject *module, PyObject *const *args, Py_ssize_t count)
{
    if (count != 2 || (args[1] != Py_None && !PyBytes_Check(args[1]))) {
        PyErr_SetString(PyExc_TypeError, "elf_read(path, init)");
        return NULL;
    }
    PyObject *path = path_bytes(args[0]);
    if (path == NULL) {
        PyErr_Clear();
        Py_RETURN_NONE;
    }
    struct elf elf;
    struct facts facts = {0};
    const char *init = args[1] == Py_None ? NULL : PyBytes_AsString(args[1]);
    elf_init(&elf);
    int well = elf_facts(&elf, &facts, AT_FDCWD, PyBytes_AsString(path), init, init ? (size_t)PyBytes_Size(args[1]) : 0);
    elf_free(&elf);
    Py_DECREF(path);
    PyObject *found = NULL;
    if (well)
        found = facts_answer(&facts);
    free(facts.data);
    if (well)
        return found;
    Py_RETURN_NONE;
}

/* --------------------------------------------------------------------------------------------------- facts, taken apart */

struct reader {
    const unsigned char *at, *end;
    PyObject *memo;
};

/* `make` of the bytes, kept in the memo. A new reference. */
static PyObject *kept(struct reader *reader, const unsigned char *from, size_t size, unsigned count)
{
    PyObject *key = PyBytes_FromStringAndSize((const char *)from, (Py_ssize_t)size), *found, *item;
    if (key == NULL)
        return NULL;
    found = PyDict_GetItemWithError(reader->memo, key);
    if (found != NULL) {
        Py_INCREF(found);
    } else if (!PyErr_Occurred()) {
        if (count == 0) {
            found = PyUnicode_DecodeASCII((const char *)from, (Py_ssize_t)size, "strict");
        } else if ((found = PyTuple_New(count)) != NULL) {
            for (unsigned i = 0; i < count; i++) {
                size_t length = strlen((const char *)from);
                item = kept(reader, from, length, 0);
                if (item == NULL || PyTuple_SetItem(found, i, item) != 0) {
                    Py_CLEAR(found);
                    break;
                }
                from += length + 1;
            }
        }
        if (found != NULL && PyDict_SetItem(reader->memo, key, found) != 0)
            Py_CLEAR(found);
    }
    Py_DECREF(key);
    return found;
}

/* The next string, None where it is empty. */
static PyObject *next_string(struct reader *reader)
{
    const unsigned char *from = reader->at;
    const unsigned char *end = memchr(from, 0, (size_t)(reader->end - from));
    if (end == NULL) {
        PyErr_SetString(PyExc_ValueError, "not what elf_read made");
        return NULL;
    }
    reader->at = end + 1;
    if (end == from)
        Py_RETURN_NONE;
    return kept(reader, from, (size_t)(end - from), 0);
}

/* The next `count` strings. */
static PyObject *next_strings(struct reader *reader, unsigned count)
{
    const unsigned char *from = reader->at;
    if (count == 0)
        return PyTuple_New(0);
    for (unsigned i = 0; i < count; i++) {
        const unsigned char *end = memchr(reader->at, 0, (size_t)(reader->end - reader->at));
        if (end == NULL) {
            PyErr_SetString(PyExc_ValueError, "not what elf_read made");
            return NULL;
        }
        reader->at = end + 1;
    }
    return kept(reader, from, (size_t)(reader->at - from), count);
}

const char speed_elf_fields_doc[] =
    "elf_fields(facts, memo) -> tuple\n--\n\n"
    "(machine, flags of the machine, OS ABI, program, has a dynamic section, PIE, no default folders, stack flag or None, kernel\n"
    "or None, x86 level, interpreter, soname, rpath, runpath, needed, ((library, versions), ...), versions defined) of what\n"
    "`elf_read` has answered. Texts and their tuples are kept in the dictionary `memo`, by their bytes.";

PyObject *speed_elf_fields(PyObject *module, PyObject *const *args, Py_ssize_t count)
{
    if (count != 2 || !PyBytes_Check(args[0]) || !PyDict_Check(args[1])) {
        PyErr_SetString(PyExc_TypeError, "elf_fields(facts, memo)");
        return NULL;
    }
    const unsigned char *head = (const unsigned char *)PyBytes_AsString(args[0]);
    size_t size = (size_t)PyBytes_Size(args[0]);
    unsigned libraries = size < FIXED ? 0 : le16(head + 12), needed = size < FIXED ? 0 : le16(head + 10);
    if (size < FIXED + 2 * (size_t)libraries) {
        PyErr_SetString(PyExc_ValueError, "not what elf_read made");
        return NULL;
    }
    struct reader reader = {head + FIXED + 2 * libraries, head + size, args[1]};
    PyObject *words[4] = {0}, *names = NULL, *needs = NULL, *defined = NULL, *kernel = NULL, *found = NULL;
    for (int i = 0; i < 4; i++)
        if ((words[i] = next_string(&reader)) == NULL)
            goto done;
    if ((names = next_strings(&reader, needed)) == NULL || (needs = PyTuple_New(libraries)) == NULL)
        goto done;
    for (unsigned i = 0; i < libraries; i++) {
        PyObject *library = next_string(&reader), *versions, *pair;
        if (library == NULL)
            goto done;
        versions = next_strings(&reader, le16(head + FIXED + 2 * i));
        if (versions == NULL) {
            Py_DECREF(library);
            goto done;
        }
        pair = PyTuple_New(2);
        if (pair == NULL) {
            Py_DECREF(library);
            Py_DECREF(versions);
            goto done;
        }
        PyTuple_SetItem(pair, 0, library);
        PyTuple_SetItem(pair, 1, versions);
        PyTuple_SetItem(needs, i, pair);
    }
    if ((defined = next_strings(&reader, le16(head + 14))) == NULL)
        goto done;
    int bits = head[3];
    if (bits & HAS_KERNEL)
        kernel = PyUnicode_FromFormat("%lu.%lu.%lu", (unsigned long)le32(head + 16), (unsigned long)le32(head + 20),
                                      (unsigned long)le32(head + 24));
    else
        Py_INCREF(Py_None), kernel = Py_None;
    if (kernel == NULL)
        goto done;
#define TRUTH(bit) (bits & (bit) ? Py_True : Py_False)
    found = Py_BuildValue("HIBOOOOOOBOOOOOOO", le16(head), (unsigned int)le32(head + 4), head[2], TRUTH(IS_PROGRAM),
                          TRUTH(HAS_DYNAMIC), TRUTH(IS_PIE), TRUTH(NO_DEFAULTS), bits & HAS_STACK ? TRUTH(STACK_RUNS) : Py_None,
                          kernel, head[8], words[0], words[1], words[2], words[3], names, needs, defined);
done:
    for (int i = 0; i < 4; i++)
        Py_XDECREF(words[i]);
    Py_XDECREF(names);
    Py_XDECREF(needs);
    Py_XDECREF(defined);
    Py_XDECREF(kernel);
    return found;
}
