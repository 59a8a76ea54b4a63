"""Starlette, with applications of Falcon's and Quart's mounted in it, and a bare ASGI application beside it."""

import falcon
import falcon.asgi
import quart
from starlette.applications import Starlette
from starlette.background import BackgroundTask
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.sessions import SessionMiddleware
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, StreamingResponse
from starlette.routing import Mount, Route

import calls


async def index(request: Request):
    request.session["visits"] = request.session.get("visits", 0) + 1
    return JSONResponse({"query": dict(request.query_params), "visits": request.session["visits"]})


async def user(request: Request):
    if request.path_params["number"] == 404:
        raise HTTPException(404, "no such user")
    return JSONResponse(request.path_params, headers={"x-twice": "1"}, background=BackgroundTask(print, "after"))


async def count(request: Request):
    return PlainTextResponse(str(sum([len(piece) async for piece in request.stream()])))


async def stream(_request: Request):
    async def pieces():
        for number in range(3):
            yield f"{number}\n"
    return StreamingResponse(pieces(), 203, media_type="text/plain")


async def fail(_request: Request):
    raise RuntimeError("unhandled")


class Things:
    async def on_get(self, request, response, name):
        if name == "none":
            raise falcon.HTTPNotFound(title="Lost", description="no such thing")
        response.media = {"name": name, "limit": request.get_param_as_int("limit", default=3)}
        response.set_header("x-falcon", "yes")

    async def on_post(self, request, response, name):
        response.media = {"name": name, "sent": await request.get_media()}
        response.status = falcon.HTTP_201


things = falcon.asgi.App()
things.add_route("/things/{name}", Things())


quarters = quart.Quart("quarters")


@quarters.route("/coins/<int:number>")
async def coins(number):
    if number == 404:
        quart.abort(404)
    return {"number": number, "query": quart.request.args.to_dict(flat=False)}, 200, {"x-quart": "yes"}


@quarters.post("/sum")
async def add():
    return {"sum": sum(await quart.request.get_json())}


@quarters.post("/form")
async def form():
    return await quart.render_template_string("{{ form }} {{ files }}", form=(await quart.request.form).to_dict(),
                                              files=[file.filename for file in (await quart.request.files).values()])


@quarters.route("/stream")
async def pieces():
    async def numbers():
        for number in range(3):
            yield f"{number}\n"
    return numbers(), 203, {"content-type": "text/plain"}


@quarters.route("/fail")
async def broken():
    raise RuntimeError("unhandled")


@quarters.before_request
async def before():
    quart.g.seen = quart.request.path


@quarters.after_request
async def after(response):
    response.headers["x-seen"] = quart.g.seen
    return response


async def bare(scope, receive, send):
    """Fails where its path says, with no framework to answer for it."""
    if scope["path"].endswith("/before"):
        raise RuntimeError("before the head")
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/plain")]})
    await send({"type": "http.response.body", "body": b"begun", "more_body": True})
    if scope["path"].endswith("/amid"):
        raise RuntimeError("amid the body")
    if not scope["path"].endswith("/unfinished"):
        await send({"type": "http.response.body", "body": b", ended"})


site = Starlette(
    routes=[
        Route("/", index), Route("/users/{number:int}", user), Route("/count", count, methods=["POST"]),
        Route("/stream", stream), Route("/fail", fail), Mount("/falcon", things), Mount("/quart", quarters),
        *calls.routes,
    ],
    middleware=[Middleware(SessionMiddleware, secret_key="for tests")],
)


async def app(scope, receive, send):
    """Starlette answers for what is mounted in it: the bare application stands beside it."""
    await (bare if scope.get("path", "").startswith("/bare") else site)(scope, receive, send)
