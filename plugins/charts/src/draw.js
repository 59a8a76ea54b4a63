// A line for each series, as SVG: d3's scales and shapes, without a document.

import { extent, max, min } from 'd3-array';
import { scaleLinear, scalePoint, scaleUtc } from 'd3-scale';
import { curveMonotoneX, line } from 'd3-shape';

const WIDTH = 800;
const HEIGHT = 400;
const MARGIN = { top: 40, right: 120, bottom: 40, left: 60 };

/** Told apart by most who do not see all colours, too (Okabe and Ito). */
const COLOURS = ['#0072b2', '#d55e00', '#009e73', '#cc79a7', '#e69f00', '#56b4e9', '#000000'];

/** Names that fit under the picture. */
const MOST_NAMES = 12;

/** A picture of `{ along: { kind, values }, series: [{ name, values }] }`. A value that is null is a gap. */
export function draw({ along, series }, title) {
  const x = scaleOf(along).range([MARGIN.left, WIDTH - MARGIN.right]);
  const all = series.flatMap(({ values }) => values.filter((value) => value !== null));
  // A chart of lengths begins at nothing; what goes below it begins where it does.
  const y = scaleLinear([Math.min(0, min(all) ?? 0), Math.max(0, max(all) ?? 1)], [HEIGHT - MARGIN.bottom, MARGIN.top]).nice();
  const parts = [heading(title), ...rows(y), ...columns(x, along), ...series.map((one, index) => graph(one, index, along, x, y))];
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${HEIGHT}" font-family="sans-serif" font-size="12">
<rect width="${WIDTH}" height="${HEIGHT}" fill="#fff"/>
${parts.join('\n')}
</svg>
`;
}

function scaleOf({ kind, values }) {
  if (kind === 'names') return scalePoint().domain(values.map((_, index) => index));
  return (kind === 'dates' ? scaleUtc() : scaleLinear()).domain(extent(values));
}

function heading(title) {
  return `<text x="${MARGIN.left}" y="24" font-size="16">${escaped(title)}</text>`;
}

/** The grid's lines with their numbers. */
function rows(y) {
  const name = y.tickFormat(6);
  return y.ticks(6).map((tick) => {
    const at = round(y(tick));
    return `<path d="M${MARGIN.left},${at}H${WIDTH - MARGIN.right}" stroke="#ddd"/><text x="${MARGIN.left - 8}" y="${at + 4}" text-anchor="end">${name(tick)}</text>`;
  });
}

/** What stands below the picture. */
function columns(x, { kind, values }) {
  const every = Math.ceil(values.length / MOST_NAMES);
  const ticks = kind === 'names' ? values.map((_, index) => index).filter((index) => index % every === 0) : x.ticks(8);
  const name = kind === 'names' ? (index) => values[index] : x.tickFormat(8);
  const at = HEIGHT - MARGIN.bottom + 18;
  return ticks.map((tick) => `<text x="${round(x(tick))}" y="${at}" text-anchor="middle">${escaped(name(tick))}</text>`);
}

function graph({ name, values }, index, along, x, y) {
  const place = (at) => (along.kind === 'names' ? x(at) : x(along.values[at]));
  const path = line((_, at) => place(at), (value) => y(value)).defined((value) => value !== null).curve(curveMonotoneX).digits(1);
  const colour = COLOURS[index % COLOURS.length];
  const beside = MARGIN.top + 20 * index + 12;
  return `<path d="${path(values) ?? ''}" fill="none" stroke="${colour}" stroke-width="2" stroke-linecap="round"/>
<text x="${WIDTH - MARGIN.right + 12}" y="${beside}" fill="${colour}">${escaped(name)}</text>`;
}

function round(number) {
  return Math.round(number * 10) / 10;
}

function escaped(text) {
  return String(text).replace(/[&<>"]/g, (c) => ({ '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;' })[c]);
}
