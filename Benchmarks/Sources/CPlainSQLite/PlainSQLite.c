#include "CPlainSQLite.h"

#include <sqlite3.h>
#include <stdlib.h>
#include <string.h>

struct plain_sqlite {
  sqlite3 *database;
  sqlite3_stmt *insert;
  long count;
};

static const char *tables =
    "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;"
    "CREATE TABLE entry (sequence INTEGER PRIMARY KEY, time INTEGER NOT NULL, kind INTEGER NOT NULL,"
    " peer INTEGER NOT NULL, \"group\" BLOB NOT NULL, previous BLOB NOT NULL, body BLOB NOT NULL) STRICT;";

static const char *indexes =
    "CREATE INDEX entry_by_peer ON entry (peer); CREATE INDEX entry_by_group ON entry (\"group\");";

plain_sqlite *plain_sqlite_open(const char *path, int with_indexes) {
  plain_sqlite *self = calloc(1, sizeof *self);
  if (self && sqlite3_open(path, &self->database) == SQLITE_OK &&
      sqlite3_exec(self->database, tables, NULL, NULL, NULL) == SQLITE_OK &&
      (!with_indexes || sqlite3_exec(self->database, indexes, NULL, NULL, NULL) == SQLITE_OK) &&
      sqlite3_prepare_v2(self->database, "INSERT INTO entry VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)", -1, &self->insert,
                         NULL) == SQLITE_OK)
    return self;
  plain_sqlite_close(self);
  return NULL;
}

int plain_sqlite_insert(plain_sqlite *self, long count, const unsigned char *body, int body_count) {
  int code = sqlite3_exec(self->database, "BEGIN IMMEDIATE", NULL, NULL, NULL);
  unsigned char group[16], previous[32];
  memset(previous, 0x11, sizeof previous);
  for (long row = 0; row < count && code == SQLITE_OK; row++, self->count++) {
    // Groups come in no order, like the dialogue ids that they are.
    unsigned long long mixed = (unsigned long long)(self->count / 8 + 1) * 0x9E3779B97F4A7C15ull;
    memcpy(group, &mixed, 8);
    memcpy(group + 8, &mixed, 8);
    sqlite3_bind_int64(self->insert, 1, self->count);
    sqlite3_bind_int64(self->insert, 2, 1700000000000000000 + self->count);
    sqlite3_bind_int64(self->insert, 3, 1);
    sqlite3_bind_int64(self->insert, 4, 1 + self->count / 8 % 16);
    sqlite3_bind_blob(self->insert, 5, group, sizeof group, SQLITE_STATIC);
    sqlite3_bind_blob(self->insert, 6, previous, sizeof previous, SQLITE_STATIC);
    sqlite3_bind_blob(self->insert, 7, body, body_count, SQLITE_STATIC);
    code = sqlite3_step(self->insert) == SQLITE_DONE ? SQLITE_OK : sqlite3_errcode(self->database);
    sqlite3_reset(self->insert);
  }
  return code == SQLITE_OK ? sqlite3_exec(self->database, "COMMIT", NULL, NULL, NULL) : code;
}

void plain_sqlite_close(plain_sqlite *self) {
  if (!self) return;
  sqlite3_finalize(self->insert);
  sqlite3_close(self->database);
  free(self);
}

plain_sqlite *plain_sqlite_open_tree(const char *path) {
  plain_sqlite *self = calloc(1, sizeof *self);
  if (self && sqlite3_open(path, &self->database) == SQLITE_OK &&
      sqlite3_exec(self->database, "PRAGMA synchronous = OFF; BEGIN; DELETE FROM tree", NULL, NULL, NULL) == SQLITE_OK &&
      sqlite3_prepare_v2(self->database, "INSERT INTO tree VALUES (?1, ?2)", -1, &self->insert, NULL) == SQLITE_OK)
    return self;
  plain_sqlite_close(self);
  return NULL;
}

int plain_sqlite_insert_block(plain_sqlite *self, const unsigned char *hashes, int byte_count) {
  sqlite3_bind_int64(self->insert, 1, self->count++);
  sqlite3_bind_blob(self->insert, 2, hashes, byte_count, SQLITE_STATIC);
  int code = sqlite3_step(self->insert) == SQLITE_DONE ? SQLITE_OK : sqlite3_errcode(self->database);
  sqlite3_reset(self->insert);
  // A write-ahead log as large as the whole would be in the way.
  if (code == SQLITE_OK && self->count % 65536 == 0)
    code = sqlite3_exec(self->database, "COMMIT; BEGIN", NULL, NULL, NULL);
  return code;
}

int plain_sqlite_finish_tree(plain_sqlite *self) {
  return sqlite3_exec(self->database, "COMMIT; PRAGMA wal_checkpoint(TRUNCATE)", NULL, NULL, NULL);
}
