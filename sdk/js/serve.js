// Brings `export default { fetch }` to wasi:http's incoming-handler, as an ordinary export. The engine has a fetch event
// of its own, which is one object for the engine's life: with it an instance could serve one request only.

import { subscribeDuration } from 'wasi:clocks/monotonic-clock@0.2.10';
import { Fields, OutgoingBody, OutgoingResponse, ResponseOutparam } from 'wasi:http/types@0.2.10';
import { poll } from 'wasi:io/poll@0.2.10';

/** The most that is read of a request's body at once, in bytes. */
const PIECE = 65536n;

/** The longest that the engine stands still for a body, in milliseconds. */
const LONGEST_PAUSE = 32;

/** The route's parameters have this before their names. */
const PARAM = 'wasmbay-param-';

/** What a host takes from no guest: it says these itself. */
const HOSTS_OWN = new Set([
  'connection',
  'host',
  'http2-settings',
  'keep-alive',
  'proxy-authenticate',
  'proxy-authorization',
  'proxy-connection',
  'transfer-encoding',
  'upgrade',
]);

/** Serves what comes with the plugin's handler. Calls of `handle` come one after the other. */
export function serve(plugin) {
  if (typeof plugin?.fetch !== 'function') {
    throw new TypeError('the plugin has to `export default { fetch(request) { … } }`');
  }
  return { handle: (incoming, out) => handle(plugin, incoming, out) };
}

/** One request. The engine runs until this has ended, so that what is promised after the response is part of it. */
async function handle(plugin, incoming, out) {
  const body = new IncomingBody(incoming);
  const promised = [];
  let over = false;
  const waitUntil = (work) => {
    if (over) throw new TypeError('waitUntil: the request is over');
    // Waited for from now on: what fails meanwhile is not unhandled.
    promised.push(Promise.resolve(work).catch(report));
  };
  await send(await answer(plugin, incoming, body, waitUntil), out);
  // What is promised may promise more.
  for (let next = 0; next < promised.length; next++) await promised[next];
  over = true;
  body.release();
  incoming[Symbol.dispose]();
}

/** The plugin's response, and how it is put to the host. Nothing is thrown. */
async function answer(plugin, incoming, body, waitUntil) {
  try {
    const { request, params } = received(incoming, body);
    const response = await plugin.fetch(request, { params, waitUntil });
    if (!(response instanceof Response)) throw new TypeError(`fetch answered with ${response}, not with a Response`);
    if (response.bodyUsed) throw new TypeError('fetch answered with a Response whose body is used up');
    return prepared(response);
  } catch (error) {
    // The log has everything, the client nothing of it.
    report(error);
    const problem = { title: 'Internal Server Error', status: 500, detail: 'The plugin failed.' };
    const headers = { 'content-type': 'application/problem+json' };
    return prepared(Response.json(problem, { status: 500, headers }));
  }
}

function report(error) {
  console.error(error instanceof Error ? `Uncaught ${error}\n${error.stack}` : `Uncaught ${error}`);
}

/** The request in the web's form, and the parameters of the route's path in plugin.toml, decoded. */
function received(incoming, body) {
  const { tag, val } = incoming.method();
  const method = val ?? tag.toUpperCase();
  const fields = incoming.headers();
  const headers = fields.entries();
  fields[Symbol.dispose]();
  const params = {};
  for (const header of headers) {
    const name = header[0];
    header[1] = String.fromCharCode.apply(null, header[1]);
    if (name.startsWith(PARAM)) params[name.slice(PARAM.length)] = decodeURIComponent(header[1]);
  }
  const scheme = incoming.scheme()?.tag === 'HTTPS' ? 'https' : 'http';
  const url = `${scheme}://${incoming.authority() ?? 'localhost'}${incoming.pathWithQuery() ?? '/'}`;
  const init = { method, headers };
  if (method !== 'GET' && method !== 'HEAD') Object.assign(init, { body: body.stream(), duplex: 'half' });
  return { request: new Request(url, init), params };
}

