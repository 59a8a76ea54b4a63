// life: a CGI command. plugin.toml says which requests come here.

import { Field } from "./field";

const MOST_SIDE = 512;
const MOST_GENERATIONS = 1000;

/** The pixels of a cell's side. */
const PIXELS = 8;

const LINE: u8 = 10;
const RETURN: u8 = 13;
const COMMENT: u8 = 33; // !
const DEAD: u8 = 46; // .
const ALIVE: u8 = 79; // O

main();

function main(): void {
  const generations = asked();
  if (generations < 0) return problem("400 Bad Request", `generations is a number from 0 to ${MOST_GENERATIONS}.`);
  const field = read(body());
  if (!field) return;
  for (let i = 0; i < generations; i++) field.step();
  if (told("HTTP_WASMBAY_ROUTE") == "/life.svg") picture(field);
  else text(field);
}

/** How many generations: `?generations=`, else one. Negative where it is none of what it may be. */
function asked(): i32 {
  const pairs = told("QUERY_STRING").split("&");
  for (let i = 0; i < pairs.length; i++) {
    if (!pairs[i].startsWith("generations=")) continue;
    const generations = F64.parseFloat(pairs[i].substring(12));
    return generations >= 0 && generations <= MOST_GENERATIONS && Math.floor(generations) == generations ? <i32>generations : -1;
  }
  return 1;
}

/** The field that lines of `.` and `O` draw; lines that begin with `!` are about it. Null where it is none: that has been said. */
function read(bytes: Uint8Array): Field | null {
  const rows = lines(bytes);
  let width = 0;
  for (let row = 0; row < rows.length; row++) width = max(width, rows[row].length);
  if (width == 0 || width > MOST_SIDE || rows.length > MOST_SIDE) {
    problem("422 Unprocessable Content", `A field has 1 to ${MOST_SIDE} rows and columns.`);
    return null;
  }
  const field = new Field(width, rows.length);
  for (let row = 0; row < rows.length; row++) {
    for (let column = 0; column < rows[row].length; column++) {
      const cell = rows[row][column];
      if (cell == ALIVE) field.set(row, column);
      else if (cell != DEAD) {
        problem("422 Unprocessable Content", `Row ${row + 1}, column ${column + 1}: a cell is . or O.`);
        return null;
      }
    }
  }
  return field;
}

/** The lines, but comments. */
function lines(bytes: Uint8Array): Uint8Array[] {
  const rows = new Array<Uint8Array>();
  for (let from = 0; from < bytes.length; ) {
    let end = bytes.indexOf(LINE, from);
    if (end < 0) end = bytes.length;
    const visible = end > from && bytes[end - 1] == RETURN ? end - 1 : end;
    if (from == end || bytes[from] != COMMENT) rows.push(bytes.subarray(from, visible));
    from = end + 1;
  }
  return rows;
}

function text(field: Field): void {
  const bytes = new Uint8Array((field.width + 1) * field.height);
  let at = 0;
  for (let row = 0; row < field.height; row++) {
    for (let column = 0; column < field.width; column++) bytes[at++] = field.get(row, column) ? ALIVE : DEAD;
    bytes[at++] = LINE;
  }
  process.stdout.write("Content-Type: text/plain\r\n\r\n");
  process.stdout.write(bytes.buffer);
}

function picture(field: Field): void {
  const path = new Array<string>();
  for (let row = 0; row < field.height; row++) {
    for (let column = 0; column < field.width; column++) {
      if (field.get(row, column)) path.push(`M${column},${row}h1v1h-1z`);
    }
  }
  const width = field.width.toString(), height = field.height.toString();
  process.stdout.write("Content-Type: image/svg+xml\r\n\r\n");
  process.stdout.write(
    `<svg xmlns="http://www.w3.org/2000/svg" width="${field.width * PIXELS}" height="${field.height * PIXELS}" ` +
      `viewBox="0 0 ${width} ${height}"><rect width="${width}" height="${height}" fill="#fff"/><path d="${path.join("")}"/></svg>\n`,
  );
}

/** An error in the form of RFC 9457. */
function problem(status: string, detail: string): void {
  process.stdout.write(`Status: ${status}\r\nContent-Type: application/problem+json\r\n\r\n`);
  process.stdout.write(`{"title":"${status.substring(4)}","status":${status.substring(0, 3)},"detail":"${detail}"}\n`);
}

/** What the host says of the request: the variables of RFC 3875 and each header as HTTP_…. */
function told(name: string): string {
  return process.env.has(name) ? process.env.get(name) : "";
}

/** The whole body: no more of it comes than the manifest lets in. */
function body(): Uint8Array {
  let whole = new Uint8Array(0);
  const piece = new ArrayBuffer(65536);
  for (let length = process.stdin.read(piece); length > 0; length = process.stdin.read(piece)) {
    const longer = new Uint8Array(whole.length + length);
    longer.set(whole);
    longer.set(Uint8Array.wrap(piece, 0, length), whole.length);
    whole = longer;
  }
  return whole;
}
