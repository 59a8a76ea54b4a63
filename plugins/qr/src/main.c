// qr: a CGI command. plugin.toml says which requests come here.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "qr.h"

enum { QUIET = 4 };  // light modules around a code, for readers

// What the host says of the request: the variables of RFC 3875 and each header as HTTP_….
static const char *told(const char *name) {
  const char *value = getenv(name);
  return value ? value : "";
}

// An error in the form of RFC 9457.
static void problem(int status, const char *title, const char *detail) {
  printf("Status: %d %s\r\nContent-Type: application/problem+json\r\n\r\n", status, title);
  printf("{\"title\":\"%s\",\"status\":%d,\"detail\":\"%s\"}\n", title, status, detail);
}

static int digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  c |= 0x20;
  return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

// The value of `name` in the query, decoded. NULL where it is not there; the caller frees it. It may have any byte in it.
static uint8_t *parameter(const char *name, size_t *count) {
  size_t length = strlen(name);
  for (const char *at = told("QUERY_STRING"); *at; at += strcspn(at, "&"), at += *at == '&') {
    if (strncmp(at, name, length) || at[length] != '=') continue;
    const char *from = at + length + 1, *end = from + strcspn(from, "&");
    uint8_t *out = malloc(end - from + 1);
    if (!out) abort();
    for (*count = 0; from < end; from++) {
      bool coded = *from == '%' && end - from > 2 && digit(from[1]) >= 0 && digit(from[2]) >= 0;
      out[(*count)++] = coded ? digit(from[1]) << 4 | digit(from[2]) : *from == '+' ? ' ' : *from;
      if (coded) from += 2;
    }
    return out;
  }
  return NULL;
}

static bool dark(const Qr *qr, int row, int column) {
  return row >= 0 && column >= 0 && row < qr->size && column < qr->size && qr->dark[row][column];
}

// One path, whose pieces are the runs of dark modules.
static void picture(const Qr *qr) {
  int whole = qr->size + 2 * QUIET;
  printf("Content-Type: image/svg+xml\r\n\r\n");
  printf("<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %d %d\" shape-rendering=\"crispEdges\">", whole, whole);
  printf("<rect width=\"%d\" height=\"%d\" fill=\"#fff\"/><path d=\"", whole, whole);
  for (int row = 0; row < qr->size; row++) {
    for (int column = 0, run; column < qr->size; column += run ? run : 1) {
      for (run = 0; dark(qr, row, column + run);) run++;
      if (run) printf("M%d,%dh%dv1h-%dz", column + QUIET, row + QUIET, run, run);
    }
  }
  printf("\"/></svg>\n");
}

// Two modules a character, drawn by what is light: terminals are dark.
static void text(const Qr *qr) {
  static const char *const HALVES[] = {"█", "▀", "▄", " "};
  printf("Content-Type: text/plain; charset=utf-8\r\n\r\n");
  for (int row = -QUIET; row < qr->size + QUIET; row += 2) {
    for (int column = -QUIET; column < qr->size + QUIET; column++) {
      fputs(HALVES[dark(qr, row, column) * 2 + dark(qr, row + 1, column)], stdout);
    }
    putchar('\n');
  }
}

int main(void) {
  static Qr qr;
  size_t count = 0;
  uint8_t *bytes = parameter("text", &count);
  if (!bytes) problem(400, "Bad Request", "Say what the code says: ?text=…");
  else if (!qr_encode(&qr, bytes, count)) problem(414, "URI Too Long", "A code has room for 2331 bytes.");
  else if (!strcmp(told("HTTP_WASMBAY_ROUTE"), "/qr.txt")) text(&qr);
  else picture(&qr);
  free(bytes);
  return 0;
}
