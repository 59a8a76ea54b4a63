// {{name}}: a CGI command. plugin.toml says which requests come here.

const route = told("HTTP_WASMBAY_ROUTE");
if (route == "/{{name}}/hello/{who}") hello();
else if (route == "/{{name}}/sum") sum();
else if (route == "/{{name}}/echo") echo();
else if (route == "/{{name}}/fail") fail();
else problem(404, "Not Found", "There is no such path.");

// GET /{{name}}/hello/{who}?times=N
function hello(): void {
  let times = 1;
  const pairs = told("QUERY_STRING").split("&");
  for (let i = 0; i < pairs.length; i++) {
    if (pairs[i].startsWith("times=")) times = I32.parseInt(pairs[i].substring(6));
  }
  const who = decodeURIComponent(told("HTTP_WASMBAY_PARAM_WHO"));
  head("200 OK", "text/plain; charset=utf-8");
  process.stdout.write(("hello " + who + "\n").repeat(times));
}

// POST /{{name}}/sum with a JSON list of numbers
function sum(): void {
  const list = text().trim();
  if (!list.startsWith("[") || !list.endsWith("]")) return problem(400, "Bad Request", "The body is not a list.");
  const items = list.substring(1, list.length - 1).split(",");
  let total = 0.0;
  for (let i = 0; i < items.length; i++) {
    const number = F64.parseFloat(items[i].trim());
    if (isNaN(number)) return problem(400, "Bad Request", "The list has something in it that is no number.");
    total += number;
  }
  head("200 OK", "application/json");
  process.stdout.write('{"sum":' + total.toString() + "}\n");
}

// POST /{{name}}/echo: piece by piece, so that the body's size does not matter
function echo(): void {
  const kind = told("CONTENT_TYPE");
  head("200 OK", kind ? kind : "application/octet-stream");
  const piece = new ArrayBuffer(16384);
  for (let length = process.stdin.read(piece); length > 0; length = process.stdin.read(piece)) {
    process.stdout.write(piece.slice(0, length));
  }
}

// GET /{{name}}/fail: a fault of the plugin; its log says where
function fail(): void {
  throw new Error("nobody catches this");
}

// An error in the form of RFC 9457.
function problem(status: i32, title: string, detail: string): void {
  head(status.toString() + " " + title, "application/problem+json");
  process.stdout.write(`{"title":"${title}","status":${status},"detail":"${detail}"}\n`);
}

// What the host says of the request: the variables of RFC 3875 and each header as HTTP_….
function told(name: string): string {
  return process.env.has(name) ? process.env.get(name) : "";
}

function head(status: string, kind: string): void {
  process.stdout.write(`Status: ${status}\r\nContent-Type: ${kind}\r\n\r\n`);
}

// The whole body, as text.
function text(): string {
  let whole = "";
  const piece = new ArrayBuffer(16384);
  for (let length = process.stdin.read(piece); length > 0; length = process.stdin.read(piece)) {
    whole += String.UTF8.decode(piece.slice(0, length));
  }
  return whole;
}
