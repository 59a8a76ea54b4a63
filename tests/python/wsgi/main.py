"""Flask, Falcon and Bottle side by side, each under a path of its own."""

import logging

import bottle
import falcon
import flask
import httpx
import requests
import urllib3
from werkzeug.middleware.dispatcher import DispatcherMiddleware

log = logging.getLogger("wsgi")
site = flask.Flask("site")
site.secret_key = "for tests"


@site.get("/")
def index():
    flask.session["visits"] = flask.session.get("visits", 0) + 1
    return {"query": flask.request.args, "visits": flask.session["visits"], "url": flask.request.path}


@site.get("/users/<int:number>")
def user(number):
    if number == 404:
        flask.abort(404)
    response = flask.jsonify(number=number)
    response.set_cookie("last", str(number), httponly=True)
    return response


@site.post("/sum")
def add():
    return {"sum": sum(flask.request.get_json())}


@site.post("/form")
def form():
    file = flask.request.files.get("file")
    return {"name": flask.request.form.get("name"), "size": len(file.read()) if file else None}


@site.post("/echo")
def echo():
    def pieces():
        while piece := flask.request.stream.read(65536):
            yield piece
    return flask.Response(flask.stream_with_context(pieces()), content_type=flask.request.content_type)


@site.post("/count")
def count():
    return str(len(flask.request.get_data()))


@site.get("/problem")
def problem():
    body = flask.jsonify(title="Bad Request", status=400)
    body.content_type = "application/problem+json"
    return body, 400


@site.get("/stream")
def stream():
    return flask.Response((f"{number}\n" for number in range(3)), mimetype="text/csv")


@site.get("/fail")
def fail():
    log.info("about to fail")
    raise RuntimeError("unhandled")


@site.get("/paths/<path:rest>")
def paths(rest):
    return {"rest": rest, "query": flask.request.query_string.decode(), "script": flask.request.script_root}


def told(status, text):
    return {"status": status, "text": text}


@site.get("/calls/stands")
def stands():
    """Calls another server by one of three clients, that know nothing of components."""
    url, client = flask.request.args["url"], flask.request.args["with"]
    seconds = flask.request.args.get("timeout", 30, type=float)
    try:
        if client == "urllib3":
            answer = urllib3.PoolManager(retries=False, timeout=seconds).request("GET", url)
            return told(answer.status, answer.data.decode())
        answer = (requests if client == "requests" else httpx).get(url, timeout=seconds)
        return told(answer.status_code, answer.text)
    except (requests.RequestException, httpx.HTTPError, urllib3.exceptions.HTTPError) as error:
        return {"error": type(error).__name__, "text": str(error)}


@site.post("/calls/relay")
def relay():
    """Passes a body on while it comes, and the answer too."""
    pieces = iter(lambda: flask.request.stream.read1(65536), b"")
    answer = requests.post(flask.request.args["url"], data=pieces, stream=True)
    return flask.Response(answer.iter_content(None), answer.status_code)


@site.get("/calls/broken")
def broken():
    """Its own body fails."""
    def pieces():
        yield b"begun"
        raise ValueError("no more of it")
    try:
        httpx.post(flask.request.args["url"], content=pieces())
    except ValueError as error:
        return {"error": "ValueError", "text": str(error)}


class Things:
    def on_get(self, request, response, name):
        if name == "none":
            raise falcon.HTTPNotFound(title="Lost", description="no such thing")
        response.media = {"name": name, "limit": request.get_param_as_int("limit", default=3)}

    def on_post(self, request, response, name):
        response.media = {"name": name, "sent": request.get_media()}
        response.status = falcon.HTTP_201


things = falcon.App()
things.add_route("/things/{name}", Things())
bottled = bottle.Bottle()


@bottled.get("/hello/<name>")
def hello(name):
    return {"hello": name, "times": bottle.request.query.get("times")}


@bottled.post("/sum")
def bottled_sum():
    return {"sum": sum(bottle.request.json)}


def bare(environ, start_response):
    """Fails where its path says, with no framework to answer for it."""
    if environ["PATH_INFO"] == "/before":
        raise RuntimeError("before the head")
    start_response("200 OK", [("content-type", "text/plain")])

    def pieces():
        yield b"begun"
        if environ["PATH_INFO"] == "/amid":
            raise RuntimeError("amid the body")
        yield b", ended"
    return pieces()


app = DispatcherMiddleware(site, {"/falcon": things, "/bottle": bottled, "/bare": bare})
