// charts: a table in, a picture out. plugin.toml says which requests come here.

import { csvParseRows } from 'd3-dsv';

import { draw } from './draw.js';

/** More columns than anybody tells apart. */
const MOST_SERIES = 10;

/** @type {import('../../../sdk/js/wasmbay').Plugin} */
export default {
  async fetch(request) {
    const title = new URL(request.url).searchParams.get('title') ?? '';
    try {
      const svg = draw(read(await request.text()), title);
      return new Response(svg, { headers: { 'content-type': 'image/svg+xml' } });
    } catch (error) {
      if (!(error instanceof Unusable)) throw error;
      return problem(422, 'Unprocessable Content', error.message);
    }
  },
};

/** A table that no chart can be made of. Its message is for whoever sent it. */
class Unusable extends Error {}

/** The rows of a CSV table whose first row names its columns, and whose first column is what the others go along. */
function read(text) {
  const [names = [], ...rows] = csvParseRows(text.trim());
  if (names.length < 2 || rows.length < 2) throw new Unusable('The table needs two columns and two rows below their names.');
  if (names.length - 1 > MOST_SERIES) throw new Unusable(`The table has more than ${MOST_SERIES} columns of values.`);
  const table = rows.map((row, index) => {
    if (row.length !== names.length) throw new Unusable(`Line ${index + 2} has ${row.length} values, not ${names.length}.`);
    return row.map((cell) => cell.trim());
  });
  const series = names.slice(1).map((name, column) => ({
    name: name.trim(),
    values: table.map((row, index) => number(row[column + 1], index + 2, name)),
  }));
  return { along: along(table.map(([first]) => first)), series };
}

/** An empty cell is a gap. */
function number(cell, line, name) {
  if (cell === '') return null;
  const value = Number(cell);
  if (!Number.isFinite(value)) throw new Unusable(`Line ${line}, ${name.trim()}: "${cell.slice(0, 40)}" is no number.`);
  return value;
}

/** The first column as numbers or dates where all of it is, else as names. */
function along(cells) {
  const numbers = cells.map((cell) => (cell === '' ? NaN : Number(cell)));
  if (numbers.every(Number.isFinite)) return { kind: 'numbers', values: numbers };
  const dates = cells.map((cell) => (/^\d{4}-\d\d(-\d\d)?/.test(cell) ? new Date(cell) : new Date(NaN)));
  if (dates.every((date) => !Number.isNaN(date.getTime()))) return { kind: 'dates', values: dates };
  return { kind: 'names', values: cells };
}

/** An error in the form of RFC 9457. */
function problem(status, title, detail) {
  return Response.json({ title, status, detail }, { status, headers: { 'content-type': 'application/problem+json' } });
}
