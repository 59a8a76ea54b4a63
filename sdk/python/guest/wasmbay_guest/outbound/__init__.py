"""How an application calls other servers and plugins: over wasi:http, which asks the manifest's grants.

`asked` has what both versions have in common, `waiting` calls by 0.3 on the event loop, `blocking` by 0.2 in place.
`hooks` lets the clients that applications use call by these, as soon as one is imported.
"""
