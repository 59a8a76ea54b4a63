// A wasi:http 0.2 handler in C, by hand: names and signatures are the canonical ABI's. It reads the request's path as any
// handler would, and answers.

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TYPES "wasi:http/types@0.2.12"
#define STREAMS "wasi:io/streams@0.2.12"
#define IMPORT(module, name) __attribute__((import_module(module), import_name(name)))
#define EXPORT(name) __attribute__((export_name(name)))

IMPORT(TYPES, "[method]incoming-request.path-with-query") void path_with_query(int32_t request, void *result);
IMPORT(TYPES, "[resource-drop]incoming-request") void drop_request(int32_t request);
IMPORT(TYPES, "[constructor]fields") int32_t new_fields(void);
IMPORT(TYPES, "[method]fields.append")
void append(int32_t fields, const char *name, int32_t name_len, const char *value, int32_t value_len, void *result);
IMPORT(TYPES, "[constructor]outgoing-response") int32_t new_response(int32_t fields);
IMPORT(TYPES, "[method]outgoing-response.body") void body_of(int32_t response, void *result);
IMPORT(TYPES, "[static]response-outparam.set")
void set(int32_t out, int32_t tag, int32_t response, int32_t, int64_t, int32_t, int32_t, int32_t, int32_t);
IMPORT(TYPES, "[method]outgoing-body.write") void stream_of(int32_t body, void *result);
IMPORT(TYPES, "[static]outgoing-body.finish") void finish(int32_t body, int32_t has, int32_t trailers, void *result);
IMPORT(STREAMS, "[method]output-stream.blocking-write-and-flush")
void put(int32_t stream, const char *text, int32_t len, void *result);
IMPORT(STREAMS, "[resource-drop]output-stream") void drop_stream(int32_t stream);

// Where the host puts what it passes in.
EXPORT("cabi_realloc") void *cabi_realloc(void *old, size_t old_len, size_t align, size_t len) {
  (void)old_len;
  (void)align;
  return realloc(old, len);
}

EXPORT("wasi:http/incoming-handler@0.2.12#handle") void handle(int32_t request, int32_t out) {
  // Room for the largest result there is; a result's first byte says ok (0) or error, an option's some (1) or none.
  int32_t result[16];
  path_with_query(request, result);
  char *path = (result[0] & 0xff) ? (char *)result[1] : NULL;
  int32_t length = path ? result[2] : 0;
  drop_request(request);

  char text[64];
  int size = snprintf(text, sizeof text, "%s\n", length > 0 ? "hello from c" : "no path");
  free(path);

  int32_t fields = new_fields();
  append(fields, "content-type", 12, "text/plain; charset=utf-8", 25, result);
  int32_t response = new_response(fields);
  body_of(response, result);
  int32_t body = result[1];
  set(out, 0, response, 0, 0, 0, 0, 0, 0);

  stream_of(body, result);
  int32_t stream = result[1];
  put(stream, text, size, result);
  drop_stream(stream);
  finish(body, 0, 0, result);
}