/** The body of a request, read no faster than the plugin asks for it. */
class IncomingBody {
  #incoming;
  #body;
  #stream;
  #over = false;

  constructor(incoming) {
    this.#incoming = incoming;
  }

  /** It as a stream of the web. */
  stream() {
    return new ReadableStream({ pull: (to) => this.#pull(to), cancel: () => this.release() }, { highWaterMark: 0 });
  }

  async #pull(to) {
    if (this.#over) return to.error(new TypeError('the request is over'));
    try {
      this.#body ??= this.#incoming.consume();
      this.#stream ??= this.#body.stream();
      let bytes = this.#stream.read(PIECE);
      while (bytes.length === 0) {
        await ready(this.#stream);
        if (this.#over) return to.error(new TypeError('the request is over'));
        bytes = this.#stream.read(PIECE);
      }
      // The bindings have globals of their own, and so a Uint8Array that is not the plugin's.
      to.enqueue(new Uint8Array(bytes));
    } catch (error) {
      this.release();
      if (error.payload?.tag === 'closed') return to.close();
      to.error(new TypeError('the request broke off'));
    }
  }

  /** Gives back what the host holds for it. */
  release() {
    this.#over = true;
    this.#stream?.[Symbol.dispose]();
    this.#body?.[Symbol.dispose]();
    this.#stream = this.#body = undefined;
  }
}

/** A response with its head in the host's form. Throws what the host does not take. */
function prepared(response) {
  const headers = [];
  for (const [name, value] of response.headers) {
    if (!HOSTS_OWN.has(name)) headers.push([name, bytesOf(value)]);
  }
  const outgoing = new OutgoingResponse(Fields.fromList(headers));
  outgoing.setStatusCode(response.status);
  return { outgoing, response };
}

/** A header's value: a byte for each character. */
function bytesOf(value) {
  const bytes = new Uint8Array(value.length);
  for (let at = 0; at < bytes.length; at++) bytes[at] = value.charCodeAt(at);
  return bytes;
}

/** Sends a response, piece by piece as they come. A body that fails is broken off, not ended. */
async function send({ outgoing, response }, out) {
  const body = outgoing.body();
  ResponseOutparam.set(out, { tag: 'ok', val: outgoing });
  const whole = response.body === null || (await sendBody(response.body.getReader(), body));
  if (whole) OutgoingBody.finish(body, undefined);
  else body[Symbol.dispose]();
}

/** Whether the body went out to its end. */
async function sendBody(reader, body) {
  const stream = body.write();
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return true;
      await write(stream, value);
    }
  } catch (error) {
    if (error.payload?.tag === undefined) report(error);
    // Nobody listens any more: what makes the body may stop.
    else await reader.cancel(error).catch(report);
    return false;
  } finally {
    stream[Symbol.dispose]();
  }
}

async function write(stream, bytes) {
  if (!(bytes instanceof Uint8Array)) throw new TypeError(`the body has ${bytes} in it, not bytes`);
  for (let from = 0; from < bytes.length; ) {
    const room = Number(stream.checkWrite());
    if (room === 0) {
      await ready(stream);
      continue;
    }
    const piece = bytes.subarray(from, from + room);
    stream.write(piece);
    from += piece.length;
  }
}

/**
 * Waits until a stream of the host has something or takes something. The engine's own loop knows nothing of these: it
 * stands still meanwhile, for short times between which everything else that is ready has its turn.
 */
async function ready(stream) {
  const pollable = stream.subscribe();
  try {
    for (let pause = 1; !pollable.ready(); pause = Math.min(pause * 2, LONGEST_PAUSE)) {
      const timer = subscribeDuration(BigInt(pause) * 1_000_000n);
      const [first] = poll([pollable, timer]);
      timer[Symbol.dispose]();
      if (first === 0) return;
      await new Promise((resolve) => setTimeout(resolve, 0));
    }
  } finally {
    pollable[Symbol.dispose]();
  }
}
