/* What elf.c and symbols.c share: an open ELF file of 64 bits, least byte first, whose tables lie where a linker puts them. */
#ifndef ENVDOCTOR_ELF_H
#define ENVDOCTOR_ELF_H

#include "speed.h"

enum {
    DT_NEEDED = 1,
    DT_HASH = 4,
    DT_STRTAB = 5,
    DT_SYMTAB = 6,
    DT_STRSZ = 10,
    DT_SONAME = 14,
    DT_RPATH = 15,
    DT_RUNPATH = 29,
};
#define DT_GNU_HASH 0x6FFFFEF5u
#define DT_VERSYM 0x6FFFFFF0u
#define DT_FLAGS_1 0x6FFFFFFBu
#define DT_VERDEF 0x6FFFFFFCu
#define DT_VERDEFNUM 0x6FFFFFFDu
#define DT_VERNEED 0x6FFFFFFEu
#define DT_VERNEEDNUM 0x6FFFFFFFu

#define HEAD_SIZE 1024
#define MAX_PROGRAM_HEADERS 64
#define MAX_NEEDED 256
#define MAX_WANTED 2048
#define MAX_TABLE (64 << 10)

struct window {
    uint64_t from;
    size_t length, room;
    unsigned char *data;
};

struct tag {
    uint64_t value;
    int there;
};

enum { WINDOW_HEAD, WINDOW_DYNAMIC, WINDOW_VERSIONS, WINDOW_DEFINITIONS, WINDOW_STRINGS, WINDOW_OTHER, WINDOWS };

/* A file that is being read. What is malloced in it is used again for the next file. */
struct elf {
    int fd;
    uint64_t size;
    struct window windows[WINDOWS];
    struct {
        uint64_t address, offset, length;
    } loads[MAX_PROGRAM_HEADERS];
    unsigned load_count;
    uint64_t dynamic_at, dynamic_length, interpreter_at, interpreter_length;
    struct {
        uint64_t at, length;
    } notes[2 * MAX_PROGRAM_HEADERS];
    unsigned note_count;
    int has_dynamic, has_interpreter, has_stack;
    uint32_t stack, machine_flags;
    uint16_t kind, machine;
    uint8_t osabi;
    int sections_cut;
    struct tag strtab, symtab, strsz, soname, rpath, runpath, hash, gnu_hash, versym, flags_1, verdef, verdefnum, verneed, verneednum;
    uint64_t needed[MAX_NEEDED];
    unsigned needed_count;
};

static inline uint16_t le16(const unsigned char *at)
{
    return (uint16_t)(at[0] | at[1] << 8);
}

static inline uint32_t le32(const unsigned char *at)
{
    return (uint32_t)at[0] | (uint32_t)at[1] << 8 | (uint32_t)at[2] << 16 | (uint32_t)at[3] << 24;
}

static inline uint64_t le64(const unsigned char *at)
{
    return (uint64_t)le32(at) | (uint64_t)le32(at + 4) << 32;
}

/* All of these are called without the GIL, too. 1: well; 0: not tidy. */
void elf_init(struct elf *elf);
void elf_free(struct elf *elf);
int elf_open(struct elf *elf, int folder, const char *path);
void elf_close(struct elf *elf);
int elf_dynamic(struct elf *elf);

/* `length` bytes of the file at `offset`, all of them, read into a window unless they are in memory; NULL where it has them not. */
const unsigned char *elf_bytes(struct elf *elf, int window, uint64_t offset, size_t length);

/* Where a virtual address lies in the file; 0: nowhere. */
int elf_offset(const struct elf *elf, uint64_t address, uint64_t *offset);

/* What is known of one file, as `elf_fields` takes it apart. `data` is malloced, and used again. */
struct facts {
    unsigned char *data;
    size_t length, room;
    uint64_t size;
    int sections_cut;
    int init;
};

/* All facts of the file at `path` below `folder`; `init` is a symbol that is looked for, or NULL. 1: well; 0: not tidy. */
int elf_facts(struct elf *elf, struct facts *facts, int folder, const char *path, const char *init, size_t init_size);

/* The answer of `elf_read`, with the GIL. */
PyObject *facts_answer(const struct facts *facts);

#endif
