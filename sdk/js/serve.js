// Brings `export default { fetch }` to the engine's fetch event.

/** Serves what comes with the plugin's handler. */
export function serve(plugin) {
  if (typeof plugin?.fetch !== 'function') {
    throw new TypeError('the plugin has to `export default { fetch(request) { … } }`');
  }
  addEventListener('fetch', (event) => event.respondWith(answer(plugin, event)));
}

async function answer(plugin, event) {
  try {
    const context = { params: params(event.request), waitUntil: (work) => event.waitUntil(work) };
    const response = await plugin.fetch(event.request, context);
    if (!(response instanceof Response)) throw new TypeError(`fetch answered with ${response}, not with a Response`);
    return response;
  } catch (error) {
    // The log has everything, the client nothing of it.
    console.error(error instanceof Error ? `Uncaught ${error}\n${error.stack}` : `Uncaught ${error}`);
    const problem = { title: 'Internal Server Error', status: 500, detail: 'The plugin failed.' };
    return Response.json(problem, { status: 500, headers: { 'content-type': 'application/problem+json' } });
  }
}

/** The parameters of the route's path in plugin.toml, decoded. */
function params(request) {
  const found = {};
  for (const [name, value] of request.headers) {
    if (name.startsWith(PARAM)) found[name.slice(PARAM.length)] = decodeURIComponent(value);
  }
  return found;
}

const PARAM = 'wasmbay-param-';
