// What a plugin's module has to export. Request, Response, URL, streams and fetch are those of the web's standards.

/** What goes with a request. */
export interface Context {
  /** The parameters of the route's path in plugin.toml, decoded. */
  readonly params: Readonly<Record<string, string>>;
  /** Keeps the plugin running after its response until this has ended, within `limits.after_response`. */
  waitUntil(work: Promise<unknown>): void;
}

/** A plugin: `export default { … } satisfies Plugin`. */
export interface Plugin {
  /** Answers one request. What it throws is written to the log, and answered with status 500. */
  fetch(request: Request, context: Context): Response | Promise<Response>;
}
