#!/usr/bin/env python3
"""Fills the columns isin and sector of tickers.tsv from the Python package pytickersymbols.

    python3 -m venv venv && venv/bin/pip install pytickersymbols==1.17.10
    venv/bin/python extract.py tickers.tsv

A company is found by its symbol, then by its name. Of several ISINs the first valid one counts; a sector is
the first industry of the package that names one.
"""

import re
import sys

from pytickersymbols import PyTickerSymbols

SECTORS = {
    "Energy": ["Energy"],
    "Materials": ["Materials", "Basic Materials", "Chemicals", "Metals & Mining", "Mining"],
    "Industrials": ["Industrials", "Industrial Goods", "Machinery", "Conglomerate", "Transport"],
    "Consumer Discretionary": ["Consumer Discretionary", "Consumer Cyclicals", "Automotive", "Retail"],
    "Consumer Staples": ["Consumer Staples", "Consumer Non-Cyclicals", "Food", "Foods"],
    "Health Care": ["Health Care", "Healthcare", "Pharmaceuticals"],
    "Financials": ["Financials", "Financial services", "Insurance", "Banking", "Other Financial"],
    "Information Technology": ["Information Technology", "Technology", "Semiconductors", "Electric machinery"],
    "Communication Services": ["Communication Services", "Telecommunications", "Communications", "Media"],
    "Utilities": ["Utilities"],
    "Real Estate": ["Real Estate"],
}
SECTOR_OF = {word: sector for sector, words in SECTORS.items() for word in words}


def is_isin(text):
    if not re.fullmatch(r"[A-Z]{2}[A-Z0-9]{9}[0-9]", text):
        return False
    digits = [int(d) for c in text for d in str(int(c, 36))]
    doubled = [d * 2 if n % 2 else d for n, d in enumerate(reversed(digits))]
    return sum(d // 10 + d % 10 for d in doubled) % 10 == 0


def main(path):
    companies = list(PyTickerSymbols().get_all_stocks())
    found = {}
    for company in companies:
        for key in [company.get("symbol"), company["name"].lower()]:
            found.setdefault(key, company)
    with open(path, encoding="utf-8") as file:
        rows = [line.split("\t")[:4] for line in file.read().splitlines()[1:]]
    with open(path, "w", encoding="utf-8") as file:
        file.write("symbol\tname\tcountry\tindices\tisin\tsector\n")
        for symbol, name, country, indices in rows:
            company = found.get(symbol) or found.get(name.lower()) or {}
            isin = next(filter(is_isin, company.get("isins", [])), "")
            sector = next((SECTOR_OF[i] for i in company.get("industries", []) if i in SECTOR_OF), "")
            file.write("\t".join([symbol, name, country, indices, isin, sector]) + "\n")


main(sys.argv[1])
