// SPDX-License-Identifier: Apache-2.0
// libzmq as a system of the comparison: see the line protocol in internal/lab. A request
// carries the number of its caller in the first four bytes of the payload, so that one
// socket serves them all; the hub is ZeroMQ's own proxy.
#define _GNU_SOURCE
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>
#include <zmq.h>

static const char *role = "", *pattern = "call", *at = "";
static int hub, callers = 1, bytes = 64, subscribers = 1;
static double warm = .2, run = .6;
static void *context;

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec + t.tv_nsec / 1e9;
}

static void die(const char *what) {
  fprintf(stderr, "%s: %s\n", what, zmq_strerror(zmq_errno()));
  exit(1);
}

static void say(const char *line) {
  puts(line);
  fflush(stdout);
}

// begin waits until whoever measures has read the clocks.
static void begin(void) {
  say("begin");
  if (getchar() == EOF) exit(0);
}

// where makes ZeroMQ's address of ours; the two doors of a hub differ in their suffix.
static const char *where(int back) {
  static char text[2][256];
  if (!strncmp(at, "unix://", 7))
    snprintf(text[back], sizeof text[back], "ipc://%s%s", at + 7, back ? "b" : "");
  else if (back) {
    const char *colon = strrchr(at, ':');
    int port = atoi(colon + 1);
    snprintf(text[back], sizeof text[back], "%.*s:%d", (int)(colon - at), at, port < 65000 ? port + 1 : port - 1);
  } else
    snprintf(text[back], sizeof text[back], "%s", at);
  return text[back];
}

static void *door(int type, int binds, int back) {
  void *s = zmq_socket(context, type);
  int limit = 100000, linger = 0, buffer = 4 << 20, yes = 1;
  zmq_setsockopt(s, ZMQ_LINGER, &linger, sizeof linger);
  zmq_setsockopt(s, ZMQ_SNDBUF, &buffer, sizeof buffer);
  zmq_setsockopt(s, ZMQ_RCVBUF, &buffer, sizeof buffer);
  zmq_setsockopt(s, ZMQ_SNDHWM, &limit, sizeof limit);
  zmq_setsockopt(s, ZMQ_RCVHWM, &limit, sizeof limit);
  // Who is too fast waits: nothing is dropped.
  if (type == ZMQ_ROUTER) zmq_setsockopt(s, ZMQ_ROUTER_MANDATORY, &yes, sizeof yes);
  if (type == ZMQ_PUB || type == ZMQ_XPUB) zmq_setsockopt(s, ZMQ_XPUB_NODROP, &yes, sizeof yes);
  if (binds ? zmq_bind(s, where(back)) : zmq_connect(s, where(back))) die(where(back));
  return s;
}

// answer echoes; asked for a stream, it sends as many messages as the request says.
static void answer(void *s) {
  zmq_msg_t id, m;
  static char item[1 << 20];
  for (;;) {
    zmq_msg_init(&id);
    if (zmq_msg_recv(&id, s, 0) < 0) die("recv");
    zmq_msg_init(&m);
    if (zmq_msg_recv(&m, s, 0) < 0) die("recv");
    if (!strcmp(pattern, "stream")) {
      uint64_t n;
      memcpy(&n, zmq_msg_data(&m), sizeof n);
      for (; n; n--) {
        zmq_send(s, zmq_msg_data(&id), zmq_msg_size(&id), ZMQ_SNDMORE);
        zmq_send(s, item, bytes, 0);
      }
      zmq_msg_close(&id);
      zmq_msg_close(&m);
      continue;
    }
    zmq_msg_send(&id, s, ZMQ_SNDMORE);
    zmq_msg_send(&m, s, 0);
  }
}

enum { MAX = 1 << 22 };
static double *spans;

static int less(const void *a, const void *b) {
  double x = *(const double *)a, y = *(const double *)b;
  return x < y ? -1 : x > y;
}

// calls keeps as many requests under way as there are callers.
static long calls(void *s, char *request, double limit, long *kept) {
  static double sent[1024];
  double began = now();
  long n = 0;
  int open = 0;
  *kept = 0;
  for (int i = 0; i < callers; i++, open++) {
    memcpy(request, &i, sizeof i);
    sent[i] = now();
    zmq_send(s, request, bytes, 0);
  }
  while (open) {
    zmq_msg_t m;
    int i;
    zmq_msg_init(&m);
    if (zmq_msg_recv(&m, s, 0) < 0) die("recv");
    memcpy(&i, zmq_msg_data(&m), sizeof i);
    memcpy(request, zmq_msg_data(&m), zmq_msg_size(&m));  // the answer belongs to the caller
    zmq_msg_close(&m);
    double t = now();
    if (*kept < MAX) spans[(*kept)++] = t - sent[i];
    n++;
    if (t - began >= limit) {
      open--;
      continue;
    }
    sent[i] = t;
    zmq_send(s, request, bytes, 0);
  }
  return n;
}

static void stream(void *s, uint64_t n) {
  char item[1 << 16];
  zmq_send(s, &n, sizeof n, 0);
  for (; n; n--)
    if (zmq_recv(s, item, sizeof item, 0) != bytes) die("a message of another size");
}

