"""Adds up invoices: each line's amount, taxes by rate, what is to be paid. As JSON, as CSV, or as a page to print."""

import csv
import html
import io
from collections import defaultdict
from datetime import date, timedelta
from decimal import ROUND_HALF_UP, Decimal
from typing import Annotated

from fastapi import FastAPI, Query
from fastapi.responses import HTMLResponse, PlainTextResponse
from pydantic import BaseModel, Field, computed_field

CENT = Decimal("0.01")

app = FastAPI(title="Invoices", docs_url="/invoices/docs", openapi_url="/invoices/openapi.json", redoc_url=None)


def rounded(amount: Decimal) -> Decimal:
    """To the cent, half a cent up, as invoices are."""
    return amount.quantize(CENT, ROUND_HALF_UP)


class Line(BaseModel):
    """One line of an invoice."""

    text: str = Field(min_length=1, max_length=200)
    quantity: Decimal = Field(gt=0, max_digits=12, decimal_places=3)
    price: Decimal = Field(ge=0, max_digits=12, decimal_places=2, description="of one, without tax")
    tax: Decimal = Field(default=Decimal(20), ge=0, le=100, max_digits=5, decimal_places=2, description="in percent")

    @computed_field
    @property
    def amount(self) -> Decimal:
        return rounded(self.quantity * self.price)


class Invoice(BaseModel):
    """What is to be paid, by whom and when."""

    number: str = Field(pattern=r"^[A-Z0-9-]{1,20}$")
    issued: date
    days: Annotated[int, Field(ge=0, le=365)] = 30
    customer: str
    lines: list[Line] = Field(min_length=1, max_length=500)


class Totals(BaseModel):
    """An invoice added up. Taxes are of the sum of a rate's lines, which is where rounding is done."""

    number: str
    due: date
    net: Decimal
    taxes: dict[str, Decimal]
    gross: Decimal


def add_up(invoice: Invoice) -> Totals:
    """The totals of an invoice."""
    by_rate = defaultdict(Decimal)
    for line in invoice.lines:
        by_rate[line.tax] += line.amount
    taxes = {f"{rate.normalize():f}": rounded(amount * rate / 100) for rate, amount in sorted(by_rate.items())}
    net = sum(by_rate.values(), Decimal())
    due = invoice.issued + timedelta(days=invoice.days)
    return Totals(number=invoice.number, due=due, net=net, taxes=taxes, gross=net + sum(taxes.values()))


@app.post("/invoices/totals")
def totals(invoice: Invoice) -> Totals:
    return add_up(invoice)


@app.post("/invoices/csv", response_class=PlainTextResponse)
def as_csv(invoice: Invoice, separator: Annotated[str, Query(pattern="^[,;]$")] = ","):
    out = io.StringIO()
    writer = csv.writer(out, delimiter=separator)
    writer.writerow(["text", "quantity", "price", "tax", "amount"])
    writer.writerows([line.text, line.quantity, line.price, line.tax, line.amount] for line in invoice.lines)
    return PlainTextResponse(out.getvalue(), media_type="text/csv")


@app.post("/invoices/page", response_class=HTMLResponse)
def as_page(invoice: Invoice):
    sums = add_up(invoice)
    rows = "".join(
        f"<tr><td>{html.escape(line.text)}<td>{line.quantity}<td>{line.price}<td>{line.amount}" for line in invoice.lines)
    return (f"<!doctype html><title>{sums.number}</title><h1>Invoice {sums.number}</h1><p>{html.escape(invoice.customer)}"
            f"<table>{rows}</table><p>To be paid by {sums.due}: <b>{sums.gross}</b>\n")
