// The two limits that the WebSocket engine is measured against, the load that measures them, and what a benchmark
// needs to know about another process. All of it is C, so that neither a limit nor the load depends on what is measured.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

// ---- The limits: servers that run until they are killed. They return only on failure, with an errno.

// A WebSocket echo on one epoll loop that only parses, unmasks and sends, frame by frame.
//
// With `broadcasts`, a message whose first byte is `P` goes to every connection. With `polls`, it never sleeps.
int bare_loop_serve(uint16_t port, bool broadcasts, bool polls);

// Echoes the bytes of TLS connections as they come, through OpenSSL on one epoll loop.
int bare_loop_serve_tls(uint16_t port, const char *certificate, const char *key, bool polls);

// ---- The load. Every reply is compared with what it must be, byte by byte. One thread, never asleep.

struct bare_load_options {
  // IPv4 address in text, and a port.
  const char *host;
  uint16_t port;
  int connection_count;
  // Messages that a connection sends at once, and all of whose replies it awaits before it sends again.
  int pipeline;
  // Payload bytes of a message.
  size_t byte_count;
  // At most so many payload bytes are under way at a time: the connections take turns where it would be more.
  size_t in_flight_limit;
  bool is_text;
  // TLS; `is_raw` sends the same frames without an upgrade, and expects them back as they were.
  bool uses_tls;
  bool is_raw;
  // The server's process; 0: unknown.
  pid_t server;
  // Broadcast: one more connection publishes `pipeline` messages at once, and all get them.
  bool is_broadcast;
};

struct bare_load_result {
  // Messages echoed, or delivered.
  uint64_t message_count;
  double seconds;
  double server_cpu_seconds;
  double client_cpu_seconds;
};

// Opens the connections of an echo or a broadcast. Returns a handle, or null and an error.
struct bare_load *bare_load_open(const struct bare_load_options *options, char error[200]);
// Connections that have messages under way at a time.
int bare_load_active_count(const struct bare_load *load);
// The TLS version and cipher, empty without TLS.
void bare_load_cipher(const struct bare_load *load, char text[96]);
// Loads the server for a time, and on until the last reply has come: all CPU that it cost is in the result, and none
// is left for who is measured next. `false`: see `error`; the handle is then good for closing only.
bool bare_load_run(struct bare_load *load, double seconds, struct bare_load_result *result, char error[200]);
void bare_load_close(struct bare_load *load);

// Measures round trips of single messages on one connection, `gap_microseconds` after the reply before.
//
// `polls`: this end spins instead of sleeping. Fills `nanoseconds` with `count` times. `false`: see `error`.
bool bare_latency_run(const struct bare_load_options *options, bool polls, int gap_microseconds, int count,
                      uint32_t *nanoseconds, char error[200]);

// Opens connections, upgraded and silent; with `echoes`, after one message each. Returns a handle, or null.
struct bare_idle *bare_idle_open(const struct bare_load_options *options, bool echoes, char error[200]);
void bare_idle_close(struct bare_idle *idle);

// ---- Processes.

// Starts a program on a core, at real-time priority where permitted, with its output discarded (`quiet`) or inherited.
//
// It dies with the caller. `arguments` ends in null. Returns its ID, or -1.
pid_t bare_process_start(char *const *arguments, int core, int priority, bool quiet);
// Kills it and waits.
void bare_process_stop(pid_t process);
// Whether it still runs.
bool bare_process_runs(pid_t process);
// CPU time of all its threads, user and system, in seconds; negative if unknown.
double bare_process_cpu_seconds(pid_t process);
// Its private memory that it has written to (`Private_Dirty`), in bytes; negative if unknown.
int64_t bare_process_private_bytes(pid_t process);
// Pins the caller to a core (-1: all) and gives it the real-time priority (0: none); whether both were permitted.
bool bare_process_pin_self(int core, int priority);
// A TCP port that is free now, or 0.
uint16_t bare_free_port(void);
// Whether something listens there.
bool bare_port_answers(const char *host, uint16_t port);
// Allows as many open files as the system does, and returns how many.
int bare_raise_file_limit(void);
// Writes a self-signed P-256 certificate for `localhost` and its key, PEM.
bool bare_make_certificate(const char *certificate, const char *key);
