// A plugin of the tests: what a fetch handler may do, in an engine that serves many requests.

let served = 0;

const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

const handlers = {
  count: () => new Response(`${++served}\n`),

  /** Events with pauses between them. */
  events() {
    let sent = 0;
    const source = {
      async pull(to) {
        if (sent > 0) await pause(150);
        to.enqueue(new TextEncoder().encode(`data: ${sent++}\n\n`));
        if (sent === 3) to.close();
      },
    };
    return new Response(new ReadableStream(source), { headers: { 'content-type': 'text/event-stream' } });
  },

  /** Goes on after its response. */
  after(request, { waitUntil }) {
    const work = async () => {
      await pause(50);
      served += 100;
      throw new Error('fails after its response');
    };
    waitUntil(work());
    return new Response('answered\n');
  },

  /** Waits and calls while the body comes. */
  async both(request, { asked }) {
    const meanwhile = (async () => {
      for (let turn = 0; turn < 3; turn++) await pause(5);
      return (await fetch(asked.get('url'))).text();
    })();
    return Response.json({ text: await request.text(), meanwhile: await meanwhile });
  },

  async call(request, { asked }) {
    const method = asked.get('method') ?? 'GET';
    const init = method === 'GET' ? {} : { method, body: request.body, duplex: 'half' };
    try {
      const answer = await fetch(asked.get('url'), init);
      return new Response(answer.body, { status: answer.status, headers: { 'x-from': answer.url } });
    } catch (error) {
      return new Response(`${error}\n`, { status: 502 });
    }
  },

  head(request) {
    const headers = new Headers({ 'x-mine': 'caf\u00e9', connection: 'close' });
    headers.append('set-cookie', 'a=1');
    headers.append('set-cookie', 'b=2');
    const { method, url } = request;
    return Response.json({ method, url, told: request.headers.get('x-told') }, { status: 201, headers });
  },

  unread: () => new Response('unread\n'),

  nothing: () => new Response(null, { status: 204 }),

  echo: (request) => new Response(request.body),

  /** A second reader of the same body. */
  async twice(request) {
    const copy = request.clone();
    return new Response((await copy.text()) + (await request.text()));
  },

  /** A body that breaks off. */
  broken: () =>
    new Response(
      new ReadableStream({
        async pull(to) {
          to.enqueue(new TextEncoder().encode('begun'));
          await pause(20);
          to.error(new Error('the body fails'));
        },
      }),
    ),

  used: async (request) => {
    const response = new Response('text');
    await response.text();
    return response;
  },

  text: () => 'no response',

  /** An error that nothing can catch. */
  async timer() {
    setTimeout(() => {
      throw new Error('thrown by a timer');
    }, 0);
    await pause(1000);
    return new Response('too late\n');
  },

  spin() {
    for (;;);
  },
};

export default {
  fetch(request, context) {
    const url = new URL(request.url);
    return handlers[url.pathname.split('/')[2]](request, { ...context, asked: url.searchParams });
  },
};
