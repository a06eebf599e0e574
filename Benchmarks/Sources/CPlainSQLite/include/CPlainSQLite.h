// What the journal's append is held against: SQLite's own rate, in plain C.
#pragma once

typedef struct plain_sqlite plain_sqlite;

// A new database with the columns of a journal's table of entries and as durable as a journal; with_indexes says whether
// its rows can also be found by peer and by group, as a journal's can. NULL when SQLite refuses.
plain_sqlite *plain_sqlite_open(const char *path, int with_indexes);

// Inserts `count` rows with bodies of `body_count` bytes in one transaction, eight in a row of one group. 0, or SQLite's code.
int plain_sqlite_insert(plain_sqlite *database, long count, const unsigned char *body, int body_count);

void plain_sqlite_close(plain_sqlite *database);

// The tree of a journal (docs/protocol/journal.md section 4) without its entries, which proofs do not need: opened empty,
// filled 63 hashes at a time, of the last block what there is, and finished. NULL, or other than 0, when SQLite refuses.
plain_sqlite *plain_sqlite_open_tree(const char *path);
int plain_sqlite_insert_block(plain_sqlite *database, const unsigned char *hashes, int byte_count);
int plain_sqlite_finish_tree(plain_sqlite *database);