static void caller(void) {
  void *s = door(ZMQ_DEALER, 0, 0);
  char *request = calloc(1, bytes + 8);
  double began, took = 0;
  long n = 1000, kept = 0;
  spans = calloc(MAX, sizeof *spans);
  if (!strcmp(pattern, "stream")) {
    for (;; n *= 2) {
      began = now();
      stream(s, n);
      if ((took = now() - began) >= warm) break;
    }
    n = n * run / took;
    begin();
    began = now();
    stream(s, n);
    took = now() - began;
    say("end");
    printf("{\"ops\":%ld,\"seconds\":%.9f}\n", n, took);
    return;
  }
  calls(s, request, warm, &kept);
  begin();
  began = now();
  n = calls(s, request, run, &kept);
  took = now() - began;
  say("end");
  qsort(spans, kept, sizeof *spans, less);
  printf("{\"ops\":%ld,\"seconds\":%.9f,\"p50_us\":%.3f,\"p99_us\":%.3f}\n", n, took, spans[kept / 2] * 1e6, spans[kept * 99 / 100] * 1e6);
}

static void subscriber(void) {
  zmq_pollitem_t items[64];
  int done[64] = {0}, left = subscribers;
  long n = 0;
  double began = 0;
  char m[1 << 16];
  for (int i = 0; i < subscribers; i++) {
    void *s = door(ZMQ_SUB, 0, 1);
    zmq_setsockopt(s, ZMQ_SUBSCRIBE, "", 0);
    items[i] = (zmq_pollitem_t){.socket = s, .events = ZMQ_POLLIN};
  }
  usleep(200000);  // ZeroMQ does not say when a subscription holds
  say("ready");
  while (left) {
    if (zmq_poll(items, subscribers, -1) < 0) die("poll");
    for (int i = 0; i < subscribers; i++) {
      if (!(items[i].revents & ZMQ_POLLIN)) continue;
      for (int k = 0; k < 1000 && zmq_recv(items[i].socket, m, sizeof m, ZMQ_DONTWAIT) >= 0; k++) {
        if (m[0] != 'w' && !began) {
          began = now();
          say("begin");
        }
        if (m[0] == 'r') n++;
        if (m[0] == 'e' && !done[i]) done[i] = 1, left--;
      }
    }
  }
  double took = now() - began;
  say("end");
  printf("{\"ops\":%ld,\"seconds\":%.9f}\n", n, took);
}

static long publish(void *s, char kind, double limit) {
  static char m[1 << 16];
  long n = 0;
  memset(m, 'x', bytes);
  m[0] = kind;
  for (double began = now(); n % 16 || now() - began < limit; n++)
    if (zmq_send(s, m, bytes, 0) < 0) die("send");
  return n;
}

static void publisher(void) {
  void *s = door(ZMQ_PUB, 0, 0);
  usleep(200000);  // until the hub has told it of the subscriptions
  publish(s, 'w', warm);
  printf("{\"published\":%ld}\n", publish(s, 'r', run));
  fflush(stdout);
  for (;; usleep(20000)) {
    char end[64] = {'e'};
    zmq_send(s, end, bytes < 64 ? bytes : 64, 0);
  }
}

static double seconds(const char *text) {
  char *unit;
  double v = strtod(text, &unit);
  return !strncmp(unit, "ms", 2) ? v / 1e3 : !strncmp(unit, "µs", 2) ? v / 1e6 : v;
}

int main(int c, char **v) {
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  for (int i = 1; i < c; i++) {
    const char *value = i + 1 < c ? v[i + 1] : "";
    if (!strcmp(v[i], "-hub=true")) hub = 1;
    if (!strcmp(v[i], "-role")) role = value;
    if (!strcmp(v[i], "-pattern")) pattern = value;
    if (!strcmp(v[i], "-at")) at = value;
    if (!strcmp(v[i], "-callers")) callers = atoi(value);
    if (!strcmp(v[i], "-bytes")) bytes = atoi(value);
    if (!strcmp(v[i], "-subscribers")) subscribers = atoi(value);
    if (!strcmp(v[i], "-warm")) warm = seconds(value);
    if (!strcmp(v[i], "-run")) run = seconds(value);
  }
  context = zmq_ctx_new();
  int pub = !strcmp(pattern, "publish");
  if (!strcmp(role, "serve")) {
    void *s = door(ZMQ_ROUTER, 1, 0);
    say("ready");
    answer(s);
  } else if (!strcmp(role, "provide")) {
    void *s = zmq_socket(context, ZMQ_ROUTER);  // behind a DEALER the identity of the caller comes first
    if (zmq_connect(s, where(1))) die(where(1));
    say("ready");
    zmq_msg_t id, m, payload;
    for (;;) {  // identity of the proxy's door, identity of the caller, payload
      zmq_msg_init(&id);
      zmq_msg_init(&m);
      zmq_msg_init(&payload);
      if (zmq_msg_recv(&id, s, 0) < 0 || zmq_msg_recv(&m, s, 0) < 0 || zmq_msg_recv(&payload, s, 0) < 0) die("recv");
      zmq_msg_send(&id, s, ZMQ_SNDMORE);
      zmq_msg_send(&m, s, ZMQ_SNDMORE);
      zmq_msg_send(&payload, s, 0);
    }
  } else if (!strcmp(role, "hub")) {
    void *front = door(pub ? ZMQ_XSUB : ZMQ_ROUTER, 1, 0), *back = door(pub ? ZMQ_XPUB : ZMQ_DEALER, 1, 1);
    say("ready");
    zmq_proxy(front, back, NULL);
  } else if (!strcmp(role, "call"))
    caller();
  else if (!strcmp(role, "subscribe"))
    subscriber();
  else if (!strcmp(role, "publish"))
    publisher();
  return 0;
}
