// Starting a server where it is to run, and asking the kernel what it used.
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "CBareLoop.h"

bool bare_process_pin_self(int core, int priority) {
  cpu_set_t set;
  CPU_ZERO(&set);
  for (int i = 0; i < CPU_SETSIZE; i++) {
    if (core < 0 || i == core) CPU_SET(i, &set);
  }
  struct sched_param parameter = {.sched_priority = priority};
  bool is_pinned = sched_setaffinity(0, sizeof set, &set) == 0;
  return sched_setscheduler(0, priority > 0 ? SCHED_FIFO : SCHED_OTHER, &parameter) == 0 && is_pinned;
}

pid_t bare_process_start(char *const *arguments, int core, int priority, bool quiet) {
  pid_t parent = getpid(), process = fork();
  if (process != 0) return process;
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (getppid() != parent) _exit(1);
  bare_process_pin_self(core, priority);
  if (quiet) {
    int null = open("/dev/null", O_WRONLY);
    dup2(null, 1);
    dup2(null, 2);
  }
  execvp(arguments[0], arguments);
  _exit(127);
}

void bare_process_stop(pid_t process) {
  kill(process, SIGKILL);
  waitpid(process, NULL, 0);
}

bool bare_process_runs(pid_t process) {
  siginfo_t info = {0};
  if (waitid(P_PID, (id_t)process, &info, WEXITED | WNOHANG | WNOWAIT) == 0) return info.si_pid == 0;
  return kill(process, 0) == 0;
}

double bare_process_cpu_seconds(pid_t process) {
  clockid_t clock;
  struct timespec time;
  if (clock_getcpuclockid(process, &clock) != 0 || clock_gettime(clock, &time) != 0) return -1;
  return (double)time.tv_sec + (double)time.tv_nsec * 1e-9;
}

int64_t bare_process_private_bytes(pid_t process) {
  char path[64], line[256];
  snprintf(path, sizeof path, "/proc/%d/smaps_rollup", process);
  FILE *file = fopen(path, "re");
  if (file == NULL) return -1;
  long long kilobytes = -1;
  while (fgets(line, sizeof line, file) != NULL) {
    if (sscanf(line, "Private_Dirty: %lld kB", &kilobytes) == 1) break;
  }
  fclose(file);
  return kilobytes < 0 ? -1 : kilobytes * 1024;
}

static int local_socket(struct sockaddr_in *address, const char *host, uint16_t port) {
  *address = (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons(port)};
  if (inet_pton(AF_INET, host, &address->sin_addr) != 1) return -1;
  return socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
}

uint16_t bare_free_port(void) {
  struct sockaddr_in address;
  int fd = local_socket(&address, "127.0.0.1", 0);
  socklen_t size = sizeof address;
  uint16_t port = 0;
  if (fd >= 0 && bind(fd, (struct sockaddr *)&address, size) == 0 &&
      getsockname(fd, (struct sockaddr *)&address, &size) == 0) {
    port = ntohs(address.sin_port);
  }
  if (fd >= 0) close(fd);
  return port;
}

bool bare_port_answers(const char *host, uint16_t port) {
  struct sockaddr_in address;
  int fd = local_socket(&address, host, port);
  struct linger linger = {1, 0};
  if (fd < 0) return false;
  setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof linger);
  bool answers = connect(fd, (struct sockaddr *)&address, sizeof address) == 0;
  close(fd);
  return answers;
}

int bare_raise_file_limit(void) {
  struct rlimit limit;
  if (getrlimit(RLIMIT_NOFILE, &limit) < 0) return 1024;
  limit.rlim_cur = limit.rlim_max;
  setrlimit(RLIMIT_NOFILE, &limit);
  return limit.rlim_cur > 1 << 20 ? 1 << 20 : (int)limit.rlim_cur;
}

static bool write_pem(const char *path, X509 *certificate, EVP_PKEY *key) {
  FILE *file = fopen(path, "we");
  if (file == NULL) return false;
  bool is_well = certificate != NULL ? PEM_write_X509(file, certificate) == 1
                                     : PEM_write_PrivateKey(file, key, NULL, NULL, 0, NULL, NULL) == 1;
  return fclose(file) == 0 && is_well;
}

bool bare_make_certificate(const char *certificate_path, const char *key_path) {
  EVP_PKEY *key = EVP_EC_gen("P-256");
  X509 *certificate = X509_new();
  bool is_well = key != NULL && certificate != NULL;
  if (is_well) {
    X509_set_version(certificate, X509_VERSION_3);
    ASN1_INTEGER_set(X509_get_serialNumber(certificate), 1);
    X509_gmtime_adj(X509_getm_notBefore(certificate), -3600);
    X509_gmtime_adj(X509_getm_notAfter(certificate), 86400);
    X509_NAME *name = X509_get_subject_name(certificate);
    X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, (const unsigned char *)"localhost", -1, -1, 0);
    X509_set_issuer_name(certificate, name);
    X509_set_pubkey(certificate, key);
    is_well = X509_sign(certificate, key, EVP_sha256()) > 0 && write_pem(certificate_path, certificate, NULL) &&
              write_pem(key_path, NULL, key);
  }
  X509_free(certificate);
  EVP_PKEY_free(key);
  return is_well;
}
