// {{name}}: a CGI command. plugin.toml says which requests come here.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// What the host says of the request: the variables of RFC 3875 and each header as HTTP_….
static const char *told(const char *name) {
  const char *value = getenv(name);
  return value ? value : "";
}

static void head(const char *status, const char *type) {
  printf("Status: %s\r\nContent-Type: %s\r\n\r\n", status, type);
}

// An error in the form of RFC 9457.
static void problem(int status, const char *title, const char *detail) {
  char line[64];
  snprintf(line, sizeof line, "%d %s", status, title);
  head(line, "application/problem+json");
  printf("{\"title\":\"%s\",\"status\":%d,\"detail\":\"%s\"}\n", title, status, detail);
}

// Decodes %xx in place.
static char *decoded(char *text) {
  char *to = text, hex[3] = {0};
  for (char *from = text; *from; from++) {
    if (*from == '%' && from[1] && from[2]) {
      hex[0] = from[1], hex[1] = from[2];
      *to++ = (char)strtol(hex, NULL, 16);
      from += 2;
    } else {
      *to++ = *from;
    }
  }
  *to = 0;
  return text;
}

// GET /{{name}}/hello/{who}?times=N
static void hello(void) {
  char *who = decoded(strdup(told("HTTP_WASMBAY_PARAM_WHO")));
  const char *times = strstr(told("QUERY_STRING"), "times=");
  head("200 OK", "text/plain; charset=utf-8");
  for (int left = times ? atoi(times + 6) : 1; left > 0; left--) printf("hello %s\n", who);
}

// POST /{{name}}/sum with a JSON list of numbers
static void sum(void) {
  static char body[65536];
  body[fread(body, 1, sizeof body - 1, stdin)] = 0;
  double total = 0;
  char *at = body + strspn(body, " \n"), *end;
  if (*at++ != '[') return problem(400, "Bad Request", "The body is not a list of numbers.");
  for (;; at = end + 1) {
    double number = strtod(at, &end);
    if (end == at) return problem(400, "Bad Request", "The list has something in it that is no number.");
    total += number;
    end += strspn(end, " \n");
    if (*end == ']') break;
    if (*end != ',') return problem(400, "Bad Request", "The list does not end.");
  }
  head("200 OK", "application/json");
  printf("{\"sum\":%.17g}\n", total);
}

// POST /{{name}}/echo: piece by piece, so that the body's size does not matter
static void echo(void) {
  char piece[16384];
  const char *type = told("CONTENT_TYPE");
  head("200 OK", *type ? type : "application/octet-stream");
  for (size_t size; (size = fread(piece, 1, sizeof piece, stdin)) > 0;) fwrite(piece, 1, size, stdout);
}

// GET /{{name}}/fail: a fault of the plugin; its log says where
static void fail(void) {
  fprintf(stderr, "main.c: this always fails\n");
  abort();
}

int main(void) {
  const char *route = told("HTTP_WASMBAY_ROUTE");
  if (!strcmp(route, "/{{name}}/hello/{who}")) hello();
  else if (!strcmp(route, "/{{name}}/sum")) sum();
  else if (!strcmp(route, "/{{name}}/echo")) echo();
  else if (!strcmp(route, "/{{name}}/fail")) fail();
  else problem(404, "Not Found", "There is no such path.");
  return 0;
}
