"""Calls to other servers, by clients that know nothing of components."""

import asyncio

import httpx
import requests
from starlette.requests import Request
from starlette.responses import JSONResponse, StreamingResponse
from starlette.routing import Route

#: Made while the component is built, as applications do.
client = httpx.AsyncClient(headers={"x-from": "httpx"}, timeout=30)


def told(response):
    return {"status": response.status_code, "text": response.text, "type": response.headers.get("content-type")}


async def answered(call):
    """What came of a call: the answer, or the client's own exception."""
    try:
        return JSONResponse(told(await call))
    except (httpx.HTTPError, TimeoutError) as error:
        return JSONResponse({"error": type(error).__name__, "text": str(error)})


async def waits(request: Request):
    query = request.query_params
    options = {"timeout": float(query["timeout"])} if "timeout" in query else {}
    follow = "follow" in query
    return await answered(client.request(query.get("method", "GET"), query["url"], follow_redirects=follow, **options))


async def within(request: Request):
    """Given up by the application itself."""
    seconds = float(request.query_params["seconds"])
    return await answered(asyncio.wait_for(client.get(request.query_params["url"]), seconds))


async def together(request: Request):
    calls = [client.post(request.query_params["url"], json={"number": number}) for number in range(8)]
    return JSONResponse([told(response) for response in await asyncio.gather(*calls)])


async def relay(request: Request):
    """Passes a body on while it comes, and the answer too."""
    outgoing = client.build_request("POST", request.query_params["url"], content=request.stream())
    response = await client.send(outgoing, stream=True)
    return StreamingResponse(response.aiter_raw(), response.status_code)


async def broken(request: Request):
    """Its own body fails."""
    async def pieces():
        yield b"begun"
        raise ValueError("no more of it")
    try:
        await client.post(request.query_params["url"], content=pieces())
    except ValueError as error:
        return JSONResponse({"error": "ValueError", "text": str(error)})


def stands(request: Request):
    """Without `await`: an endpoint that other servers run in a thread."""
    url, seconds = request.query_params["url"], float(request.query_params.get("timeout", 30))
    try:
        if request.query_params["with"] == "requests":
            return JSONResponse(told(requests.get(url, timeout=seconds)))
        with httpx.Client() as blocking:
            return JSONResponse(told(blocking.get(url, timeout=seconds)))
    except (requests.RequestException, httpx.HTTPError) as error:
        return JSONResponse({"error": type(error).__name__, "text": str(error)})


routes = [
    Route("/calls/waits", waits), Route("/calls/within", within), Route("/calls/together", together),
    Route("/calls/relay", relay, methods=["POST"]), Route("/calls/broken", broken), Route("/calls/stands", stands),
]
