"""The search of the stock service as the system's description builds it: FastAPI, uvicorn, all companies in
memory, rapidfuzz for names that are misspelt. The same data, the same paths, the same answers in kind."""

import csv
import os

from fastapi import FastAPI, HTTPException
from pydantic import BaseModel, Field
from rapidfuzz import fuzz, process

with open(os.environ["TICKERS"], encoding="utf-8") as file:
    COMPANIES = [
        {
            "symbol": row["symbol"],
            "name": row["name"],
            "country": row["country"] or None,
            "indices": row["indices"].split(","),
            "isin": row["isin"] or None,
            "wkn": row["isin"][5:11] if row["isin"].startswith("DE000") else None,
            "sector": row["sector"] or None,
        }
        for row in csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE)
    ]
BY_ID = {}
for company in COMPANIES:
    for key in (company["symbol"], company["isin"], company["wkn"]):
        if key:
            BY_ID.setdefault(key, company)
NAMES = [company["name"].lower() for company in COMPANIES]

app = FastAPI()


class SearchRequest(BaseModel):
    query: str = Field(min_length=1, max_length=64)
    limit: int = Field(default=10, ge=1, le=50)


class Found(BaseModel):
    symbol: str
    name: str
    country: str | None
    indices: list[str]
    isin: str | None
    wkn: str | None
    sector: str | None
    match: str
    similarity: float


class SearchAnswer(BaseModel):
    query: str
    count: int
    results: list[Found]


@app.get("/health")
async def health():
    return {"status": "ok"}


@app.post("/api/v1/stock/search")
async def search(request: SearchRequest) -> SearchAnswer:
    query = request.query.strip().lower()
    if not query:
        raise HTTPException(422, "query is empty")
    exact = BY_ID.get(query.upper())
    found = [(exact, "symbol", 1.0)] if exact else matching(query)
    if not found:
        best = process.extract(query, NAMES, scorer=fuzz.WRatio, limit=request.limit, score_cutoff=60)
        found = [(COMPANIES[place], "similar", score / 100) for _, score, place in best]
    results = [
        Found(**company, match=match, similarity=similarity)
        for company, match, similarity in found[: request.limit]
    ]
    return SearchAnswer(query=request.query, count=len(results), results=results)


def matching(query):
    starts = [c for c in COMPANIES if c["symbol"].lower().startswith(query)]
    inside = [c for c, name in zip(COMPANIES, NAMES) if query in name and c not in starts]
    return [(c, "symbol_start", 1.0) for c in starts] + [(c, "inside", 1.0) for c in inside]
