"""Reads, computes, asks outside, answers, and writes back: what waits does so here, what computes does it in the compute lane."""

import asyncio
import logging
from typing import Annotated

import httpx
from fastapi import FastAPI, Header, HTTPException
from pydantic import BaseModel

import database
from wasmbay import call_plugin, enqueue, variable

app = FastAPI(title="Forecast", docs_url="/forecast-py/docs", openapi_url="/forecast-py/openapi.json", redoc_url=None)


class Forecast(BaseModel):
    """What the plugin `trend` says of a product's sales, and what they are worth elsewhere."""

    product: str
    next: list[float]
    low: list[float]
    high: list[float]
    in_usd: list[float] | None


@app.get("/forecast-py/{product}")
async def forecast(product: str, wasmbay_request_id: Annotated[str, Header()], days: int = 7) -> Forecast:
    """What will be sold in the next days."""
    sales = database.sales(product)
    if len(sales) < 3:
        raise HTTPException(404, f"too little was sold of {product}")
    # The line is drawn in the compute lane while the answer from outside is on its way.
    trend, rate = await asyncio.gather(trend_of(sales, days), dollars())
    # On the disk when this is answered: it will be written back, whatever becomes of this request.
    await enqueue("forecast-py", f"/forecast-py/{product}/keep", key=wasmbay_request_id, json=trend["next"])
    in_usd = rate and [round(amount * rate, 2) for amount in trend["next"]]
    return Forecast(product=product, in_usd=in_usd, **trend)


@app.post("/forecast-py/{product}/keep", status_code=204)
async def keep(product: str, amounts: list[float], wasmbay_job_id: Annotated[str | None, Header()] = None) -> None:
    """The job: writes a forecast back. It may come twice, which is once."""
    # The route is everybody's; this header is the host's alone to set.
    if wasmbay_job_id is None:
        raise HTTPException(404, "forecasts are kept by jobs")
    database.keep(product, amounts)


@app.get("/forecast-py/{product}/kept")
async def kept(product: str) -> list[float]:
    """The forecast that was written back last."""
    return database.forecast(product)


@app.post("/forecast-py/{product}/sales", status_code=204)
async def sales(product: str, amounts: list[float]) -> None:
    """What was sold on further days."""
    database.sold(product, amounts)


async def trend_of(values: list[float], ahead: int) -> dict[str, list[float]]:
    """Asks the plugin `trend`; its complaint is passed on."""
    answer = await call_plugin("trend", "/trend", method="POST", json={"values": values, "ahead": ahead})
    if answer.status == 422:
        raise HTTPException(400, f"trend: {answer.text}")
    return answer.ok().json()


async def dollars() -> float | None:
    """What a euro is worth in dollars, outside; None when that is not to be had."""
    try:
        async with httpx.AsyncClient(timeout=2) as client:
            answer = await client.get(variable("rates"))
        return answer.raise_for_status().json()["rates"]["USD"]
    except httpx.HTTPError as error:
        logging.warning("no rate: %s", error)
        return None
